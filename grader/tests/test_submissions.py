"""What was handed in is found, read and accounted for, whichever program saved it and wherever it lies."""

import copy
import json
import os
import sqlite3
import sys
import time

import nbformat
import pytest

from grader import grade, gradebook, names, report, sandbox, submissions

from .handed_in import HOMEWORK, hand_in, notebook

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # about nbgrader's own queries
linux = pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8, links, pipes: only on Linux")
KNOWN = grade.assignments(sandbox.LIMITS)
CHECKS = ("check_val_dataloader", "check_pad_batch")
GOOD = notebook("val_dataloader = DataLoader(val_dataset, batch_size=16)")


def plain():
    return json.loads(nbformat.writes(GOOD))


def cells_of(made, kind="code"):
    return [cell for cell in made["cells"] if cell["cell_type"] == kind]


def changed(**values):
    """Return a function that sets these keys in every code cell; ``None`` for a key that goes."""

    def change(made):
        for cell in cells_of(made):
            for key, value in values.items():
                cell[key] = copy.deepcopy(value)

    return change


def without(*keys):
    def change(made):
        for cell in made["cells"]:
            for key in keys:
                cell.pop(key, None)

    return change


def colab(made):
    """Minor version 0, the id in the metadata, its own keys everywhere."""
    made.update(nbformat_minor=0)
    made["metadata"] = {"colab": {"provenance": [], "gpuType": "T4"}, "accelerator": "GPU", "widgets": {"x": [1]}}
    made["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for cell in made["cells"]:
        cell["metadata"] |= {"id": cell.pop("id"), "executionInfo": {"status": "ok", "timestamp": 1.7e12}}


def kaggle(made):
    """Neither ids nor nbgrader's metadata, and null for what is empty."""
    made.update(nbformat_minor=4)
    for cell in made["cells"]:
        del cell["id"]
        cell["metadata"] = {"_uuid": "8f2839f2", "trusted": True, "execution": {"iopub.status.busy": None}}


def version_3(made):
    for cell in cells_of(made):
        cell["input"], cell["language"], cell["prompt_number"] = cell.pop("source"), "python", None
        cell["outputs"] = [{"output_type": "pyout", "prompt_number": 1, "text": ["1"]}]
    made["cells"][0]["cell_type"], made["cells"][0]["level"] = "heading", 1
    made["worksheets"] = [{"cells": made.pop("cells"), "metadata": {}}]
    made.update(nbformat=3, nbformat_minor=0)


def one_id_for_all(made):
    for cell in made["cells"]:
        cell["id"] = "a b/ü" * 30


def windows_lines(made):
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")


def other_types(made):
    made["cells"][0]["cell_type"] = "sql"
    made["cells"].insert(1, None)
    made["cells"].append({"cell_type": "raw", "source": None})


def in_metadata(key, value):
    def change(made):
        made["metadata"][key] = value

    return change


OUTPUTS = {
    "transient": [{"output_type": "display_data", "data": {"text/plain": "1"}, "metadata": {}, "transient": {}}],
    "no data": [{"output_type": "execute_result"}],
    "data is a list": [{"output_type": "display_data", "data": ["x"], "metadata": None}],
    "of an unknown type": [{"output_type": "update_display_data", "data": {"application/x-y": {"a": [1]}}}],
    "null": None,
    "a string": "x",
    "not a number": [{"output_type": "execute_result", "data": {"application/json": float("nan")}}],
}
SAVED = {
    "as JupyterLab saves it": lambda made: None,
    "Colab": colab,
    "Kaggle": kaggle,
    "version 3": version_3,
    "no minor version": lambda made: made.pop("nbformat_minor"),
    "no version": lambda made: (made.pop("nbformat_minor"), made.pop("nbformat")),
    "version as text": lambda made: made.update(nbformat="4"),
    "version of the future": lambda made: made.update(nbformat=5, nbformat_minor=9),
    "old version with ids": lambda made: made.update(nbformat_minor=2),
    "no ids": without("id"),
    "one id for all": one_id_for_all,
    "no outputs, no count": without("outputs", "execution_count"),
    "count as text": changed(execution_count="7"),
    "markdown with outputs": lambda made: [cell.update(outputs=[]) for cell in cells_of(made, "markdown")],
    "attachments of any kind": lambda made: [cell.update(attachments=[1]) for cell in made["cells"]],
    "tags twice": lambda made: [cell["metadata"].update(tags=["a", "a"]) for cell in made["cells"]],
    "source as one string": lambda made: [cell.update(source="".join(cell["source"])) for cell in made["cells"]],
    "source null in a text": lambda made: cells_of(made, "markdown")[0].update(source=None),
    "no source in a text": lambda made: cells_of(made, "markdown")[0].pop("source"),
    "half an emoji in a text": lambda made: cells_of(made, "markdown")[0].update(source="\ud83d"),
    "windows lines": windows_lines,
    "cells of other types": other_types,
    "more keys": lambda made: made.update(extra=1, cells=[{**cell, "extra": {}} for cell in made["cells"]]),
    "kernel null": in_metadata("kernelspec", None),
    "kernel without a name": in_metadata("kernelspec", {}),
    "language null": in_metadata("language_info", None),
    "widgets": in_metadata("widgets", {"application/vnd.jupyter.widget-state+json": {"state": None}}),
    "metadata null": lambda made: made.update(metadata=None),
    "metadata a list": lambda made: made.update(metadata=[]),
    "no metadata": lambda made: made.pop("metadata"),
    "metadata of a text null": lambda made: [cell.update(metadata=None) for cell in cells_of(made, "markdown")],
    **{f"output {name}": changed(outputs=outputs) for name, outputs in OUTPUTS.items()},
}
ENCODED = {
    "a byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "Windows-1252": lambda text: text.encode("cp1252", "replace"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "escapes": lambda text: json.dumps(json.loads(text)).encode(),
    "zeros behind it": lambda text: text.encode() + b"\0" * 512,
    "tabs in strings": lambda text: text.replace("batch_size=16", "batch_size=\t16").encode(),
}


def read(folder):
    found = submissions.collect(folder, KNOWN)
    submissions.read(found, KNOWN)
    return found


def to_run(made):
    """What decides the grade: the code, and the checks' places in it."""
    return [
        ("".join(cell.source.split()), cell.metadata.get("nbgrader", {}).get("grade_id") in CHECKS)
        for cell in made.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("name", SAVED)
def test_whatever_saved_it_the_same_cells_run(name, tmp_path):
    made = plain()
    SAVED[name](made)
    hand_in(tmp_path, "ann", json.dumps(made))
    (submission,) = read(tmp_path)
    assert submission.problem is None and to_run(submission.notebook) == to_run(GOOD)
    assert submission.homework == HOMEWORK
    nbformat.validate(submission.notebook)


@pytest.mark.parametrize("name", ENCODED)
def test_whatever_the_encoding_the_same_cells_run(name, tmp_path):
    (tmp_path / "ann.ipynb").write_bytes(ENCODED[name](nbformat.writes(GOOD)))
    (submission,) = read(tmp_path)
    assert submission.problem is None and to_run(submission.notebook) == to_run(GOOD)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"),
        (b'{"cells": [{"cell_type": "code", "source": "x', "not JSON"),
        (b"\x89PNG\r\n", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "JSON of something else"),
        (b'{"cells": 5}', "JSON of something else"),
        (b'{"cells": []}', "without cells"),
        (b'{"cells": [null, 5]}', "without cells"),
        (b"", "an empty file"),
    ],
)
def test_what_is_no_notebook_says_why(content, why, tmp_path):
    (tmp_path / "ann.ipynb").write_bytes(content)
    (submission,) = read(tmp_path)
    assert why in submission.problem


