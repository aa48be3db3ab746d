"""Write everything that stands in several places from the one place where it is decided.

    python tools/course.py                 set-up cells, Colab badges, the README's lesson table, the teachers' page,
                                           the catalogue of mistakes, the exercises
    python tools/course.py OWNER/REPO      the same, after noting in pyproject.toml where the course lives;
                                           "" takes the address out again

A test runs `main` on a copy and finds nothing to change.
"""

import os
import re
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
MISTAKES = """\
# The mistakes that the checks can name

Written by `tools/course.py` from `transfer_learning/check/misconceptions.toml`: name, and why it matters, as learners read it.
First come the mistakes of any homework, then those of each. *Met most* is a judgement, not a count: no class has been counted
for it. The three are those that the lesson's own code makes easy, because it does without the step that is forgotten. After
`python3 start.py grade FOLDER`, `class.html` shows what *your* class met, the most common mistake first."""
STUB = "# your code here"  # in place of a solution; nbgrader's own raises an error before the check can say something

# The mistakes that a teacher should expect first: three of each homework, and those of any. This is a judgement, by what the
# lessons' own code lets people forget: no class has been counted. The grader's class.html counts those of a real class.
MET_MOST = {
    "hw01": ["special-token-chosen", "generator-ignored", "not-80-10-10"],
    "hw02": ["vector-shape", "left-in-eval", "gradient-kept"],
    "hw03": ["copies-before-cleaning", "index-gaps", "text-changed"],
    "hw04": ["cuts-too-many", "longer-than-needed", "no-special-tokens"],
    "hw05": ["padded-in-front", "sep-cut-off", "mask-from-ids"],
    "hw06": ["copies-apart", "retweets-apart", "depends-on-the-index"],
    "hw07": ["random-order", "mask-from-ids", "fixed-width"],
    "hw08": ["not-cleared", "not-clipped", "mean-of-batches"],
    "hw09": ["mean-of-batches", "left-in-eval", "gradients-on"],
    "hw10": ["positions-not-rows", "least-confident", "ties-not-by-number"],
    "hw11": ["no-such-folder", "files-missing", "card-scores-differ"],
    "hw12": ["same-batches", "another-generator", "same-order"],
    "hw13": ["drops-the-rest", "mean-of-means", "nan-counted"],
    "any": ["nothing-yet", "raises", "returns-nothing", "wrong-type", "input-changed", "gone-in-transformers-5"],
}

SET_UP = """\
# @title Set-up (run me)
import sys

if "google.colab" in sys.modules:  # on Colab: fetch the course; elsewhere there is nothing to do
{fetch}
    %cd -q /content/course/{folder}
    !pip install --quiet --editable /content/course
    %run /content/course/tools/environment.py"""
CLONE = """\
    ![ -d /content/course ] || git clone --quiet --depth 1 https://github.com/{repository}.git /content/course"""
# The course has no address: `python3 start.py zip` makes the file
UNPACK = """\
    import contextlib
    import zipfile
    from pathlib import Path

    from google.colab import drive, files

    if not Path("/content/course/start.py").exists():
        with contextlib.suppress(Exception):  # permission may be refused: then the file is uploaded
            drive.mount("/content/drive")
        archive = Path("/content/drive/MyDrive/course.zip")
        if not archive.exists():
            print("No course.zip in your Drive. Choose the file on your computer (python3 start.py zip makes it).")
            archive = next(iter(files.upload()), "")
        if not zipfile.is_zipfile(archive) or "course/start.py" not in zipfile.ZipFile(archive).namelist():
            raise SystemExit("Expected course.zip, made by python3 start.py zip. Run this cell again.")
        zipfile.ZipFile(archive).extractall("/content")"""
BADGE = "[![Open in Colab]({image})](https://colab.research.google.com/github/{repository}/blob/main/{path})"
BADGE_IMAGE = "notebooks/images/open_in_colab.svg"


