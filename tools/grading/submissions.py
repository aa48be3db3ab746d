"""What was handed in, and nbgrader's part of the work: locked cells restored, points, the gradebook."""

import ast
import hashlib
import json
import logging
import os
import stat
import sys
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import (
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    DeduplicateIds,
    LockCells,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
    SaveCells,
)
from nbgrader.utils import is_grade
from sqlalchemy.exc import SAWarning

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
LARGEST = 20 * 2**20  # bytes that a submission may have
NOTEBOOK = "homework"  # what nbgrader calls each homework's only notebook

# nbgrader calls alembic by name
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
logging.getLogger("traitlets").setLevel(logging.ERROR)  # nbgrader tells each restored cell
warnings.filterwarnings("ignore", category=SAWarning)  # about nbgrader's own queries


class NotReadable(Exception):
    """One line: why a submission cannot be graded."""


class CannotRecord(Exception):
    """One line: why a homework does not go into the gradebook."""


@dataclass
class Submission:
    """One student's notebook for one homework."""

    student: str
    path: Path
    homework: str | None = None
    problem: str | None = None
    key: str | None = None
    notes: list = field(default_factory=list)

    def read(self, teachers):
        """Read the file, find out which homework it is; return the notebook.

        Parameters
        ----------
        teachers : dict of str to Teacher
        """
        notebook = _parse(_bytes(self.path))
        found = {name: len(teacher.ids & _ids(notebook)) for name, teacher in teachers.items()}
        best = max(found, key=found.get)
        if not found[best]:
            raise NotReadable("another notebook, or one without its metadata: no cell of it belongs to a homework")
        if self.homework and not found[self.homework]:
            raise NotReadable(f"another notebook: its cells belong to {best}")
        self.homework = self.homework or best
        self.key = hashlib.sha256(f"{teachers[self.homework].version}{nbformat.writes(notebook)}".encode()).hexdigest()
        if "kernelspec" not in notebook.metadata:
            self.notes.append("names no kernel: ran with the course's")
        return notebook


def _bytes(path):
    """The file's content; a link could lead anywhere, and a pipe would never end."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise NotReadable("not a file but a link or something else")
    if status.st_size > LARGEST:
        raise NotReadable(f"larger than {LARGEST // 2**20} MB")
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


def _ids(notebook):
    marks = (cell.metadata.get("nbgrader") for cell in notebook.cells)
    return {str(mark["grade_id"]) for mark in marks if isinstance(mark, dict) and "grade_id" in mark}


def collect(folder, homework):
    """Every submission in `folder`, sorted by student.

    Parameters
    ----------
    folder : Path
        ``student/NN_name/homework.ipynb`` as nbgrader collects them; ``student.ipynb``, also inside ``NN_name/``.
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


