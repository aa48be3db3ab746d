"""A pytest plugin beside nbval: what each notebook took, and an error when it is more than a lesson may take.

pytest -p limits --nbval notebooks
"""

import time

import pytest
from run_lessons import PeakMemory

# on an idle machine 40 s (08: 300 s, 10 and 11: 180 s); CI is noisy
SECONDS = {"08": 600, "10": 400, "11": 400}
MEGABYTES = {"08": 3000, "10": 3000, "11": 3000}
running, results = {}, []


def pytest_addoption(parser):
    parser.addoption("--most-megabytes", type=float, help="instead of each notebook's own limit")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    notebook = item.parent
    if getattr(notebook, "kernel", None) and notebook not in running:
        running[notebook] = PeakMemory(notebook.kernel), time.perf_counter()
        running[notebook][0].start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    notebook = item.parent
    if notebook not in running or (nextitem and nextitem.parent is notebook):
        return
    memory, start = running.pop(notebook)
    memory.done.set()
    seconds, peak = time.perf_counter() - start, memory.peak / 2**20
    name = f"{notebook.path.parent.name}/{notebook.path.stem}"
    results.append(f"{name:40} {seconds:6.1f} s {peak:8.0f} MB")
    number = notebook.path.name[:2]
    most = item.config.getoption("--most-megabytes") or MEGABYTES.get(number, 2000)
    assert seconds < SECONDS.get(number, 120), f"{name} took {seconds:.0f} s"
    assert peak < most, f"{name} held {peak:.0f} MB, more than {most:.0f}"


def pytest_terminal_summary(terminalreporter):
    for line in results:
        terminalreporter.write_line(line)
