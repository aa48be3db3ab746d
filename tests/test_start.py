"""start.py: it installs on any machine, mends what is broken, says in one line what it cannot do; lessons run.

The installs are real, with the reader's Python, pip and uv, but small: a tiny course, and a stand-in for the package indexes on
127.0.0.1, whose PyTorch is a few lines.
"""

import ast
import concurrent.futures
import contextlib
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import urllib.request
import zipfile
from pathlib import Path

import installer
import psutil
import pytest
from conftest import ROOT

import start

# what a tiny lesson says about where it runs
LESSON = """
import importlib.metadata as metadata, json, os, sys
import tiny, transfer_learning
print(json.dumps({
    "course": os.path.dirname(os.path.dirname(transfer_learning.__file__)),
    "prefix": sys.prefix,
    "torch": metadata.version("torch"),
    "packages": sorted(d.name for d in metadata.distributions()),
    "tweets": os.environ.get("TWEETS_CSV"),
    "said": "\u2026",
}, ensure_ascii=True))
print("\u2026")
"""


def wheel(folder, name, version, tag="py3-none-any", needs=(), more=()):
    """Write a wheel with one module; `more` are further files, as (name in the wheel, bytes)."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = [(f"{name}.py", b"x = 1\n"), *more]
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files += [
        (f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}".encode()),
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()),
    ]
    record = "".join(f"{name},,\n" for name, _ in files) + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for file, content in [*files, (f"{info}/RECORD", record.encode())]:
            packed.writestr(file, content)
    return path


class Index(http.server.SimpleHTTPRequestHandler):
    """Package indexes: /pypi has PyTorch with CUDA, /cpu its CPU build. A folder's listing is what pip reads."""

    gate = threading.Event()  # an index that takes its time

    def do_GET(self):
        self.gate.wait(60)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    Index.gate.set()
    wheel(folder / "pypi" / "torch", "torch", "2.13.0", needs=["cuda-libraries"])
    wheel(folder / "pypi" / "cuda-libraries", "cuda_libraries", "1.0")
    wheel(folder / "pypi" / "tiny", "tiny", "1.0")
    wheel(folder / "cpu" / "torch", "torch", "2.13.0+cpu")
    handler = functools.partial(Index, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def new_venv(tmp_path_factory):
    """An environment with nothing but pip, to copy: making one takes seconds."""
    folder = tmp_path_factory.mktemp("new") / ".venv"
    installer_python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([installer_python, "-I", "-m", "venv", str(folder)], check=True)
    return folder


class Course:
    """A tiny course with the real start.py, its variables, and what its start says."""

    def __init__(self, folder, index):
        self.folder = folder
        (folder / "tools").mkdir(parents=True)
        (folder / "transfer_learning").mkdir()
        for name in ("start.py", "pyproject.toml", "tools/installer.py"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "requirements.txt").write_text("tiny==1.0\ntorch==2.13.0\n")
        (folder / "tools" / "run_lessons.py").write_text(LESSON)
        (folder / "transfer_learning" / "__init__.py").touch()
        ours = ("PIP_", "UV_", "COURSE_", "PYTHON", "TWEETS")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        # the machine's own settings of pip stay out of it
        self.env.update(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=f"{index}/pypi", PIP_RETRIES="0")
        self.env["COURSE_TORCH_INDEX"] = f"{index}/cpu"
        self.env["PATH"] = os.pathsep.join(  # no GPU, whatever this machine has
            path for path in os.environ["PATH"].split(os.pathsep) if not (Path(path) / "nvidia-smi").exists()
        )

    def command(self, *arguments, python=sys.executable):
        return [python, str(self.folder / "start.py"), *(arguments or ["run"])]

    def start(self, *arguments, before=(), cwd=None, **env):
        command = [*before, *self.command(*arguments)]
        return subprocess.run(
            command,
            cwd=cwd,
            env={**self.env, **env},
            capture_output=True,
            timeout=120,
            encoding="utf-8",
            errors="replace",
        )

    def lesson(self, *arguments, **options):
        """What the tiny lesson says, after a start that went well."""
        done = self.start(*arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{"))), done.stdout


@pytest.fixture
def course(tmp_path, index, new_venv):
    """A tiny course whose environment is made, with nothing in it yet."""
    course = Course(tmp_path / "course", index)
    shutil.copytree(new_venv, course.folder / ".venv", symlinks=True)
    return course


NO_GPU = pytest.mark.skipif(os.path.exists("/proc/driver/nvidia/version"), reason="this machine has an NVIDIA GPU")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has two builds of PyTorch in reach")


def test_the_tests_of_a_file_share_a_process(request):
    """With a pytest it does not know, pytest-xdist forgets the groups, and says nothing."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only where tests run side by side")
    assert request.node.nodeid.endswith("@test_start")


@pytest.mark.slow
def test_it_installs_from_anywhere_whatever_the_machine_is_set_to(tmp_path, index):
    """From a folder with a project and modules of its own, under settings that would lead pip and Python elsewhere."""
    course = Course(tmp_path / "the course, caf\u00e9", index)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text('[project]\nname = "different"\nversion = "1"\n')
    for module in ("pip", "venv", "random", "tiny", "transfer_learning", "sitecustomize"):
        (elsewhere / f"{module}.py").write_text("raise SystemExit('the wrong module')\n")
    config = tmp_path / "pip.conf"
    config.write_text(f"[install]\nuser = true\ntarget = {elsewhere}\nprefix = {elsewhere}\n")
    settings = {
        "PIP_USER": "1",
        "PIP_PREFIX": str(elsewhere),
        "PIP_TARGET": str(elsewhere),
        "PIP_CONFIG_FILE": str(config),
    }
    settings |= {"PIP_REQUIRE_VIRTUALENV": "1", "PIP_NO_DEPS": "1", "PIP_DRY_RUN": "1", "CONDA_PREFIX": sys.base_prefix}
    settings |= {"PYTHONHOME": sys.base_prefix, "PYTHONIOENCODING": "ascii", "PYTHONOPTIMIZE": "2"}
    before = sorted(elsewhere.iterdir())
    lesson, said = course.lesson(cwd=elsewhere, **settings)
    assert lesson["course"] == str(course.folder) and lesson["prefix"] == str(course.folder / ".venv")
    assert "tiny" in lesson["packages"] and "different" not in lesson["packages"]
    assert sorted(elsewhere.iterdir()) == before
    assert "Installing the course (once)" in said and said.isascii()
    # the second start has nothing to do, and needs neither network nor the folder's first name
    course.folder = course.folder.rename(tmp_path / "moved")
    lesson, said = course.lesson(PIP_INDEX_URL="http://127.0.0.1:9")
    assert lesson["course"] == str(course.folder) and "Install" not in said


def test_paths_before_python_do_not_count(course, tmp_path):
    """PYTHONPATH is set to packages of a different Python, as robotics and conda set-ups do."""
    for module in ("tiny", "transfer_learning", "pip", "torch", "installer"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('the wrong module')\n")
    lesson, _ = course.lesson(PYTHONPATH=str(tmp_path))
    assert lesson["course"] == str(course.folder)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an environment on Windows has no links")
def test_an_environment_whose_python_is_gone_is_made_again(course):
    course.lesson()
    for name in ("python", "python3"):  # uninstalled
        (course.folder / ".venv" / "bin" / name).unlink()
        (course.folder / ".venv" / "bin" / name).symlink_to("/usr/local/opt/python@3.10/bin/python3.10")
    lesson, said = course.lesson()
    assert "Making the environment again" in said and lesson["prefix"] == str(course.folder / ".venv")
    # or the link leads to a newer version now, which has no packages
    site = installer.site_packages(course.folder / ".venv")
    site.parent.rename(site.parents[1] / "python3.10")
    lesson, said = course.lesson()
    assert "Making the environment again" in said and lesson["prefix"] == str(course.folder / ".venv")


def test_two_starts_at_once(course):
    """The second waits, says for what, and finds everything done."""

    def begin():
        return subprocess.Popen(
            course.command(), env=course.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    Index.gate.clear()
    try:
        first = begin()
        assert "the install" in first.stdout.readline()
        second = begin()
        assert second.stdout.readline().startswith("Another start is installing the course in this folder. Waiting")
    finally:
        Index.gate.set()
    said = [start.communicate(timeout=120)[0] for start in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert "Installed in" in said[0] and "Install" not in said[1]


def without_writing(folder):
    """What to put before a command so that a folder is read-only for it, even for root."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: it makes a folder read-only")
    return ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(folder), str(folder)]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path, index):
    course = Course(tmp_path / "caf\u00e9", index)
    done = course.start(before=without_writing(course.folder), PYTHONIOENCODING="cp437")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.fullmatch(
        r"The course's folder cannot be written to: .*\. Copy it to a folder of your own .*\n", done.stderr
    )