class Teacher:
    """The teacher's copy of one homework, and its place in the gradebook.

    Parameters
    ----------
    path : Path
        ``solutions/NN_name/homework.ipynb``.
    wrong : str or None
        An answer that the check must refuse.
    limits : dict
        The limits that a submission runs under.
    """

    def __init__(self, path, wrong=None, limits=None):
        self.path, self.name, self.wrong = path, path.parent.name, wrong
        self.notebook = nbformat.read(path, as_version=4)
        self.ids = _ids(self.notebook)
        files = [path, *sorted((ROOT / "transfer_learning").rglob("*.*")), *sorted(HERE.glob("*.*"))]
        content = b"".join(file.read_bytes() for file in files if file.suffix in (".py", ".toml", ".ipynb"))
        self.version = hashlib.sha256(content + json.dumps([wrong, limits]).encode()).hexdigest()

    @cached_property
    def imports(self):
        """All import statements of the teacher's copy, in order."""
        lines = []
        for cell in self._code():
            tree = ast.parse(_python(cell.source))
            lines += [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        return "\n".join(lines)

    def _code(self):
        return [cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip()]

    @cached_property
    def points(self):
        return sum(float(cell.metadata.nbgrader["points"]) for cell in self.notebook.cells if is_grade(cell))

    def record(self, db_url):
        """Write the homework into the gradebook, as ``nbgrader generate_assignment`` does."""
        with Gradebook(db_url) as gradebook:
            gradebook.update_or_create_assignment(self.name)
        notebook = self._stubbed()
        try:
            for step in (ComputeChecksums, SaveCells):
                notebook, _ = step().preprocess(notebook, self._resources("", db_url))
        except RuntimeError:  # nbgrader keeps the points of cells that are gone
            raise CannotRecord(
                f"The cells of {self.name} have changed since submissions were graded. Move the folder .grading beside "
                "them out of the way to grade them all again."
            ) from None
        self.marks = {
            cell.metadata.nbgrader["grade_id"]: cell for cell in notebook.cells if "nbgrader" in cell.metadata
        }

    def _stubbed(self):
        notebook, _ = LockCells().preprocess(nbformat.from_dict(self.notebook), {})
        for step in (ClearSolutions(code_stub={"python": "# your code here"}), ClearOutput()):
            notebook, _ = step.preprocess(notebook, {})
        return notebook

    def _resources(self, student, db_url):
        return {
            "nbgrader": {"assignment": self.name, "notebook": NOTEBOOK, "student": student, "db_url": db_url},
            "unique_key": NOTEBOOK,
        }

    def restore(self, notebook, submission, db_url):
        """Return the submission with every locked cell as in the teacher's copy."""
        for cell in notebook.cells:
            mark = cell.metadata.pop("nbgrader", None)
            grade_id = str(mark.get("grade_id")) if isinstance(mark, dict) else None
            if grade_id in self.marks:  # also what it says about itself: points, locked, graded
                cell.metadata["nbgrader"] = dict(self.marks[grade_id].metadata.nbgrader)
        for step in (ClearOutput, DeduplicateIds, OverwriteKernelspec, OverwriteCells):
            notebook, _ = step().preprocess(notebook, self._resources(submission.student, db_url))
        there = _ids(notebook)
        for grade_id, cell in self.marks.items():
            if is_grade(cell) and grade_id not in there:
                notebook.cells.append(nbformat.from_dict(cell))
                submission.notes.append(f"the check {grade_id} was missing: put back at the end")
        return notebook

    def requests(self, notebook):
        """What a worker has to run, in order: [(cell, request)]."""
        found = []
        for cell in notebook.cells:
            if cell.cell_type == "code":
                request = {"source": cell.source, "check": is_grade(cell)}
                if request["check"]:
                    request |= {"imports": self.imports, "canaries": self.canaries(cell)}
                found.append((cell, request))
        return found

    def canaries(self, check):
        """Answers whose verdict is known: the teacher's own, and a wrong one (without one at hand: nothing written)."""
        own, stubs = self._code(), [cell for cell in self._stubbed().cells if cell.cell_type == "code"]
        stubs = [cell for cell in stubs if cell.source.strip()]
        here = next(i for i, cell in enumerate(own) if _id(cell) == _id(check))
        answers = [i for i in range(here) if _id(own[i]) in self.marks and not is_grade(own[i])]
        right = {i: own[i].source for i in answers}
        wrong = {i: stubs[i].source for i in answers}
        if self.wrong is not None:
            wrong = {i: self.wrong if i == answers[-1] else "" for i in answers}
        found = []
        for is_right, texts in ((True, right), (False, wrong)):
            sources = ["", *(texts.get(i, cell.source) for i, cell in enumerate(own[:here])), check.source]
            found.append({"right": is_right, "answer": "\n".join(texts.values()), "sources": sources})
        return found

    def save(self, notebook, submission, db_url):
        """Score an executed notebook the way nbgrader does."""
        with Gradebook(db_url) as gradebook:
            gradebook.update_or_create_student(submission.student)
            gradebook.update_or_create_submission(self.name, submission.student)
        SaveAutoGrades().preprocess(notebook, self._resources(submission.student, db_url))


def points(db_url, places):
    """Points as they stand in the gradebook, where a teacher may have changed them by hand.

    Parameters
    ----------
    db_url : str
    places : set of (homework, student)

    Returns
    -------
    dict of (homework, student) to float
    """
    if not places:
        return {}
    with Gradebook(db_url) as gradebook:
        return {place: gradebook.find_submission(*place).score for place in places}


def _id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _python(source):
    """Without the lines that only IPython understands."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)
