"""A certificate: it says what passed, fits one page, shows any name, and a teacher finds out what is not true."""

import json
import re
import shutil

import certificate
import nbformat
import pytest
from conftest import ROOT
from course import STUB
from test_browser import CHROMIUM, FLAGS

from grader import sandbox

try:
    sandbox.assert_available()
    why_not = None
except sandbox.NoSandbox as reason:
    why_not = str(reason)
needs_sandbox = pytest.mark.skipif(why_not is not None, reason=f"no sandbox here: {why_not}")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the browser test needs it")
SOLVED, OTHER, UNSOLVED, MISSING = "13_beyond_one_machine", "05_padding_and_masking", "04_encoding", "07_dataloaders"


@pytest.fixture
def folder(tmp_path):
    """A learner's notebooks: two solved, one not."""
    for source, name in (("solutions", SOLVED), ("solutions", OTHER), ("exercises", UNSOLVED)):
        shutil.copytree(ROOT / source / name, tmp_path / "hers" / name)
    return tmp_path / "hers"


def record(name="Ada Lovelace", **more):
    course, titles = certificate.about_course()
    homework = [{"name": one, "title": title, "passed": True, "sum": "ab" * 32} for one, title in titles.items()]
    return {"name": name, **course, "date": "2026-11-27", "sandbox": True, "homework": homework, **more}


def page_of(folder, made):
    """Write the page of a record, and return its path."""
    page = folder / "certificate.html"
    page.write_text(certificate.write(made), encoding="utf-8")
    return page


def main(capsys, *arguments):
    """Return (status or the one line said instead, what was printed)."""
    status = certificate.main(list(map(str, arguments)))
    return status, capsys.readouterr().out


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("  Ada\n Lovelace\t", "Ada Lovelace"),
        ('<b>Ada</b> & "Co" </script>{{ x }}', '<b>Ada</b> & "Co" </script>{{ x }}'),
        ("عائشة بنت أبي بكر", "عائشة بنت أبي بكر"),
        ("\u202eecalevoL adA\u202c\u2066\u200f", "ecalevoL adA"),  # a turned name may not turn the page
        ("Zoe\u0308 O’Neill", "Zoë O’Neill"),
        ("نرگس می\u200cخواهد", "نرگس می\u200cخواهد"),
        ("李小龍 🙂", "李小龍 🙂"),
        ("x" * certificate.LONGEST_NAME, "x" * certificate.LONGEST_NAME),
    ],
)
def test_a_name_is_printed_as_text(typed, printed, tmp_path):
    name = certificate.clean_name(typed)
    assert name == printed
    page = page_of(tmp_path, record(name))
    assert certificate.read(page)[0] == record(name)
    assert page.read_text(encoding="utf-8").count("<script") == 1


@pytest.mark.parametrize("typed", ["", "   ", "\u200b\u200d\u202e", "\u0301", "x" * 121, "a\udcff"])
def test_what_is_no_name_is_refused_in_one_line(typed, capsys, tmp_path):
    line, _ = main(capsys, typed, "--to", tmp_path / "c.html")
    assert isinstance(line, str) and line.startswith(("There is no name", "The name has")) and "\n" not in line
    assert not (tmp_path / "c.html").exists()


# --- the page ----------------------------------------------------------------------------------------------


@needs_chromium
def test_it_fits_one_page_and_fetches_nothing(tmp_path):
    """With the longest name, on paper of both sizes; and on a phone nothing has to be scrolled sideways."""
    from playwright.sync_api import sync_playwright

    made = record("Wolfeschlegelsteinhausenbergerdorff " * 3, sandbox=False)
    made["homework"][3] |= {"passed": False, "sum": None}
    page = page_of(tmp_path, made)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shown = browser.new_page(viewport={"width": 390, "height": 800})
        asked = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(page.as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for paper in ("A4", "Letter"):
            assert len(re.findall(rb"/Type\s*/Page\b", shown.pdf(format=paper))) == 1
        text = shown.inner_text("main")
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        axe = ROOT / "site" / "node_modules" / "axe-core" / "axe.min.js"
        if axe.exists():
            for scheme in ("light", "dark"):
                shown.emulate_media(color_scheme=scheme)
                shown.evaluate(axe.read_text(encoding="utf-8"))
                assert shown.evaluate("axe.run().then(result => result.violations.map(v => v.id))") == []
        browser.close()
    assert "12 of 13" in text and "without a sandbox" in text and "27 November 2026" in text
    assert "It proves the code, not who wrote it" in text and "--verify certificate.html FOLDER" in text
    assert "Not passed: 04" in text and "ab" * 32 in text.replace("\n", "")


def test_the_sum_is_of_the_code_alone(folder):
    path = folder / SOLVED / "homework.ipynb"
    before = certificate.code_sum(path)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:  # opened, run and saved by another program
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count, cell.metadata["x"] = [], 7, 1
            cell.source = cell.source.replace("\n", "\r\n")
    nbformat.write(notebook, path)
    assert certificate.code_sum(path) == before
    notebook.cells[-3].source += "\n# one more line"
    next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")).source += "\nx = 1"
    nbformat.write(notebook, path)
    assert certificate.code_sum(path) != before


def test_notebooks_are_found_whatever_they_are_called(folder):
    (folder / OTHER / "homework.ipynb").rename(folder / "my answer (1).ipynb")
    (folder / SOLVED).rename(folder / "week 13")
    (folder / "notes.ipynb").write_text("{}")
    found = certificate.find(folder, certificate.about_course()[1])
    assert found == {
        OTHER: folder / "my answer (1).ipynb",
        SOLVED: folder / "week 13" / "homework.ipynb",
        UNSOLVED: folder / UNSOLVED / "homework.ipynb",
    }


# --- bad input ---------------------------------------------------------------------------------------------


def test_what_cannot_be_certified_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        certificate, "run", lambda notebooks, unsafe=False: dict.fromkeys(notebooks, "it returned None")
    )
    line, _ = main(capsys, "Ada", "--folder", tmp_path)
    assert "has no homework: expected 01_" in line
    line, _ = main(capsys, "Ada", "--folder", ROOT / "exercises", "--to", tmp_path / "c.html")
    assert "None of the 13 notebooks" in line and "it returned None" in line and not (tmp_path / "c.html").exists()


