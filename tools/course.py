"""Write everything that stands in several places from the one place where it is decided.

    python tools/course.py                 set-up cells, Colab badges, the README's lesson table, the teachers' page,
                                           the exercises
    python tools/course.py OWNER/REPO      the same, after noting in pyproject.toml where the course lives

A test runs `main` on a copy and finds nothing to change.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PARTS = {  # the lesson each part begins with
    "00": "Part 1: from text to batches",
    "08": "Part 2: a classifier of your own",
    "12": "Part 3: further",
}
STUB = "# your code here"  # in place of a solution; nbgrader's own raises an error before the check can say something

SET_UP = """\
# @title Set-up (run me)
import sys

if "google.colab" in sys.modules:  # on Colab: fetch the course; elsewhere there is nothing to do
    !git clone --quiet --depth 1 https://github.com/{repository}.git /content/course
    %cd -q /content/course/{folder}
    !pip install --quiet --editable /content/course
    %run /content/course/tools/environment.py"""
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/main/{path})"
)


def repository(root=ROOT):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["course"]["repository"]


def lessons(root=ROOT):
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def appendices(root=ROOT):
    return sorted((root / "notebooks").glob("appendix_*.ipynb"))


def homework(root=ROOT, folder="solutions"):
    return sorted((root / folder).glob("[0-9][0-9]_*/homework.ipynb"))


def write_set_up(path, root):
    """Put into a notebook what is decided elsewhere: badge and set-up, table of lessons, definitions of terms."""
    notebook = nbformat.read(path, as_version=4)
    place = path.relative_to(root)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "set-up" in tags:
            # folded away: on a laptop it does nothing, on Colab a title stands in its place
            cell.metadata["jupyter"], cell.metadata["cellView"] = {"source_hidden": True}, "form"
            cell.source = SET_UP.format(
                repository=repository(root), folder=place.parent.as_posix().replace("solutions/", "exercises/")
            )
        if "badge" in tags:
            cell.source = BADGE.format(
                repository=repository(root), path=place.as_posix().replace("solutions/", "exercises/")
            )
        if "lessons" in tags:
            cell.source = f"{cell.source.split('|')[0]}{lesson_table(root, place.parent)}"
        if "glossary" in tags:
            terms = glossary(root)
            entries = [f"**{term}**\n: {terms[term]}" for term in cell.metadata["terms"]]
            cell.source = "\n\n".join([cell.source.split("\n")[0], *entries])
    nbformat.write(notebook, path)


def link(target, start):
    return Path(os.path.relpath(target, start)).as_posix()


def _minutes(path):
    return int(re.search(r"\*(\d+) minutes", nbformat.read(path, as_version=4).cells[0].source)[1])


def lesson_row(path, start):
    """One row of the README's table, read from the lesson itself (title, minutes, question) and from its homework."""
    cells = nbformat.read(path, as_version=4).cells
    home = path.parents[1] / "solutions" / path.stem / "homework.ipynb"
    write = "–"
    if home.exists():
        title = re.match(r"# Homework \d\d · (.+)", nbformat.read(home, as_version=4).cells[0].source)[1]
        exercise = link(path.parents[1] / "exercises" / path.stem / "homework.ipynb", start)
        write = f"[{title}]({exercise}), {_minutes(home)} min"
    title = re.match(r"# (\d\d) · (.+)", cells[0].source)
    question = re.search(r"\*\*The question:\*\* (.+)", cells[0].source)
    return f"| [{title[1]} · {title[2]}]({link(path, start)}) | {_minutes(path)} | {question[1]} | {write} |"


def part_row(number, root):
    """The row above a part's first lesson: the part's name, and the hours it takes, to the nearest half."""
    end = min((start for start in PARTS if start > number), default="99")
    read = sum(_minutes(path) for path in lessons(root) if number <= path.name[:2] < end)
    write = sum(_minutes(path) for path in homework(root) if number <= path.parent.name[:2] < end)
    more = f", and {round(write / 30) / 2:g} hours of homework" if write > 15 else ""
    return f"| **{PARTS[number]}**: {round(read / 30) / 2:g} hours{more} | | | |"


