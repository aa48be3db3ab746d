"""The teacher's copy of each homework, and nbgrader's part of the work: locked cells, points, the gradebook."""

import ast
import hashlib
import json
import logging
import os
import sys
import warnings
from functools import cached_property
from pathlib import Path
from symtable import symtable

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbgrader.api import Gradebook
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
from sqlalchemy.exc import SAWarning

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
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
        """Return the submission with every locked cell as in the teacher's copy."""
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
                submission.notes.append(f"the check {grade_id} was missing: restored at the end")
        return notebook

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


def points(db_url, pairs):
    """Return the points in the gradebook, where a teacher may have changed them by hand.

    Parameters
    ----------
    db_url : str
    pairs : set of (homework, student)

    Returns
    -------
    dict of (homework, student) to float
    """
    if not pairs:
        return {}
    with Gradebook(db_url) as gradebook:
        return {pair: gradebook.find_submission(*pair).score for pair in pairs}


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