def test_outputs_of_many_megabytes_do_no_harm(tmp_path):
    made = plain()
    cells_of(made)[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 30_000_000}]
    hand_in(tmp_path, "ann", json.dumps(made))
    (submission,) = read(tmp_path)
    assert submission.problem is None and to_run(submission.notebook) == to_run(GOOD)


def test_saved_again_with_other_outputs_it_is_the_same_submission(tmp_path):
    made = plain()
    digests = []
    for count in (1, 2):
        changed(execution_count=count, outputs=[{"output_type": "stream", "name": "stdout", "text": str(count)}])(made)
        hand_in(tmp_path, "ann", json.dumps(made))
        digests.append(read(tmp_path)[0].digest)
    assert digests[0] == digests[1]


def put(folder, where, content=None, age=0):
    """Write a notebook (or other content) under `folder`; `age` in hours."""
    path = folder / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if content is not None else nbformat.writes(GOOD).encode())
    when = time.time() - 3600 * age
    os.utime(path, (when, when))
    return path


def graded(folder):
    """Return {student: path} of what would be graded."""
    return {s.student: s.where for s in read(folder) if not s.problem}


def test_every_layout_is_found(tmp_path):
    layouts = {
        "ann": f"ann/{HOMEWORK}/homework.ipynb",
        "bob": "bob.ipynb",
        "carol": f"{HOMEWORK}/carol/homework.ipynb",
        "dave": f"{HOMEWORK}/dave.ipynb",
        "erin": "erin/homework.ipynb",
        "frank": "frank/week 7/my homework.IPYNB",
        "gina": f"submitted/gina/{HOMEWORK}/homework.ipynb",
        "A/ann": f"A/ann/{HOMEWORK}/homework.ipynb",
        "sue/course": f"sue/course/exercises/{HOMEWORK}/homework.ipynb",
        "hans": "hans/Homework.IPYNB",
        "ina": f"ina/{HOMEWORK.upper()}/x.ipynb",
        "jo": "homework 07/jo.ipynb",
        "kim": "kim/homework.ipynb.txt",
        "Smith, Lee(lee)": "Smith, Lee(lee)/Submission attachment(s)/homework.ipynb",
        "Mia May_4711": "Mia May_4711_assignsubmission_file_/homework.ipynb",
        "Ned Orr_4712": "Ned Orr_4712_assignsubmission_file_homework.ipynb",
        "patolga_340934": "patolga_LATE_340934_208490284_homework-1.ipynb",
        "quinn": "gradebook_07_quinn_attempt_2026-10-05-14-30-22_homework.ipynb",
        "Ria Sun": "12345-67890 - Ria Sun - Oct 5, 2026 230 PM/homework.ipynb",
        "tom": f"tom+{HOMEWORK}+2026-01-01 10:10:10.1 UTC+ab12/homework.ipynb",
    }
    for where in layouts.values():
        put(tmp_path, where)
    assert graded(tmp_path) == layouts


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("ann/homework (1).ipynb", "ann/homework.ipynb"),
        ("ann/homework.ipynb", "ann/homework (1).ipynb"),
        (f"ann/{HOMEWORK}/final.ipynb", f"ann/{HOMEWORK}/homework.ipynb"),
        (f"{HOMEWORK}/ann.ipynb", f"{HOMEWORK}/ann (1).ipynb"),
        ("ann-Copy1.ipynb", "ann.ipynb"),
        ("Copy of ann.ipynb", f"ann/{HOMEWORK}/homework.ipynb"),
        (f"{HOMEWORK}/ann/2/homework.ipynb", f"{HOMEWORK}/ann/1/homework.ipynb"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_of_two_copies_the_newest_file_counts_and_a_note_says_so(newer, older, first, tmp_path):
    for where, age in [(newer, 1), (older, 2)] if first else [(older, 2), (newer, 1)]:
        put(tmp_path, where, age=age)
    kept, other = sorted(read(tmp_path), key=lambda submission: submission.problem is not None)
    assert kept.where == newer and kept.student == other.student == "ann"
    assert newer in kept.notes[0] and older in kept.notes[0] and "the newest" in kept.notes[0]
    assert older in other.problem and newer in other.problem


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("ann_901_10000_homework-1.ipynb", "ann_LATE_901_9999_homework.ipynb"),
        ("hw_ann_attempt_2026-10-05-14-30-22_x.ipynb", "hw_ann_attempt_2026-10-05-09-30-22_x.ipynb"),
        ("1-2 - ann - Oct 5, 2026 230 PM/x.ipynb", "1-2 - ann - Oct 5, 2026 1130 AM/x.ipynb"),
        ("1-2 - ann - 12 October, 2026 900/x.ipynb", "1-2 - ann - 5 October, 2026 1430/x.ipynb"),
        ("ann+07+2026-03-01 10:10:10 UTC/x.ipynb", "ann+07+2026-02-01 10:10:10 UTC/x.ipynb"),
        ("ann/20261005143022_homework.ipynb", "ann/20261005143021_homework.ipynb"),
        ("ann 2026-10-05 at 14.30.22.ipynb", "ann 2026-10-04 at 19.30.22.ipynb"),
    ],
)
def test_the_time_in_a_platforms_name_goes_before_the_files(newer, older, tmp_path):
    put(tmp_path, newer, age=9)
    put(tmp_path, older, age=1)
    assert list(graded(tmp_path).values()) == [newer]


