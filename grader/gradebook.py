"""The teacher's copy of each homework, and nbgrader's part of the work: locked cells, points, the gradebook."""

import ast
import contextlib
import hashlib
import json
import logging
import os
import re
import sqlite3
import sys
import time
import warnings
from functools import cached_property
from pathlib import Path
from symtable import symtable

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import (
    ClearOutput,
    ComputeChecksums,
    DeduplicateIds,
    LockCells,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
    SaveCells,
)
from nbgrader.utils import is_grade
from sqlalchemy import URL
from sqlalchemy.exc import SAWarning, SQLAlchemyError

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
HIDDEN_TESTS = re.compile(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", re.DOTALL)
NOT_DAMAGED = re.compile("locked|readonly|read-only|full|unable to open|permission", re.IGNORECASE)
NOTEBOOK = "homework"  # what nbgrader calls each homework's only notebook

# nbgrader runs alembic by name
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
logging.getLogger("traitlets").setLevel(logging.ERROR)  # nbgrader logs every restored cell
warnings.filterwarnings("ignore", category=SAWarning)  # about nbgrader's own queries


class CannotRecord(Exception):
    """Says in one line why a homework does not go into the gradebook."""


class Assignment:
    """The teacher's copy of one homework, and its entry in the gradebook.

    Parameters
    ----------
    path : Path
        ``solutions/NN_name/homework.ipynb``.
    limits : dict
        The limits a submission runs under.
    """

    def __init__(self, path, limits=None):
        self.path, self.name = path, path.parent.name
        self.notebook = nbformat.read(path, as_version=4)
        self.ids = grade_ids(self.notebook)
        files = [path, *sorted((ROOT / "transfer_learning").rglob("*.*")), *sorted(HERE.glob("*.*"))]
        content = b"".join(file.read_bytes() for file in files if file.suffix in (".py", ".toml", ".ipynb"))
        self.version = hashlib.sha256(content + json.dumps(limits).encode()).hexdigest()

    @cached_property
    def imports(self):
        """All import statements of the teacher's copy, in order."""
        lines = []
        for cell in self._code_cells():
            tree = ast.parse(_as_python(cell.source))
            lines += [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        return "\n".join(lines)

    def _code_cells(self):
        return [cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip()]

    @cached_property
    def points(self):
        return sum(float(cell.metadata.nbgrader["points"]) for cell in self.notebook.cells if is_grade(cell))

    @cached_property
    def _released_checks(self):
        """The checks as learners have them, without hidden tests: {source: grade_id}."""
        checks = filter(is_grade, self.notebook.cells)
        return {HIDDEN_TESTS.sub("", cell.source).strip(): _grade_id(cell) for cell in checks}

    def recognised(self, notebook):
        """Return the ids of checks in a notebook, told by their source: some programs drop nbgrader's metadata."""
        sources = {cell.source.strip() for cell in notebook.cells}
        return {grade_id for source, grade_id in self._released_checks.items() if source in sources}

    def mark_checks(self, notebook):
        """Give checks without nbgrader's metadata their id again."""
        present = grade_ids(notebook)
        for cell in notebook.cells:
            grade_id = self._released_checks.get(cell.source.strip())
            if grade_id and grade_id not in present:
                cell.metadata["nbgrader"] = {"grade_id": grade_id}

    def record(self, db_url):
        """Write the homework into the gradebook, as ``nbgrader generate_assignment`` does, but with its solutions."""
        with Gradebook(db_url) as gradebook:
            gradebook.update_or_create_assignment(self.name)
        notebook, resources = nbformat.from_dict(self.notebook), self._resources("", db_url)
        try:
            for step in (LockCells, ClearOutput, ComputeChecksums, SaveCells):
                notebook, _ = step().preprocess(notebook, resources)
        except RuntimeError:  # nbgrader keeps the points of deleted cells
            raise CannotRecord(
                f"The cells of {self.name} have changed since submissions were graded. To grade them all again, move "
                "the folder .grading out of the folder of submissions."
            ) from None
        self.cells = {
            cell.metadata.nbgrader["grade_id"]: cell for cell in notebook.cells if "nbgrader" in cell.metadata
        }

    def _resources(self, student, db_url):
        return {
            "nbgrader": {"assignment": self.name, "notebook": NOTEBOOK, "student": student, "db_url": db_url},
            "unique_key": NOTEBOOK,
        }

    def restore(self, notebook, submission, db_url):
        """Return the submission with every locked cell as in the teacher's copy, and notes for the teacher."""
        notes = []
        for cell in notebook.cells:
            metadata = cell.metadata.pop("nbgrader", None)
            grade_id = str(metadata.get("grade_id")) if isinstance(metadata, dict) else None
            if grade_id in self.cells:  # also what the cell says about itself: points, locked, graded
                cell.metadata["nbgrader"] = dict(self.cells[grade_id].metadata.nbgrader)
        for step in (ClearOutput, DeduplicateIds, OverwriteKernelspec, OverwriteCells):
            notebook, _ = step().preprocess(notebook, self._resources(submission.student, db_url))
        present = grade_ids(notebook)
        for grade_id, cell in self.cells.items():
            if is_grade(cell) and grade_id not in present:
                notebook.cells.append(nbformat.from_dict(cell))
                notes.append(f"the check {grade_id} was missing: restored at the end")
        return notebook, notes

    def requests(self, notebook):
        """Return what a worker has to run, in order: [(cell, request)]."""
        pairs = []
        for cell in notebook.cells:
            if cell.cell_type == "code":
                request = {"source": cell.source, "check": is_grade(cell)}
                if request["check"]:
                    request |= {"imports": self.imports, "canaries": self.canaries(cell)}
                pairs.append((cell, request))
        return pairs

    def canaries(self, check):
        """Return two answers whose verdict is known: the teacher's own, and the same spoiled."""
        cells = self._code_cells()
        cells = cells[: next(i for i, cell in enumerate(cells) if _grade_id(cell) == _grade_id(check))]
        answers = [i for i, cell in enumerate(cells) if _grade_id(cell) and not is_grade(cell)]
        right = {i: cells[i].source for i in answers}
        names = sorted(_assigned("\n".join(right.values())) & _mentioned(check.source))
        spoiled = [
            (HERE / "wrong_answer.py").read_text(encoding="utf-8"),
            *(f"{name} = spoil({name})" for name in names),
        ]
        wrong = (
            right | {answers[-1]: "\n".join([right[answers[-1]], *spoiled])} if names else dict.fromkeys(answers, "")
        )
        return [
            {
                "right": is_right,
                "answer": "\n".join(sources.values()),
                "history": ["", *(sources.get(i, cell.source) for i, cell in enumerate(cells)), check.source],
            }
            for is_right, sources in ((True, right), (False, wrong))
        ]

    def save(self, notebook, submission, db_url):
        """Score an executed notebook the way nbgrader does."""
        with Gradebook(db_url) as gradebook:
            gradebook.update_or_create_student(submission.student)
            gradebook.update_or_create_submission(self.name, submission.student)
        SaveAutoGrades().preprocess(notebook, self._resources(submission.student, db_url))


def open_or_set_aside(path):
    """Return the gradebook's address; a damaged gradebook first gets another name.

    Parameters
    ----------
    path : Path

    Returns
    -------
    db_url : sqlalchemy.URL
    aside : Path or None
        The damaged gradebook.

    Raises
    ------
    CannotRecord
        If the file is in use, cannot be written, or the disk is full.
    """
    db_url = URL.create("sqlite", database=str(path))  # a path may hold "?" or "%"
    aside = None
    for _ in range(2):
        try:
            if path.is_dir():
                raise sqlite3.DatabaseError("a folder")
            with contextlib.closing(sqlite3.connect(path)) as file:
                ((state, *_), *_) = file.execute("PRAGMA quick_check(1)")
                file.execute("PRAGMA user_version = 0")  # writes
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            with Gradebook(db_url) as gradebook:
                for assignment in gradebook.assignments:
                    gradebook.assignment_submissions(assignment.name)
            return db_url, aside
        except (sqlite3.DatabaseError, SQLAlchemyError, ValueError) as error:
            if aside or NOT_DAMAGED.search(str(error)):
                raise CannotRecord(f"The gradebook {path} cannot be used: {one_line(error)}") from None
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            path.rename(aside)


def one_line(error):
    """Return what an error says as one line, without what SQLAlchemy adds to it."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    return f"{type(error).__name__}: {said}"[:500]


def points(db_url, pairs):
    """Return the points in the gradebook, where a teacher may have changed them by hand.

    Parameters
    ----------
    db_url : str
    pairs : set of (homework, student)

    Returns
    -------
    dict of (homework, student) to float
        Without those that are not in the gradebook.
    """
    found = {}
    with Gradebook(db_url) as gradebook:
        for pair in pairs:
            with contextlib.suppress(MissingEntry):
                found[pair] = gradebook.find_submission(*pair).score
    return found


def grade_ids(notebook):
    """Return nbgrader's ids of a notebook's cells, which a submission may have changed to anything."""
    metadata = (cell.metadata.get("nbgrader") for cell in notebook.cells)
    return {str(entry["grade_id"]) for entry in metadata if isinstance(entry, dict) and "grade_id" in entry}


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _as_python(source):
    """Return a cell's source without the lines that only IPython understands."""
    return TransformerManager().transform_cell(source)


def _assigned(source):
    """Return the names that a cell's source assigns or defines at its top level."""
    symbols = symtable(_as_python(source), "<answer>", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned()}


def _mentioned(source):
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
