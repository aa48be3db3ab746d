"""Make an environment, mend it, and install packages into it: all that start.py does before a lesson can run.

Standard library only: it runs on the reader's own Python. start.py has found by then that this is no older than the course
supports. Whatever goes wrong ends in `SystemExit` with one line for the reader.
"""

import ast
import contextlib
import errno
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / ".start"  # the lock, the log, JupyterLab's settings; git ignores it
LOG = OWN / "install.log"
TEMPORARY = OWN / "tmp"
REQUIREMENTS = ROOT / "requirements.txt"
STARTED = time.monotonic()
WHEELS = ROOT / "wheels"  # made by start.py pack: with it, no network is needed
PYTORCH_CPU = "https://download.pytorch.org/whl/cpu"
# GB for the pinned versions, as in README's table; PyTorch's build for NVIDIA GPUs brings the CUDA libraries. While pip works, a
# disk holds what it downloads twice more: in its folder for temporary files, and in its cache.
DOWNLOAD = {"cpu": 0.5, "cuda": 3.1}
DISK = {"cpu": 2, "cuda": 6}
TORCH_PART = 35  # percent of the bar for PyTorch's CPU build, which comes first
PACKAGES = 160  # about as many as requirements.txt brings; once pip knows the number, the bar uses that
# What pip's settings may say: where to look, and how to get there. The rest (where to install to, whether to ask …) is ours.
PIP_SETTINGS = """CACHE_DIR CERT CLIENT_CERT CONSTRAINT DEFAULT_TIMEOUT EXTRA_INDEX_URL FIND_LINKS INDEX_URL
KEYRING_PROVIDER NO_CACHE_DIR NO_INDEX PROXY RETRIES TIMEOUT TRUSTED_HOST USE_DEPRECATED USE_FEATURE""".split()


def python_in(venv):
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages(venv):
    """The folder that the environment's packages are in."""
    return next(venv.glob("lib/python3*/site-packages"), venv / "Lib" / "site-packages")


def works(venv, wanted="sys"):
    """Whether the environment's Python runs, looks for packages where they are, and finds the module `wanted`.

    After an upgrade of Python, or in a folder from a different computer, it may be gone, or be a newer one without packages.
    """
    code = "import importlib.util, os, sys; site, wanted = sys.argv[1:]; same = os.path.samefile; "
    code += "here = any(os.path.isdir(path) and same(path, site) for path in sys.path); "
    code += "sys.exit(not (here and importlib.util.find_spec(wanted)))"
    command = [str(python_in(venv)), "-I", "-c", code, str(site_packages(venv)), wanted]
    try:
        return not subprocess.run(command, capture_output=True).returncode
    except OSError:
        return False


def torch_build(venv):
    """Which PyTorch is in the environment: "cpu", "cuda" or None. Only Linux has the choice; elsewhere it is "cpu"."""
    found = [path.name for path in site_packages(venv).glob("torch-*.dist-info")]
    if not found:
        return None
    return "cpu" if sys.platform != "linux" or "+cpu" in found[0] else "cuda"


def finished(venv, mark, key, torch=None):
    """Whether a finished install of `key` is there, with the build of PyTorch that was asked for."""
    try:
        same = mark.read_text(encoding="utf-8") == key
    except OSError:
        return False
    return same and works(venv) and torch in (None, torch_build(venv))


def install(venv, arguments, key, mark="installed", what="Installing the course (once) ...", torch=None, offline=False):
    """Make `venv` and install into it what `arguments` for pip say, unless that was finished before with the same `key`.

    `torch` is "cpu", "cuda" or None for what suits the machine; `offline` takes wheels from `wheels/` where they fit.
    The mark, a file in `venv`, is written last: an interrupted install has none, and is finished at the next start.
    """
    mark = venv / mark
    key = hashlib.sha256(key.encode()).hexdigest()
    if finished(venv, mark, key, torch):
        return
    refuse_unsupported(torch)
    try:
        str(ROOT).encode()
    except UnicodeEncodeError:
        raise SystemExit(f"The name of the folder {ROOT} is not UTF-8. Rename the folder, then start again.") from None
    if venv.exists() and not venv.is_dir():
        raise SystemExit(
            f"{venv} is a file; the course makes a folder of that name. Remove the file, then start again."
        )
    try:
        with alone():
            if not finished(venv, mark, key, torch):  # a start that we waited for may have done it
                again = venv.exists() and mark.name == "installed"
                print("Finishing the install ..." if again else what, flush=True)
                mark.unlink(missing_ok=True)
                LOG.write_text(f"{time.ctime()}: {sys.version} on {platform.platform()}\n", encoding="utf-8")
                try:
                    fill(venv, arguments, torch, offline)
                finally:
                    shutil.rmtree(TEMPORARY, ignore_errors=True)
                mark.write_text(key, encoding="utf-8")
                print(f"Installed in {clock(time.monotonic() - STARTED)}.", flush=True)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise SystemExit(
                f"The course's folder cannot be written to: {ROOT} ({error}). Copy it to a folder of your own and start it there."
            ) from None
        if error.errno == errno.ENOSPC:
            raise SystemExit(disk_full()) from None
        raise


