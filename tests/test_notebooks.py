"""What a reader meets in the notebooks: runs, reads well, links, text alternatives, nothing of this machine."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys

import nbformat
import pytest
from conftest import LATEST, ROOT
from nbclient import NotebookClient

LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CORE = LESSONS[:12]  # Parts 1 and 2
APPENDICES = sorted((ROOT / "notebooks").glob("appendix_*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*/homework.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*/homework.ipynb"))
ALL = LESSONS + APPENDICES + SOLUTIONS + EXERCISES


def short(path):
    return f"{path.parent.name}/{path.name}"


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def tags(cell):
    return cell.metadata.get("tags", [])


def outputs(path):
    return [(cell, output) for cell in cells(path, "code") for output in cell.outputs]


def test_the_lessons_are_numbered():
    assert [path.name[:2] for path in LESSONS] == [f"{n:02}" for n in range(14)]


@pytest.mark.parametrize("path", LESSONS + APPENDICES + SOLUTIONS, ids=short)
def test_stored_outputs_are_clean(path):
    for cell, output in outputs(path):
        text = json.dumps(output, ensure_ascii=False)
        assert not re.search(r"/(root|home|tmp|Users|work)/|[A-Z]:\\\\", text), text[:300]
        assert "Warning" not in text
        if output.output_type == "error":
            assert "raises-exception" in tags(cell)
    for cell in cells(path, "code"):
        assert cell.execution_count is not None, cell.source


@pytest.mark.parametrize("path", LESSONS + APPENDICES, ids=short)
def test_cells_are_short(path):
    lines = [len(cell.source.strip().splitlines()) for cell in cells(path, "code") if "set-up" not in tags(cell)]
    assert statistics.median(lines) <= (5 if path in CORE else 8)  # Part 3 times whole functions
    assert max(lines) <= 15


@pytest.mark.parametrize("path", LESSONS, ids=short)
def test_a_lesson_has_its_form(path):
    text = "\n\n".join(cell.source for cell in cells(path, "markdown"))
    assert re.match(rf"# {path.name[:2]} · ", text)
    assert re.search(r"\*\d+ minutes\.", text) and "After this lesson you can" in text and "## Key points" in text
    if path.name[:2] != "00":
        assert text.count("<details>") >= 6 and "## Check yourself" in text
    for cell in cells(path, "markdown"):
        assert len(re.sub(r"<details>.*?</details>|\|.*\|", "", cell.source, flags=re.S).split()) <= 200, cell.source[
            :80
        ]


def prose(path):
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


@pytest.mark.parametrize("path", LESSONS, ids=short)
def test_a_lesson_is_as_long_as_it_says(path):
    """200 words a minute, 30 s for a code cell, 60 s for a picture or a question."""
    read = [cell.source for cell in cells(path, "markdown") if "lessons" not in tags(cell)]  # a table to look things up
    words = len("\n\n".join(read).split())
    code = [cell for cell in cells(path, "code") if "jupyter" not in cell.metadata]  # folded cells are not read
    assert len(code) <= {"00": 12, "12": 35}.get(path.name[:2], 30)
    assert words <= (1600 if path in CORE else 1800)
    assert max(len(cell.source.strip().splitlines()) for cell in code) <= 12
    pictures = sum({"image/png", "text/html"} & {*output.get("data", {})} != set() for _, output in outputs(path))
    questions = len(re.findall(r"\*\*[^*\n]+\?\*\*", prose(path)))
    slow = words / 200 + len(code) / 2 + pictures + questions
    stated = int(re.search(r"\*(\d+) minutes\.", prose(path))[1])
    assert 0.75 * slow <= stated <= 1.25 * slow, (stated, round(slow))
    assert stated <= 45 or path in CORE


@pytest.mark.parametrize("path", LESSONS, ids=short)
def test_the_old_tutorial_appears_only_in_then_and_now(path):
    before, _, after = prose(path).partition("## Then and now")
    assert path.name[:2] == "00" or after
    rest = re.sub(r"^.*?(?=^## |\Z)", "", after, count=1, flags=re.S | re.M)
    assert not re.search("old tutorial", before + rest, flags=re.I)


@pytest.mark.parametrize("path", LESSONS, ids=short)
def test_a_number_in_prose_is_shown_by_a_cell_above_it(path):
    """Numbers with decimals, unless their paragraph names the script that prints them."""
    shown = ""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            shown += cell.source + json.dumps(cell.outputs, ensure_ascii=False)
            continue
        for paragraph in cell.source.split("\n\n") if "lessons" not in tags(cell) else ():
            text = re.sub(r"`[^`]*`|\]\([^)]*\)|<code>.*?</code>", "", paragraph)
            for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", text):
                assert number in shown or ".py" in paragraph, (number, paragraph[:120])


@pytest.mark.parametrize("path", LESSONS + APPENDICES + SOLUTIONS, ids=short)
def test_every_picture_has_a_text_alternative(path):
    for _, output in outputs(path):
        data = output.get("data", {})
        if "image/png" in data:
            assert len(output.metadata["image/png"]["alt"]) > 20
            assert data["text/plain"] == output.metadata["image/png"]["alt"]
        if "text/html" in data:
            assert data["text/plain"].strip() and not data["text/plain"].startswith("<")
    for cell in cells(path, "markdown"):
        assert all(re.findall(r"!\[(.*?)\]\(", cell.source))


def test_few_cells_are_exempt_from_comparison_each_with_its_reason():
    every = [cell for path in LESSONS + APPENDICES + SOLUTIONS for cell in cells(path, "code")]
    exempt = [cell for cell in every if "nbval-ignore-output" in tags(cell)]
    assert len(exempt) <= 0.07 * len(every)  # a quarter of them are lesson 11's, whose winner depends on the laptop
    assert all(cell.metadata["why-ignored"].startswith("varies: ") for cell in exempt)


@pytest.mark.parametrize("path", ALL, ids=short)
def test_every_link_between_notebooks_resolves(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source):
            assert (path.parent / target).exists(), target


def test_the_readmes_links_resolve():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_every_term_stands_in_the_glossary_once_and_in_bold_in_its_lesson():
    text = (ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\*\*(.+)\*\*\n: (.+) \[(\d\d)\]\((.+)\)$", text, flags=re.M)
    terms = [term for term, *_ in entries]
    assert len(entries) == text.count("\n: ") and len(set(terms)) == len(terms)
    assert terms == sorted(terms, key=lambda term: term.strip("[]").casefold())
    assert {"pretraining", "downstream task", "transfer learning", "finetuning"} <= set(terms)
    for term, _, number, file in entries:
        assert file.startswith(number)
        lesson = "\n".join(cell.source for cell in cells(ROOT / "notebooks" / file, "markdown"))
        assert re.search(rf"\*\*{re.escape(term)}\*\*", lesson, flags=re.I), (term, file)
    # lesson 01 shows some of them in full; tools/course.py writes them there
    shown = [cell for path in LESSONS for cell in cells(path, "markdown") if "glossary" in tags(cell)]
    assert [set(cell.metadata["terms"]) <= set(terms) for cell in shown] == [True]
    # and the other way round: what a lesson sets in bold, in the middle of a sentence, is a term
    for path in LESSONS:
        for cell in cells(path, "markdown"):
            for bold in re.findall(r"(?<=[a-z,;] )\*\*([\[\w][\w \]-]+)\*\*", cell.source):
                known = bold in terms or bold.removesuffix("s") in terms
                assert known or bold.casefold() in map(str.casefold, terms), (path.name, bold)


@pytest.mark.skipif(LATEST, reason="stored outputs come from the pinned versions")
def test_stored_outputs_come_from_the_pinned_versions():
    """nbval compares the outputs; here: what runs is what the requirements pin."""
    from importlib.metadata import version

    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = [line for line in (ROOT / name).read_text().splitlines() if "==" in line]
        assert pins
        for line in pins:
            package, wanted = line.split("==")
            assert version(package).split("+")[0] == wanted, package


@pytest.mark.slow
def test_what_stands_in_several_places_comes_from_one(tmp_path):
    """Set-up cells, badges, the README's table, the teachers' page and the exercises are what tools/course.py writes."""
    import course

    for name in ("notebooks", "solutions", "exercises"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("README.md", "teaching.md", "mistakes.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    course.main(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    few = LESSONS + APPENDICES + SOLUTIONS[:1] + EXERCISES[:1]
    for path in SOLUTIONS[1:]:
        shutil.rmtree((tmp_path / path.relative_to(ROOT)).parent)
    course.main(tmp_path, new_repository="someone/a-course")
    for path in few:
        text = (tmp_path / path.relative_to(ROOT)).read_text(encoding="utf-8")
        assert text.count("github.com/someone/a-course.git") == 1
        place = path.relative_to(ROOT).as_posix().replace("solutions", "exercises")
        assert text.count(f"/github/someone/a-course/blob/main/{place}") == 1
        badge = next(cell for cell in cells(tmp_path / path.relative_to(ROOT), "markdown") if "badge" in tags(cell))
        (picture,) = re.findall(r"\[!\[Open in Colab\]\((.+?)\)\]", badge.source)
        assert (path.parent / picture).exists()  # a file of the course, there without network
    course.main(tmp_path, new_repository="")
    for path in [
        *few[1:],
        ROOT / "pyproject.toml",
    ]:  # lesson 00 has the table of lessons, now without most of the homework
        assert (tmp_path / path.relative_to(ROOT)).read_bytes() == before[tmp_path / path.relative_to(ROOT)]


def test_while_the_course_has_no_address_no_notebook_points_to_one():
    import course

    for path in ALL:
        text = path.read_text(encoding="utf-8")
        assert "OWNER/REPO" not in text
        if not course.repository():
            assert "colab.research.google.com" not in text and "git clone" not in text


@pytest.mark.parametrize("path", ALL, ids=short)
def test_every_picture_is_there_without_network(path):
    """In text cells; pictures from elsewhere would be broken on a laptop that is offline."""
    for cell in cells(path, "markdown"):
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)|<img[^>]+src=[\"']([^\"']+)", cell.source):
            assert (path.parent / "".join(picture)).exists(), picture


@pytest.mark.parametrize("wrong", ["course", "a/b/c", "https://github.com/a/b"])
def test_a_wrong_repository_changes_nothing(wrong, tmp_path):
    import course

    with pytest.raises(SystemExit, match="expected OWNER/REPO"):
        course.main(tmp_path, new_repository=wrong)


@pytest.fixture(scope="module")
def unsolved():
    """What each exercise shows when nothing is written into it; one kernel runs them all, its names deleted between."""
    notebook, owners = nbformat.v4.new_notebook(), []
    for path in EXERCISES:
        change = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {path.parent}")
        for cell in (change, *cells(path, "code")):
            notebook.cells.append(cell)
            owners.append(path)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    shown = {path: [] for path in EXERCISES}
    for path, cell in zip(owners, notebook.cells):
        shown[path] += cell.outputs
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("path", EXERCISES, ids=short)
def test_an_unsolved_exercise_fails_kindly(path, unsolved):
    assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")
    errors = [output for output in unsolved[path] if output.output_type == "error"]
    checks = [cell for cell in cells(path, "code") if cell.metadata.get("nbgrader", {}).get("grade")]
    assert checks and [error.ename for error in errors] == ["NotYet"] * len(checks)
    for error in errors:
        (last,) = error.traceback
        assert last.startswith("Not yet (")
    blocks = [output.data["text/plain"] for output in unsolved[path] if output.output_type == "display_data"]
    assert "Where to read: " in blocks[-1] and not any("Traceback" in text for text in (*blocks, last))


@pytest.mark.slow
def test_a_notebook_that_holds_too_much_memory_fails(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(0.5)")])
    notebook.cells[0].execution_count = 1
    nbformat.write(notebook, tmp_path / "99_large.ipynb")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools")])}
    for most, status in (("5", 1), ("900", 0)):
        command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "limits", "--rootdir=."]
        done = subprocess.run(
            [*command, "--most-megabytes", most], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == status, done.stdout
        assert re.search(r"/99_large +[\d.]+ s +\d+ MB$", done.stdout, flags=re.M)
    assert "more than" not in done.stdout
