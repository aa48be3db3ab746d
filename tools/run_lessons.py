"""Run lessons top to bottom, headless: a progress bar, then each one's seconds and peak memory.

python tools/run_lessons.py [00 03 ...]            run only (python3 start.py run does this)
python tools/run_lessons.py --write [00 03 ...]    also store the outputs in the notebooks
python tools/run_lessons.py --store [00 03 ...]    also store seconds and memory in benchmarks/lessons.csv
python tools/run_lessons.py appendix               the appendix, alone; without numbers it runs last
python tools/run_lessons.py --homework ...         the worked homework of these lessons, in solutions/, instead
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from environment import machine, memory_bytes
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "notebooks"
STORED = ROOT / "benchmarks" / "lessons.csv"
KEY = ["lesson", "machine", "source", "data"]  # what tells two rows of that table apart


class PeakMemory(threading.Thread):
    """Watch a process and its children; `peak` is the most they held at once, in bytes."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.peak, self.done = client, 0, threading.Event()

    def run(self):
        while not self.done.wait(0.1):
            try:
                kernel = psutil.Process(self.client.km.provisioner.pid)
                held = kernel.memory_info().rss
                held += sum(map(memory_bytes, kernel.children(recursive=True)))  # they share the kernel's program files
                self.peak = max(self.peak, held)
            except (AttributeError, psutil.Error):  # not started yet, or gone
                continue


def store_what_widgets_show(notebook):
    """A widget dies with its kernel. Store in its place what its output area shows, or else only its text."""
    state = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for cell in notebook.cells:
        for n, output in reversed(list(enumerate(cell.get("outputs", [])))):
            view = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            children = state[view["model_id"]]["state"].get("children", []) if view else []
            models = [state[child.removeprefix("IPY_MODEL_")]["state"] for child in children]
            if shown := [inner for model in models for inner in model.get("outputs", [])]:
                cell.outputs[n : n + 1] = map(nbformat.from_dict, shown)


def listen_for_ctrl_c(**_):
    """Let Ctrl-C interrupt: nbclient would take the kernel away and go on."""
    with contextlib.suppress(NotImplementedError):  # Windows, where it does not
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def run(path, bar, write=False):
    """Run one notebook; return (error or None, seconds, peak bytes)."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        on_notebook_start=listen_for_ctrl_c,
        on_cell_complete=lambda **_: bar.update(),
    )
    memory = PeakMemory(client)
    memory.start()
    started, error = time.perf_counter(), None
    with tempfile.TemporaryFile() as complaints:  # the kernel's own, outside every cell
        try:
            client.execute(stderr=complaints)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as failed:
            error = failed
        except KeyboardInterrupt:  # a kernel that is interrupted complains at length, of nothing
            with contextlib.suppress(AttributeError, psutil.Error):  # not started yet, or gone
                psutil.Process(client.km.provisioner.pid).kill()
            raise
        finally:
            memory.done.set()
        complaints.seek(0)
        sys.stderr.write(complaints.read().decode(errors="replace"))
    if write and not error:
        store_what_widgets_show(notebook)
        notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
        nbformat.write(notebook, path)
    return error, time.perf_counter() - started, memory.peak


def store(results):
    """Merge what the lessons took into the table: one row for each lesson, machine, checkpoint source and data set."""
    import pandas as pd
    from tables import store as merge_into

    from transfer_learning.tweets import DEFAULT

    source = os.environ.get("TRANSFER_LEARNING_SOURCE") or "embedded"
    tweets = Path(os.environ.get("TWEETS_CSV") or DEFAULT)
    data = "course" if tweets.resolve() == DEFAULT.resolve() else tweets.name
    rows = [(name, machine(), source, data, round(seconds), round(peak / 2**20)) for name, _, seconds, peak in results]
    merge_into(STORED, pd.DataFrame(rows, columns=[*KEY, "seconds", "megabytes"]), KEY, sort=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", metavar="NN")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--homework", action="store_true")
    args = parser.parse_args()
    paths = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")) + sorted(LESSONS.glob("appendix_*.ipynb"))
    if args.homework:
        paths = [path for path in (ROOT / "solutions" / p.stem / "homework.ipynb" for p in paths) if path.exists()]
    known = {(path.parent.name if args.homework else path.name).split("_")[0]: path for path in paths}
    wrong = [number for number in args.lessons if number not in known]
    if wrong:
        sys.exit(f"No lesson {', '.join(wrong)}. There are: {', '.join(known)}.")
    paths = [known[number] for number in args.lessons] or paths
    cells = sum(cell.cell_type == "code" for path in paths for cell in nbformat.read(path, as_version=4).cells)
    results = []
    with tqdm(total=cells, unit="cell") as bar:
        for path in paths:
            name = path.parent.name if args.homework else path.stem
            bar.set_description(name)
            with tempfile.TemporaryDirectory() as folder:  # what is stored must not depend on who has passed what
                if args.write:
                    os.environ["COURSE_RECORD"] = str(Path(folder) / "homework.json")
                results.append((name, *run(path, bar, args.write)))
    for name, error, seconds, peak in results:
        print(f"{name:34} {seconds:6.1f} s {peak / 2**20:8.0f} MB  {'failed' if error else 'ok'}")
    print(f"{'all':34} {sum(r[2] for r in results):6.1f} s")
    if args.store:
        store([result for result in results if not result[1]])
    for name, error, *_ in results:
        if error:
            print(f"\n{name}: {error}", file=sys.stderr)
    return any(error for _, error, *_ in results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