def test_a_finished_course_runs_from_a_folder_that_cannot_be_written_to(course):
    course.lesson()
    lesson, _ = course.lesson(before=without_writing(course.folder))
    assert lesson["course"] == str(course.folder)


@NO_GPU
@LINUX
def test_without_a_gpu_pytorch_is_the_cpu_build(course):
    lesson, said = course.lesson()
    assert lesson["torch"] == "2.13.0+cpu" and "cuda-libraries" not in lesson["packages"] and "CUDA" not in said


@NO_GPU
@LINUX
def test_without_pytorchs_index_the_size_of_the_usual_build_is_said(course):
    lesson, said = course.lesson(COURSE_TORCH_INDEX="http://127.0.0.1:9")
    assert lesson["torch"] == "2.13.0" and "cuda_libraries" in lesson["packages"]
    assert f"{installer.DOWNLOAD['cuda']} GB to download" in said


@LINUX
def test_with_a_gpu_pytorch_is_the_cuda_build(course, tmp_path):
    driver = tmp_path / "driver" / "nvidia-smi"
    driver.parent.mkdir()
    driver.touch(mode=0o755)
    lesson, said = course.lesson(PATH=f"{driver.parent}{os.pathsep}{course.env['PATH']}")
    assert lesson["torch"] == "2.13.0" and "CUDA" not in said


