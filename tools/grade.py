"""Grade a folder of homework, each submission in a sandbox; write grades.csv and class.html into the folder.

python tools/grade.py FOLDER             FOLDER/student/07_dataloaders/homework.ipynb, or FOLDER/student.ipynb
python tools/grade.py FOLDER --unsafe    without a sandbox, where there is none

Interrupted, it goes on where it was: a submission that has not changed since it was graded is not run again.
"""

import argparse
import itertools
import json
import queue
import sys
import threading
import time
import tomllib
from pathlib import Path

import nbformat
from grading import report, sandbox, submissions
from nbformat.v4 import new_output
from tqdm import tqdm

from transfer_learning.check import MISCONCEPTIONS

ROOT = Path(__file__).resolve().parents[1]
STOPPED = {
    "time": "stopped: not done after {seconds} s",
    "memory": "stopped: more than {gb:g} GB of memory",
    "processes": "stopped: more than {processes} processes",
    "worker": "stopped: it took the grading process down",
}
TAMPERED = "not counted: once this notebook had run, its check could be fooled; look at it by hand"


def teachers(limits):
    """The teacher's copy of every homework: {NN_name: Teacher}."""
    wrong = tomllib.loads((ROOT / "tools/grading/wrong_answers.toml").read_text(encoding="utf-8"))
    paths = sorted((ROOT / "solutions").glob("[0-9][0-9]_*/homework.ipynb"))
    return {path.parent.name: submissions.Teacher(path, wrong.get(path.parent.name), limits) for path in paths}


def grade(folder, unsafe=False, limits=sandbox.LIMITS, workers=None):
    """Grade every submission in `folder` that is new or has changed.

    Parameters
    ----------
    folder : Path
    unsafe : bool
        Run submissions without a sandbox.
    limits : dict
        As `sandbox.LIMITS`.
    workers : int, optional
        How many submissions run side by side; default: one for each core that has the memory.

    Returns
    -------
    list of dict
        A row for each submission, as in grades.csv.
    """
    if not unsafe:
        sandbox.assert_available([folder])
    known = teachers(limits)
    found = submissions.collect(folder, known)
    own = folder / ".grading"
    own.mkdir(exist_ok=True)
    if not (own / "gradebook.db").exists():  # without it the points are lost too
        (own / "results.jsonl").unlink(missing_ok=True)
    db_url = f"sqlite:///{own / 'gradebook.db'}"
    log = _Log(own / "results.jsonl")
    notebooks = {n: notebook for n, notebook in enumerate(_read(found, known)) if notebook is not None}
    todo = {n: notebook for n, notebook in notebooks.items() if not log.has(found[n])}
    with tqdm(total=len(found), initial=len(found) - len(todo), unit="submission") as bar:
        for result in _run(found, todo, known, db_url, folder, unsafe, limits, workers):
            submission, notebook, entry = result
            known[submission.homework].save(notebook, submission, db_url)
            place = own / "autograded" / submission.student / submission.homework / "homework.ipynb"
            place.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, place)
            log.add(submission, entry)
            bar.update()
    return _rows(found, known, log, db_url)


def _read(found, known):
    """Each submission's notebook; None, and the reason in `problem`, where there is none to grade."""
    taken = {}
    for submission in found:
        notebook = None
        try:
            if not submission.problem:
                notebook = submission.read(known)
                first = taken.setdefault((submission.student, submission.homework), submission)
                if first is not submission:
                    raise submissions.NotReadable(f"a second notebook for this homework; {first.path.name} was taken")
        except (submissions.NotReadable, OSError) as problem:
            submission.problem, notebook = str(problem), None
        yield notebook


def _run(found, todo, known, db_url, folder, unsafe, limits, workers):
    """Run notebooks side by side; yield (submission, notebook with its outputs, entry) as they are done."""
    if not todo:
        return
    names = sorted({found[n].homework for n in todo})
    imports = "\n".join(dict.fromkeys("\n".join(known[name].imports for name in names).splitlines()))
    jobs, results = queue.Queue(), queue.Queue()

    def lane(index):
        worker = sandbox.Worker(index, imports, [folder], unsafe, limits)
        try:
            worker.start()
            for n, pairs in iter(jobs.get, None):
                started = time.monotonic()
                replies, end = worker.run([request for _, request in pairs])
                results.put((n, pairs, replies, end, time.monotonic() - started))
        except Exception as error:
            results.put(error)
        finally:
            worker.stop()

    count = workers or sandbox.workers_for(len(todo))
    lanes = [threading.Thread(target=lane, args=[index], daemon=True) for index in range(count)]
    for thread in lanes:
        thread.start()
    for name in names:  # meanwhile the workers import
        known[name].record(db_url)
    for n, notebook in todo.items():
        todo[n] = known[found[n].homework].restore(notebook, found[n], db_url)
        jobs.put((n, known[found[n].homework].requests(todo[n])))
    for _ in lanes:
        jobs.put(None)
    for _ in range(len(todo)):
        result = results.get()
        if isinstance(result, Exception):
            raise result
        n, pairs, replies, end, seconds = result
        entry = settle(pairs, replies, end, limits)
        entry["notes"] = [*found[n].notes, *entry["notes"]]
        yield found[n], todo[n], entry | {"seconds": round(seconds, 1)}
    for thread in lanes:
        thread.join()


