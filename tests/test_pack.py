"""start.py pack: a stand-in index on 127.0.0.1 with tiny wheels for three systems; uv resolves them, the stick is used without network."""

import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import types
import zipfile
from pathlib import Path

import pack
import pytest
from conftest import ROOT
from packaging.tags import sys_tags
from test_start import LESSON, wheel

INDEX_OPTIONS = pack.index_options  # asks pip, which takes a second; all tests but one do without
TAGS = {"linux": "manylinux_2_17_x86_64", "windows": "win_amd64", "macos": "macosx_11_0_arm64"}


class Index:
    """Two package indexes, /pypi and PyTorch's /cpu, with the wheels below `folder`, and what they were asked for.

    `cut` holds the names of files whose next answer stops half-way, `wrong` of those that are sent with other bytes.
    """

    def __init__(self, folder):
        self.folder, self.asked, self.cut, self.wrong = folder, [], [], set()
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                index.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def loaded(self):
        """The wheels that were asked for, each with the byte it was asked from."""
        return [
            (path.rsplit("/", 1)[1], first)
            for method, path, first in self.asked
            if method == "GET" and path.endswith(".whl")
        ]

    def answer(self, request):
        first = int((request.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        self.asked.append((request.command, request.path, first))
        path = self.folder / request.path.strip("/")
        if path.is_dir():
            return self.send(request, self.page(path), "application/vnd.pypi.simple.v1+json")
        if path.suffix == ".metadata":
            with zipfile.ZipFile(path.with_suffix("")) as packed:
                (name,) = (name for name in packed.namelist() if name.endswith("METADATA"))
                return self.send(request, packed.read(name))
        if not path.is_file():
            return request.send_error(404)
        content = path.read_bytes()
        if path.name in self.wrong:
            content = content[::-1]
        stop = len(content)
        if request.command == "GET" and path.name in self.cut:
            self.cut.remove(path.name)
            stop = first + (stop - first) // 2
        self.send(request, content, first=first, stop=stop)

    def page(self, folder):
        """The list of a package's files; pypi says their sizes, PyTorch's index does not."""
        files = []
        for path in sorted(folder.iterdir()):
            file = {"filename": path.name, "url": path.name, "core-metadata": path.suffix == ".whl"}
            file["hashes"] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            if "pypi" in folder.parts:
                file["size"] = path.stat().st_size
            files.append(file)
        page = {"meta": {"api-version": "1.1"}, "name": folder.name, "files": files, "versions": []}
        return json.dumps(page).encode()

    def send(self, request, content, kind="application/octet-stream", first=0, stop=None):
        request.send_response(206 if first else 200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content) - first))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content[first:stop])


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "index")
    add = index.folder / "pypi"
    wheel(add / "plain", "plain", "1.0", more=[("plain_data.bin", os.urandom(200_000))])
    for tag in TAGS.values():
        wheel(add / "built", "built", "1.0", f"cp311-abi3-{tag}", needs=['only-windows; sys_platform == "win32"'])
        wheel(add / "torch", "torch", "2.13.0", f"py3-none-{tag}", needs=['nvidia-x; sys_platform == "linux"'])
        wheel(add / "uv", "uv", "0.1", f"py3-none-{tag}")
    wheel(add / "only-windows", "only_windows", "1.0")
    wheel(add / "nvidia-x", "nvidia_x", "1.0")
    wheel(add / "setuptools", "setuptools", "90.0")
    wheel(index.folder / "cpu" / "torch", "torch", "2.13.0+cpu", f"py3-none-{TAGS['linux']}")
    yield index
    index.server.shutdown()
    index.server.server_close()


