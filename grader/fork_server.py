"""Inside the sandbox: imports everything once, then forks a worker for each submission and watches it.

Started by `sandbox.ForkServer`, never by hand. The fork server never runs a submission's code; a worker runs exactly one
submission, and talks to the grader over a socket of its own.
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

POLL_SECONDS = 0.02  # between two looks at a submission
KILL_SECONDS = 10  # for killing every process of a submission


def prctl(option, value):
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main(control, settings):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader, which then closes the socket
    prctl(4, 0)  # PR_SET_DUMPABLE: a worker may not look into this process
    prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the grader
    prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: outside a sandbox, a submission's orphans come back here
    import worker

    snapshot = worker.Snapshot(settings)
    gc.collect()
    gc.freeze()  # forked workers share these pages
    before = inherited_state()
    control.sendall(b"{}\n")
    while True:
        message, fds, *_ = socket.recv_fds(control, 4096, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            worker.run(fds[0], settings, snapshot)
        os.close(fds[0])
        end = watch(pid, control, settings)
        clean = kill_all() and empty(settings["temporary"]) and inherited_state() == before
        control.sendall(json.dumps({"end": end, "clean": clean}).encode() + b"\n")
        if not clean:
            return


def watch(pid, control, settings):
    """Return how the worker ended ("exit N" or "signal N"), or which limit it exceeded."""
    started = time.monotonic()
    while True:
        time.sleep(POLL_SECONDS if settings["sandbox"] else 5 * POLL_SECONDS)
        while (status := reap()) is not None:
            if status[0] == pid:
                code = os.waitstatus_to_exitcode(status[1])
                return f"exit {code}" if code >= 0 else f"signal {-code}"
        if time.monotonic() - started > settings["seconds"]:
            return "time"
        if len(processes()) > settings["processes"]:
            return "processes"
        if over_memory_limit(processes(), settings):
            return "memory"
        if grader_is_gone(control):
            kill_all()
            os._exit(1)


def reap():
    """Return one ended child process as (pid, status), or None."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        return (pid, status) if pid else None


def processes():
    """Return the ids of all the submission's processes."""
    if os.getpid() == 1:  # the sandbox's process namespace holds nothing else
        return [pid for pid in psutil.pids() if pid != 1]
    return [process.pid for process in psutil.Process().children(recursive=True)]


def over_memory_limit(pids, settings):
    """Return whether these processes hold more memory than they may."""
    if sum(resident_bytes(pid) for pid in pids) <= settings["bytes"]:
        return False
    exact = 0
    for pid in pids:
        exact += proportional_bytes(pid)
        if len(processes()) > settings["processes"]:
            return False  # the caller's next look catches these
    return exact > settings["bytes"]


def resident_bytes(pid):
    """Quick, and too high for several processes together: it counts shared pages once for each."""
    with contextlib.suppress(psutil.Error):  # just ended
        return psutil.Process(pid).memory_info().rss
    return 0


def proportional_bytes(pid):
    """Slow, and it waits for a process that is forking: splits shared pages between the processes that share them."""
    with contextlib.suppress(psutil.Error, AttributeError):  # it hides from us; macOS
        return psutil.Process(pid).memory_full_info().pss
    return resident_bytes(pid)


def grader_is_gone(control):
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def kill_all():
    """Kill all the submission's processes; return whether none is left."""
    until = time.monotonic() + KILL_SECONDS
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
        time.sleep(POLL_SECONDS)
    return False


def empty(folders):
    """Empty the only folders a submission can write to; return whether they are empty."""
    for folder in folders:
        for entry in os.scandir(folder):
            # whatever is left, for any reason, shows below
            with contextlib.suppress(OSError, RecursionError):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
    return not any(os.listdir(folder) for folder in folders)


def inherited_state():
    """What a worker could change in this process or leave behind, and the next one would inherit."""
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    state = [limits, os.getpriority(os.PRIO_PROCESS, 0)]
    if sys.platform == "linux":
        state += [sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0)]
    if os.getpid() == 1:
        for kind in ("shm", "sem", "msg"):
            with open(f"/proc/sysvipc/{kind}") as table:
                state.append(len(table.readlines()))
    return state


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