def settle(pairs, replies, end, limits):
    """Write outputs into the cells, for nbgrader to score; return the misconceptions and what a teacher should know.

    What a submission says about its other cells is only shown; of a check cell only the verdict counts.
    """
    misconceptions, notes = [], []
    for n, ((cell, request), reply) in enumerate(itertools.zip_longest(pairs, replies), 1):
        cell.execution_count = n
        if reply is None:
            if request["check"]:
                why = _why_stopped(end, limits, len(replies) + 1)
                cell.outputs = [_error("Stopped", why)]
                notes += [why] if why not in notes else []
            continue
        cell.outputs = [
            new_output("stream", name=name, text=str(reply[name])) for name in ("stdout", "stderr") if reply.get(name)
        ]
        if not request["check"]:
            errors = reply.get("errors")
            cell.outputs += [_error("Error", "\n".join(map(str, e["traceback"]))) for e in errors] if errors else []
        elif reply.get("tampered") is True:
            cell.outputs.append(_error("Tampered", TAMPERED))
            notes.append(TAMPERED)
        elif reply.get("passed") is not True or reply.get("tampered") is not False:
            cell.outputs.append(_error("NotYet", str(reply.get("error"))))
            if reply.get("misconception") in MISCONCEPTIONS:
                misconceptions.append(reply["misconception"])
            notes.append(" ".join(str(reply.get("saw") or reply.get("error")).split()))
    return {"misconceptions": misconceptions, "notes": notes}


def _error(name, text):
    return new_output("error", ename=name, evalue=text, traceback=text.splitlines())


def _why_stopped(end, limits, cell):
    kind, _, number = end.partition(" ")
    if kind in STOPPED:
        why = STOPPED[kind].format(**limits, gb=limits["bytes"] / 2**30)
    elif kind == "signal":
        why = f"stopped: its process was killed ({sandbox.name_signal(int(number))})"
    else:
        why = "stopped: it ended its own kernel"
    return f"{why}, in code cell {cell}"


class _Log:
    """What was graded before: one line of JSON for each submission, the last one counts."""

    def __init__(self, path):
        self.path, self.entries = path, {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and not text.endswith("\n"):
            path.write_text(f"{text}\n", encoding="utf-8")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # interrupted while writing it
                continue
            self.entries[entry["student"], entry["homework"]] = entry

    def has(self, submission):
        entry = self.entries.get((submission.student, submission.homework))
        return entry is not None and entry["key"] == submission.key

    def add(self, submission, entry):
        entry = {"student": submission.student, "homework": submission.homework, "key": submission.key, **entry}
        self.entries[submission.student, submission.homework] = entry
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _rows(found, known, log, db_url):
    points = submissions.points(db_url, {(s.homework, s.student) for s in found if not s.problem})
    rows = []
    for submission in found:
        row = {"student": submission.student, "homework": submission.homework, "misconceptions": [], "points": None}
        if submission.homework:
            row["max_points"] = known[submission.homework].points
        if submission.problem:
            row["note"] = f"not graded: {submission.problem}"
        else:
            entry = log.entries[submission.student, submission.homework]
            row |= {
                "points": points[submission.homework, submission.student],
                "misconceptions": entry["misconceptions"],
                "note": "; ".join(entry["notes"]),
                "seconds": entry["seconds"],
            }
        rows.append(row)
    return sorted(rows, key=lambda row: (row["homework"] or "", row["student"]))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unsafe", action="store_true", help=f"no sandbox: {sandbox.UNSAFE}")
    parser.add_argument("--seconds", type=int, default=sandbox.LIMITS["seconds"], help="time for one submission")
    parser.add_argument("--workers", type=int, help="submissions side by side; default: one for each core")
    args = parser.parse_args(arguments)
    folder = args.folder.resolve()
    if not folder.is_dir():
        return f"No folder {args.folder}."
    if args.unsafe:
        print(f"Without a sandbox, {sandbox.UNSAFE}.", file=sys.stderr)
    try:
        rows = grade(folder, args.unsafe, sandbox.LIMITS | {"seconds": args.seconds}, args.workers)
    except sandbox.NoSandbox as reason:
        return f"Not graded: {reason}. {sandbox.INSTALL}. Or give --unsafe: then {sandbox.UNSAFE}."
    except (submissions.CannotRecord, RuntimeError) as error:
        return str(error)
    except KeyboardInterrupt:
        return "Interrupted; the same command goes on where it was."
    if not rows:
        return f"No submissions in {args.folder}: expected STUDENT/NN_name/homework.ipynb, or STUDENT.ipynb."
    report.write_csv(folder / "grades.csv", rows)
    report.write_page(folder / "class.html", rows, MISCONCEPTIONS)
    print(f"{report.summary(rows)} See {args.folder / 'grades.csv'} and {args.folder / 'class.html'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