@pytest.fixture
def course(tmp_path, index, monkeypatch):
    """A tiny course, not under git, and a machine that looks for packages in the stand-in index."""
    root = tmp_path / "course"
    for name in ("start.py", "pyproject.toml", "tools/installer.py", ".gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for name in ("my_work/answer.txt", ".venv/python", "transfer_learning/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "tools" / "run_lessons.py").write_text(LESSON.replace("tiny, ", "plain, "))
    (root / "requirements.txt").write_text("# pins\nplain==1.0\nbuilt==1.0\ntorch==2.13.0\n")
    (root / "requirements-dev.txt").write_text("-r requirements.txt\nuv==0.1\n")
    monkeypatch.setattr(pack, "ROOT", root)
    monkeypatch.setattr(pack, "PAUSE", 0)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(pack, "index_options", lambda: ["--index-url", f"{index.url}/pypi"])
    monkeypatch.setenv("COURSE_TORCH_INDEX", f"{index.url}/cpu")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def names(folder):
    """The wheels on a stick, after their sums were compared with the list of sums."""
    listed = {}
    for line in (folder / "wheels" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / "wheels" / name).read_bytes()).hexdigest() == digest
        listed[name] = digest
    assert sorted(listed) == sorted(path.name for path in (folder / "wheels").iterdir() if path.name != "SHA256SUMS")
    return sorted(listed)


def test_three_systems_on_one_stick(course, index, tmp_path, monkeypatch, capsys):
    """What a package needs on one system only is there when that system is: its markers are not read for this machine.

    Packages come from where pip's own settings say.
    """
    monkeypatch.setattr(pack, "index_options", INDEX_OPTIONS)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/pypi")
    stick = tmp_path / "stick"
    pack.main([str(stick), "--for", "linux", "windows", "macos", "--python", "3.11", "3.14"])
    found = names(stick)
    for tag in TAGS.values():
        assert f"built-1.0-cp311-abi3-{tag}.whl" in found and f"uv-0.1-py3-none-{tag}.whl" in found
    assert {
        "plain-1.0-py3-none-any.whl",
        "only_windows-1.0-py3-none-any.whl",
        "setuptools-90.0-py3-none-any.whl",
    } < set(found)
    # Linux gets PyTorch's CPU build, the others the only one there is
    torches = [name for name in found if name.startswith(("torch", "nvidia"))]
    assert torches == sorted(
        [f"torch-2.13.0+cpu-py3-none-{TAGS['linux']}.whl"]
        + [f"torch-2.13.0-py3-none-{TAGS[s]}.whl" for s in ("macos", "windows")]
    )
    assert (stick / "start.py").read_bytes() == (course / "start.py").read_bytes()
    assert (stick / "transfer_learning" / "__init__.py").exists() and not (stick / "my_work").exists()
    assert (stick / ".gitignore").exists()  # a stick made from this one needs it
    said = capsys.readouterr().out
    assert re.search(r"Windows, Python 3\.14 +6 wheels", said) and re.search(r"Linux, Python 3\.11 +5 wheels", said)


def test_only_what_was_asked_for_last(course, tmp_path, capsys):
    for name in ("notebooks/09_old.ipynb", "notebooks/10_new.ipynb", "exercises/09_old/homework.ipynb"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).touch()
    pack.main([str(tmp_path / "stick"), "--for", "linux"])
    shutil.rmtree(course / "exercises")
    (course / "notebooks" / "09_old.ipynb").unlink()
    (tmp_path / "stick" / "notebooks" / "my notes.ipynb").touch()
    pack.main([str(tmp_path / "stick"), "--for", "macos", "--python", "3.12"])
    said = capsys.readouterr().out
    assert "Removed from an earlier pack: torch-2.13.0+cpu" in said and "earlier pack: notebooks/09_old.ipynb" in said
    assert not [name for name in names(tmp_path / "stick") if "win" in name or "linux" in name]
    lessons = [path.name for place in ("notebooks", "exercises") for path in (tmp_path / "stick" / place).iterdir()]
    assert sorted(lessons) == ["10_new.ipynb", "my notes.ipynb"]


