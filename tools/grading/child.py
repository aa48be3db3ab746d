"""One submission's process: its cells in an IPython shell, and the checks in a helper module put back as it was.

A submission can do anything to the process it runs in. What is done here makes that hard, not impossible: before a
check, everything that the check is made of is put back; afterwards, in the same process, an answer that is known to be
wrong must still be refused and one that is known to be right must pass.
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

PRINTED = 100_000  # characters that a cell may print; the rest is dropped
OWN = "transfer_learning"


class Ready:
    """What all children share: everything imported, and a note of what it was."""

    def __init__(self, settings):
        import pandas  # noqa: F401  load_tweets imports it late
        import torch
        from IPython.core.interactiveshell import InteractiveShell

        torch.set_num_threads(1)  # a pool of threads does not survive a fork; and there is one worker for each core
        self.given = {}
        exec(settings["imports"], self.given)
        self.shell_class = InteractiveShell
        self.builtins = dict(vars(builtins))
        self.sys = {
            name: getattr(sys, name) for name in ("modules", "path", "path_hooks", "meta_path", "pycache_prefix")
        }
        self.sys = {k: v.copy() if isinstance(v, (dict, list)) else v for k, v in self.sys.items()}
        # functions and classes only: other values change in an honest notebook too
        self.modules = [
            (name, module, {k: v for k, v in vars(module).items() if callable(v)})
            for name, module in self.sys["modules"].items()
            if isinstance(module, types.ModuleType) and name.partition(".")[0] not in (OWN, "__main__")
        ]


def run(fd, settings, ready):
    """Answer the grader's requests until it lets go of the socket; never returns."""
    pid, status = os.getpid(), 1
    try:
        channel = socket.socket(fileno=fd)
        os.closerange(3, fd)
        os.closerange(fd + 1, 4096)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        limit(settings)
        work = os.path.join(settings["temporary"][0], "work")
        os.makedirs(work)
        os.chdir(work)
        sys.path.insert(0, "")
        shell = make_shell(ready)
        sources = [""]
        for line in channel.makefile("r", encoding="utf-8"):
            request = json.loads(line)
            sources.append(request["source"])
            reply = check(request, shell, sources, ready) if request["check"] else run_cell(request, shell)
            if os.getpid() != pid:  # the cell has forked, and this is the copy
                break
            channel.sendall(json.dumps(reply | {"token": request["token"]}).encode() + b"\n")
        status = 0
    finally:
        os._exit(status)


def limit(settings):
    """What the kernel holds a submission to; the zygote looks at time, memory and processes as a whole."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: lets the zygote see how much memory this takes
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when the machine runs short, this goes first
    with contextlib.suppress(OSError):
        os.nice(10)
    limits = {
        "RLIMIT_CPU": 2 * settings["seconds"],
        "RLIMIT_FSIZE": settings["file_bytes"],
        "RLIMIT_NOFILE": resource.getrlimit(resource.RLIMIT_NOFILE)[1],  # a loader with workers takes many
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


def make_shell(ready):
    from traitlets.config import Config

    class Shell(ready.shell_class):
        def _showtraceback(self, etype, evalue, stb):
            shown = "\n".join(stb)[:PRINTED]
            self.errors.append({"ename": etype.__name__, "evalue": text(evalue), "traceback": shown.splitlines()})

        def ask_exit(self):
            os._exit(0)

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def text(error):
    try:
        return str(error)[:1000]
    except Exception:
        return ""


class Printed(io.StringIO):
    """Keeps the first `PRINTED` characters."""

    def write(self, text):
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)


def run_cell(request, shell):
    out, err, shell.errors = Printed(), Printed(), []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        shell.run_cell(request["source"], store_history=True)
    return {"stdout": out.getvalue(), "stderr": err.getvalue(), "errors": shell.errors[:1]}


def check(request, shell, sources, ready):
    """Run a locked check cell on what the submission made; believe a pass only if the check still works."""
    put_back(ready)
    given = {}
    exec(request["imports"], given)
    names = {node.id for node in ast.walk(ast.parse(request["source"])) if isinstance(node, ast.Name)}
    for name in names:
        if name in given:
            shell.user_ns[name] = given[name]
        elif hasattr(builtins, name):
            shell.user_ns.pop(name, None)
    shell.user_ns["get_ipython"] = lambda: shell
    verdict = judge(request["source"], shell.user_ns, sources)
    if verdict["passed"]:
        verdict["tampered"] = any(
            judge(request["source"], answered(canary["answer"], shell.user_ns), canary["sources"])["passed"]
            != canary["right"]
            for canary in request["canaries"]
        )
    return verdict


def put_back(ready):
    """Make everything that a check is made of what it was before the submission's first cell."""
    vars(builtins).update(ready.builtins)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for name, module, values in ready.modules:
        sys.modules[name] = module
        there = vars(module)
        for key, value in values.items():
            if there.get(key) is not value:
                there[key] = value
    for trace in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
        trace(None)
    gc.callbacks.clear()
    sys.path[:], sys.path_hooks[:], sys.meta_path[:] = (ready.sys[k] for k in ("path", "path_hooks", "meta_path"))
    sys.pycache_prefix = ready.sys["pycache_prefix"]
    sys.path_importer_cache.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == OWN]:
        del sys.modules[name]
    importlib.import_module(f"{OWN}.check")


def answered(answer, namespace):
    """A copy of the namespace, with another answer in it."""
    namespace = dict(namespace)
    with contextlib.redirect_stdout(Printed()), contextlib.redirect_stderr(Printed()):
        exec(compile(answer, "<answer>", "exec"), namespace)
    return namespace


def judge(source, namespace, sources):
    """Run a check cell as plain Python; return whether it came to its end, and what it raised."""
    namespace["In"] = list(sources)
    not_yet = sys.modules[f"{OWN}.check"].NotYet
    out, verdict = Printed(), {"passed": False}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(compile(source, "<check>", "exec"), namespace)
        verdict = {"passed": True}
    except not_yet as error:
        verdict |= {"misconception": error.misconception, "error": str(error), "saw": error.saw}
    except BaseException as error:
        verdict |= {"error": f"{type(error).__name__}: {text(error)}"}
    return verdict | {"stdout": out.getvalue()}
