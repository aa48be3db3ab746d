"""Finds what was handed in, and reads it."""

import hashlib
import json
import os
import re
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from . import names
from .gradebook import grade_ids

MAX_BYTES = 50 * 2**20  # of a submission
OWN = {".grading", "grades.csv", "class.html"}  # what the grader writes into the folder
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # some browsers add a suffix
ARCHIVE = re.compile(r"\.(zip|7z|rar|tar|tgz|gz|bz2|xz)$", re.IGNORECASE)
BY_A_PROGRAM = re.compile(r"\..*|__MACOSX|__pycache__|Thumbs\.db|desktop\.ini|timestamp\.txt", re.IGNORECASE)
HOMEWORK_FOLDER = re.compile(r"(?:homework|hw|lesson)[ _-]*0*(\d+)(?!\d).*", re.IGNORECASE)
NOT_NAMES = {"submitted", "exercises", "Submission attachment(s)"}  # folders of nbgrader, of the course, of Sakai
NAMED = 20  # files to name in a row
NOBODY = ("(no student)", None)


class NotReadable(Exception):
    """Says in one line why a submission cannot be graded."""


@dataclass
class Submission:
    """One student's notebook for one homework, or files that are no notebook."""

    student: str
    path: Path
    homework: str | None = None
    problem: str | None = None
    digest: str | None = None  # of the notebook, the teacher's copy and the grader: the same digest, the same grade
    notes: list = field(default_factory=list)
    where: str = ""  # the path below the folder
    order: tuple | None = None  # as `names.order`
    notebook: object = None

    def read(self, assignments):
        """Read the file into `notebook`, and find out which homework it is.

        Parameters
        ----------
        assignments : dict of str to Assignment
        """
        raw = _parse(_bytes(self.path))
        notebook = _notebook(raw)
        ids = grade_ids(notebook)
        shared = {
            name: len(assignment.ids & (ids | assignment.recognised(notebook)))
            for name, assignment in assignments.items()
        }
        best = max(shared, key=shared.get)
        if not shared[best]:
            raise NotReadable("another notebook, or one without its metadata: no cell of it belongs to a homework")
        if self.homework and not shared[self.homework]:
            raise NotReadable(f"another notebook: its cells belong to {best}")
        self.homework = self.homework or best
        assignments[self.homework].mark_checks(notebook)
        version = assignments[self.homework].version
        self.digest = hashlib.sha256(f"{version}{nbformat.writes(notebook)}".encode()).hexdigest()
        metadata = raw.get("metadata")
        if not isinstance(metadata, dict) or not metadata.get("kernelspec"):
            self.notes.append("names no kernel: ran with the course's")
        self.notebook = notebook


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
    """Return what the file's JSON says, in whatever encoding an editor has saved it."""
    try:
        text = content.decode(json.detect_encoding(content), "surrogatepass")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    try:
        return json.loads(text.strip("\ufeff\0 \t\r\n"), strict=False)  # raw line breaks in a string are allowed
    except (ValueError, RecursionError):
        raise NotReadable("not a notebook: the file is not JSON, or it is damaged") from None


def _notebook(raw):
    """Return the cells' sources and nbgrader's ids as a new notebook; programs disagree about all the rest."""
    cells = raw.get("cells") if isinstance(raw, dict) else None
    if not isinstance(cells, list):  # before nbformat 4
        sheets = raw.get("worksheets") if isinstance(raw, dict) else None
        if not isinstance(sheets, list):
            raise NotReadable("not a notebook: JSON of something else")
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or ()]
    made = []
    for n, cell in enumerate(cell for cell in cells if isinstance(cell, dict)):
        metadata = cell.get("metadata")
        nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        known = isinstance(nbgrader, dict) and "grade_id" in nbgrader
        kept = {"nbgrader": {"grade_id": _text(nbgrader["grade_id"])}} if known else {}
        makers = {"code": new_code_cell, "raw": new_raw_cell}
        make = makers.get(str(cell.get("cell_type", "code")).lower(), new_markdown_cell)
        source = next((cell[key] for key in ("source", "input") if cell.get(key)), "")
        made.append(make(_text(source), id=f"cell-{n}", metadata=kept))
    if not made:
        raise NotReadable("a notebook without cells")
    notebook = new_notebook(cells=made)
    nbformat.validate(notebook)
    return notebook


def _text(value):
    """Return a JSON value that should be a string or a list of strings as one string that can be encoded."""
    text = "".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(found, assignments):
    """Read all that was found; where there is nothing to grade, set the submission's `problem`.

    Of several notebooks of one student for the same homework, the newest counts.
    """
    copies = defaultdict(list)
    for submission in found:
        if submission.problem:
            continue
        try:
            submission.read(assignments)
            copies[submission.student, submission.homework].append(submission)
        except (NotReadable, OSError) as problem:
            submission.problem = str(problem)
        except Exception as problem:
            submission.problem = f"could not be read: {type(problem).__name__}: {problem}"
    for same in copies.values():
        if len(same) > 1:
            _take_newest(same)


def _take_newest(same):
    kinds = {submission.order and submission.order[0] for submission in same}
    named = len(kinds) == 1 and None not in kinds

    def age(submission):
        return submission.order[1] if named else 0, submission.path.lstat().st_mtime_ns

    *older, newest = sorted(same, key=age)
    why = "the newest by the time of its file"
    if named and newest.order != older[-1].order:
        why = f"the newest by the {kinds.pop()} in its name"
    elif age(newest) == age(older[-1]):
        why = "as new as the other"
    newest.notes.append(
        f"{len(same)} notebooks for this homework: graded {newest.where}, {why}; not graded "
        f"{_listed([submission.where for submission in older])}"
    )
    for submission in older:
        submission.problem = f"{submission.where}, because {newest.where} is {why}"