def test_pips_settings_for_installing_are_handed_to_uv(tmp_path, monkeypatch):
    """Those of pip's other commands are not, a certificate's path may have spaces, and a variable is the last word."""
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://a.example/simple\nproxy = http://a.example:1\nfind-links = /a /b\n"
        "[install]\nproxy = http://b.example:1\n[download]\nindex-url = https://c.example/simple\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SSL_", "ALL_"))}
    cert = "/Program Files/corp.pem"
    monkeypatch.setattr(os, "environ", {**kept, "PIP_CONFIG_FILE": str(config), "PIP_CERT": cert})
    options = [f"{name} {value}" for name, value in zip(*[iter(INDEX_OPTIONS())] * 2)]
    assert "--index-url https://a.example/simple" in options
    assert options[-2:] == ["--find-links /a", "--find-links /b"]
    assert os.environ["SSL_CERT_FILE"] == cert and os.environ["ALL_PROXY"] == "http://b.example:1"


def test_without_pytorchs_index_the_large_build_is_announced(course, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_TORCH_INDEX", "http://127.0.0.1:9")
    pack.main([str(tmp_path / "stick"), "--for", "linux", "--python", "3.12"])
    assert "nvidia_x-1.0-py3-none-any.whl" in names(tmp_path / "stick")
    assert "PyTorch's CPU build could not be reached" in capsys.readouterr().out


def test_what_cannot_be_packed_is_said_before_anything_is_loaded(course, index, tmp_path):
    (index.folder / "pypi" / "built" / f"built-1.0-cp311-abi3-{TAGS['macos']}.whl").unlink()
    (index.folder / "pypi" / "plain" / "plain-2.0.tar.gz").write_bytes(b"source only")
    (course / "requirements.txt").write_text("plain==1.0\nbuilt==1.0\n")
    with pytest.raises(SystemExit) as macos:
        pack.main([str(tmp_path / "stick"), "--for", "windows", "macos", "--python", "3.12"])
    said = str(macos.value)
    assert "macOS, Python 3.12: built==1.0 has no wheels" in said and "Windows" not in said
    (course / "requirements.txt").write_text("plain==2.0\nbuilt==1.0\n")
    with pytest.raises(SystemExit) as source:
        pack.main([str(tmp_path / "stick"), "--for", "windows", "macos", "--python", "3.12"])
    assert "Windows, Python 3.12: plain==2.0 has no usable wheels" in str(source.value)
    assert not index.loaded() and not (tmp_path / "stick").exists()


def test_sizes_are_known_before_anything_is_loaded(course, index, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pack.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))
    with pytest.raises(SystemExit, match=r"Not enough room: .* needed, 0 MB free"):
        pack.main([str(tmp_path / "stick"), "--for", "linux", "windows"])
    wheels = [path for path in index.folder.rglob("*.whl") if "macos" not in path.name and "nvidia" not in path.name]
    wheels = [path for path in wheels if path.name != f"torch-2.13.0-py3-none-{TAGS['linux']}.whl"]
    total = pack.amount(sum(path.stat().st_size for path in wheels))
    assert f"To load: {total} in {len(wheels)} files; 0 are there" in capsys.readouterr().out
    assert not index.loaded()


def test_an_interrupted_pack_goes_on_where_it_was(course, index, tmp_path, monkeypatch, capsys):
    stick, plain = tmp_path / "stick", "plain-1.0-py3-none-any.whl"
    size = (index.folder / "pypi" / "plain" / plain).stat().st_size
    index.cut = [plain] * pack.TRIES
    with pytest.raises(SystemExit, match="Run the same command again: it goes on where it was"):
        pack.main([str(stick), "--for", "linux"])
    assert not (stick / "wheels" / "SHA256SUMS").exists() and not (stick / "start.py").exists()
    index.asked.clear()
    pack.main([str(stick), "--for", "linux"])
    assert size / 2 < dict(index.loaded())[plain] < size
    names(stick)
    before = (stick / "wheels" / plain).read_bytes()
    # once more: what is right is not loaded again, what a bad stick has changed is, over a line that breaks once
    index.asked.clear()
    (stick / "wheels" / plain).write_bytes(before[:-1] + b"x")
    index.cut = [plain]
    pack.main([str(stick), "--for", "linux"])
    assert [(name, first > 0) for name, first in index.loaded()] == [(plain, False), (plain, True)]
    assert (stick / "wheels" / plain).read_bytes() == before