def fill(venv, arguments, torch, offline):
    """Make the environment where there is none that works, then install."""
    offline = offline and wheels_fit(torch)
    uv = unpack_uv() if offline else None
    if torch and torch_build(venv) not in (None, torch):
        print("Making the environment again, for the other build of PyTorch ...", flush=True)
        make(venv, clear=True)
    elif not works(venv):
        if venv.exists():
            print("Making the environment again: its Python is gone, or was never finished ...", flush=True)
        check_disk("cpu")
        make(venv, clear=venv.exists(), without_pip=uv and not importlib.util.find_spec("ensurepip"))
    if not uv and not works(venv, "pip"):
        make(venv)
    remove_halves(venv)
    # the course itself: a line with the way to its folder, relative, so that any name of a folder will do
    site = site_packages(venv)
    (site / "transfer_learning_course.pth").write_text(os.path.relpath(ROOT, site) + "\n", encoding="utf-8")
    if offline:
        return from_wheels(venv, arguments, uv)
    env, part = pip_environment(venv), (0, 100)
    if sys.platform == "linux" and not torch_build(venv) and install_torch(venv, torch, env):
        part = (TORCH_PART, 100)
    more = ["--find-links", str(WHEELS)] if WHEELS.is_dir() else []
    if run([*pip(venv), *more, *arguments], venv, env, part):
        raise SystemExit(why_it_failed())


def refuse_unsupported(torch):
    """End where PyTorch has no build for this machine: pip's own message would not say why."""
    if sys.maxsize < 2**32:
        raise SystemExit("This Python is a 32-bit one; PyTorch needs a 64-bit one. Get it from python.org.")
    if sys.platform == "win32" and platform.machine() == "ARM64":
        raise SystemExit(
            "PyTorch has no build for this Python, which is one for Windows on ARM. Get the 64-bit one for Intel and AMD from "
            "python.org: Windows 11 on ARM runs it, too. Or use Colab (see README)."
        )
    if sys.platform == "darwin":
        if platform.machine() == "x86_64":
            raise SystemExit(
                "PyTorch has no build for Intel Macs any more: use Colab (see README). If this Mac has Apple silicon, its Python "
                "is an Intel one: get a universal one from python.org."
            )
        version = platform.mac_ver()[0]
        if version and int(version.split(".")[0]) < 14:
            raise SystemExit(f"macOS {version} found; PyTorch needs macOS 14 or newer. Or use Colab (see README).")
    if torch == "cuda" and sys.platform != "linux":
        raise SystemExit("--torch cuda works on Linux only. Elsewhere the course uses PyTorch's build from PyPI.")


def check_disk(build):
    """End when an install of this build of PyTorch would not fit."""
    needed = DISK[build] + 2 * DOWNLOAD[build]
    if shutil.disk_usage(ROOT).free < needed * 1e9:
        raise SystemExit(
            f"Not enough disk: to install the course needs {needed:.0f} GB free on the disk of {ROOT}, and takes {DISK[build]} GB."
        )


def disk_full():
    """The line for an install that stopped in the middle."""
    return "The disk is full. Free 3 GB and run python3 start.py again; it goes on where it was."


@contextlib.contextmanager
def alone():
    """Hold the lock on this folder's environments; wait for another start that has it. The system frees it with its process."""
    OWN.mkdir(exist_ok=True)
    with open(OWN / "lock", "a") as file:  # not "w": Windows lets nobody shorten a file that is locked
        waited = False
        while not lock(file):
            if not waited:
                print("Another start is installing the course in this folder. Waiting until it is done ...", flush=True)
            waited = True
            time.sleep(0.5)
        yield


