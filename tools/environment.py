"""Print one line for each thing the course needs: [OK], or [FAIL] with the remedy. Run it from anywhere in the course.

python3 start.py doctor runs it, lesson 00 does, and so does each notebook's set-up cell on Colab. It also runs before
anything is installed, and on a Python that is too old: then nothing but the standard library is imported.
"""

import contextlib
import csv
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

try:
    from importlib.metadata import PackageNotFoundError, version
except ImportError:  # before Python 3.8: the first line says so
    PackageNotFoundError = version = None

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT, ROOT / "tools"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
START = "python start.py" if os.name == "nt" else "python3 start.py"
COLAB = "google.colab" in sys.modules
FREE_GB = 1  # for what lessons save, once the course is installed
SLOWEST_STEP = 30  # seconds; an idle laptop takes less than one, a machine busy with other work up to ten


def requirements():
    """The packages and oldest versions of pyproject.toml, as (name, specifier)."""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [(r.name, r.specifier) for r in map(Requirement, project["dependencies"])]


def machine():
    """What networks are trained on here, for tables of measurements."""
    import platform

    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():  # Linux: platform does not know its name
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), processor)
    return f"{psutil.cpu_count()} cores, {processor}"


def has_bfloat16(device):
    """Whether a device, "cpu" or "cuda", computes in bfloat16 itself; others imitate it, slower than float32.

    The hardware is asked, not timed as in the lesson: a busy minute must not decide what a stored table was made with.
    """
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


def memory_bytes(process):
    """Memory of a `psutil.Process`, on Linux without program files, which forked processes share and map in as they go."""
    info = process.memory_info()
    return info.rss - getattr(info, "shared", 0)


def installed():
    """Whether start.py has installed the course, or this runs where somebody else has: on Colab, in an own environment."""
    ours = Path(sys.prefix).resolve() == ROOT / ".venv"
    return (ROOT / ".venv" / "installed").exists() if ours else has("torch") and has("transformers")


def has(module):
    from importlib.util import find_spec

    return find_spec(module) is not None


def check_python():
    from start import PYTHONS

    oldest, newest = (tuple(map(int, text.split("."))) for text in (PYTHONS[0], PYTHONS[-1]))
    found = sys.version_info[:2]
    assert found >= oldest, (
        f"Python {found[0]}.{found[1]} found; the course needs {PYTHONS[0]} or newer. Install it from python.org, then run {START}"
    )
    return f"Python {PYTHONS[0]} or newer{'' if found <= newest else ' (newer than the course has been tested on)'}"


def check_disk():
    free, needed = shutil.disk_usage(str(ROOT)).free / 1e9, FREE_GB
    if not installed():
        from installer import DISK

        needed = DISK["cpu"]
    assert free >= needed, (
        f"disk: {free:.1f} GB free, {needed:g} GB needed: empty the bin, or move the course to a larger disk"
    )
    return f"disk: {free:.0f} GB free"


def check_memory():
    with open(str(ROOT / "benchmarks" / "lessons.csv"), encoding="utf-8", newline="") as file:
        needed = max(int(row["megabytes"]) for row in csv.DictReader(file) if "cores" in row["machine"]) / 1e3
    if has("psutil"):
        import psutil

        free, what = psutil.virtual_memory().available / 1e9, "free"
    elif hasattr(os, "sysconf"):
        free, what = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, "in all"
    else:
        import ctypes

        kilobytes = ctypes.c_ulonglong()
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
        free, what = kilobytes.value * 1024 / 1e9, "in all"
    assert free >= needed, (
        f"memory: {free:.1f} GB {what}, a lesson needs up to {needed:.1f} GB: close other programs and browser tabs, "
        "and shut down notebooks you have finished"
    )
    return f"memory: {free:.0f} GB {what}"


def check_packages():
    remedy = "run pip install -e . in the course's folder, then restart the kernel" if COLAB else f"run {START}"
    assert installed(), f"install: nothing is installed yet, or not all of it: {remedy}"
    wrong = []
    for name, wanted in requirements():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = None
        if found is None or not wanted.contains(found.split("+")[0], prereleases=True):
            wrong.append(f"{name} {found or 'missing'} (needs {wanted})")
    assert not wrong, f"install: {', '.join(wrong)}: {remedy}"
    return "install: all packages, in versions that the course runs on"


