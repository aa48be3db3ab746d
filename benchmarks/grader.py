"""30 submissions of homework 07, 3 of them hostile: `start.py grade` against `nbgrader autograde`, in one run.

python benchmarks/grader.py [N]    N submissions (default 30)

nbgrader has no sandbox, so the hostile submissions are mild: the fork bomb stops at 200 processes, and nbgrader runs in a
process namespace that ends with it. Both have the same time limit for a cell that hangs. The other submissions are known
answers of tests/answers, right and wrong in turn.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from grader.tests.handed_in import HOMEWORK, hand_in, known_answers, notebook  # noqa: E402

SECONDS = 60  # time limit
HOSTILE = {
    "hang": "while True:\n    pass",
    "memory": "much = [bytearray(64 << 30)]",
    "forks": "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(3600)\ntime.sleep(3600)",
}


def hand_in_class(folder, count):
    for name, answer in HOSTILE.items():
        hand_in(folder, name, notebook(answer))
    answers = known_answers().values()
    right, wrong = ([made for slug, made in answers if (slug is None) == is_right] for is_right in (True, False))
    known = [made for pair in zip(right, wrong) for made in pair]
    for n in range(count - len(HOSTILE)):
        hand_in(folder, f"student{n:02}", known[n % len(known)])


def with_nbgrader(folder, submitted):
    """Seconds that `nbgrader autograde` takes."""
    shutil.copytree(ROOT / "solutions" / HOMEWORK, folder / "source" / HOMEWORK)
    shutil.copytree(submitted, folder / "submitted", ignore=shutil.ignore_patterns(".grading", "*.csv", "*.html"))
    nbgrader = ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent"]
    nbgrader += [sys.executable, "-m", "nbgrader"]
    course = [HOMEWORK, f"--CourseDirectory.root={folder}"]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "KERAS_BACKEND": "torch"}
    env |= {"TOKENIZERS_PARALLELISM": "false"}
    with open(folder / "log", "w") as log:
        options = {"cwd": folder, "env": env, "stdout": log, "stderr": log}
        subprocess.run([*nbgrader, "generate_assignment", *course, "--create"], check=True, **options)
        started = time.perf_counter()
        subprocess.run([*nbgrader, "autograde", *course, f"--ExecutePreprocessor.timeout={SECONDS}"], **options)
        seconds = time.perf_counter() - started
        subprocess.run([*nbgrader, "export", course[1], f"--to={folder / 'grades.csv'}"], **options)
    return seconds


def with_this(submitted):
    """Seconds that `start.py grade` takes."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "grader", str(submitted), "--seconds", str(SECONDS)]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def scores(path, student, score):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return {row[student]: float(row[score] or 0) for row in csv.DictReader(file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=30)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as scratch:
        submitted = Path(scratch) / "class"
        hand_in_class(submitted, count)
        ours = with_this(submitted)
        print(f"start.py grade      {ours:6.0f} s for {count} submissions on {os.cpu_count()} cores", flush=True)
        theirs = with_nbgrader(Path(scratch), submitted)
        print(f"nbgrader autograde  {theirs:6.0f} s for the same, {theirs / ours:.1f} times as long")
        own = scores(submitted / "grades.csv", "student", "points")
        other = scores(Path(scratch) / "grades.csv", "student_id", "score")
        differ = sorted(name for name in own if own[name] != other.get(name, 0))
        print(f"points differ for: {', '.join(differ) or 'nobody'}")


if __name__ == "__main__":
    main()
