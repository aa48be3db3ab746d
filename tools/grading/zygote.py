"""Inside the sandbox: import everything once, then fork a child for each submission and watch over it.

Started by `sandbox.Worker`, never by hand. The zygote never runs a submission's code; a child runs nothing but one
submission, and speaks with the grader over a socket of its own.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import socket
import sys
import time

import psutil

POLL = 0.02  # seconds between two looks at a submission
TOO_LATE = 10  # seconds that killing everything may take


def prctl(option, value):
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main(control, settings):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader, which then lets go of the socket
    prctl(4, 0)  # PR_SET_DUMPABLE: a child may not look into this process
    prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the grader
    prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: outside a sandbox, orphans of a submission come back here
    import child

    ready = child.Ready(settings)
    gc.collect()
    gc.freeze()  # forked children share these pages
    before = state()
    control.sendall(b"{}\n")
    while True:
        message, fds, *_ = socket.recv_fds(control, 4096, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            child.run(fds[0], settings, ready)
        os.close(fds[0])
        end = watch(pid, control, settings)
        clean = kill_all() and wipe(settings["temporary"]) and state() == before
        control.sendall(json.dumps({"end": end, "clean": clean}).encode() + b"\n")
        if not clean:
            return


def watch(pid, control, settings):
    """Return how the child ended: "exit N" or "signal N", or what it was stopped for."""
    started = time.monotonic()
    while True:
        time.sleep(POLL if settings["sandbox"] else 5 * POLL)
        while (status := reap()) is not None:
            if status[0] == pid:
                code = os.waitstatus_to_exitcode(status[1])
                return f"exit {code}" if code >= 0 else f"signal {-code}"
        if time.monotonic() - started > settings["seconds"]:
            return "time"
        if len(processes()) > settings["processes"]:
            return "processes"
        if too_much(processes(), settings):
            return "memory"
        if grader_is_gone(control):
            kill_all()
            os._exit(1)


def reap():
    """One ended child, as (pid, status); None when there is none."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        return (pid, status) if pid else None


def processes():
    """Every process of the submission."""
    if os.getpid() == 1:  # the sandbox's process namespace holds nothing else
        return [pid for pid in psutil.pids() if pid != 1]
    return [process.pid for process in psutil.Process().children(recursive=True)]


def too_much(pids, settings):
    """Do these processes hold more memory than they may?"""
    if sum(memory(pid, shared=True) for pid in pids) <= settings["bytes"]:
        return False
    exact = 0  # slow, and it waits for a process that is just forking
    for pid in pids:
        exact += memory(pid, shared=False)
        if len(processes()) > settings["processes"]:
            return False  # the caller's next look is for these
    return exact > settings["bytes"]


def memory(pid, shared):
    """Bytes; without `shared`, a page that several processes have in common counts once in all."""
    with contextlib.suppress(psutil.Error):  # just ended
        process = psutil.Process(pid)
        if not shared:
            with contextlib.suppress(psutil.AccessDenied, AttributeError):  # it hides from us; macOS
                return process.memory_full_info().pss
        return process.memory_info().rss
    return 0


def grader_is_gone(control):
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def kill_all():
    """Kill every process of the submission; True when none is left."""
    until = time.monotonic() + TOO_LATE
    while time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            if os.getpid() == 1:
                os.kill(-1, signal.SIGKILL)  # all at once: no fork gets away
            else:
                for pid in processes():
                    os.kill(pid, signal.SIGKILL)
        while reap():
            pass
        if not processes():
            return True
        time.sleep(POLL)
    return False


def wipe(folders):
    """Empty the only places where a submission can write; True when they are empty."""
    for folder in folders:
        for entry in os.scandir(folder):
            # whatever is left for any reason is seen below
            with contextlib.suppress(OSError, RecursionError):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
    return not any(os.listdir(folder) for folder in folders)


def state():
    """What a child could change in this process or leave behind, and the next one would inherit."""
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    found = [limits, os.getpriority(os.PRIO_PROCESS, 0)]
    if sys.platform == "linux":
        found += [sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0)]
    if os.getpid() == 1:
        for kind in ("shm", "sem", "msg"):
            with open(f"/proc/sysvipc/{kind}") as table:
                found.append(len(table.readlines()))
    return found


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