def repository(root=ROOT):
    """Where the course lives on GitHub, "OWNER/REPO"; "" while it lives nowhere."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["course"]["repository"]


def lessons(root=ROOT):
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def appendices(root=ROOT):
    return sorted((root / "notebooks").glob("appendix_*.ipynb"))


def homework(root=ROOT, folder="solutions"):
    return sorted((root / folder).glob("[0-9][0-9]_*/homework.ipynb"))


def set_up_cell(place, repository):
    """The source of a notebook's first code cell; `place` is the notebook's path inside the course."""
    fetch = CLONE.format(repository=repository) if repository else UNPACK
    return SET_UP.format(fetch=fetch, folder=place.parent.as_posix())


def badge_cell(place, repository):
    """The link to Colab, above the set-up cell. Its picture is a file of the course, so it is there without network."""
    image = link(BADGE_IMAGE, place.parent)
    source = BADGE.format(image=image, repository=repository, path=place.as_posix())
    return nbformat.v4.new_markdown_cell(source, id="badge", metadata={"tags": ["badge"]})


def write_set_up(path, root):
    """Put into a notebook what is decided elsewhere: badge and set-up, table of lessons, definitions of terms."""
    notebook = nbformat.read(path, as_version=4)
    folder = path.relative_to(root).parent
    # learners open the exercise, which is made from the solution
    place = Path(path.relative_to(root).as_posix().replace("solutions/", "exercises/"))
    notebook.cells = [cell for cell in notebook.cells if "badge" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "set-up" in tags:
            # folded away: on a laptop it does nothing, on Colab a title stands in its place
            cell.metadata["jupyter"], cell.metadata["cellView"] = {"source_hidden": True}, "form"
            cell.source = set_up_cell(place, repository(root))
        if "lessons" in tags:
            cell.source = f"{cell.source.split('|')[0]}{lesson_table(root, folder)}"
        if "glossary" in tags:
            terms = glossary(root)
            entries = [f"**{term}**\n: {terms[term]}" for term in cell.metadata["terms"]]
            cell.source = "\n\n".join([cell.source.split("\n")[0], *entries])
    if repository(root):
        at = next(n for n, cell in enumerate(notebook.cells) if "set-up" in cell.metadata.get("tags", []))
        notebook.cells.insert(at, badge_cell(place, repository(root)))
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
    more = f", and {_hours(write)} of homework" if write > 15 else ""
    return f"| **{PARTS[number]}**: {_hours(read)}{more} | | | |"


def _hours(minutes):
    hours = round(minutes / 30) / 2
    return f"{hours:g} hour{'s' * (hours != 1)}"


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


def write_between(path, mark, text, indent=""):
    """Put `text` between ``<!-- MARK: written by tools/course.py -->`` and ``<!-- end of MARK -->``."""
    start, end = f"<!-- {mark}: written by tools/course.py -->\n", f"\n{indent}<!-- end of {mark} -->"
    before, rest = path.read_text(encoding="utf-8").split(start)
    path.write_text(before + start + text + end + rest.split(end, 1)[1], encoding="utf-8")


def write_readme(root):
    write_between(root / "README.md", "lessons", lesson_table(root))


def questions(path):
    """The questions that a lesson asks in bold, as it asks them, each on one line; not those of "Check yourself"."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = re.sub("`[^`]*`", lambda code: code[0].replace("**", "\0"), cell.source)  # ** in code is not bold
            found += [" ".join(part.split()).replace("\0", "**") for part in text.split("**")[1::2]]
    return [bold for bold in found if bold.endswith("?") and not re.match(r"\d+\. ", bold)]


def mistakes():
    """The table of mistakes, {homework: {slug: entry}}, in each homework the three that are met most first."""
    table = tomllib.loads((ROOT / "transfer_learning" / "check" / "misconceptions.toml").read_text(encoding="utf-8"))
    return {name: {slug: own[slug] for slug in [*MET_MOST[name], *own]} for name, own in table.items()}


def _bullets(entries, indent=""):
    return "\n".join(f"{indent}- **{entry['name']}**: {entry['why']}" for entry in entries)


def write_teaching(root):
    """Into the teachers' page: for each lesson with homework, the three mistakes that are met most."""
    for name, own in mistakes().items():
        if name != "any":
            three = _bullets([own[slug] for slug in MET_MOST[name]], "  ")
            write_between(root / "teaching.md", f"mistakes in homework {name[2:]}", three, "  ")


def write_mistakes(root):
    """The catalogue of mistakes: all that the checks can name."""
    table, parts = mistakes(), [MISTAKES]
    parts.append(f"## In any homework\n\n{_bullets(table['any'].values())}")
    for path in homework(root):
        name, row = path.parent.name, lesson_row(root / "notebooks" / f"{path.parent.name}.ipynb", root)
        title = row.split("|")[4].strip()
        first, rest = [], []
        for slug, entry in table[f"hw{name[:2]}"].items():
            (first if slug in MET_MOST[f"hw{name[:2]}"] else rest).append(entry)
        parts.append(f"## {name[:2]} · {title}\n\nMet most:\n\n{_bullets(first)}\n\nAlso:\n\n{_bullets(rest)}")
    (root / "mistakes.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_exercises(root):
    """What learners get is what nbgrader makes of solutions/."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    # nbgrader runs alembic by name
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(ClearSolutions={"code_stub": {"python": STUB}})
        config.CourseDirectory = Config(root=str(root), source_directory="solutions", release_directory=scratch)
        config.CourseDirectory.db_url = f"sqlite:///{scratch}/gradebook.db"
        nbgrader = NbGraderAPI(config=config)
        for path in homework(root):
            name = path.parent.name
            done = nbgrader.generate_assignment(name)
            if not done["success"]:
                sys.exit(f"nbgrader could not make the exercise of {name}:\n{done['log'][-2000:]}")
            notebook = nbformat.read(Path(scratch) / name / "homework.ipynb", as_version=4)
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
            target = root / "exercises" / name / "homework.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)


def main(root=ROOT, new_repository=None):
    if new_repository is not None:
        if new_repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", new_repository):
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
    write_mistakes(root)
    write_exercises(root)


if __name__ == "__main__":
    main(new_repository=sys.argv[1] if len(sys.argv) > 1 else None)