def test_what_cannot_be_verified_is_said_in_one_line(tmp_path, capsys):
    page = tmp_path / "certificate.html"
    for content in (None, b"", b"<html>", b"\xff\xfe", b'<script type="application/json" id="certificate">{}</script>'):
        if content is not None:
            page.write_bytes(content)
        line, _ = main(capsys, "--verify", page, tmp_path, "--unsafe")
        assert isinstance(line, str) and ("cannot be read" in line or "is no certificate" in line) and "\n" not in line
    page_of(tmp_path, record())
    for arguments in ([], [tmp_path / "nowhere"]):
        line, _ = main(capsys, "--verify", page, *arguments)
        assert "give the learner's notebooks" in line


def test_a_changed_page_is_noticed(tmp_path, folder):
    """The words that people read, and the record that is verified, say the same, or verifying says that they don't."""
    page = page_of(tmp_path, record())
    page.write_text(page.read_text(encoding="utf-8").replace("<bdi>Ada", "<bdi>Eve"), encoding="utf-8")
    lines, right, _ = certificate.verify(page, tmp_path / "hers")
    assert not right and "changed afterwards" in lines[0]
    lines, right, _ = certificate.verify(page_of(tmp_path, record(version="9.9", checks="0")), folder)
    assert not right and "written by version '9.9'" in lines[0] and "Its checks were not" in lines[1]


# --- for real ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_sandbox
def test_from_homework_to_a_verified_certificate(folder, tmp_path, capsys):
    page = tmp_path / "certificate.html"
    status, printed = main(capsys, "Ada Lovelace", "--folder", folder, "--to", page)
    assert status == 0 and "2 of 13 homework passed" in printed
    assert "not passed: 04" in printed and "returned None" in printed and "there is no notebook" in printed
    made, text = certificate.read(page)
    assert [one["name"] for one in made["homework"] if one["passed"]] == [OTHER, SOLVED] and made["sandbox"]
    assert "without a sandbox" not in text
    status, printed = main(capsys, "--verify", page, folder)
    assert status == 0 and printed.count("the page's answer, and it passes") == 2 and "\nVerified" in printed


@pytest.mark.slow
@needs_sandbox
def test_what_is_not_true_is_found(folder, tmp_path, capsys):
    """A page claims four: one is right, one is another answer, one does not pass, one is not there."""
    made = record()
    sums = {name: certificate.code_sum(folder / name / "homework.ipynb") for name in (SOLVED, UNSOLVED)}
    claimed = sums | {OTHER: "0" * 64, MISSING: "0" * 64}
    for one in made["homework"]:
        one |= {"passed": one["name"] in claimed, "sum": claimed.get(one["name"])}
    status, printed = main(capsys, "--verify", page_of(tmp_path, made), folder)
    assert status == 1 and "NOT verified" in printed
    said = {line[4:6]: line for line in printed.splitlines()}
    assert said["13"].startswith("ok") and said["05"].startswith("NO") and "its sum differs" in said["05"]
    assert said["04"].startswith("NO") and "does not pass" in said["04"]
    assert said["07"].startswith("NO") and "no notebook" in said["07"]


@pytest.mark.slow
def test_without_a_sandbox_it_runs_in_kernels_with_the_courses_own_checks(folder):
    path = folder / UNSOLVED / "homework.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "print('all is well')"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert STUB in path.read_text(encoding="utf-8")
    names = (SOLVED, UNSOLVED)
    why = certificate.run({name: folder / name / "homework.ipynb" for name in names}, unsafe=True)
    assert why[SOLVED] is None and "returned None" in why[UNSOLVED]
