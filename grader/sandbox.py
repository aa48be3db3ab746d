"""Runs submissions in bubblewrap, with one fork server for each core.

Inside there is no network and no other process; nothing is readable but Python, the environment and the course without
its solutions, and nothing is writable but two folders in memory, which are emptied after each submission.
"""

import contextlib
import json
import os
import platform
import secrets
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
FORK_SERVER, WORKER, OFFLINE = map(Path(__file__).resolve().with_name, ("fork_server.py", "worker.py", "offline"))
START_SECONDS = 300  # for the imports, on a slow disk
GRACE_SECONDS = 20  # past the time limit, before a silent fork server is killed
MAX_REPLY_BYTES = 8 * 2**20
CACHE = "/cache/transfer_learning"
LIMITS = {"seconds": 60, "bytes": 3 * 2**30, "file_bytes": 2**28, "processes": 32}
INSTALL = (
    "Install bubblewrap 0.7 or newer (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap; "
    "on Windows grade inside WSL, on macOS in a Linux virtual machine)"
)
UNSAFE = (
    "each submission is a program written by somebody else, and it runs with your rights: it can read and change your "
    "files, the gradebook and the other submissions, and use the network"
)

# System calls that homework does not need, and that either make memory which outlives its process unseen, or reach deep
# into the kernel: name -> number on x86_64 and aarch64.
DENIED = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column in DENIED, AUDIT_ARCH


class NoSandbox(Exception):
    """Says in one line why there is no sandbox here."""