@pytest.mark.slow
@LINUX
def test_asked_for_pytorch_is_the_build_that_was_asked_for(course):
    assert course.lesson("--torch", "cuda", "run")[0]["torch"] == "2.13.0"
    lesson, said = course.lesson()
    assert lesson["torch"] == "2.13.0" and "Install" not in said  # what is there stays
    lesson, said = course.lesson("--torch", "cpu", "run")
    assert lesson["torch"] == "2.13.0+cpu" and "for the other build of PyTorch" in said


def test_an_index_that_accepts_and_says_nothing_is_left_after_three_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert not installer.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/torch/")
        assert time.monotonic() - started < 20


def test_no_network_is_one_line_and_names_the_log(course):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "COURSE_TORCH_INDEX": "http://127.0.0.1:9"}
    done = course.start(PIP_RETRIES="1", **nowhere)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "Without network: connect, then run python3 start.py again" in done.stderr
    assert "127.0.0.1:9" in (course.folder / ".start" / "install.log").read_text()
    assert str(course.folder / ".start" / "install.log") in done.stderr


def test_what_no_index_has_is_named(course):
    (course.folder / "requirements.txt").write_text("torch==2.13.0\ntiny==7.0\n")
    done = course.start()
    assert done.returncode == 1 and "No matching distribution found for tiny==7.0" in done.stderr


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)'\n",
            "Without network: connect",
        ),
        ("ERROR: Exception:\nTimeoutError: The read operation timed out\n", "Without network: connect"),
        ("WARNING: Retrying (...): SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...')\n", "Name its file in PIP_CERT"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device\n", "The disk is full. Free 3 GB"),
        (
            "ERROR: Could not find a version that satisfies the requirement numpy==2.4.6 (from versions: 1.0)\n"
            "ERROR: No matching distribution found for numpy==2.4.6\n",
            r"No matching distribution found for numpy==2.4.6. Perhaps not every package has a build for Python 3\.",
        ),
        (
            "  \u00d7 No solution found when resolving dependencies:\n  \u2570\u2500\u25b6 Because tiny==7\n      was not found.\n",
            "No solution found when resolving dependencies: .* Because tiny==7 was not found",
        ),
        ("error: Failed to install: torch\n", "error: Failed to install: torch"),
        ("", "pip's last lines say why"),
    ],
)
def test_why_an_install_fails(said, line, tmp_path, monkeypatch):
    log = tmp_path / "install.log"
    log.write_text(
        f"Friday\n\n$ pip install a\nERROR: an earlier one: timed out\n\n$ pip install b\n{said}", encoding="utf-8"
    )
    monkeypatch.setattr(installer, "LOG", log)
    why = installer.why_it_failed()
    assert re.search(line, why) and "\n" not in why and "earlier" not in why


def test_an_interrupted_install_is_finished(course):
    """It has no mark; what it left of a package, without the record that comes last, is not taken for a package."""
    course.lesson()
    (course.folder / ".venv" / "installed").unlink()
    site = installer.site_packages(course.folder / ".venv")
    (site / "tiny.py").unlink()
    (site / "tiny-1.0.dist-info" / "RECORD").unlink()
    assert "Finishing the install" in course.lesson()[1]


def test_new_requirements_are_installed(course, index):
    course.lesson()
    (course.folder / "requirements.txt").write_text("torch==2.13.0\ntiny==1.0\ncuda-libraries\n")
    assert "cuda_libraries" in course.lesson()[0]["packages"]