def test_a_time_beside_the_notebook_counts(tmp_path):
    for attempt, day in (("a", 9), ("b", 3)):
        put(tmp_path, f"{HOMEWORK}/ann/{attempt}/homework.ipynb", age=day)
        put(tmp_path, f"{HOMEWORK}/ann/{attempt}/timestamp.txt", f"2026-02-0{day} 15:58:23.948203 UTC".encode())
    assert graded(tmp_path) == {"ann": f"{HOMEWORK}/ann/a/homework.ipynb"}


@linux
def test_two_students_stay_two(tmp_path):
    where = {
        "Group (1)": "Group (1).ipynb",
        "Group (2)": "Group (2).ipynb",
        "homework": "homework.ipynb",
        "homework (1)": "homework (1).ipynb",
        "A/ann": f"A/ann/{HOMEWORK}/homework.ipynb",
        "B/ann": f"B/ann/{HOMEWORK}/homework.ipynb",
        r"M\xfcller": b"M\xfcller.ipynb",
        r"M\xf6ller": b"M\xf6ller.ipynb",
    }
    for path in where.values():
        put(tmp_path, os.fsdecode(path))
    assert set(graded(tmp_path)) == set(where)


@linux
def test_nothing_vanishes(tmp_path):
    put(tmp_path, f"ann/{HOMEWORK}/homework.ipynb")
    others = [
        "dave.zip",
        f"ann/course/solutions/{HOMEWORK}/homework.ipynb",
        "notes.txt",
        "._x.ipynb",
        ".DS_Store",
        "Thumbs.db",
        "ann/report.pdf",
        f"ann/{HOMEWORK}/._homework.ipynb",
        f"ann/{HOMEWORK}/.ipynb_checkpoints/homework-checkpoint.ipynb",
        "erin/homework.docx",
        "erin/deep/er/data.csv",
        "__MACOSX/ann/._homework.ipynb",
        f"{HOMEWORK}/frank/homework.rar",
    ]
    for where in others:
        put(tmp_path, where, b"\0\5")
    for empty in ("gina", f"hans/{HOMEWORK}", "ann/empty", "12_making_it_fast"):
        (tmp_path / empty).mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "ann")
    (tmp_path / "ina.ipynb").symlink_to(tmp_path / "ann" / HOMEWORK / "homework.ipynb")
    os.mkfifo(tmp_path / "pipe.ipynb")
    for own in ("grades.csv", "class.html", ".grading/gradebook.db"):
        put(tmp_path, own, b"x")
    found = read(tmp_path)
    everything = "\n".join(f"{s.where} {s.problem}" for s in found)
    folders = ("__MACOSX", ".ipynb_checkpoints", "ann/course/solutions")  # named, without what is in them
    for where in others:
        name = next((folder for folder in folders if folder in where), where)
        assert name in everything, where
    problems = {s.student: s.problem for s in found if s.problem}
    assert problems["dave"] == "dave.zip: an archive: unpack it, then grade again"
    for said in (
        "ann/report.pdf: not a notebook",
        "ann/empty: an empty folder",
        "solutions: the course's worked answers",
    ):
        assert said in problems["ann"]
    assert problems["erin"].startswith("no notebook in this folder (") and "erin/deep/er/data.csv" in problems["erin"]
    assert (
        problems["frank"].startswith("no notebook in this folder (") and "homework.rar: an archive" in problems["frank"]
    )
    assert problems["gina"].startswith("no notebook in this folder")
    assert problems["hans"].startswith("no notebook in this folder")
    assert problems["12_making_it_fast"].startswith("no notebook in this folder")
    assert "a link" in problems["linked"] and "a link" in problems["ina"] and "a link" in problems["pipe"]
    assert "._x.ipynb" in problems["._x"]
    assert ".ipynb_checkpoints" in problems["(no student)"] and ".DS_Store" in problems["(no student)"]
    assert "grades.csv" not in everything and "gradebook" not in everything
    assert graded(tmp_path) == {"ann": f"ann/{HOMEWORK}/homework.ipynb"}


