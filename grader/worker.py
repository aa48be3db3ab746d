"""One submission's process: its cells run in an IPython shell, its checks on modules restored to their first state.

A submission can do anything to the process it runs in. The measures here make cheating hard, not impossible: before a
check, everything the check relies on is restored; after a pass, in the same process, an answer known to be wrong must
still be rejected and one known to be right must still pass.
"""

import ast
import builtins
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
import threading
import types

MAX_PRINTED = 100_000  # characters kept of what a cell prints
COURSE = "transfer_learning"


class Snapshot:
    """Imports everything once, for all workers, and remembers what a submission could replace."""

    def __init__(self, settings):
        import pandas  # noqa: F401  load_tweets imports it late
        import torch
        from IPython.core.interactiveshell import InteractiveShell

        torch.set_num_threads(1)  # a thread pool does not survive a fork, and each core has its own worker
        exec(settings["imports"], {})
        self.shell_class = InteractiveShell
        self.builtins = dict(vars(builtins))
        self.sys = {name: getattr(sys, name) for name in ("path", "path_hooks", "meta_path")}
        self.sys = {name: value.copy() for name, value in self.sys.items()}
        self.pycache_prefix = sys.pycache_prefix
        # functions and classes only: an honest notebook changes other values too
        self.modules = [
            (name, module, {key: value for key, value in vars(module).items() if callable(value)})
            for name, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and name.partition(".")[0] not in (COURSE, "__main__")
        ]

    def restore(self):
        """Restore everything a check relies on to its state before the submission's first cell."""
        vars(builtins).update(self.builtins)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name, module, values in self.modules:
            sys.modules[name] = module
            current = vars(module)
            for key, value in values.items():
                if current.get(key) is not value:
                    current[key] = value
        for set_hook in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
            set_hook(None)
        gc.callbacks.clear()
        for name, value in self.sys.items():
            setattr(sys, name, value.copy())
        sys.pycache_prefix = self.pycache_prefix
        sys.path_importer_cache.clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == COURSE]:
            del sys.modules[name]
        importlib.import_module(f"{COURSE}.check")


def run(fd, settings, snapshot):
    """Answer the grader's requests until it closes the socket; never returns."""
    pid, status = os.getpid(), 1
    try:
        channel = socket.socket(fileno=fd)
        os.closerange(3, fd)
        os.closerange(fd + 1, 4096)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        set_limits(settings)
        # as in the course's own folder: a homework reads ../../data
        temporary = settings["temporary"][0]
        work = os.path.join(temporary, "exercises", "work")
        os.makedirs(work)
        os.symlink(os.path.join(settings["root"], "data"), os.path.join(temporary, "data"))
        os.chdir(work)
        sys.path.insert(0, "")
        shell = make_shell(snapshot)
        history = [""]
        for line in channel.makefile("r", encoding="utf-8"):
            request = json.loads(line)
            history.append(request["source"])
            reply = run_check_cell(request, shell, history, snapshot) if request["check"] else run_cell(request, shell)
            if os.getpid() != pid:  # the cell has forked, and this is the copy
                break
            channel.sendall(json.dumps(reply | {"token": request["token"]}).encode() + b"\n")
        status = 0
    finally:
        os._exit(status)


def set_limits(settings):
    """Set the limits the kernel enforces; the fork server watches time, memory and processes as a whole."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: lets the fork server see how much memory this takes
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when the machine runs out of memory, kill this first
    with contextlib.suppress(OSError):
        os.nice(10)
    limits = {
        "RLIMIT_CPU": 2 * settings["seconds"],
        "RLIMIT_FSIZE": settings["file_bytes"],
        "RLIMIT_NOFILE": resource.getrlimit(resource.RLIMIT_NOFILE)[1],  # a loader with workers needs many
        "RLIMIT_CORE": 0,
    }
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        limits["RLIMIT_AS"] = now + settings["bytes"]
    if settings["sandbox"]:  # outside, the limit would count all of the teacher's processes
        limits["RLIMIT_NPROC"] = 4 * settings["processes"]  # threads count here
    for name, value in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def make_shell(snapshot):
    from traitlets.config import Config

    class Shell(snapshot.shell_class):
        def _showtraceback(self, etype, evalue, stb):
            shown = "\n".join(stb)[:MAX_PRINTED]
            self.errors.append({"ename": etype.__name__, "evalue": message(evalue), "traceback": shown.splitlines()})

        def ask_exit(self):
            os._exit(0)

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def message(error):
    try:
        return str(error)[:1000]
    except Exception:
        return ""


class CappedOutput(io.StringIO):
    """Keeps the first `MAX_PRINTED` characters."""

    def write(self, text):
        super().write(text[: max(0, MAX_PRINTED - self.tell())])
        return len(text)


def run_cell(request, shell):
    out, err, shell.errors = CappedOutput(), CappedOutput(), []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        shell.run_cell(request["source"], store_history=True)
    return {"stdout": out.getvalue(), "stderr": err.getvalue(), "errors": shell.errors[:1]}


def run_check_cell(request, shell, history, snapshot):
    """Run a locked check cell on the submission's answer; trust a pass only if the check still works.

    The cell leaves the submission's names as they were: hidden tests change some of them.
    """
    before = dict(shell.user_ns)
    try:
        return verdict_of(request, shell, history, snapshot)
    finally:
        shell.user_ns.clear()
        shell.user_ns.update(before)


def verdict_of(request, shell, history, snapshot):
    snapshot.restore()
    imported = {}
    exec(request["imports"], imported)
    del imported["__builtins__"]
    names = {node.id for node in ast.walk(ast.parse(request["source"])) if isinstance(node, ast.Name)}
    for name in names:
        if name in imported:
            shell.user_ns[name] = imported[name]
        elif hasattr(builtins, name):
            shell.user_ns.pop(name, None)
    shell.user_ns["get_ipython"] = lambda: shell
    verdict = run_check(request["source"], shell.user_ns, history)
    if verdict["passed"]:
        # a submission may have called something `print` or `torch`, which an answer that is not its own cannot know
        clean = {name: value for name, value in shell.user_ns.items() if name not in snapshot.builtins} | imported
        verdict["tampered"] = any(
            passes(canary, request["source"], clean) != canary["right"] for canary in request["canaries"]
        )
    return verdict


def passes(canary, source, namespace):
    """Return whether a check passes on another answer in a copy of the namespace; None if that answer does not run."""
    namespace = {"__name__": "__main__", **namespace}
    try:
        with contextlib.redirect_stdout(CappedOutput()), contextlib.redirect_stderr(CappedOutput()):
            exec(compile(canary["answer"], "<answer>", "exec"), namespace)
    except BaseException:
        return None
    return run_check(source, namespace, canary["history"])["passed"]


def run_check(source, namespace, history):
    """Run a check cell as plain Python; return whether it ran to its end, and what it raised.

    `history` holds the sources of all cells up to the check, as IPython's `In` does.
    """
    namespace |= {"In": list(history), "__builtins__": builtins}
    not_yet = sys.modules[f"{COURSE}.check"].NotYet
    out, verdict = CappedOutput(), {"passed": False}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(compile(source, "<check>", "exec"), namespace)
        verdict = {"passed": True}
    except not_yet as error:
        verdict |= {"misconception": error.misconception, "error": str(error), "saw": error.saw}
    except BaseException as error:
        verdict |= {"error": f"{type(error).__name__}: {message(error)}"}
    return verdict | {"stdout": out.getvalue()}
