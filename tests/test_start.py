"""start.py: one clear line for what can go wrong, an install that is finished when it was interrupted, lessons run."""

import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT))
import start


def fake_venv(folder):
    python = start.python_in(folder)
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()


@pytest.fixture
def commands(monkeypatch):
    """What start.py would run; nothing is installed."""
    seen = []

    def run(command, **options):
        seen.append(command)
        if "venv" in command:
            fake_venv(start.Path(command[-1]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(start.subprocess, "run", run)
    return seen


def test_it_installs_once(tmp_path, commands):
    for _ in range(2):
        start.install(tmp_path / "venv", ["-r", "requirements.txt"], "key")
    assert len(commands) == 2 and "pip" in commands[1]


def test_new_requirements_are_installed(tmp_path, commands):
    start.install(tmp_path / "venv", [], "key")
    start.install(tmp_path / "venv", [], "other key")
    assert len(commands) == 4


def test_an_interrupted_install_is_noticed_and_finished(tmp_path, monkeypatch, commands, capsys):
    whole = start.subprocess.run

    def interrupted(command, **options):
        if "pip" in command:
            raise KeyboardInterrupt
        return whole(command, **options)

    monkeypatch.setattr(start.subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start.install(tmp_path / "venv", [], "key")
    monkeypatch.setattr(start.subprocess, "run", whole)
    start.install(tmp_path / "venv", [], "key")
    assert "Finishing the install" in capsys.readouterr().out
    assert (tmp_path / "venv" / "installed").exists()


def test_no_network_is_one_line(tmp_path, monkeypatch, commands):
    whole = start.subprocess.run

    def failing(command, **options):
        if "pip" in command:
            raise subprocess.CalledProcessError(1, command)
        return whole(command, **options)

    monkeypatch.setattr(start.subprocess, "run", failing)
    with pytest.raises(start.Stop, match="Without network: connect, then run python3") as caught:
        start.install(tmp_path / "venv", [], "key")
    assert "\n" not in str(caught.value)


def test_no_disk_is_one_line(tmp_path, monkeypatch, commands):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(start.Stop, match="Not enough disk: the course needs 3 GB"):
        start.install(tmp_path / "venv", [], "key")
    assert not commands


@pytest.mark.parametrize("found", [(3, 8), (3, 10), (3, 14)])
def test_an_unsupported_python_is_one_line(found, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (*found, 0, "final", 0))
    with pytest.raises(
        start.Stop, match=rf"Python {found[0]}\.{found[1]} found; the course needs Python 3\.11, 3\.12 or 3\.13"
    ):
        start.main([])


def test_paths_that_were_typed_here_work_in_notebooks(monkeypatch):
    monkeypatch.setenv("TWEETS_CSV", "data/some.csv")
    assert start.environment()["TWEETS_CSV"] == os.path.join(os.getcwd(), "data", "some.csv")


def run_start(*arguments, **env):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run_lessons.py"), *arguments],
        env={**start.environment(), **env},
        capture_output=True,
        text=True,
    )


def test_an_unknown_lesson_is_named():
    done = run_start("77")
    assert done.returncode == 1 and done.stderr.startswith("No lesson 77. There are: 00, 01")


def test_a_failing_lesson_fails_the_run(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("sentiment,message\n1,x\n")
    done = run_start("03", TWEETS_CSV=str(bad))
    assert done.returncode == 1
    assert re.search(r"03_loading_your_own_dataset .* failed", done.stdout) and "no column 'tweetid'" in done.stderr


def test_what_lessons_took_is_stored_once_for_each_machine_and_source(tmp_path, monkeypatch):
    import pandas as pd
    import run_lessons

    monkeypatch.setattr(run_lessons, "STORED", tmp_path / "lessons.csv")
    monkeypatch.delenv("TRANSFER_LEARNING_SOURCE", raising=False)
    for seconds in (30.2, 20.4):
        run_lessons.store([("03_loading", None, seconds, 2**30)])
    monkeypatch.setenv("TRANSFER_LEARNING_SOURCE", "hub")
    run_lessons.store([("03_loading", None, 90, 2**30)])
    table = pd.read_csv(run_lessons.STORED)
    found = table[["lesson", "source", "seconds", "megabytes"]].itertuples(index=False, name=None)
    assert list(found) == [("03_loading", "embedded", 20, 1024), ("03_loading", "hub", 90, 1024)]


def test_lessons_run_on_another_file_of_tweets(tmp_path):
    """Other rows than the stored ones, in another order: no lesson may depend on the course's own."""
    import pandas as pd

    from transfer_learning import load_tweets

    df = load_tweets(ROOT / "data" / "climate_tweets.csv")
    other = pd.concat([df.iloc[1000:1900], df.iloc[:950]])  # lesson 09 labels 1,300 distinct ones
    other.to_csv(tmp_path / "tweets.csv", index=False)
    # 08 trains for minutes on its own draw of rows; the others run in seconds
    numbers = [path.name[:2] for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")) if path.name[:2] != "08"]
    done = run_start(*numbers, TWEETS_CSV=str(tmp_path / "tweets.csv"))
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_server_answers_within_five_seconds():
    """As a second start does it: nothing to install, the address printed, the first lesson behind it."""
    code = "import start, sys; start.ready = lambda: sys.executable; sys.exit(start.main(['--no-browser']))"
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = next(line.strip() for line in server.stdout if "http://" in line)
        seconds = time.perf_counter() - started
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/00_start_here\.ipynb\?token=\w{32}", address)
        assert b"JupyterLab" in urllib.request.urlopen(address).read()
    finally:
        server.terminate()
        server.wait()
    print(f"server up after {seconds:.1f} s")
    assert seconds < 15  # 5 s on an idle machine; CI is noisy