def test_other_bytes_than_the_index_promised_never_get_a_wheels_name(course, index, tmp_path):
    index.wrong = {"plain-1.0-py3-none-any.whl"}
    with pytest.raises(SystemExit, match=r"plain-1\.0-py3-none-any\.whl: its sum is wrong"):
        pack.main([str(tmp_path / "stick"), "--for", "linux"])
    assert not (tmp_path / "stick" / "wheels" / "plain-1.0-py3-none-any.whl").exists()


def test_a_stick_that_reads_back_wrongly_is_noticed(course, tmp_path, monkeypatch):
    whole = pack.copy_course

    def copy(folder):
        whole(folder)
        (folder / "wheels" / "plain-1.0-py3-none-any.whl").write_bytes(b"worn out")

    monkeypatch.setattr(pack, "copy_course", copy)
    with pytest.raises(SystemExit, match="reads back wrongly: is the stick damaged"):
        pack.main([str(tmp_path / "stick"), "--for", "linux"])
    assert not (tmp_path / "stick" / "wheels" / "SHA256SUMS").exists()


def test_no_network_is_one_line(course, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "index_options", lambda: ["--index-url", "http://127.0.0.1:9"])
    monkeypatch.setenv("COURSE_TORCH_INDEX", "http://127.0.0.1:9")
    with pytest.raises(SystemExit, match=r"^No answer from the package index \(http://127\.0\.0\.1:9\): packing needs"):
        pack.main([str(tmp_path / "stick"), "--for", "linux"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{root}"], "holds the course itself"),
        (["{root}/start.py"], "is a file"),
        (["{tmp}/index"], "is not empty. Name a new folder in it"),
        (["{tmp}/stick", "--python", "3.9"], "the course runs on 3.11"),
        (["{tmp}/stick", "--for", "beos"], "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments, said, course, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        pack.main([part.format(root=course, tmp=tmp_path) for part in arguments])
    assert said in f"{caught.value}{capsys.readouterr().err}"


def test_start_passes_its_arguments_on(monkeypatch):
    import start

    seen = []
    monkeypatch.setattr(start, "call", lambda command, **_: seen.append(command))
    monkeypatch.setattr(start, "ready", lambda dev=False: "python")
    start.main(["pack", "stick", "--for", "linux", "windows", "--python", "3.12"])
    assert seen == [
        ["python", str(ROOT / "tools" / "pack.py"), "stick", "--for", "linux", "windows", "--python", "3.12"]
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("bwrap"), reason="bubblewrap takes the network away")
def test_the_stick_installs_without_network(course, index, tmp_path):
    """With the uv that is on it, from a copy of the folder."""
    uv = Path(sys.executable).with_name("uv")
    tag = re.sub("cp.*?-cp.*?-", "py3-none-", str(next(sys_tags())))
    shutil.rmtree(index.folder / "pypi" / "uv")
    wheel(index.folder / "pypi" / "uv", "uv", "0.1", tag, more=[("uv-0.1.data/scripts/uv", uv.read_bytes())])
    pack.main([str(tmp_path / "stick"), "--for", "linux"])
    copy = shutil.copytree(tmp_path / "stick", tmp_path / "laptop")
    done = subprocess.run(
        [
            "bwrap",
            "--dev-bind",
            "/",
            "/",
            "--unshare-net",
            "--die-with-parent",
            sys.executable,
            copy / "start.py",
            "run",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    lesson = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert lesson["torch"] == "2.13.0+cpu" and lesson["prefix"] == str(copy / ".venv")
    assert "uv pip install" in (copy / ".start" / "install.log").read_text()