@pytest.fixture
def wheels(course):
    """What `start.py pack` puts beside start.py, for this system and this Python; uv's wheel holds the real program."""
    from packaging.tags import sys_tags

    folder = course.folder / "wheels"
    tag = str(next(sys_tags()))
    wheel(folder, "torch", "2.13.0+cpu", tag)
    wheel(folder, "tiny", "1.0")
    uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    wheel(
        folder,
        "uv",
        "0.1",
        re.sub("cp.*?-cp.*?-", "py3-none-", tag),
        more=[(f"uv-0.1.data/scripts/{uv.name}", uv.read_bytes())],
    )
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.glob("*.whl")]
    (folder / "SHA256SUMS").write_text("".join(sums))
    course.env.update(PIP_INDEX_URL="http://127.0.0.1:9", COURSE_TORCH_INDEX="http://127.0.0.1:9")
    return folder


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_from_packed_wheels_no_network_is_needed(tool, course, wheels):
    if tool == "pip":
        (uv,) = wheels.glob("uv-*")
        uv.unlink()
    lesson, said = course.lesson(
        before=start.without_network(), UV_INDEX_URL="http://127.0.0.1:9", UV_SYSTEM_PYTHON="1"
    )
    assert lesson["torch"] == "2.13.0+cpu" and lesson["course"] == str(course.folder) and "without network" in said
    assert f"{tool} " in (course.folder / ".start" / "install.log").read_text().split("$ ")[1].replace("uv pip", "uv")
    left = {path.name for path in (course.folder / ".start").iterdir()}
    assert left == {"install.log", "lock"}


