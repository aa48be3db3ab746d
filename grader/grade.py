"""Grade a folder of homework, each submission in a sandbox; write grades.csv and class.html into the folder.

python -m grader FOLDER             FOLDER/student/07_dataloaders/homework.ipynb, or FOLDER/student.ipynb
python -m grader FOLDER --unsafe    without a sandbox, where there is none

After an interruption it continues where it stopped: a submission that has not changed since it was graded is not run
again.
"""

import argparse
import itertools
import json
import queue
import sys
import threading
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from tqdm import tqdm

from transfer_learning import check

from . import gradebook, report, sandbox, submissions

ROOT = Path(__file__).resolve().parents[1]
STOP_REASONS = {
    "time": "stopped: not done after {seconds} s",
    "memory": "stopped: more than {gb:g} GB of memory",
    "processes": "stopped: more than {processes} processes",
    "server": "stopped: it took the grading process down",
}
TAMPERED = "not counted: after this notebook had run, its check could be fooled; look at it by hand"


def misconception(slug, homework):
    """Return the entry (name, why, ...) of a misconception in a homework; None for anything a check cannot say."""
    if not isinstance(slug, str):  # a submission may claim anything
        return None
    try:
        return check.misconception(slug, homework)
    except KeyError:
        return None


def assignments(limits):
    """Return the teacher's copy of every homework: {NN_name: Assignment}."""
    paths = sorted((ROOT / "solutions").glob("[0-9][0-9]_*/homework.ipynb"))
    return {path.parent.name: gradebook.Assignment(path, limits) for path in paths}


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
        How many submissions run side by side; by default one for each core, if there is enough memory.

    Returns
    -------
    list of dict
        One row for each submission, as in grades.csv.
    """
    if not unsafe:
        sandbox.assert_available([folder])
    known = assignments(limits)
    handed_in = submissions.collect(folder, known)
    records = folder / ".grading"
    records.mkdir(exist_ok=True)
    if not (records / "gradebook.db").exists():  # without it the points are lost too
        (records / "results.jsonl").unlink(missing_ok=True)
    db_url = f"sqlite:///{records / 'gradebook.db'}"
    log = _Log(records / "results.jsonl")
    pairs = [(submission, notebook) for submission, notebook in _read(handed_in, known) if not log.has(submission)]
    with tqdm(total=len(handed_in), initial=len(handed_in) - len(pairs), unit="submission") as bar:
        for submission, notebook, entry in _run(pairs, known, db_url, folder, unsafe, limits, workers):
            known[submission.homework].save(notebook, submission, db_url)
            path = records / "autograded" / submission.student / submission.homework / "homework.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, path)
            log.add(submission, entry)
            bar.update()
    return _rows(handed_in, known, log, db_url)


def _read(handed_in, known):
    """Yield (submission, notebook) where there is a notebook to grade; elsewhere set the submission's `problem`."""
    first_ones = {}
    for submission in handed_in:
        try:
            if not submission.problem:
                notebook = submission.read(known)
                first = first_ones.setdefault((submission.student, submission.homework), submission)
                if first is not submission:
                    raise submissions.NotReadable(f"a second notebook for this homework; {first.path.name} was taken")
        except (submissions.NotReadable, OSError) as problem:
            submission.problem = str(problem)
        if not submission.problem:
            yield submission, notebook