def lesson_table(root, place="."):
    """All lessons as a table, with links that work from the folder `place`."""
    rows = ["| lesson | minutes | what it answers | homework |", "|---|---|---|---|"]
    for path in lessons(root):
        if path.name[:2] in PARTS:
            rows.append(part_row(path.name[:2], root))
        row = lesson_row(path, root / place)
        if place != ".":  # in a lesson, subtitles and the titles of homework are left out
            row = re.sub(r"(\[\d\d · [^]:]+):[^]]+", r"\1", row)
            row = re.sub(r"\[[^]]+(\]\(\S+\)), (\d+ min)", r"[\2\1", row)
        rows.append(row)
    return "\n".join(rows)


def glossary(root=ROOT):
    """The terms of notebooks/glossary.md and what they mean, without the links to lessons."""
    text = (root / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\*\*(.+)\*\*\n: (.+) \[\d\d\]", text, flags=re.M))


def write_between(path, mark, text):
    """Put `text` between ``<!-- MARK: written by tools/course.py -->`` and ``<!-- end of MARK -->``."""
    start, end = f"<!-- {mark}: written by tools/course.py -->\n", f"\n<!-- end of {mark} -->"
    before, rest = path.read_text(encoding="utf-8").split(start)
    path.write_text(before + start + text + end + rest.split(end, 1)[1], encoding="utf-8")


def write_readme(root):
    write_between(root / "README.md", "lessons", lesson_table(root))


def key_points(path):
    """The lesson's own list of what to remember."""
    for cell in nbformat.read(path, as_version=4).cells:
        if found := re.search(r"^## Key points\n+((?:[-*] .*\n?|  .*\n?)+)", cell.source, flags=re.M):
            return found[1].strip()
    return ""


def _bullets(entries):
    return "\n".join(f"- **{entry['name']}**: {entry['why']}" for entry in entries.values())


def write_teaching(root):
    """What a teacher can say about each lesson, and where learners stumble, from the lessons and the checks."""
    table = ROOT / "transfer_learning" / "check" / "misconceptions.toml"
    mistakes, parts = tomllib.loads(table.read_text(encoding="utf-8")), []
    for path in lessons(root):
        name, minutes, question, write = (part.strip() for part in lesson_row(path, root).split("|")[1:-1])
        parts.append(f"### {name}\n\n{minutes} minutes. {question}\n\n{key_points(path)}")
        if own := mistakes.get(f"hw{path.stem[:2]}"):
            parts.append(f"Where learners stumble in the homework, {write}:")
            parts.append(_bullets(own))
    parts.append(f"### In any homework\n\n{_bullets(mistakes['any'])}")
    write_between(root / "teaching.md", "lesson by lesson", "\n\n".join(parts))


def write_exercises(root):
    """What learners get is what nbgrader makes of solutions/."""
    with tempfile.TemporaryDirectory() as scratch:
        stub = {"ClearSolutions": {"code_stub": {"python": STUB}}}
        (Path(scratch) / "nbgrader_config.json").write_text(json.dumps(stub))
        for path in homework(root):
            name = path.parent.name
            command = [sys.executable, "-m", "nbgrader", "generate_assignment", name, "--force", "--create"]
            command += [f"--CourseDirectory.root={root}", "--CourseDirectory.source_directory=solutions"]
            command += [
                f"--CourseDirectory.release_directory={scratch}",
                f"--CourseDirectory.db_url=sqlite:///{scratch}/gradebook.db",
            ]
            # nbgrader calls alembic by name
            env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
            done = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"nbgrader could not make the exercise of {name}:\n{done.stderr[-2000:]}")
            notebook = nbformat.read(Path(scratch) / name / "homework.ipynb", as_version=4)
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
            target = root / "exercises" / name / "homework.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)


def main(root=ROOT, new_repository=None):
    if new_repository:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", new_repository):
            sys.exit(f"expected OWNER/REPO as in github.com/OWNER/REPO, got {new_repository!r}")
        file = root / "pyproject.toml"
        text = re.sub(
            r'^repository = ".*"$', f'repository = "{new_repository}"', file.read_text(encoding="utf-8"), flags=re.M
        )
        file.write_text(text, encoding="utf-8")
    for path in [*lessons(root), *appendices(root), *homework(root)]:
        write_set_up(path, root)
    write_readme(root)
    write_teaching(root)
    write_exercises(root)


if __name__ == "__main__":
    main(new_repository=sys.argv[1] if len(sys.argv) > 1 else None)
