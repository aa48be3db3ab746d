"""start.py grade: right answers get their points, wrong ones their misconception, and nobody gets at anybody else's."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import nbformat
import psutil
import pytest
from nbgrader.utils import determine_grade, is_grade

from grader import grade, report, sandbox

from .handed_in import HOMEWORK, ROOT, check_cell, hand_in, known_answers, notebook

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # about nbgrader's own queries
HOSTILE = sorted((ROOT / "grader" / "tests" / "hostile").glob("*.py"))
LIMITS = sandbox.LIMITS | {"seconds": 40, "bytes": 3 * 2**29}
RIGHT = "val_dataloader = DataLoader(val_dataset, batch_size=16)"
REST = 5  # points for the homework's other part, which `notebook` takes from the teacher
SHUFFLED = "val_dataloader = DataLoader(val_dataset, batch_size=16, shuffle=True)"


def answers():
    """Return each known right answer and one wrong one for each misconception: name -> (slug, notebook)."""
    found = {
        "passes the visible check": (
            "part-of-the-rows",
            notebook("val_dataloader = DataLoader(val_dataset, sampler=range(200))"),
        ),
        "deleted": (None, notebook("")),
    }
    slow = {"loader-never-ends", "never-ends"}
    for name, (slug, made) in known_answers().items():
        if slug is None or slug not in slow | {known for known, _ in found.values()}:
            found[name] = slug, made
    for name in ("batch size", "shuffle=False"):  # hardly anything else than the default
        del found[f"right, {name}"]
    del found["right, drop_last that drops nothing"]  # it drops one of the hidden test's 331 rows
    return found


ANSWERS = answers()
INSTALLS = (
    "!pip install --quiet emoji",
    "%pip install emoji",
    "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'emoji'])",
    "!pip3 install emoji; python -m pip install git+https://github.com/a/b",
)
CALLS_THINGS_PRINT = ("print = exec = next = any = type = globals = 5", "torch = check = 7")
HALF_AN_EMOJI = ("print('\\ud83d')", "raise ValueError('\\ud83d')", "'\\udcff'")

try:
    sandbox.assert_available()
    why_not = None
except sandbox.NoSandbox as reason:
    why_not = str(reason)
needs_sandbox = pytest.mark.skipif(why_not is not None, reason=f"no sandbox here: {why_not}")


def by_student(folder):
    with open(folder / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def graded_text(folder, student):
    return (folder / ".grading/autograded" / student / HOMEWORK / "homework.ipynb").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server():
    """A server on this machine; `reached` grows when somebody connects."""
    listening, reached = socket.create_server(("127.0.0.1", 0)), []

    def accept():
        while True:
            try:
                reached.append(listening.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1], reached
    listening.close()


@pytest.fixture(scope="module")
def graded(tmp_path_factory, server):
    """One run over honest, broken and hostile submissions together, two at a time."""
    folder = tmp_path_factory.mktemp("class")
    for name, (_, made) in ANSWERS.items():
        hand_in(folder, name, made)
    hand_in(folder, "calls things print", notebook(RIGHT, before=CALLS_THINGS_PRINT))
    (folder / "zipped.zip").write_bytes(b"PK")
    for file in HOSTILE:
        text = file.read_text(encoding="utf-8")
        for word, value in (("FOLDER", folder), ("ROOT", ROOT), ("PORT", server[0])):
            text = text.replace(word, str(value))
        hand_in(folder, file.stem, notebook(text, rest=False))
    hand_in(folder, "not json", "{")
    hand_in(folder, "empty", "")
    hand_in(folder, "json of something else", "[1, 2]")
    lesson = (ROOT / "notebooks" / "05_padding_and_masking.ipynb").read_text(encoding="utf-8")
    hand_in(folder, "another notebook", lesson)
    bare = notebook(RIGHT, before=HALF_AN_EMOJI)
    bare.metadata = {}
    hand_in(folder, os.fsdecode(b"J\xfcrgen"), bare)
    installs = notebook(RIGHT, before=INSTALLS)
    for cell in installs.cells:
        cell.metadata = {}
    (folder / "flat.ipynb").write_text(nbformat.writes(installs), encoding="utf-8")
    cheat = notebook(SHUFFLED)
    check_cell(cheat).source = "pass"
    hand_in(folder, "check changed", cheat)
    cheat.cells = [cell for cell in cheat.cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    hand_in(folder, "check deleted", cheat)
    (folder / "link").mkdir()
    (folder / "link" / HOMEWORK).mkdir()
    (folder / "link" / HOMEWORK / "homework.ipynb").symlink_to(
        folder / "calls things print" / HOMEWORK / "homework.ipynb"
    )
    (folder / "nothing handed in").mkdir()
    (folder / "<b>=1+1.ipynb").write_text(nbformat.writes(notebook(SHUFFLED)), encoding="utf-8")
    for name, assignment in grade.assignments(LIMITS).items():
        hand_in(folder, "teacher", assignment.notebook, name)
    rows = grade.grade(folder, limits=LIMITS, workers=2)
    report.write_csv(folder / "grades.csv", rows)
    report.write_page(folder / "class.html", rows, grade.misconception)
    return folder


@needs_sandbox
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_gets_its_points_and_its_misconception(name, graded):
    slug, row = ANSWERS[name][0], by_student(graded)[name]
    right = name.startswith("right")
    assert float(row["points"]) == 5 * right + REST and float(row["max_points"]) == 5 + REST
    assert row["misconceptions"] == (slug or ""), row["note"]
    assert bool(row["note"]) != right


@needs_sandbox
@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.stem)
def test_no_attack_wins_a_point(file, graded):
    row = by_student(graded)[file.stem]
    assert float(row["points"]) == 0 and row["note"]


@needs_sandbox
@pytest.mark.parametrize(
    ("student", "says"),
    [
        ("hangs", "stopped: not done after 40 s, in code cell 7"),
        ("forks_without_end", "stopped: more than 32 processes"),
        ("allocates_64_gb", "stopped: "),  # memory or time, as quick as the machine hands out pages
        ("ends_the_kernel", "stopped: it ended its own kernel"),
        ("patches_torch", "not counted: after this notebook had run, its check could be fooled"),
    ],
)
def test_a_row_says_what_became_of_an_attack(student, says, graded):
    assert says in by_student(graded)[student]["note"]


@needs_sandbox
@pytest.mark.parametrize("student", ["overwrites_the_check", "replaces_modules", "prints_a_pass"])
def test_the_check_sees_through_an_attack(student, graded):
    assert by_student(graded)[student]["misconceptions"].split()[0] == "random-order"


@needs_sandbox
def test_nothing_was_read_written_or_reached(graded, server):
    for student in ("reads_what_others_wrote", "writes_outside", "reaches_a_server"):
        outputs = [
            output.get("text", "")
            for cell in nbformat.reads(graded_text(graded, student), as_version=4).cells
            for output in cell.get("outputs", [])
        ]
        assert not re.search("FOUND|WROTE", "".join(outputs)), outputs
    assert server[1] == []
    assert not [file for file in (ROOT / "transfer_learning").rglob("*.py") if "return 'passed'" in file.read_text()]
    places = [graded, graded / ".grading", ROOT, ROOT / "data", ROOT / "transfer_learning"]
    assert not [place for place in places if (place / "written_by_a_submission").exists()]


@needs_sandbox
@pytest.mark.parametrize(
    ("student", "note"),
    [
        ("not json", "not graded: not a notebook: the file is not JSON"),
        ("empty", "not graded: an empty file"),
        ("json of something else", "not graded: not a notebook: JSON of something else"),
        ("another notebook", "not graded: another notebook, or one without its metadata"),
        ("link", "not graded: not a file but a link"),
        ("nothing handed in", "not graded: no notebook in this folder"),
        ("zipped", "not graded: zipped.zip: an archive: unpack it, then grade again"),
    ],
)
def test_what_cannot_be_graded_is_a_row_that_says_so(student, note, graded):
    row = by_student(graded)[student]
    assert row["note"].startswith(note) and row["points"] == ""


@needs_sandbox
def test_half_an_emoji_no_kernel_and_a_name_that_is_not_utf_8_cost_nothing(graded):
    row = by_student(graded)[r"J\xfcrgen"]
    assert float(row["points"]) == 10 and row["note"] == "names no kernel: ran with the course's"


@needs_sandbox
def test_a_name_that_python_needs_costs_nothing(graded):
    row = by_student(graded)["calls things print"]
    assert float(row["points"]) == 10 and row["note"] == ""


@needs_sandbox
@pytest.mark.parametrize("student", ["check changed", "check deleted"])
def test_the_check_is_put_back(student, graded):
    row = by_student(graded)[student]
    assert float(row["points"]) == REST and row["misconceptions"] == "random-order"


@needs_sandbox
def test_a_notebook_without_metadata_that_installs_something_is_graded(graded):
    """It lies in the class's folder, named after its student. pip says at once that there is no network."""
    row, ran = by_student(graded)["flat"], graded_text(graded, "flat")
    assert row["homework"] == HOMEWORK and float(row["points"]) == 10 and row["note"] == ""
    assert ran.count("nothing was installed") >= 4 and "CalledProcessError" not in ran