def check_kernel():
    ipython = sys.modules.get("IPython")
    if ipython and hasattr(ipython.get_ipython(), "kernel"):  # this is a notebook
        return "kernel: notebooks run code"
    from jupyter_client.manager import start_new_kernel

    said = []
    try:
        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60, stderr=subprocess.DEVNULL)
    except RuntimeError as error:
        raise AssertionError(
            f"kernel: {error}. Does a firewall or an antivirus block connections within this machine (127.0.0.1)? If none "
            f"does, delete the folder .venv, then run {START}"
        ) from None
    try:
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=30,
            output_hook=lambda message: said.append(message["content"].get("text")),
        )
        where = manager.kernel_spec.resource_dir
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    prefix = "".join(filter(None, said)).strip()
    assert prefix and Path(prefix).resolve() == Path(sys.prefix).resolve(), (
        f"kernel: notebooks run on a different Python, {prefix}: delete the folder {where}, then run {START}"
    )
    return "kernel: notebooks run code"


def tweets_from_drive():
    """Let this notebook read the file that lesson 03 has put into Google Drive: on Colab each is a machine of its own."""
    kept = (ROOT.parent / "drive" / "MyDrive" / "course_tweets").glob("[!.]*")
    newest = max(kept, key=lambda file: file.stat().st_mtime, default=None)
    if newest and not os.environ.get("TWEETS_CSV"):
        os.environ["TWEETS_CSV"] = str(newest)


def check_checkpoints():
    from transfer_learning.checkpoints import NAMES, checkpoint

    with contextlib.redirect_stdout(io.StringIO()):
        for name in NAMES:
            checkpoint(name, source="embedded")
    return "checkpoints: both embedded ones, their sums verified"


def check_tweets():
    from transfer_learning import load_tweets

    found = f"data: {len(load_tweets()):,} tweets"
    return f"{found}, from {os.environ['TWEETS_CSV']}" if os.environ.get("TWEETS_CSV") else found


def check_training():
    """Two steps on one batch, the second timed; the loss has to fall."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

    from transfer_learning import load_tweets
    from transfer_learning.checkpoints import BERT, checkpoint

    device, losses, verbosity = "cuda" if torch.cuda.is_available() else "cpu", [], logging.get_verbosity()
    tweets = load_tweets(ROOT / "data" / "climate_tweets.csv")[:16]
    logging.set_verbosity_error()  # that the classifier's head is new is no news here
    try:
        with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
            torch.manual_seed(0)
            source = checkpoint(BERT, source="embedded")
            tokenizer = AutoTokenizer.from_pretrained(source)
            model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=4).to(device)
            batch = tokenizer(tweets["message"].tolist(), padding=True, truncation=True, return_tensors="pt").to(device)
            labels = torch.tensor(tweets["sentiment"].to_numpy() + 1, device=device)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
            for _ in range(2):
                start = time.perf_counter()
                loss = model(**batch, labels=labels).loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    finally:
        logging.set_verbosity(verbosity)
    seconds = time.perf_counter() - start
    assert losses[1] < losses[0], (
        f"training: the loss went from {losses[0]:.3f} to {losses[1]:.3f}, it should fall: delete .venv, then run {START}"
    )
    assert seconds < SLOWEST_STEP, (
        f"training: {seconds:.0f} s for one step: plug the laptop in, close other programs, try again"
    )
    return f"training: one step on {len(tweets)} tweets in {seconds:.1f} s{' on the GPU' if device == 'cuda' else ''}"


LIGHT = (check_python, check_disk, check_memory, check_packages)
# these need what is installed
HEAVY = (check_kernel, check_checkpoints, check_tweets, check_training)


def said(check, needs=""):
    """Run one check; return its line, and whether it failed. Whatever goes wrong is a line."""
    name = {"check_packages": "install", "check_tweets": "data"}.get(check.__name__, check.__name__[len("check_") :])
    if needs:
        return f"[FAIL] {name}: needs the {needs} first", True
    try:
        return f"[OK]   {check()}", False
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = " ".join(str(error).split())
        if not isinstance(error, AssertionError):
            text = f"{name}: {text or type(error).__name__}"
            if isinstance(error, ImportError) and not COLAB:
                text += f": delete the folder .venv, then run {START}"
        return f"[FAIL] {text}", True


def main():
    """Print the lines; return how many failed."""
    if COLAB:
        tweets_from_drive()
    failed, needs = 0, ""
    for check in LIGHT + HEAVY:
        line, bad = said(check, needs)
        print(line, flush=True)
        failed += bad
        if bad and check is check_python:
            needs = "right Python"
        elif bad and check is check_packages and not installed():
            needs = needs or "install"
    return failed


if __name__ == "__main__":
    failed = main()
    if "IPython" not in sys.modules:
        sys.exit(min(failed, 100))