def _run(pairs, known, db_url, folder, unsafe, limits, workers):
    """Run notebooks side by side; yield (submission, notebook with its outputs, log entry) as each is done."""
    if not pairs:
        return
    names = sorted({submission.homework for submission, _ in pairs})
    imports = "\n".join(dict.fromkeys("\n".join(known[name].imports for name in names).splitlines()))
    jobs, results = queue.Queue(), queue.Queue()

    def serve(index):
        server = sandbox.ForkServer(index, imports, [folder], unsafe, limits)
        try:
            server.start()
            for submission, notebook in iter(jobs.get, None):
                started = time.monotonic()
                requests = known[submission.homework].requests(notebook)
                replies, end = server.run([request for _, request in requests])
                results.put((submission, notebook, requests, replies, end, time.monotonic() - started))
        except Exception as error:
            results.put(error)
        finally:
            server.stop()

    count = workers or sandbox.worker_count(len(pairs))
    threads = [threading.Thread(target=serve, args=[index], daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for name in names:  # while the fork servers import
        known[name].record(db_url)
    for submission, notebook in pairs:
        jobs.put((submission, known[submission.homework].restore(notebook, submission, db_url)))
    for _ in threads:
        jobs.put(None)
    for _ in pairs:
        result = results.get()
        if isinstance(result, Exception):
            raise result
        submission, notebook, requests, replies, end, seconds = result
        entry = write_outputs(requests, replies, end, limits, submission.homework)
        entry["notes"] = [*submission.notes, *entry["notes"]]
        yield submission, notebook, entry | {"seconds": round(seconds, 1)}
    for thread in threads:
        thread.join()


def write_outputs(requests, replies, end, limits, homework):
    """Write outputs into the cells, for nbgrader to score; return the misconceptions, and notes for the teacher.

    Outputs of other cells are only shown; of a check cell only the verdict counts.
    """
    misconceptions, notes = [], []
    for n, ((cell, request), reply) in enumerate(itertools.zip_longest(requests, replies), 1):
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
            if misconception(reply.get("misconception"), homework):
                misconceptions.append(reply["misconception"])
            notes.append(" ".join(str(reply.get("saw") or reply.get("error")).split()))
    return {"misconceptions": misconceptions, "notes": notes}


def _error(name, text):
    return new_output("error", ename=name, evalue=text, traceback=text.splitlines())


def _why_stopped(end, limits, cell):
    kind, _, number = end.partition(" ")
    if kind in STOP_REASONS:
        why = STOP_REASONS[kind].format(**limits, gb=limits["bytes"] / 2**30)
    elif kind == "signal":
        why = f"stopped: its process was killed ({sandbox.signal_name(int(number))})"
    else:
        why = "stopped: it ended its own kernel"
    return f"{why}, in code cell {cell}"


class _Log:
    """Remembers what was graded before: one line of JSON for each submission; the last one counts."""

    def __init__(self, path):
        self.path, self.entries = path, {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and not text.endswith("\n"):
            path.write_text(f"{text}\n", encoding="utf-8")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # interrupted while writing this line
                continue
            self.entries[entry["student"], entry["homework"]] = entry

    def has(self, submission):
        entry = self.entries.get((submission.student, submission.homework))
        return entry is not None and entry.get("digest") == submission.digest

    def add(self, submission, entry):
        entry = {"student": submission.student, "homework": submission.homework, "digest": submission.digest, **entry}
        self.entries[submission.student, submission.homework] = entry
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _rows(handed_in, known, log, db_url):
    points = gradebook.points(db_url, {(s.homework, s.student) for s in handed_in if not s.problem})
    rows = []
    for submission in handed_in:
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
    parser = argparse.ArgumentParser(
        "grader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unsafe", action="store_true", help=f"no sandbox: {sandbox.UNSAFE}")
    parser.add_argument("--seconds", type=int, default=sandbox.LIMITS["seconds"], help="time limit for one submission")
    parser.add_argument("--workers", type=int, help="submissions to run side by side; default: one for each core")
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
    except (gradebook.CannotRecord, RuntimeError) as error:
        return str(error)
    except KeyboardInterrupt:
        return "Interrupted; run the same command again to continue."
    if not rows:
        return f"No submissions in {args.folder}: expected STUDENT/NN_name/homework.ipynb, or STUDENT.ipynb."
    report.write_csv(folder / "grades.csv", rows)
    report.write_page(folder / "class.html", rows, misconception)
    print(f"{report.summary(rows)} See {args.folder / 'grades.csv'} and {args.folder / 'class.html'}.")
    return 0