def test_a_packed_course_needs_no_part_of_python_that_debian_leaves_out(course, wheels, monkeypatch):
    monkeypatch.setattr(installer.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(installer, "WHEELS", wheels)
    monkeypatch.setattr(installer, "ROOT", course.folder)
    monkeypatch.setattr(installer, "OWN", course.folder / ".start")
    monkeypatch.setattr(installer, "LOG", course.folder / ".start" / "install.log")
    venv = course.folder / "other"
    installer.install(venv, ["tiny"], "key", offline=True)
    assert [path.name for path in installer.site_packages(venv).glob("*.dist-info")] == ["tiny-1.0.dist-info"]


def test_a_damaged_wheel_is_named(course, wheels):
    (damaged,) = wheels.glob("tiny-*")
    damaged.write_bytes(damaged.read_bytes()[:300])
    done = course.start()
    assert (
        done.returncode == 1 and "tiny-1.0-py3-none-any.whl is damaged. Copy the folder from the stick" in done.stderr
    )


def test_wheels_for_a_different_system_are_said_to_be(course, wheels, index):
    (torch,) = wheels.glob("torch-*")
    torch.rename(wheels / "torch-2.13.0-cp311-cp311-riscv_1_0.whl")
    lesson, said = course.lesson(PIP_INDEX_URL=f"{index}/pypi", COURSE_TORCH_INDEX=f"{index}/cpu")
    assert re.search(r"wheels has nothing for \w+ \w+ and Python [\d.]+\w*: installing over the network", said)
    assert lesson["tweets"] is None


@pytest.mark.parametrize(
    ("name", "system", "machine", "version", "fits"),
    [
        ("torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl", "linux", "x86_64", (3, 12), True),
        ("torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl", "linux", "x86_64", (3, 13), False),
        ("torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl", "linux", "aarch64", (3, 12), False),
        ("torch-2.13.0-cp313-cp313-win_amd64.whl", "win32", "AMD64", (3, 13), True),
        ("torch-2.13.0-cp313-cp313-macosx_14_0_arm64.whl", "darwin", "arm64", (3, 13), True),
        ("torch-2.13.0-cp313-cp313-macosx_14_0_arm64.whl", "linux", "aarch64", (3, 13), False),
        ("torch-2.13.0-cp313-cp313t-win_amd64.whl", "win32", "AMD64", (3, 13), False),
        ("uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "linux", "x86_64", (3, 14), True),
        ("uv-0.13.9-py3-none-win_amd64.whl", "win32", "AMD64", (3, 11), True),
        ("uv-0.13.9-py3-none-macosx_11_0_arm64.whl", "darwin", "arm64", (3, 11), True),
        ("uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl", "linux", "x86_64", (3, 11), False),
    ],
)
def test_which_wheels_fit(name, system, machine, version, fits, monkeypatch):
    monkeypatch.setattr(installer.sys, "platform", system)
    monkeypatch.setattr(installer.sys, "version_info", (*version, 0, "final", 0))
    monkeypatch.setattr(installer.platform, "machine", lambda: machine)
    assert installer.suits(Path(name)) == fits


DEBIAN = b"""The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.

    apt install python3.12-venv

You may need to use sudo with that command.  After installing the python3-venv
package, recreate your virtual environment.
"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (DEBIAN, r"run  sudo apt install python3\.12-venv  and then this again"),
        (b"/usr/bin/python3: No module named venv\n", r"sudo apt install python3-venv"),
        (
            b"Error: [Errno 1] Operation not permitted: 'lib' -> '/media/stick/.venv/lib64'\n",
            r"cannot hold links.* Copy the folder",
        ),
        (b"Error: [Errno 13] Permission denied: 'x'\n", r"could not make the environment .*Permission denied: 'x'"),
    ],
)
def test_why_python_makes_no_environment(said, line, tmp_path, monkeypatch):
    monkeypatch.setattr(installer, "LOG", tmp_path / "log")
    done = subprocess.CompletedProcess([], 1, stdout=said)
    monkeypatch.setattr(installer.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(start.Stop, match=line) as caught:
        installer.make(tmp_path / ".venv")
    assert "\n" not in str(caught.value)


def test_a_file_in_the_environments_place_is_one_line(tmp_path, index):
    course = Course(tmp_path / "course", index)
    (course.folder / ".venv").touch()
    done = course.start()
    assert done.returncode == 1 and re.fullmatch(
        r".*\.venv is a file; .* Remove the file, then start again\.\n", done.stderr
    )


@pytest.mark.skipif(sys.platform != "linux", reason="a file name is Unicode on Windows and macOS")
def test_a_folder_whose_name_is_no_text_is_one_line(tmp_path, index):
    course = Course(tmp_path / os.fsdecode(b"caf\xe9"), index)
    done = course.start()
    assert done.returncode == 1 and re.fullmatch(r"The name of the folder .*\.\n", done.stderr)


def test_no_disk_is_one_line(tmp_path, index):
    course = Course(tmp_path / "course", index)
    code = "import shutil, types; shutil.disk_usage = lambda _: types.SimpleNamespace(free=10**6); import start; start.main(['run'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=course.folder, env=course.env, capture_output=True, text=True)
    assert re.fullmatch(r"Not enough disk: .* needs 3 GB free on the disk of .*\n", done.stderr)
    assert not (course.folder / ".venv").exists()


@pytest.mark.parametrize(
    ("system", "machine", "mac", "line"),
    [
        ("darwin", "x86_64", "14.5", "PyTorch has no build for Intel Macs"),
        ("darwin", "arm64", "13.6", "macOS 13.6 found; PyTorch needs macOS 14"),
        ("darwin", "arm64", "14.0", None),
        ("darwin", "arm64", "26.1", None),
        ("linux", "x86_64", "", None),
        ("win32", "AMD64", "", None),
        ("win32", "ARM64", "", "for Windows on ARM"),
    ],
)
def test_a_machine_that_pytorch_does_not_support_is_one_line(system, machine, mac, line, monkeypatch):
    monkeypatch.setattr(installer.sys, "platform", system)
    monkeypatch.setattr(installer.platform, "machine", lambda: machine)
    monkeypatch.setattr(installer.platform, "mac_ver", lambda: (mac, ("", "", ""), machine))
    with pytest.raises(start.Stop, match=line) if line else contextlib.nullcontext():
        installer.refuse_unsupported(None)


PIP_LINES = """\
Looking in indexes: https://pypi.org/simple
Collecting torch==2.13.0 (from -r requirements.txt (line 2))
  Downloading torch-2.13.0-cp313-cp313-win_amd64.whl.metadata (28 kB)
Collecting tiny==1.0 (from -r requirements.txt (line 1))
  Using cached tiny-1.0-py3-none-any.whl (12 kB)
Downloading torch-2.13.0-cp313-cp313-win_amd64.whl (110.9 MB)
Progress 0 of 110900000
Progress 55000000 of 110900000
Installing collected packages: tiny, torch, sympy, filelock
"""


def test_the_bar_says_what_is_happening(tmp_path, monkeypatch):
    monkeypatch.setattr(installer, "PACKAGES", 4)
    log, site = tmp_path / "log", tmp_path / "site"
    log.touch()
    progress, seen = installer.Progress(log, site), []
    for line in PIP_LINES.splitlines(keepends=True):
        with open(log, "a") as file:
            file.write(line)
        progress.read()
        seen.append((progress.percent(), progress.now))
    assert [text for _, text in seen][1::2] == [
        "looking for torch",
        "looking for tiny",
        "downloading torch (110.9 MB)",
        "downloading torch (55 of 111 MB)",
    ]
    assert seen[-1] == (67, "installing packages: 0 of 4")
    for name in ("tiny", "torch"):
        (site / f"{name}-1.dist-info").mkdir(parents=True)
        (site / f"{name}-1.dist-info" / "RECORD").touch()
    progress.read()
    assert (progress.percent(), progress.now) == (83, "installing packages: 2 of 4")
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    monkeypatch.setattr(installer.shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))
    monkeypatch.setattr(installer, "STARTED", 100)
    monkeypatch.setattr(installer.time, "monotonic", lambda: 165.2)
    assert len(progress.line()) == 39 and progress.line().startswith("[################....]  83 %  1:05  ")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals of this kind")
def test_a_terminal_gets_one_bar_and_a_file_gets_lines(course):
    """None of pip's own lines is seen; without a terminal no bar is drawn, but something is said."""
    import pty

    ours, theirs = pty.openpty()
    env = {**course.env, "COLUMNS": "100"}
    with subprocess.Popen(course.command(), env=env, stdin=subprocess.DEVNULL, stdout=theirs) as run:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # so a terminal ends on Linux
            while more := os.read(ours, 4096):
                said += more
    os.close(ours)
    assert run.returncode == 0
    drawn = re.findall(r"\r(\[[#.]{20}\] +\d+ %  \d:\d\d  \w[^\r]*)", said.decode())
    percents = [int(line.split("]")[1].split("%")[0]) for line in drawn]
    assert percents == sorted(percents)
    assert drawn and {len(line) for line in drawn} == {99} and b"Collecting" not in said
    (course.folder / ".venv" / "installed").unlink()
    said = course.lesson()[1]
    assert "\r" not in said and "Requirement already" not in said and "Installed in" in said


@pytest.mark.slow
@pytest.mark.parametrize("system", ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"])
def test_every_pin_has_wheels_on_every_system(system):
    """For all supported versions of Python, without building anything, as pip would choose from PyPI."""
    if not installer.answers("https://pypi.org/simple/torch/", seconds=10):
        pytest.skip("PyPI does not answer here: it says which wheels there are")
    env = {**installer.own_environment(), "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--only-binary=:all:"]
    command += ["--index-url=https://pypi.org/simple", f"--python-platform={system}", str(start.DEV_REQUIREMENTS)]

    def resolve(version):
        return subprocess.run([*command, f"--python-version={version}"], env=env, capture_output=True, text=True)

    with concurrent.futures.ThreadPoolExecutor() as together:  # most of the time is waiting for PyPI
        for version, done in zip(start.PYTHONS, together.map(resolve, start.PYTHONS)):
            if "Failed to fetch" in done.stderr:
                pytest.skip("PyPI does not answer any more")
            assert done.returncode == 0, f"Python {version} on {system}: {done.stderr}"
            assert "torch==" in done.stdout


def test_the_readme_tells_the_true_sizes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for build in ("cpu", "cuda"):
        needed = installer.DISK[build] + 2 * installer.DOWNLOAD[build]
        assert f"| {installer.DOWNLOAD[build]} GB | {needed:.0f} GB | {installer.DISK[build]} GB |" in text


@pytest.mark.parametrize("found", [(3, 8), (3, 10)])
def test_an_old_python_is_one_line(found, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (*found, 0, "final", 0))
    said = f"Python {found[0]}.{found[1]} found; the course needs {start.needed()}"
    with pytest.raises(start.Stop, match=re.escape(said)):
        start.main([])


def test_a_python_newer_than_the_tests_is_tried_with_a_warning(monkeypatch, capsys):
    monkeypatch.setattr(start.sys, "version_info", (3, 99, 0, "final", 0))
    monkeypatch.setattr(start, "lab", lambda browser: 7)
    assert start.main([]) == 7
    assert capsys.readouterr().out.startswith(f"Python 3.99 found. The course was tested on {start.needed()};")


def test_an_old_python_gets_as_far_as_that_line():
    ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_what_tests_need_is_installed_when_tests_are_run(monkeypatch):
    seen = []
    monkeypatch.setattr(installer, "install", lambda venv, arguments, key, **_: seen.append(Path(arguments[-1])))
    start.ready()
    assert seen == [start.REQUIREMENTS]
    start.ready(dev=True)
    assert seen[1:] == [start.REQUIREMENTS, start.DEV_REQUIREMENTS]


@pytest.fixture
def test_commands(monkeypatch):
    """What `start.py test` would run, each with its environment."""
    seen = []

    def run(command, **options):
        seen.append(types.SimpleNamespace(text=" ".join(command), env=options.get("env")))
        return subprocess.CompletedProcess(command, 0, stdout=b"")

    def call(command, cwd=None, **more):
        return run(command, env={**start.environment(), **more}).returncode

    monkeypatch.setattr(start.subprocess, "run", run)
    monkeypatch.setattr(start, "call", call)
    monkeypatch.setattr(start, "ready", lambda dev=False: "python")
    monkeypatch.setattr(start, "newest_releases", lambda: "newest")
    return seen


@pytest.mark.parametrize("other", ["--colab", "--other"])
def test_the_newest_releases_and_other_lessons_exclude_each_other(other, test_commands, capsys):
    with pytest.raises(SystemExit):
        start.main(["test", "--latest", other])
    assert "not with --other or --colab" in capsys.readouterr().err and not test_commands


def test_the_graders_options_are_passed_on(test_commands):
    start.main(["grade", "--seconds", "120", "homework", "--workers", "-1", "--unsafe"])
    (run,) = test_commands
    assert run.text.endswith(f"-m grader {os.path.abspath('homework')} --unsafe --seconds=120 --workers=-1")
    assert run.env["COURSE_RECORD"] == os.devnull


CTRL_C = "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
CLEANS_UP = """
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("cleaned up")
    sys.exit(7)
"""
ENDS = "print('ready', flush=True); time.sleep(60)"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes of this kind")
@pytest.mark.parametrize(
    ("program", "said", "status"),
    [(CLEANS_UP, "cleaned up\n", 7), (ENDS, "", -signal.SIGINT)],
    ids=["cleans up", "ends"],
)
def test_on_ctrl_c_a_program_ends_in_its_own_way(program, said, status):
    code = CTRL_C + "import start; sys.exit(start.call([sys.executable, '-c', sys.argv[1]]))"
    command = [sys.executable, "-c", code, CTRL_C + program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as run:
        assert run.stdout.readline() == "ready\n"
        os.killpg(run.pid, signal.SIGINT)
        assert run.communicate(timeout=30)[0] == said
    assert run.returncode == status


def own_record():
    from platformdirs import user_data_path

    return user_data_path("transfer_learning", appauthor=False) / "homework.json"


@pytest.mark.parametrize(
    "arguments", [[], ["--quick"], ["--latest"], ["tests"], ["--other"], ["--other", "a.csv", "03"]]
)
def test_no_test_touches_the_record_of_passed_homework(arguments, test_commands, monkeypatch):
    """Every process that runs tests or lessons notes what has passed in a temporary file, which is deleted afterwards."""
    monkeypatch.delenv("COURSE_RECORD")
    assert start.main(["test", *arguments]) == 0
    runs = [command for command in test_commands if "pytest" in command.text or "run_lessons" in command.text]
    assert runs
    for run in runs:
        record = start.Path(run.env["COURSE_RECORD"])
        assert record.is_absolute() and record != own_record() and not record.parent.exists()


def test_a_passed_homework_is_noted_only_where_tests_say(tmp_path):
    """In a new process, as a notebook's kernel is, with a home folder of its own."""
    code = """
import sys
sys.path.insert(0, "tests")
from answers import ANSWER as answers
name, entry = next(iter(answers.RIGHT.items()))
answers.judge(getattr(answers, "build", lambda entry: entry)(entry))
"""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "answers").glob("hw*.py")}
    answers = min(name for name, text in texts.items() if "\ndef judge(" in text and "\nRIGHT = {" in text)
    home, record = tmp_path / "home", tmp_path / "record" / "homework.json"
    home.mkdir()
    own = {name: str(home) for name in ("HOME", "USERPROFILE", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA")}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("ANSWER", answers)],
        cwd=ROOT,
        env={**start.environment(), **own, "COURSE_RECORD": str(record)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert record.exists()
    assert not list(home.rglob("homework.json"))


def test_quick_runs_no_notebook_and_no_slow_test(test_commands):
    start.main(["test", "--quick"])
    (run,) = (command.text for command in test_commands if "pytest" in command.text)
    assert "not slow" in run and "nbval" not in run


def test_each_lesson_runs_once(test_commands):
    start.main(["test"])
    tests, notebooks = (command.text for command in test_commands if "pytest" in command.text)
    assert "nbval" not in tests and notebooks.endswith("notebooks solutions")


def test_lessons_run_on_the_file_that_was_named(test_commands):
    start.main(["test", "--other", "some.csv", "03", "05"])
    (run,) = test_commands
    assert run.env["TWEETS_CSV"] == os.path.abspath("some.csv") and run.text.endswith("run_lessons.py 03 05")


def test_a_file_left_by_a_test_is_named(test_commands, monkeypatch, capsys):
    states = iter([{"notes.txt"}, {"notes.txt", "left.txt"}] * 2)
    monkeypatch.setattr(start, "untracked", lambda: next(states))
    monkeypatch.delenv("CI", raising=False)
    assert start.main(["test"]) == 0
    monkeypatch.setenv("CI", "true")
    assert start.main(["test"]) == 1
    assert capsys.readouterr().out.count("New files, perhaps left by a test: left.txt") == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data/some.csv", "{here}/data/some.csv"),
        ("~/my tweets.csv", "{home}/my tweets.csv"),
        ('"my tweets.csv" ', "{here}/my tweets.csv"),
        ("'~/tweets.csv'", "{home}/tweets.csv"),
        ("/data/it's.csv", "/data/it's.csv"),
        ('"', '{here}/"'),
    ],
)
def test_paths_that_were_typed_here_work_in_notebooks(typed, meant, monkeypatch):
    monkeypatch.setenv("TWEETS_CSV", typed)
    meant = meant.format(here=os.getcwd(), home=os.path.expanduser("~"))
    assert start.environment()["TWEETS_CSV"] == os.path.abspath(meant)


def test_a_lesson_sees_the_file_that_was_typed_elsewhere(course, tmp_path):
    lesson, _ = course.lesson(cwd=tmp_path, TWEETS_CSV='"mine.csv"')
    assert lesson["tweets"] == str(tmp_path / "mine.csv")


def run_lessons_py(*arguments, **env):
    """Run lessons as `start.py run` does."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run_lessons.py"), *arguments],
        env={**start.environment(), **env},
        capture_output=True,
        text=True,
    )


def test_an_unknown_lesson_is_named():
    done = run_lessons_py("77")
    assert done.returncode == 1 and done.stderr.startswith("No lesson 77. There are: 00, 01")


@pytest.mark.slow
def test_a_failing_lesson_fails_the_run(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("sentiment,message\n1,x\n")
    done = run_lessons_py("03", TWEETS_CSV=str(bad))
    assert done.returncode == 1
    assert re.search(r"03_loading_your_own_dataset .* failed", done.stdout) and "no column 'tweetid'" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes of this kind")
def test_lessons_that_are_interrupted_end_at_once_and_in_one_line():
    command = [sys.executable, "-c", CTRL_C + "import start; sys.exit(start.call([sys.executable, *sys.argv[1:]]))"]
    command += [str(ROOT / "tools" / "run_lessons.py"), "03"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as run:
        said = b""
        while b" 1/" not in said:  # cells
            said += run.stdout.read1()
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=30)[0].decode()
    assert run.returncode == 1 and said.endswith("\nInterrupted.\n") and "Traceback" not in said


@pytest.mark.parametrize("killed", ["DeadKernelError", "CellTimeoutError"])
def test_a_lesson_whose_kernel_is_killed_leaves_the_others_be(killed, monkeypatch, capsys):
    import nbclient.exceptions
    import run_lessons

    class Client:
        def __init__(self, notebook, resources, **_):
            self.homework = resources["metadata"]["path"].endswith("04_encoding")

        def execute(self, stderr):
            if self.homework:
                stderr.write(b"Segmentation fault")
                raise getattr(nbclient.exceptions, killed)("Kernel died")

    monkeypatch.setattr(run_lessons, "NotebookClient", Client)
    monkeypatch.setattr(sys, "argv", ["run_lessons.py", "--homework", "04", "05"])
    assert run_lessons.main() == 1
    said = capsys.readouterr()
    assert re.search(r"04_encoding .* failed\n05_padding_and_masking .* ok", said.out)
    assert "04_encoding: Kernel died" in said.err and "Segmentation fault" in said.err


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


def test_other_tweets_are_some_of_the_courses_own_in_a_different_order(tmp_path):
    from transfer_learning import load_tweets

    ours = load_tweets(ROOT / "data" / "climate_tweets.csv")
    other = load_tweets(start.write_other_tweets(tmp_path))
    assert other["tweetid"].tolist() == [*ours["tweetid"][1000:1900], *ours["tweetid"][:950]]
    assert set(other["message"]) <= set(ours["message"])


@pytest.mark.parametrize("answers", [True, False])
def test_from_a_folder_that_cannot_be_written_to_only_the_log_of_a_failed_start_is_left(answers, tmp_path, monkeypatch):
    own = tmp_path / "own"
    server = types.SimpleNamespace(wait=lambda: 0, terminate=lambda: None)

    def wait_for(server, port, log):
        if not answers:
            raise start.Stop(f"All its lines: {log}")

    monkeypatch.setattr(start.os, "access", lambda path, mode: False)
    monkeypatch.setattr(start.tempfile, "mkdtemp", lambda: str(own))
    monkeypatch.setattr(start.signal, "signal", lambda *_: None)
    monkeypatch.setattr(start.subprocess, "Popen", lambda *_, **__: server)
    monkeypatch.setattr(start, "ready", lambda: sys.executable)
    monkeypatch.setattr(start, "wait_for", wait_for)
    with contextlib.nullcontext() if answers else pytest.raises(start.Stop):
        assert start.lab(browser=False) == 0
    assert (own / "jupyterlab.log").exists() != answers


@pytest.mark.slow
def test_the_server_answers_soon():
    """As on a second start: nothing to install, the address printed, the first lesson behind it."""
    code = "import start, sys; start.ready = lambda: sys.executable; sys.exit(start.main(['--no-browser']))"
    server = subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = next(line.strip() for line in server.stdout if "http://" in line)
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        seconds = sum(sum(process.cpu_times()[:2]) for process in processes)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/00_start_here\.ipynb\?token=\w{32}", address)
        assert b"JupyterLab" in urllib.request.urlopen(address).read()
    finally:
        server.terminate()
        server.wait()
    print(f"server up after {seconds:.1f} s of processor time")
    assert seconds < 10  # 2 to 3 s; processor time, because the clock depends on what else the machine does
