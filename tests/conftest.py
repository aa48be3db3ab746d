import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import threading
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
# these share the web edition, which takes half a minute to build
TOGETHER = {"test_site": "site", "test_live": "site"}
# to set one of these up takes more than ten seconds: a class is graded, networks are trained on two processes
SLOW_FIXTURES = {"graded", "trained"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep the tests of one file in one process of `pytest -n 3 --dist=loadgroup`; mark what a slow fixture makes slow."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.path.name not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(TOGETHER.get(item.path.stem, item.path.stem)))


def code_cells(number):
    """The code cells of a lesson, without the one that sets Colab up."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and "set-up" not in cell.metadata.get("tags", [])]


@pytest.fixture(scope="session")
def web():
    """site/build.py as a module."""
    sys.path.append(str(ROOT / "site"))  # behind everything else: its files have common names
    spec = importlib.util.spec_from_file_location("site_build", ROOT / "site" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def site(web):
    """The web edition's folder, built as `start.py site --build` builds it."""
    subprocess.run([sys.executable, str(ROOT / "site" / "build.py"), "--build"], check=True)
    return web.OUT


@pytest.fixture(scope="session")
def serve(web, site):
    """The address at which the web edition is served: not a host's top folder, so that no link may begin with a slash."""
    with web.server(site.parent, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
        server.shutdown()


@pytest.fixture(autouse=True)
def the_same_draws(request, monkeypatch):
    """A test that draws numbers at random draws the same ones in every run, whichever tests run before it.

    The checks' numbers, too: of the thousands of wrong answers, one in hundreds of runs may get another name by chance.
    """
    draws = random.Random(request.node.nodeid)
    monkeypatch.setattr(random, "SystemRandom", lambda: random.Random(draws.getrandbits(64)))
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def no_tweets_csv(monkeypatch):
    """The course's own tweets, whatever the environment says."""
    monkeypatch.delenv("TWEETS_CSV", raising=False)


@pytest.fixture(scope="module")
def browser():
    """Chromium; tests/test_browser.py has one of its own, with JupyterLab's profile."""
    from playwright.sync_api import sync_playwright
    from test_browser import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