def collect(folder, homework):
    """Return every submission in `folder`, and an entry with a `problem` for whatever else is in it.

    Parameters
    ----------
    folder : Path
        ``student/NN_name/homework.ipynb``, as nbgrader collects them, ``NN_name/student/homework.ipynb``, or
        ``student.ipynb``, also inside ``NN_name/``; or what a learning platform's download holds.
    homework : collection of str
        The names of all homeworks.
    """
    found, others, visited, failed = [], defaultdict(lambda: defaultdict(list)), [], []
    for place, folders, files in os.walk(folder, onerror=failed.append):
        place = Path(place)
        if place == folder:
            folders[:] = [name for name in folders if name not in OWN]
        inside = [names.readable(part) for part in place.relative_to(folder).parts]
        visited.append(inside)
        stems = {_stem(names.readable(file)) for file in files}
        for name in sorted(folders + files):
            path, shown, is_folder = place / name, names.readable(name), name in folders
            if not inside and name in OWN:
                continue
            who = _whose(inside, None if inside else _stem(shown), homework)
            if BY_A_PROGRAM.fullmatch(shown):
                why = "made by a program, not by a student"
                who = who if NOTEBOOK.search(name) and not inside else NOBODY
            elif path.is_symlink() and is_folder:
                why = "a link, which is not followed"
            elif is_folder and inside and shown == "solutions":
                why = "the course's worked answers, not a student's"
            elif is_folder:
                continue
            elif NOTEBOOK.search(name):
                found.append(_submission(path, inside, shown, stems, homework))
                continue
            else:
                why = "an archive: unpack it, then grade again" if ARCHIVE.search(name) else "not a notebook"
            if is_folder:
                folders.remove(name)
            others[who][why].append("/".join([*inside, shown]))
        folders.sort()
        if inside and not folders and not files:
            others[_whose(inside, None, homework)]["an empty folder"].append("/".join(inside))
    for error in failed:
        inside = [names.readable(part) for part in Path(error.filename).relative_to(folder).parts]
        others[_whose(inside, None, homework)][f"cannot be opened ({error.strerror})"].append("/".join(inside))
    found += _leftovers(folder, found, others, visited, homework)
    return sorted(found, key=lambda submission: submission.student)


def _submission(path, inside, shown, stems, homework):
    student, name = _whose(inside, _stem(shown), homework, stems - {_stem(shown)})
    order = next(filter(None, map(names.order, [_stem(shown), *reversed(inside)])), None)
    if order is None and (path.parent / "timestamp.txt").is_file():  # nbgrader, Sakai
        order = names.order((path.parent / "timestamp.txt").read_text(encoding="utf-8", errors="replace")[:100])
    return Submission(student, path, name, where="/".join([*inside, shown]), order=order)


def _stem(name):
    return NOTEBOOK.sub("", name) if NOTEBOOK.search(name) else Path(name).stem


def _whose(inside, stem, homework, stems=()):
    """Return (student, homework or None) of a file or folder.

    Parameters
    ----------
    inside : list of str
        The folders it is in.
    stem : str or None
        The file's name; None for a folder.
    homework : collection of str
    stems : collection of str
        The names of other files in the folder.
    """
    folders = [folder for folder in inside if folder not in NOT_NAMES]
    known = [(n, name) for n, folder in enumerate(folders) if (name := _homework_of(folder, homework))]
    at, name = known[0] if known else (None, None)
    if at:  # all folders above the homework's: "group/student" is nobody else
        return "/".join(map(names.student, folders[:at])), name
    rest = folders[1:] if known else folders
    if rest:
        return names.student(rest[0]), name
    if stem is None:
        return folders[0] if folders else "", name
    student = names.student(stem, stems)
    return stem if student.casefold() == "homework" else student, name  # these may be anybody's


def _homework_of(folder, homework):
    """Return the homework that a folder is named after, or None."""
    numbered = HOMEWORK_FOLDER.fullmatch(folder)
    for name in homework:
        if folder.casefold() == name.casefold() or (numbered and int(numbered[1]) == int(name[:2])):
            return name
    return None


def _leftovers(folder, found, others, visited, homework):
    """Return one entry for each student's files that are no notebooks, and for folders without a notebook.

    Parameters
    ----------
    folder : Path
    found : list of Submission
    others : dict
        (student, homework) -> reason -> paths.
    visited : list of list of str
        Every folder, as its path's parts.
    homework : collection of str
    """
    graded = {(s.student, name) for s in found for name in (s.homework, None)}
    full = {tuple(s.where.split("/")[:n]) for s in found for n in range(s.where.count("/") + 1)}
    empty = {_whose(inside, None, homework) for inside in visited if inside and tuple(inside) not in full} - graded
    empty -= {(student, None) for student, name in empty if name}
    entries = []
    for who in {**others, **dict.fromkeys(empty)}:
        said = "; ".join(f"{_listed(paths)}: {why}" for why, paths in others.get(who, {}).items())
        if who in empty:
            said = "no notebook in this folder" + (f" ({said})" if said else "")
        entries.append(Submission(who[0], folder, who[1], problem=said))
    return entries


def _listed(items):
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