@needs_sandbox
def test_the_page_shows_the_class_without_the_network(graded):
    page = (graded / "class.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href|url)\s*[=(]", page) and "<script" not in page
    named = re.findall(r"<li><b>(.*?)</b> \((\d+) of", page)
    counts = [int(count) for _, count in named]
    assert (
        counts == sorted(counts, reverse=True) and named[0][0] == grade.misconception("random-order", HOMEWORK)["name"]
    )
    desc = re.search(r"<desc[^>]*>(.*?)</desc>", page)[1]
    assert all(f"{name}: {count} of" in desc for name, count in named)
    assert "</td><td>None</td>" not in page
    assert "<b>=1+1" not in page and "&lt;b&gt;=1+1" in page


@pytest.mark.slow
@needs_sandbox
def test_interrupted_it_leaves_no_process_and_goes_on(tmp_path):
    """What was graded is not run again, unless it has changed; a torn last line of the log does no harm."""
    slow = f"import time\ntime.sleep(2)\n{RIGHT}"
    for student in "abc":
        hand_in(tmp_path, student, notebook(slow))
    command = [sys.executable, "-m", "grader", str(tmp_path), "--workers", "1"]
    log = tmp_path / ".grading" / "results.jsonl"

    def graded():
        return [json.loads(line)["student"] for line in log.read_text().splitlines() if line.endswith("}")]

    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as first:
        until = time.monotonic() + 120
        while not (log.exists() and len(graded()) == 2) and time.monotonic() < until:
            time.sleep(0.1)
        first.send_signal(signal.SIGINT)
        assert "run the same command again to continue" in first.communicate(timeout=30)[1]
    assert graded() == ["a", "b"]
    until = time.monotonic() + 20
    while (left := graders(str(tmp_path))) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left
    with open(log, "a") as file:
        file.write('{"student": "c')
    hand_in(tmp_path, "b", notebook(f"{slow}  # changed"))
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    assert graded() == ["a", "b", "b", "c"]
    assert [float(row["points"]) for row in by_student(tmp_path).values()] == [10, 10, 10]


