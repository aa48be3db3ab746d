"""start.py doctor: one line for each thing the course needs, on any Python, with anything missing; never a traceback."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import types

import environment
import pytest
from conftest import ROOT

import start

NAMES = ["disk", "memory", "install", "kernel", "checkpoints", "data", "training"]
BEFORE = ["start.py", "pyproject.toml", "tools/environment.py", "tools/installer.py", "benchmarks/lessons.csv"]


@pytest.fixture
def bare(tmp_path):
    """The course as it is before anything is installed: what the doctor reads of it."""
    for name in BEFORE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def doctor(folder, before="", **env):
    """What `start.py doctor` prints in a folder, as {name: (mark, text)}; `before` runs first, in the same Python."""
    code = f"import runpy, sys\nsys.argv = ['start.py', 'doctor']\n{before}\nrunpy.run_path({str(folder / 'start.py')!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.stderr == "" and done.stdout.isascii()
    first, *lines = done.stdout.splitlines()
    assert str(folder) in first
    found = [re.fullmatch(r"\[(OK|FAIL)\] +(Python|\w+:) (.+)", line).groups() for line in lines]
    assert (done.returncode == 0) == all(mark == "OK" for mark, _, _ in found)
    return {name.rstrip(":"): (mark, text) for mark, name, text in found}


def test_before_the_install_the_machine_is_looked_at_all_the_same(bare):
    said = doctor(bare, PYTHONIOENCODING="ascii")
    assert [said[name][0] for name in ("Python", "disk", "memory")] == ["OK"] * 3
    assert said["install"][0] == "FAIL" and said["install"][1].endswith(f": run {environment.START}")
    assert [said[name] for name in NAMES[3:]] == [("FAIL", "needs the install first")] * 4


def test_an_environment_whose_python_is_gone_counts_as_none(bare):
    (bare / ".venv" / "bin").mkdir(parents=True)
    (bare / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.10")
    assert doctor(bare)["install"][0] == "FAIL"


@pytest.mark.parametrize("file", ["start.py", "tools/environment.py"])
def test_an_old_python_can_read_it(file):
    ast.parse((ROOT / file).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_python_that_is_too_old_is_the_first_line(monkeypatch, capsys):
    monkeypatch.setattr(environment.sys, "version_info", (3, 8, 0, "final", 0))
    assert environment.main() == 8
    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"\[FAIL\] Python 3\.8 found; the course needs 3\.11 or newer\. Install it from python\.org.*", first
    )
    assert all("needs the right Python first" in line for line in rest)


@pytest.mark.slow
def test_all_is_well(capfd, no_tweets_csv):
    """The real thing: a kernel answers, and a network learns; nothing else is printed."""
    assert environment.main() == 0
    out, err = capfd.readouterr()
    assert re.findall(r"^\[OK\]   (Python|\w+)", out, flags=re.M) == ["Python", *NAMES] and out.count("\n") == 8
    assert re.search(r"training: one step on 16 tweets in \d+\.\d s", out) and not err


@pytest.mark.parametrize(
    ("check", "where", "value", "said"),
    [
        ("check_disk", "shutil.disk_usage", types.SimpleNamespace(free=3e8), r"disk: 0\.3 GB free, 1 GB needed: empty"),
        (
            "check_memory",
            "psutil.virtual_memory",
            types.SimpleNamespace(available=4e8),
            r"memory: 0\.4 GB free, .*close",
        ),
    ],
)
def test_what_is_short_is_said_with_the_remedy(check, where, value, said, monkeypatch):
    monkeypatch.setattr(where, lambda *_: value)
    line, failed = environment.said(getattr(environment, check))
    assert failed and re.match(rf"\[FAIL\] {said}", line)


def test_a_kernel_of_a_different_python_is_noticed(monkeypatch, tmp_path):
    """As after `ipython kernel install --user` from a different environment: JupyterLab would start that one."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    code = "import sys; sys.prefix = '/elsewhere'; from ipykernel import kernelapp; kernelapp.launch_new_instance()"
    command = [sys.executable, "-c", code, "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    line, failed = environment.said(environment.check_kernel)
    assert failed and f"notebooks run on a different Python, /elsewhere: delete the folder {folder}" in line


def test_a_package_that_cannot_be_imported_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    line, failed = environment.said(environment.check_training)
    assert failed and line.startswith("[FAIL] training: import of torch halted") and "delete the folder .venv" in line


@pytest.mark.slow
def test_a_network_that_learns_nothing_is_noticed(monkeypatch, no_tweets_csv):
    import torch

    monkeypatch.setattr(torch.optim, "AdamW", lambda parameters, lr: torch.optim.SGD(parameters, lr=0.0))
    line, failed = environment.said(environment.check_training)
    assert failed and re.search(r"the loss went from (\d\.\d+) to \1, it should fall", line)


def test_a_check_that_the_system_ends_is_a_line(monkeypatch, capsys):
    """No memory left, or a processor that lacks what a package was built for: the process is gone without a word."""
    monkeypatch.setattr(start.subprocess, "call", lambda *_, **__: -9)
    assert start.main(["doctor"])
    assert re.search(r"^\[FAIL\] The system ended this check \(status -9\): close", capsys.readouterr().out, flags=re.M)
