"""30 submissions of homework 07, 3 of them hostile: `start.py grade` against `nbgrader autograde`, in one run.

python benchmarks/grader.py [N]    N submissions (default 30)

nbgrader has no sandbox, so what is hostile here is hostile with measure: the fork bomb stops at 200 processes, and all of
nbgrader's run is in a process namespace that ends with it. Both have the same time limit for a cell that hangs.
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

import nbformat

ROOT = Path(__file__).resolve().parents[1]
HOMEWORK = "07_dataloaders"
SECONDS = 60  # time limit
HOSTILE = {
    "hang": "while True:\n    pass",
    "memory": "much = [bytearray(64 << 30)]",
    "forks": "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(3600)\ntime.sleep(3600)",
}
HONEST = [
    "val_dataloader = DataLoader(dataset=val_dataset, sampler=SequentialSampler(val_dataset), batch_size=32)",
    "val_dataloader = DataLoader(val_dataset, batch_size=64)",
    "val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)",
    "val_dataloader = DataLoader(val_dataset, batch_size=32, drop_last=True)",
    "val_dataloader = DataLoader(train_dataset, batch_size=32)",
    "val_dataloader = DataLoader(val_dataset, sampler=range(len(val_dataset)))",
    "val_dataloader = ...",
]


def hand_in(folder, count):
    exercise = ROOT / "exercises" / HOMEWORK / "homework.ipynb"
    answers = dict(HOSTILE)
    answers |= {f"student{n:02}": HONEST[n % len(HONEST)] for n in range(count - len(HOSTILE))}
    for name, answer in answers.items():
        notebook = nbformat.read(exercise, as_version=4)
        next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")).source = answer
        path = folder / name / HOMEWORK / "homework.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


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
    command = [sys.executable, str(ROOT / "tools" / "grade.py"), str(submitted), "--seconds", str(SECONDS)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def scores(path, student, score):
    with open(path, encoding="utf-8", newline="") as file:
        return {row[student]: float(row[score] or 0) for row in csv.DictReader(file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=30)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as scratch:
        submitted = Path(scratch) / "class"
        hand_in(submitted, count)
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