def graders(mark):
    """Processes that belong to the grading of one folder."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])]


@needs_sandbox
def test_each_check_still_tells_right_from_wrong(graded):
    """The teacher's own answers get full points only if each check also rejects the same answer spoiled."""
    with open(graded / "grades.csv", encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["student"] == "teacher"]
    assert [row["homework"] for row in rows] == list(grade.assignments(LIMITS))
    assert [row["note"] for row in rows] == [""] * len(rows)
    assert [row["points"] for row in rows] == [row["max_points"] for row in rows]


def test_each_check_cell_is_tried_on_a_spoiled_answer():
    for assignment in grade.assignments(LIMITS).values():
        for cell in filter(is_grade, assignment.notebook.cells):
            right, wrong = assignment.canaries(cell)
            assert right["right"] and not wrong["right"]
            assert "= spoil(" in wrong["answer"] and "= spoil(" not in right["answer"]


def test_without_a_sandbox_it_refuses_in_one_line(tmp_path, monkeypatch):
    hand_in(tmp_path, "right", notebook(RIGHT))
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    said = grade.main([str(tmp_path)])
    assert said.startswith("Not graded: bubblewrap is not installed") and "apt install bubblewrap" in said
    assert "--unsafe" in said and "runs with your rights" in said and "\n" not in said
    assert not (tmp_path / "grades.csv").exists()