@pytest.mark.parametrize("name", ["grades.csv", "class.html"])
@pytest.mark.parametrize("why", ["read-only", "open"])
def test_a_result_that_cannot_be_written_is_noticed_before_grading(name, why, tmp_path, monkeypatch):
    put(tmp_path, f"ann/{HOMEWORK}/homework.ipynb")
    put(tmp_path, name, b"old")
    if why == "open":
        put(tmp_path, f".~lock.{name}#", b",ann,laptop")
    else:
        (tmp_path / name).chmod(0o444)
    monkeypatch.setattr(grade, "grade", lambda *args: pytest.fail("graded all the same"))
    said = grade.main([str(tmp_path)])
    assert said.startswith("Nothing graded yet") and str(tmp_path / name) in said and why in said and "\n" not in said
    assert (tmp_path / name).read_bytes() == b"old"


def test_a_full_disk_keeps_the_old_grades(tmp_path, monkeypatch):
    put(tmp_path, "ann.ipynb")
    put(tmp_path, "grades.csv", b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(grade, "grade", lambda *args: [{"student": "ann", "homework": None, "points": None}])
    monkeypatch.setattr(report.os, "replace", full)
    said = grade.main([str(tmp_path)])
    assert "No space left on device" in said and "run the same command again" in said and "\n" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"ann.ipynb", "grades.csv"}
    assert (tmp_path / "grades.csv").read_bytes() == b"old"


