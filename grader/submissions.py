"""Finds what was handed in, and reads it."""

import hashlib
import json
import stat
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from .gradebook import grade_ids

MAX_BYTES = 20 * 2**20  # of a submission


class NotReadable(Exception):
    """Says in one line why a submission cannot be graded."""


@dataclass
class Submission:
    """One student's notebook for one homework."""

    student: str
    path: Path
    homework: str | None = None
    problem: str | None = None
    digest: str | None = None  # of the notebook, the teacher's copy and the grader: the same digest, the same grade
    notes: list = field(default_factory=list)

    def read(self, assignments):
        """Read the file, find out which homework it is, and return the notebook.

        Parameters
        ----------
        assignments : dict of str to Assignment
        """
        notebook = _parse(_bytes(self.path))
        ids = grade_ids(notebook)
        shared = {name: len(assignment.ids & ids) for name, assignment in assignments.items()}
        best = max(shared, key=shared.get)
        if not shared[best]:
            raise NotReadable("another notebook, or one without its metadata: no cell of it belongs to a homework")
        if self.homework and not shared[self.homework]:
            raise NotReadable(f"another notebook: its cells belong to {best}")
        self.homework = self.homework or best
        version = assignments[self.homework].version
        self.digest = hashlib.sha256(f"{version}{nbformat.writes(notebook)}".encode()).hexdigest()
        if "kernelspec" not in notebook.metadata:
            self.notes.append("names no kernel: ran with the course's")
        return notebook


def _bytes(path):
    """Return the file's content, unless it is a link, which could lead anywhere, or a pipe, which would never end."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise NotReadable("not a file but a link or something else")
    if status.st_size > MAX_BYTES:
        raise NotReadable(f"larger than {MAX_BYTES // 2**20} MB")
    if not status.st_size:
        raise NotReadable("an empty file")
    return path.read_bytes()


def _parse(content):
    try:
        text = content.decode("utf-8-sig")
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise NotReadable("not a notebook: the file is not JSON") from None
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception:
        if isinstance(raw, dict) and "cells" in raw:
            raise NotReadable("a damaged notebook: its JSON is not in the notebook format") from None
        raise NotReadable("not a notebook: JSON of something else") from None
    if not notebook.cells:
        raise NotReadable("a notebook without cells")
    return notebook


def collect(folder, homework):
    """Return every submission in `folder`, sorted by student.

    Parameters
    ----------
    folder : Path
        ``student/NN_name/homework.ipynb``, as nbgrader collects them, or ``student.ipynb``, also inside ``NN_name/``.
    homework : collection of str
        The names of all homeworks.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix == ".ipynb":
            found.append(Submission(path.stem, path))
        elif path.is_dir() and not path.is_symlink():
            name = path.name if path.name in homework else None
            if name:
                found += [Submission(file.stem, file, name) for file in sorted(path.glob("*.ipynb"))]
            else:
                found += _of_student(path, homework)
    return found


def _of_student(folder, homework):
    found = [Submission(folder.name, file) for file in sorted(folder.glob("*.ipynb"))]
    for sub in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        name = sub.name if sub.name in homework else None
        files = [sub / "homework.ipynb"] if (sub / "homework.ipynb").exists() else sorted(sub.glob("*.ipynb"))
        found += [Submission(folder.name, file, name) for file in files]
        if not files:
            found.append(Submission(folder.name, sub, name, problem="no notebook in this folder"))
    return found or [Submission(folder.name, folder, problem="no notebook in this folder")]
