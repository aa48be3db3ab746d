"""Grade a folder of homework, each submission in a sandbox; write grades.csv and class.html into the folder.

python3 start.py grade FOLDER             FOLDER/student/07_dataloaders/homework.ipynb, or FOLDER/student.ipynb
python3 start.py grade FOLDER --unsafe    without a sandbox, where there is none

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
from sqlalchemy.exc import SQLAlchemyError
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
NO_ENTRY = {"digest": None, "misconceptions": [], "notes": [], "seconds": None}
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
    submissions.read(handed_in, known)
    records = folder / ".grading"
    records.mkdir(exist_ok=True)
    db_url, aside = gradebook.open_or_set_aside(records / "gradebook.db")
    if aside:
        print(f"The gradebook was damaged: it is now {aside}, and everything is graded again.", file=sys.stderr)
    log = _Log(records / "results.jsonl")
    readable = [submission for submission in handed_in if not submission.problem]
    recorded = gradebook.points(db_url, {(submission.homework, submission.student) for submission in readable})
    new = [s for s in readable if not log.has(s) or (s.homework, s.student) not in recorded]
    with tqdm(total=len(readable), initial=len(readable) - len(new), unit="submission") as bar:
        for submission, outcome in _run(new, known, db_url, folder, unsafe, limits, workers):
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                notebook, entry = outcome
                known[submission.homework].save(notebook, submission, db_url)
                _store(notebook, records / "autograded", submission, entry)
                log.add(submission, entry)
            except Exception as error:  # one submission's result: the others go on
                submission.problem = f"no result could be recorded ({gradebook.one_line(error)})"
            bar.update()
    return _rows(handed_in, known, log, db_url)


def _store(notebook, folder, submission, entry):
    """Write the notebook as it ran; if that fails, a note says so, and the points count."""
    student = submission.student.replace("/", "_")
    path = folder / (f"_{student}" if student in (".", "..") else student) / submission.homework / "homework.ipynb"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    except (OSError, ValueError) as error:
        entry["notes"].append(f"the notebook as it ran could not be stored ({gradebook.one_line(error)})")


def _run(new, known, db_url, folder, unsafe, limits, workers):
    """Run submissions side by side; yield each with its outcome: (notebook with its outputs, log entry), or an error."""
    if not new:
        return
    names = sorted({submission.homework for submission in new})
    imports = "\n".join(dict.fromkeys("\n".join(known[name].imports for name in names).splitlines()))
    jobs, results = queue.Queue(), queue.Queue()

    def serve(index):
        server = sandbox.ForkServer(index, imports, [folder], unsafe, limits)
        try:
            server.start()
        except Exception as error:
            results.put((None, error))
            return
        for submission, notebook, notes in iter(jobs.get, None):
            try:
                started = time.monotonic()
                requests = known[submission.homework].requests(notebook)
                replies, end = server.run([request for _, request in requests])
                entry = write_outputs(requests, replies, end, limits, submission.homework)
                entry |= {"notes": notes + entry["notes"], "seconds": round(time.monotonic() - started, 1)}
                results.put((submission, (notebook, entry)))
            except Exception as error:
                server.stop()
                results.put((submission, error))
        server.stop()

    count = workers or sandbox.worker_count(len(new))
    threads = [threading.Thread(target=serve, args=[index], daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for name in names:  # while the fork servers import
        known[name].record(db_url)
    for submission in new:
        try:
            jobs.put((submission, *known[submission.homework].restore(submission.notebook, submission, db_url)))
        except Exception as error:
            results.put((submission, error))
    for _ in threads:
        jobs.put(None)
    done = failed = 0
    while done < len(new):
        submission, outcome = results.get()
        if submission is None:
            failed += 1
            if failed == count:
                raise outcome
        else:
            done += 1
            yield submission, outcome
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
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if text and not text.endswith("\n"):
            with open(path, "a", encoding="utf-8") as file:
                file.write("\n")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.entries[entry["student"], entry["homework"]] = {**NO_ENTRY, **entry}
            except (ValueError, TypeError, KeyError):  # interrupted while writing this line, or damaged
                continue

    def has(self, submission):
        entry = self.entries.get((submission.student, submission.homework))
        return entry is not None and entry["digest"] == submission.digest

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
        if not submission.problem:
            entry = log.entries[submission.student, submission.homework]
            row |= {
                "points": points[submission.homework, submission.student],
                "misconceptions": entry["misconceptions"],
                "note": "; ".join([*submission.notes, *entry["notes"]]),
                "seconds": entry["seconds"],
            }
        else:
            row["note"] = f"not graded: {submission.problem}"
        rows.append(row)
    return sorted(rows, key=lambda row: (row["homework"] or "", row["student"], row["points"] is not None))


def positive(text):
    """A whole number above 0, from the command line."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text}")
    return int(text)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        "start.py grade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unsafe", action="store_true", help=f"no sandbox: {sandbox.UNSAFE}")
    parser.add_argument(
        "--seconds", type=positive, default=sandbox.LIMITS["seconds"], help="time limit for one submission"
    )
    parser.add_argument("--workers", type=positive, help="submissions to run side by side; default: one for each core")
    args = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.platform == "win32":
        return "Grading needs Linux or macOS: on Windows, grade inside WSL."
    folder = args.folder.resolve()
    if not folder.is_dir():
        return f"No folder {args.folder}."
    if args.unsafe:
        print(f"Without a sandbox, {sandbox.UNSAFE}.", file=sys.stderr)
    try:
        report.assert_writable(folder)
        rows = grade(folder, args.unsafe, sandbox.LIMITS | {"seconds": args.seconds}, args.workers)
    except sandbox.NoSandbox as reason:
        return f"Not graded: {reason}. {sandbox.INSTALL}. Or give --unsafe: then {sandbox.UNSAFE}."
    except (gradebook.CannotRecord, report.NotWritable, RuntimeError) as error:
        return str(error)
    except (OSError, SQLAlchemyError) as error:  # no space left, say: nothing more can be recorded
        return f"Stopped: {gradebook.one_line(error)}. What was graded is kept: run the same command again to continue."
    except KeyboardInterrupt:
        return "Interrupted; run the same command again to continue."
    if not rows:
        return f"No submissions in {args.folder}: expected STUDENT/NN_name/homework.ipynb, or STUDENT.ipynb."
    try:
        report.write_csv(folder / "grades.csv", rows)
        report.write_page(folder / "class.html", rows, misconception)
    except OSError as error:
        return (
            f"Not written: {gradebook.one_line(error)}. The grades are kept: run the same command again to write them."
        )
    print(f"{report.summary(rows)} See {args.folder / 'grades.csv'} and {args.folder / 'class.html'}.")
    return 0