def test_on_windows_it_says_where_to_grade(tmp_path, monkeypatch):
    monkeypatch.setattr(grade.sys, "platform", "win32")
    assert grade.main([str(tmp_path), "--unsafe"]) == "Grading needs Linux or macOS: on Windows, grade inside WSL."


@pytest.mark.parametrize("wrong", [["--workers", "-1"], ["--seconds", "0"], ["--seconds", "1.5"]])
def test_time_and_workers_are_positive(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit):
        grade.main([str(tmp_path), *wrong])
    assert f"argument {wrong[0]}: expected a whole number above 0, got {wrong[1]}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="grading needs fork")
def test_unsafe_says_what_it_means_and_grades(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    for name, answer in (("right", RIGHT), ("shuffled", SHUFFLED)):
        hand_in(tmp_path, name, notebook(answer))
    hand_in(tmp_path, "ends", notebook("exit()"))
    assert grade.main([str(tmp_path), "--unsafe", "--workers", "1"]) == 0
    assert "runs with your rights" in capsys.readouterr().err
    rows = by_student(tmp_path)
    assert [rows[name]["points"] for name in ("right", "shuffled", "ends")] == ["10.0", "5.0", "0.0"]


@pytest.mark.parametrize("content", ["", "no folder", "nothing in it"])
def test_a_wrong_folder_is_one_line(content, tmp_path):
    folder = tmp_path / content if content == "no folder" else tmp_path
    if why_not is None:
        said = grade.main([str(folder)])
        assert said.startswith("No folder" if content == "no folder" else "No submissions in") and "\n" not in said


def test_a_reply_without_its_token_is_not_heard():
    local, remote = socket.socketpair()
    silent, _other = socket.socketpair()
    with local, remote, silent, _other:
        lines = sandbox._LineReader(local)
        server = sandbox.ForkServer(0, "")
        server.control = silent
        remote.sendall(b'{"passed": true, "tampered": false}\n{"token": "guessed", "passed": true}\n[]\nnonsense\n')
        remote.shutdown(socket.SHUT_WR)
        assert server._ask(lines, {"source": ""}, time.monotonic() + 5) is None


def test_a_verdict_counts_only_with_an_untouched_check():
    for reply, points in (
        ({"passed": True, "tampered": False}, 5),
        ({"passed": True, "tampered": True}, 0),
        ({"passed": True}, 0),
        ({"passed": "yes", "tampered": False}, 0),
        ({}, 0),
        (None, 0),
    ):
        cell = check_cell(notebook(""))
        grade.write_outputs([(cell, {"check": True})], [reply] if reply is not None else [], "exit 0", LIMITS, HOMEWORK)
        assert determine_grade(cell)[0] == points, reply


def test_a_spreadsheet_runs_no_students_name(tmp_path):
    report.write_csv(tmp_path / "grades.csv", [{"student": "=cmd()", "homework": HOMEWORK, "points": 1.0}])
    assert by_student(tmp_path)["'=cmd()"]["points"] == "1.0"


def test_the_filter_denies_what_it_lists():
    if sys.platform != "linux" or why_not is not None or not sandbox.seccomp_filter():
        pytest.skip("no filter on this machine")
    code = "import os; os.memfd_create('x')"
    with tempfile.TemporaryFile() as rules:
        command = [*sandbox.with_seccomp(sandbox.bubblewrap([]), rules), sys.executable, "-c", code]
        done = subprocess.run(command, pass_fds=[rules.fileno()], capture_output=True, text=True)
    assert "PermissionError" in done.stderr


def test_the_log_survives_a_torn_line(tmp_path):
    path = tmp_path / "results.jsonl"
    entry = {"student": "a", "homework": HOMEWORK, "key": "k", "misconceptions": [], "notes": [], "seconds": 1}
    path.write_text(json.dumps(entry) + '\n{"stud')
    assert list(grade._Log(path).entries) == [("a", HOMEWORK)]


@pytest.mark.parametrize("claimed", ["no such mistake", ["random-order"], {}, None, 7])
def test_a_misconception_that_no_check_knows_is_none(claimed):
    assert grade.misconception(claimed, HOMEWORK) is None