def lock(file):
    """Whether the lock was free and is now ours; where the file system knows no locks, it is."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def make(venv, clear=False, without_pip=False):
    """Make the environment with the Python that runs this, whatever its settings are (-I)."""
    python = getattr(sys, "_base_executable", None) or sys.executable  # not the one of the environment that goes
    options = ["--clear"] * clear + ["--without-pip"] * bool(without_pip)
    command = [python, "-I", "-m", "venv", *options, str(venv)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=own_environment())
    if not done.returncode:
        return
    said = (done.stdout or b"").decode(errors="replace").strip()
    log(said)
    if advice := re.search(r"apt(?:-get)? install (\S+)", said):
        package = advice[1]
    elif "No module named" in said and sys.platform == "linux":
        package = "python3-venv"
    elif "lib64'" in said:
        raise SystemExit(
            f"The disk of {ROOT} cannot hold links, as is usual for USB sticks. Copy the folder to the computer's own disk and "
            "start it there."
        )
    else:
        last = said.splitlines()[-1] if said else f"status {done.returncode}"
        raise SystemExit(f"Python could not make the environment {venv}: {last}")
    raise SystemExit(
        f"A part of Python is missing that Debian and Ubuntu keep in a package of its own: run  sudo apt install {package}  "
        "and then this again."
    )


def remove_halves(venv):
    """Remove the records of packages whose install was cut off before its last step; pip would take them for installed."""
    for record in site_packages(venv).glob("*.dist-info"):
        if not (record / "RECORD").exists():
            shutil.rmtree(record)


def own_environment():
    """The reader's variables without the settings of Python, pip, uv and environments, which could lead elsewhere."""
    foreign = ("PYTHON", "PIP_", "UV_", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def pip_settings(python):
    """Which of `PIP_SETTINGS` pip has been given, in variables and configuration files: {"INDEX_URL": "https://…"}."""
    asking = own_environment() | {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    command = [str(python), "-I", "-m", "pip", "config", "list"]
    said = subprocess.run(command, stdout=subprocess.PIPE, env=asking).stdout or b""
    lines = re.findall(
        r"^(global|install|:env:)\.([\w-]+)=('.*'|\".*\")\r?$", said.decode(errors="replace"), flags=re.M
    )
    found = {}
    for section in ("global", "install", ":env:"):  # the later one counts
        for where, name, value in lines:
            if where == section and name.upper().replace("-", "_") in PIP_SETTINGS:
                found[name.upper().replace("-", "_")] = ast.literal_eval(value)
    return found


def pip_environment(venv):
    """The same, with those of pip's settings, from variables and configuration files, that say where packages come from."""
    env = own_environment() | {f"PIP_{name}": value for name, value in pip_settings(python_in(venv)).items()}
    TEMPORARY.mkdir(exist_ok=True)  # the system's own folder may be in memory, too small for PyTorch
    return {**env, "PIP_CONFIG_FILE": os.devnull, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(TEMPORARY))}


def pip(venv):
    """The beginning of a pip command."""
    command = [
        str(python_in(venv)),
        "-I",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
    ]
    found = [path.name.split("-")[1].split(".") for path in site_packages(venv).glob("pip-*.dist-info")]
    if found and (int(found[0][0]), int(found[0][1])) >= (24, 1):
        command += ["--progress-bar=raw"]  # the bar reads it
    return command


def install_torch(venv, asked, env):
    """On Linux without an NVIDIA GPU, install PyTorch's CPU build first, from its own index or from where pip looks anyway.

    Return whether it is there; the rest of the install brings the CUDA build otherwise.
    """
    if (asked or ("cuda" if nvidia() else "cpu")) == "cuda":
        check_disk("cuda")
        return False
    index = os.environ.get("COURSE_TORCH_INDEX") or PYTORCH_CPU
    version = re.search(r"^torch==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), flags=re.M)[1]
    places = [["--index-url", index], []] if answers(f"{index}/torch/") else [[]]
    for place in places:
        if not run([*pip(venv), "--no-deps", *place, f"torch=={version}+cpu"], venv, env, part=(0, TORCH_PART)):
            return True
        if connection_lost(last_lines()) or "No matching distribution" not in last_lines():
            raise SystemExit(why_it_failed())
    check_disk("cuda")
    print(
        f"{index} has no CPU build of PyTorch for this machine, or does not answer. The usual build brings NVIDIA's CUDA "
        f"libraries: {DOWNLOAD['cuda']} GB to download, {DISK['cuda']} GB on disk.",
        flush=True,
    )
    return False


def nvidia():
    """Whether Linux has an NVIDIA GPU's driver."""
    paths = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
    return any(map(os.path.exists, paths)) or bool(shutil.which("nvidia-smi"))


def answers(url, seconds=3):
    """Whether a server sends this page in time. A thread asks, because looking up a name knows no time limit."""
    said = []

    def ask():
        with contextlib.suppress(Exception), urllib.request.urlopen(url, timeout=seconds) as page:
            said.append(page.status == 200)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return said == [True]


def wheels_fit(torch=None):
    """Whether `wheels/` has PyTorch for this system and this Python, in the build that was asked for."""
    found = [wheel.name for wheel in WHEELS.glob("torch-*.whl") if suits(wheel)]
    if sys.platform == "linux" and torch:
        found = [name for name in found if ("+cpu" in name) == (torch == "cpu")]
    if WHEELS.is_dir() and not found:
        print(
            f"{WHEELS} has nothing for {platform.system()} {platform.machine()} and Python {platform.python_version()}: "
            "installing over the network.",
            flush=True,
        )
    return bool(found)


def suits(wheel):
    """Whether a wheel's file name says this system, this processor and this version of Python (or any)."""
    *_, python, abi, system = wheel.stem.split("-")
    ours = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    named = {"linux": "manylinux", "darwin": "macosx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    machines = next((same for same in ({"x86_64", "amd64"}, {"arm64", "aarch64"}) if machine in same), {machine})
    fits = system.startswith((named, sys.platform)) and any(name in system for name in machines)
    return fits and (python, abi) in ((ours, ours), ("py3", "none"))


def unpack_uv():
    """The path of uv, unpacked from its wheel in `wheels/`; None when there is none that runs here."""
    for wheel in filter(suits, sorted(WHEELS.glob("uv-*.whl"), reverse=True)):
        with contextlib.suppress(OSError, zipfile.BadZipFile, KeyError), zipfile.ZipFile(wheel) as packed:
            (member,) = (name for name in packed.namelist() if re.search(r"/scripts/uv(\.exe)?$", name))
            OWN.mkdir(exist_ok=True)
            path = OWN / Path(member).name
            path.write_bytes(packed.read(member))
            path.chmod(0o755)
            if not subprocess.run([str(path), "--version"], capture_output=True).returncode:
                return str(path)
    return None


def from_wheels(venv, arguments, uv):
    """Install from `wheels/` and nothing else: with uv, several times as fast, or with pip."""
    print(f"From {WHEELS}, without network.", flush=True)
    only = ["--no-index", "--find-links", str(WHEELS)]
    if uv:
        cache = OWN / "uv_cache"  # on the same disk as the environment: files are linked, not copied
        command = [uv, "pip", "install", "--python", str(python_in(venv)), "--no-config", "--offline"]
        failed = run([*command, "--cache-dir", str(cache), *only, *arguments], venv, own_environment())
        shutil.rmtree(cache, ignore_errors=True)
        Path(uv).unlink()
    else:
        failed = run([*pip(venv), *only, *arguments], venv, {**own_environment(), "PIP_CONFIG_FILE": os.devnull})
    if failed:
        raise SystemExit(damaged_wheels() or why_it_failed(online=False))


def damaged_wheels():
    """One line that names what is damaged or missing in `wheels/`, by its list of sums; None when all is well."""
    bad = []
    with contextlib.suppress(OSError):
        for line in (WHEELS / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
            wanted, name = line.split(maxsplit=1)
            path = WHEELS / name.lstrip("*")
            if not path.exists():
                bad.append(f"{path.name} is missing")
            elif hashed(path) != wanted:
                bad.append(f"{path.name} is damaged")
    if bad:
        more = f", and {len(bad) - 3} more" if len(bad) > 3 else ""
        return f"In {WHEELS}: {', '.join(bad[:3])}{more}. Copy the folder from the stick again, then start again."
    return None


def hashed(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def log(text):
    """Add a line to the log."""
    with open(LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")


def run(command, venv, environment, part=(0, 100)):
    """Run pip or uv, its lines into the log, with a bar, or its part from one percentage to another; return its status."""
    log("\n$ " + " ".join(command))
    with open(LOG, "ab") as file, Progress(LOG, site_packages(venv), part):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment)
    return done.returncode


def last_lines():
    """What the last command wrote into the log."""
    return LOG.read_text(encoding="utf-8", errors="replace").rpartition("\n$ ")[2]


def connection_lost(said):
    """Whether pip could not reach its index, or lost it: where it lists versions, it did."""
    lost = "WARNING: Retrying|Connection(Reset|Refused|Aborted)?Error|[Tt]imed? ?out|IncompleteRead|incomplete-download"
    return bool(re.search(lost, said)) and not re.search(r"from versions: \d", said)


def why_it_failed(online=True):
    """One line: no disk, no network, or pip's own reason; and where the rest of its lines are."""
    said = last_lines()
    if shutil.disk_usage(ROOT).free < 200 * 2**20 or "No space left" in said:
        return disk_full()
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "The install did not finish: a proxy or a virus scanner stands between this computer and the package index, with a "
            f"certificate that Python does not know. Name its file in PIP_CERT and start again. All lines of the install: {LOG}"
        )
    if online and connection_lost(said):
        return (
            "The install did not finish: the package index cannot be reached. Without network: connect, then run python3 "
            f"start.py again; it goes on where it was. All lines of the install: {LOG}"
        )
    errors = [line.strip() for line in said.splitlines() if line.lstrip().lower().startswith("error:")]
    if "\u00d7" in said:  # uv begins with a cross and goes on for some lines
        errors = [said[said.index("\u00d7") + 1 :]]
    reason = " ".join(" ".join(errors[-2:]).split())[:400].rstrip(".") or "pip's last lines say why"
    newer = re.search("o matching distribution|no wheels", said)
    advice = (
        f" Perhaps not every package has a build for Python {platform.python_version()}: try a different one."
        if newer
        else ""
    )
    return f"The install did not finish: {reason}.{advice} All lines of the install: {LOG}"


def clock(seconds):
    """1:05 for 65 seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Progress(threading.Thread):
    """How far an install is: one bar on a terminal, elsewhere a line now and then.

    It counts what pip or uv writes into the log, and the packages that have arrived in the folder `site`.
    """

    def __init__(self, log, site, part=(0, 100)):
        super().__init__(daemon=True)
        self.log, self.site, self.part, self.offset = log, site, part, log.stat().st_size
        self.before, self.total, self.found, self.fetched = self.arrived(), PACKAGES, 0, 0
        self.installing, self.now, self.rest = False, "starting", ""
        self.over = threading.Event()

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def arrived(self):
        return sum(1 for _ in self.site.glob("*.dist-info/RECORD"))

    def run(self):
        bar = sys.stdout is not None and sys.stdout.isatty()
        said, installing = time.monotonic(), False
        while not self.over.wait(0.3):
            self.read()
            if bar:
                print(f"\r{self.line()}", end="", flush=True)
            elif time.monotonic() - said > 15 or self.installing != installing:
                said, installing = time.monotonic(), self.installing
                print(f"  {self.percent()} %, {self.now}", flush=True)
        if bar:
            print(f"\r{' ' * (shutil.get_terminal_size().columns - 1)}\r", end="", flush=True)

    def read(self):
        """Take in the log's new lines."""
        with open(self.log, "rb") as file:
            file.seek(self.offset)
            new = file.read()
        self.offset += len(new)
        *lines, self.rest = (self.rest + new.decode(errors="replace")).split("\n")
        for line in map(str.strip, lines):
            self.take(line)
        if self.installing:
            self.now = f"installing packages: {min(self.arrived() - self.before, self.total)} of {self.total}"

    def take(self, line):
        """Take in one line of pip or uv."""
        if match := re.match(r"Collecting ([\w.-]+)", line):
            self.found += 1
            self.now = f"looking for {match[1]}"
        elif match := re.match(r"Processing .*?([^/\\]+?)-\d\S*\.whl", line):
            self.fetched += 1
            self.now = f"found {match[1]}"
        elif match := re.match(r"(?:Downloading|Using cached) (\S+?)-\d\S*\.whl (\(.*\))", line):
            self.fetched += 1
            self.now = f"downloading {match[1].split('/')[-1]} {match[2]}"
        elif match := re.match(r"Progress (\d+) of (\d+)", line):
            so_far = f"{int(match[1]) / 1e6:.0f} of {int(match[2]) / 1e6:.0f} MB"
            self.now = f"{self.now.split(' (')[0]} ({so_far})"
        elif match := re.match(r"Installing collected packages: (.*)", line):
            self.installing, self.total = True, match[1].count(",") + 1
        elif match := re.match(r"(Resolved|Prepared) (\d+) packages?", line):
            self.total, self.now = int(match[2]), "unpacking packages"
            self.installing = match[1] == "Prepared"

    def percent(self):
        """Finding, downloading and installing count as a third each."""
        if self.installing:
            done = (2 + min(1, (self.arrived() - self.before) / self.total)) / 3
        else:
            done = (self.found + self.fetched) / (3 * max(self.total, self.found, self.fetched))
        first, last = self.part
        return round(first + (last - first) * done)

    def line(self):
        """The bar, as wide as the terminal."""
        width = shutil.get_terminal_size().columns - 1
        percent = self.percent()
        bar = ("#" * (percent // 5)).ljust(20, ".")
        return f"[{bar}] {percent:3} %  {clock(time.monotonic() - STARTED)}  {self.now}"[:width].ljust(width)
