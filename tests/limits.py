"""A pytest plugin beside nbval: report what each notebook took, and fail when it takes more than a lesson may.

pytest -p limits --nbval notebooks
"""

import psutil
import pytest
from run_lessons import PeakMemory

# processor seconds, over all cores and processes: unlike the clock, they stay the same on a busy machine
SECONDS = {"08": 600, "09": 250, "10": 800, "11": 350, "12": 250, "13": 250, "ap": 200}  # others: 120
MEGABYTES = dict.fromkeys(("08", "09", "10", "11", "12", "13", "ap"), 3000)  # others: 2000
watched, results = {}, []


def processor_seconds(client):
    """Return what the kernel has used, together with the processes it started and waited for."""
    times = psutil.Process(client.km.provisioner.pid).cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_addoption(parser):
    parser.addoption("--most-megabytes", type=float, help="instead of each notebook's own limit")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    notebook = item.parent
    if getattr(notebook, "kernel", None) and notebook not in watched:
        watched[notebook] = PeakMemory(notebook.kernel)
        watched[notebook].start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    notebook = item.parent
    if notebook not in watched or (nextitem and nextitem.parent is notebook):
        return
    memory = watched.pop(notebook)
    memory.done.set()
    try:
        seconds = processor_seconds(notebook.kernel)
    except psutil.Error:  # the kernel is gone, which its own cells have reported
        return
    peak = memory.peak / 2**20
    name = f"{notebook.path.parent.name}/{notebook.path.stem}"
    results.append(f"{name:40} {seconds:6.1f} s {peak:8.0f} MB")
    number = (notebook.path.parent.name if notebook.path.name == "homework.ipynb" else notebook.path.name)[:2]
    most = item.config.getoption("--most-megabytes") or MEGABYTES.get(number, 2000)
    assert seconds < SECONDS.get(number, 120), f"{name} took {seconds:.0f} s of processor time"
    assert peak < most, f"{name} held {peak:.0f} MB, more than {most:.0f}"


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist, which has no terminal of its own
        session.config.workeroutput["notebooks"] = results


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    results.extend(getattr(node, "workeroutput", {}).get("notebooks", []))


def pytest_terminal_summary(terminalreporter):
    if results:
        terminalreporter.write_line("processor time and peak memory of each notebook")
    for line in sorted(results):
        terminalreporter.write_line(line)