def test_excel_sees_that_it_is_utf_8(tmp_path):
    row = {"student": "Jürgen \udcfc\x00", "homework": HOMEWORK, "points": 1.0, "note": "\ud83d"}
    report.write_csv(tmp_path / "grades.csv", [row])
    content = (tmp_path / "grades.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and "Jürgen".encode() in content and b"\0" not in content


@pytest.fixture
def no_alembic(monkeypatch):
    """nbgrader starts a program of 3 seconds to learn its own version."""
    monkeypatch.setattr("nbgrader.api.get_alembic_version", lambda: "1")


def no_result(*args):
    raise ValueError("half an \ud83d")


@pytest.mark.usefixtures("no_alembic")
@pytest.mark.parametrize("fails", ["run", "save", "store"])
def test_a_result_that_cannot_be_recorded_is_that_students_row(fails, tmp_path, monkeypatch):
    for student in "ab":
        put(tmp_path, f"{student}/{HOMEWORK}/homework.ipynb")
    if fails == "store":
        put(tmp_path, ".grading/autograded/a", b"a file in place of the folder")

    def run(new, known, db_url, *others):
        known[HOMEWORK].record(db_url)
        for submission in new:
            made, notes = known[HOMEWORK].restore(submission.notebook, submission, db_url)
            bad = submission.student == "a"
            entry = {"misconceptions": [], "notes": notes, "seconds": 1.0}
            with monkeypatch.context() as patched:
                if fails == "save" and bad:
                    patched.setattr(gradebook, "SaveAutoGrades", no_result)
                yield submission, ValueError("half an \ud83d") if fails == "run" and bad else (made, entry)

    monkeypatch.setattr(grade, "_run", run)
    rows = {row["student"]: row for row in grade.grade(tmp_path, unsafe=True)}
    assert rows["b"]["points"] == 10 and not rows["b"]["note"]
    if fails == "store":
        assert rows["a"]["points"] == 10 and "could not be stored" in rows["a"]["note"]
    else:
        assert rows["a"]["points"] is None
        assert rows["a"]["note"].startswith("not graded: no result could be recorded (ValueError: half an")
    report.write_csv(tmp_path / "grades.csv", rows.values())
    report.write_page(tmp_path / "class.html", list(rows.values()), grade.misconception)


@pytest.mark.parametrize("dead", [1, 2])
def test_one_fork_server_that_does_not_start_leaves_its_work_to_the_others(dead, tmp_path, monkeypatch):
    class Server:
        def __init__(self, index, *args):
            self.index = index

        def start(self):
            if self.index < dead:
                raise RuntimeError("A grading process did not start")

        def run(self, requests):
            return [], "exit 0"

        def stop(self):
            pass

    put(tmp_path, f"a/{HOMEWORK}/homework.ipynb")
    (submission,) = read(tmp_path)
    monkeypatch.setattr(grade.sandbox, "ForkServer", Server)
    monkeypatch.setattr(gradebook.Assignment, "record", lambda *args: None)
    monkeypatch.setattr(gradebook.Assignment, "restore", lambda self, made, *args: (made, []))
    outcomes = grade._run([submission], KNOWN, None, tmp_path, True, sandbox.LIMITS, 2)
    if dead == 2:
        with pytest.raises(RuntimeError, match="did not start"):
            list(outcomes)
    else:
        ((same, (_, entry)),) = outcomes
        assert same is submission and "seconds" in entry


@pytest.mark.usefixtures("no_alembic")
@pytest.mark.parametrize("content", [b"", b"not a database" * 99, b"SQLite format 3\0" + bytes(4096), None])
def test_a_damaged_gradebook_is_set_aside(content, tmp_path):
    path = tmp_path / "gradebook.db"
    path.mkdir() if content is None else path.write_bytes(content)
    db_url, aside = gradebook.open_or_set_aside(path)
    assert (aside is None) == (content == b"")
    assert gradebook.points(db_url, {(HOMEWORK, "ann")}) == {}
    if aside:
        assert aside.is_dir() if content is None else aside.read_bytes() == content
    assert gradebook.open_or_set_aside(path) == (db_url, None)


@pytest.mark.usefixtures("no_alembic")
def test_a_gradebook_in_use_is_not_damaged(tmp_path, monkeypatch):
    path = tmp_path / "gradebook.db"
    gradebook.open_or_set_aside(path)
    connect = sqlite3.connect
    monkeypatch.setattr(gradebook.sqlite3, "connect", lambda *args: connect(*args, timeout=0.1))
    with connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(gradebook.CannotRecord, match="locked"):
            gradebook.open_or_set_aside(path)
        other.execute("ROLLBACK")
    assert path.exists() and len(list(tmp_path.iterdir())) == 1


def test_a_log_with_anything_in_it_is_read(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'[1]\n"x"\n{}\nnull\n\xff\xfe\n{"student": "a", "homework": "h", "digest": "d"}')
    assert list(grade._Log(path).entries) == [("a", "h")]


@pytest.mark.parametrize(
    "name",
    [
        "07_dataloaders",
        "1712345678",
        "2026-05-01",
        "20240115_Smith",
        "homework_07_2_ann",
        "hw_7_2024_bob",
        "C++ group",
        "_",
    ],
)
def test_a_name_that_says_nothing_else_is_kept(name):
    assert names.student(name) == name
