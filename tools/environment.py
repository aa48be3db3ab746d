"""Print one line for each requirement: [OK], or [FAIL] with the remedy. Run it from anywhere in the course."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


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


def check_python():
    from start import PYTHONS

    oldest, newest = (tuple(map(int, text.split("."))) for text in (PYTHONS[0], PYTHONS[-1]))
    found = sys.version_info[:2]
    assert found >= oldest, f"Python {found[0]}.{found[1]}: install Python {PYTHONS[0]} or newer"
    return f"Python {PYTHONS[0]} or newer{'' if found <= newest else ' (newer than the course has been tested on)'}"


def check_packages():
    wrong = []
    for name, wanted in requirements():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = None
        if found is None or not wanted.contains(found.split("+")[0], prereleases=True):
            wrong.append(f"{name} {found or 'missing'} (needs {wanted})")
    assert not wrong, f"{', '.join(wrong)}: run  pip install -e .  in the course's folder, then restart the kernel"
    return "all packages, in versions that the course runs on"


def tweets_from_drive():
    """Let this notebook read the file that lesson 03 has put into Google Drive: on Colab each is a machine of its own."""
    kept = (ROOT.parent / "drive" / "MyDrive" / "course_tweets").glob("[!.]*")
    newest = max(kept, key=lambda file: file.stat().st_mtime, default=None)
    if newest and not os.environ.get("TWEETS_CSV"):
        os.environ["TWEETS_CSV"] = str(newest)


def check_tweets():
    from transfer_learning import load_tweets

    found = f"{len(load_tweets()):,} tweets"
    return f"{found}, from {os.environ['TWEETS_CSV']}" if os.environ.get("TWEETS_CSV") else found


def check_checkpoints():
    import contextlib
    import io

    from transfer_learning.checkpoints import NAMES, checkpoint

    with contextlib.redirect_stdout(io.StringIO()):
        for name in NAMES:
            checkpoint(name, source="embedded")
    return "both embedded checkpoints, their sums verified"


def main():
    """Print the lines; return how many failed."""
    if "google.colab" in sys.modules:
        tweets_from_drive()
    failed = 0
    for check in (check_python, check_packages, check_tweets, check_checkpoints):
        try:
            print(f"[OK]   {check()}")
        except Exception as error:
            failed += 1
            print(f"[FAIL] {error}")
    return failed


if __name__ == "__main__":
    failed = main()
    if "IPython" not in sys.modules:
        sys.exit(failed)