def seccomp_filter():
    """Return a classic BPF program that denies the system calls of `DENIED`; empty on other `ARCHITECTURES`."""
    if platform.machine() not in ARCHITECTURES:
        return b""
    column, architecture = ARCHITECTURES[platform.machine()]
    load, equal, at_least, result = 0x20, 0x15, 0x35, 0x06
    numbers = sorted({row[column] for row in DENIED.values()})
    tests = [(equal, number) for number in numbers]
    if platform.machine() == "x86_64":
        tests.insert(0, (at_least, 0x40000000))  # the same calls again, under their x32 numbers
    deny = len(tests) + 1  # instructions to skip from the first test
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (result, 0, 0, 0x00050001), (load, 0, 0, 0)]
    program += [(code, deny - 1 - i, 0, number) for i, (code, number) in enumerate(tests)]
    program += [(result, 0, 0, 0x7FFF0000), (result, 0, 0, 0x00050001)]  # allow; EPERM
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def bubblewrap(hidden, index=0):
    """Return the command that a sandboxed program is appended to.

    Parameters
    ----------
    hidden : list of Path
        Folders to hide if they are inside a visible one.
    index : int
        The fork server's number.
    """
    program = shutil.which("bwrap")
    if sys.platform != "linux" or program is None:
        raise NoSandbox("bubblewrap is not installed")
    if ROOT.is_relative_to("/tmp"):  # a submission gets its own /tmp, mounted over this one
        raise NoSandbox(f"the course is in {ROOT}, and /tmp is hidden from submissions: move it elsewhere")
    command = [program, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    command += ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    visible = []
    for folder in map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")):
        if folder.is_symlink():
            command += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.exists():
            visible.append(folder)
    visible += map(Path, ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"))
    visible += [Path(sys.base_prefix), Path(sys.prefix), ROOT / "transfer_learning", ROOT / "data"]
    visible += [FORK_SERVER, WORKER, OFFLINE]
    checkpoint = checkpoint_folder()
    cache = Path(CACHE) / checkpoint.name
    parents = {parent for path in [*visible, cache] for parent in path.parents if parent != Path("/")}
    for parent in sorted(parents):  # those that bubblewrap makes are closed to other users
        if not any(parent.is_relative_to(path) for path in visible):
            command += ["--perms", "0755", "--dir", str(parent)]
    for path in visible:
        command += ["--ro-bind-try", str(path), str(path)]
    for folder in hidden:
        if any(folder.resolve().is_relative_to(path.resolve()) for path in visible):
            command += ["--tmpfs", str(folder.resolve()), "--remount-ro", str(folder.resolve())]
    command += ["--ro-bind-try", str(checkpoint), str(cache), "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/dev/shm", "/tmp"):
        command += ["--perms", "1777", "--size", str(2**29), "--tmpfs", folder]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in {**environment("/tmp"), "XDG_CACHE_HOME": str(Path(CACHE).parent)}.items():
        command += ["--setenv", name, value]
    if os.geteuid():
        return [*command, "--unshare-user"]
    # For root there is no user namespace, so the kernel would still treat it as root in there (think of /proc/sys). Each
    # fork server therefore runs as a user of its own; the kernel also counts processes by user.
    user = 1_900_000_000 + index
    command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"]
    return [*command, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all"]


def checkpoint_folder():
    """Return the folder of the embedded BERT, assembled before a sandbox makes the course read-only."""
    from transfer_learning import checkpoint

    with contextlib.redirect_stdout(None):
        return Path(checkpoint("bert-base-uncased", source="embedded")).resolve()


def environment(temporary):
    """Return environment variables: one thread, no downloads, caches in the folder that is emptied."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": f"{temporary}/home",
        "USER": "learner",
        "TMPDIR": temporary,
        "MPLCONFIGDIR": f"{temporary}/matplotlib",
        "IPYTHONDIR": f"{temporary}/ipython",
        "MPLBACKEND": "agg",
        "KERAS_BACKEND": "torch",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "COURSE_RECORD": os.devnull,  # the teacher's own record of passed homework stays as it is
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(OFFLINE),
        "UV_OFFLINE": "1",
        "CONDA_OFFLINE": "1",
        "npm_config_offline": "true",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }


def assert_available(hidden=()):
    """Raise `NoSandbox` unless a sandboxed program runs here."""
    with tempfile.TemporaryFile() as rules:
        done = subprocess.run(
            [*with_seccomp(bubblewrap(hidden), rules), sys.executable, "-c", ""],
            pass_fds=[rules.fileno()],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise NoSandbox(f"bubblewrap does not work here ({why})")


def with_seccomp(command, file):
    """Return the command with the system call filter, which bubblewrap reads from an open file."""
    if rules := seccomp_filter():
        file.write(rules)
        file.seek(0)
        return [command[0], "--seccomp", str(file.fileno()), *command[1:]]
    return command


class ForkServer:
    """Runs one submission after another, and restarts if one takes it down.

    Use it from one thread only: the sandbox ends with the thread that started it.

    Parameters
    ----------
    index : int
    imports : str
        Import statements to run once, before the first submission.
    hidden : list of Path
    unsafe : bool
        Without bubblewrap.
    limits : dict
        As `LIMITS`.
    """

    def __init__(self, index, imports, hidden=(), unsafe=False, limits=LIMITS):
        self.index, self.hidden, self.unsafe = index, hidden, unsafe
        self.settings = {**limits, "imports": imports, "sandbox": not unsafe, "temporary": ["/tmp", "/dev/shm"]}
        self.settings["root"] = str(ROOT)
        self.process = self.control = self.folder = None

    def start(self):
        self.stop()
        self.control, remote = socket.socketpair()
        command, env, cwd = [], None, None
        with tempfile.TemporaryFile() as rules, tempfile.TemporaryFile("w+") as log:
            if self.unsafe:
                self.folder = tempfile.TemporaryDirectory(prefix="grade-")
                self.settings["temporary"] = [self.folder.name]
                env, cwd = {**os.environ, **environment(self.folder.name)}, self.folder.name
            else:
                command = with_seccomp(bubblewrap(self.hidden, self.index), rules)
            command += [sys.executable, str(FORK_SERVER), str(remote.fileno()), json.dumps(self.settings)]
            self.process = subprocess.Popen(
                command,
                pass_fds=[remote.fileno(), rules.fileno()],
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
            remote.close()
            if self._receive(START_SECONDS) is None:
                log.seek(0)
                why = (log.read().strip().splitlines() or ["no reason given"])[-1]
                raise RuntimeError(f"A grading process did not start: {why}")

    def stop(self):
        if self.process is not None:
            self.control.close()
            if not self.unsafe:  # the sandbox ends with it; without one it must first kill its workers
                self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_SECONDS)
            self.process.kill()
            self.process.wait()
        if self.folder is not None:
            shutil.rmtree(self.folder.name, ignore_errors=True)
        self.process = self.control = self.folder = None

    def run(self, requests):
        """Run one submission.

        Parameters
        ----------
        requests : list of dict
            One for each code cell, as `worker.run` takes them.

        Returns
        -------
        replies : list of dict
            Fewer than `requests` if the submission ended early.
        end : str
            "exit 0" after the last cell; otherwise "exit N", "signal N", "time", "memory", "processes", or "server" if
            the fork server itself went down.
        """
        if self.process is None:
            self.start()
        local, remote = socket.socketpair()
        until = time.monotonic() + self.settings["seconds"] + GRACE_SECONDS
        replies = []
        with local:
            with remote:
                try:
                    socket.send_fds(self.control, [b"{}"], [remote.fileno()])
                except OSError:  # the one before took the fork server down
                    self.start()
                    socket.send_fds(self.control, [b"{}"], [remote.fileno()])
            local.settimeout(GRACE_SECONDS)
            lines = _LineReader(local)
            for request in requests:
                reply = self._ask(lines, request, until)
                if reply is None:
                    break
                replies.append(reply)
        ended = self._receive(until - time.monotonic())
        if ended is None or not ended["clean"]:
            self.stop()
        return replies, ended["end"] if ended else "server"

    def _ask(self, lines, request, until):
        """Send a request; return the reply with its token, which no code that ran before could know."""
        token = secrets.token_hex(16)
        try:
            lines.socket.sendall(json.dumps(request | {"token": token}).encode() + b"\n")
            while (line := lines.next(self.control, until)) is not None:
                with contextlib.suppress(ValueError, RecursionError):
                    reply = json.loads(line)
                    if isinstance(reply, dict) and reply.get("token") == token:
                        return without_surrogates(reply)
        except OSError:  # the submission is gone
            pass
        return None

    def _receive(self, seconds):
        """Return the fork server's message; None if it is gone, or silent for this long."""
        if select.select([self.control], [], [], max(0, seconds))[0]:
            with contextlib.suppress(OSError, ValueError):
                return json.loads(self.control.recv(4096))
        return None


def without_surrogates(value):
    """Return a JSON value whose strings can be written to a file: a submission may print half an emoji."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


class _LineReader:
    """Reads lines from a submission, which may send anything."""

    def __init__(self, socket):
        self.socket, self.buffer = socket, bytearray()

    def next(self, control, until):
        """Return the next line; None at the end, when the fork server has a message, or after `until`."""
        while b"\n" not in self.buffer:
            ready = select.select([self.socket, control], [], [], max(0, until - time.monotonic()))[0]
            if self.socket not in ready or len(self.buffer) > MAX_REPLY_BYTES:
                return None
            chunk = self.socket.recv(2**16)
            if not chunk:
                return None
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line


def worker_count(jobs):
    """Return how many submissions to run side by side: each needs a core and its memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    fit = int(psutil.virtual_memory().available // LIMITS["bytes"])
    return max(1, min(cores, fit, jobs))


def signal_name(number):
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
