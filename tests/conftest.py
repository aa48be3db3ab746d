import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "data"), str(ROOT / "tests"), str(ROOT)]
LATEST = bool(os.environ.get("COURSE_LATEST"))

import start  # noqa: E402

if "COURSE_RECORD" not in os.environ:  # pytest was started by hand; its workers and children inherit what is set here
    _folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    os.environ.update(start.scratch(_folder.name))

# the many known answers are independent of each other; the tests of any other file share fixtures that are slow to set up
SPREAD = {"test_checks.py"}
# to set one of these up takes more than ten seconds: a class is graded, networks are trained on two processes
SLOW_FIXTURES = {"graded", "trained"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep the tests of one file in one process of `pytest -n 3 --dist=loadgroup`; mark what a slow fixture makes slow."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.path.name not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def code_cells(number):
    """The code cells of a lesson, without the one that sets Colab up."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and "set-up" not in cell.metadata.get("tags", [])]


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def no_tweets_csv(monkeypatch):
    """The course's own tweets, whatever the environment says."""
    monkeypatch.delenv("TWEETS_CSV", raising=False)
