"""Put the course, and every wheel that its install needs, into a folder: for a stick, for a room with bad Wi-Fi.

python3 start.py pack FOLDER [--for linux windows macos] [--python 3.12 ...] [--dev]

uv resolves the pins for each system and each Python, and says address, size and SHA-256 of every file. So everything that
is missing somewhere, and how much there is to load, is known before the first byte is loaded.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import httpx
from course_zip import course_files
from installer import PYTORCH_CPU, answers, hashed, pip_settings
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SYSTEMS = {  # its name for people, and for uv
    "linux": ("Linux", "x86_64-unknown-linux-gnu"),
    "windows": ("Windows", "x86_64-pc-windows-msvc"),
    "macos": ("macOS", "aarch64-apple-darwin"),
}
OLDEST_MACOS = "14.0"  # PyTorch has no wheels for older ones
TRIES = 5  # for one file, before pack gives up; started again, it goes on where it was
PAUSE = 2  # seconds before the second try; then twice as many each time
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Wheel:
    """One file to put on the stick; `size` in bytes and `sha256` are None where the index does not say them."""

    name: str
    url: str
    size: int | None
    sha256: str | None

    @property
    def path(self):
        """Where it is, if on this machine's disk."""
        parts = urlsplit(self.url)
        return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


class CannotPack(Exception):
    """Why the pins cannot be had as wheels, in one line."""


def this_system():
    """The name of the system that this runs on; None where wheels for it cannot be packed."""
    known = {("linux", "x86_64"): "linux", ("win32", "amd64"): "windows", ("darwin", "arm64"): "macos"}
    return known.get((sys.platform, platform.machine().lower()))


def amount(size):
    """1.2 GB, 34 MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


# What to pack


def pins(dev=False):
    """The lines of requirements.txt, and what an install without network needs besides."""
    needed, for_tests = ((ROOT / f"requirements{kind}.txt").read_text(encoding="utf-8") for kind in ("", "-dev"))
    lines = [line for line in (needed + for_tests * dev).splitlines() if line[:1] not in ("#", "-", "")]
    uv = re.search(r"^uv==\S+", for_tests, flags=re.M)[0]
    return list(dict.fromkeys([*lines, uv, "setuptools>=77"]))


def index_options():
    """What pip's settings say about where packages come from, as options for uv, which does not read them."""
    found, options = pip_settings(sys.executable), []
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS"):
        for value in found.get(name, "").split():
            options += [f"--{name.lower().replace('_', '-')}", value]
    for name, variable in (("CERT", "SSL_CERT_FILE"), ("PROXY", "ALL_PROXY")):
        if name in found:
            os.environ.setdefault(variable, found[name])
    return options


def resolve(lines, system, python, options):
    """The wheels that satisfy requirement `lines` on a system ("linux" …) with a Python ("3.12"), dependencies included.

    Raises CannotPack with the reason where there is no wheel for something.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, lock = Path(folder, "requirements.in"), Path(folder, "pylock.toml")
        wanted.write_text("\n".join(lines), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--color=never",
            "--no-config",
            f"--python={sys.executable}",
        ]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--python-platform={SYSTEMS[system][1]}"]
        # as pip does: of all indexes that have a package, the newest version that fits
        command += [*options, "--index-strategy=unsafe-best-match", "--format=pylock.toml", f"--output-file={lock}"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
        env["MACOSX_DEPLOYMENT_TARGET"] = OLDEST_MACOS
        done = subprocess.run([*command, str(wanted)], stderr=subprocess.PIPE, text=True, encoding="utf-8", env=env)
        if done.returncode:
            raise CannotPack(why(done.stderr))
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    wheels = []
    for package in packages:
        if not package.get("wheels"):
            raise CannotPack(f"{package['name']} {package['version']} has no wheel")
        wheel = package["wheels"][0]  # uv lists the one that fits best first, or alone
        url = wheel.get("url") or Path(wheel["path"]).resolve().as_uri()
        name = wheel.get("name") or unquote(urlsplit(url).path.rsplit("/", 1)[1])
        wheels.append(Wheel(name, url, wheel.get("size"), wheel.get("hashes", {}).get("sha256")))
    return wheels


def why(said):
    """uv's reason in one line."""
    if "Failed to fetch" in said or "error sending request" in said:
        address = re.search(r"https?://[^/\s`)]+", said)
        raise SystemExit(
            f"No answer from the package index{f' ({address[0]})' if address else ''}: packing needs the network."
        )
    text = " ".join(said.split())
    found = re.search(r"[Bb]ecause (?:only )?(.+?)(?:,? and you require|,? and your|,? we can conclude)", text)
    return found[1] if found else text.removeprefix("error: ")[-300:]


def plan(systems, pythons, dev=False):
    """Return {(system, python): wheels}; end with every reason, one a line, when one of them cannot be packed."""
    options, index = index_options(), os.environ.get("COURSE_TORCH_INDEX") or PYTORCH_CPU
    lines = pins(dev)
    cpu = [f"{line}+cpu" if re.fullmatch(r"torch==[\d.]+", line) else line for line in lines]
    with_cpu = [*options, "--extra-index-url", index] if "linux" in systems and answers(f"{index}/torch/") else options

    def one(pair):
        system, python = pair
        if system == "linux":
            with contextlib.suppress(CannotPack):  # PyTorch's CPU build: as little as the other systems' torch
                return resolve(cpu, system, python, with_cpu), None
        try:
            return resolve(lines, system, python, options), None
        except CannotPack as error:
            return None, str(error)

    pairs = [(system, python) for system in systems for python in pythons]
    with ThreadPoolExecutor(4) as pool:
        results = dict(zip(pairs, pool.map(one, pairs)))
    if bad := [f"  {named(*pair)}: {error}" for pair, (_, error) in results.items() if error]:
        raise SystemExit("\n".join(["This cannot be packed; nothing was loaded.", *bad]))
    return {pair: wheels for pair, (wheels, _) in results.items()}


def named(system, python):
    return f"{SYSTEMS[system][0]}, Python {python}"


def with_sizes(wheels, client):
    """Ask for the sizes that an index did not say."""
    sized = []
    for wheel in wheels:
        if wheel.size is None:
            wheel = replace(wheel, size=wheel.path.stat().st_size if wheel.path else size_of(wheel, client))
        sized.append(wheel)
    return sized


def size_of(wheel, client):
    try:
        answer = client.head(wheel.url, headers={"Accept-Encoding": "identity"})
        answer.raise_for_status()
        return int(answer.headers["Content-Length"])
    except (httpx.HTTPError, KeyError) as error:
        raise SystemExit(f"How large {wheel.name} is, {wheel.url} does not say: {error}") from None


# Loading


def load(wheel, folder, client, bar):
    """Put one wheel into `folder`, going on with what an earlier run left of it; its sum is right, or SystemExit says why."""
    target, part = folder / wheel.name, folder / f"{wheel.name}.part"
    done = bar.n
    for attempt in range(TRIES):
        time.sleep(PAUSE * 2 ** (attempt - 1) if attempt else 0)
        here = part.stat().st_size if part.exists() else 0
        bar.n = done + here
        bar.refresh()
        try:
            if here < wheel.size:
                fetch(wheel, part, here, client, bar)
            if wheel.sha256 in (None, hashed(part)):
                os.replace(part, target)
                return
            part.unlink()
            error = "its sum is wrong"
        except httpx.HTTPStatusError as refused:
            raise SystemExit(f"{wheel.name}: {refused.response.status_code} from {wheel.url}") from None
        except httpx.TransportError as broken:
            error = str(broken) or type(broken).__name__
    raise SystemExit(
        f"{wheel.name}: {error}, {TRIES} times. Run the same command again: it goes on where it was, with what is there."
    )


def fetch(wheel, part, here, client, bar):
    """Append to the file `part` what it lacks; `here` bytes are there."""
    if wheel.path:
        with open(wheel.path, "rb") as source, open(part, "wb") as file:
            bar.n -= here
            while block := source.read(2**20):
                bar.update(file.write(block))
        return
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={here}-"} if here else {})}
    with client.stream("GET", wheel.url, headers=headers) as answer:
        answer.raise_for_status()
        if answer.status_code != 206:  # the whole file, whatever was asked for
            bar.n -= here
        with open(part, "ab" if answer.status_code == 206 else "wb") as file:
            for block in answer.iter_raw():  # as it comes: what has come before a line breaks is kept
                bar.update(file.write(block))


def there(wheel, folder):
    """Whether a wheel is in `folder` with the right sum."""
    file = folder / wheel.name
    return file.is_file() and file.stat().st_size == wheel.size and wheel.sha256 in (None, hashed(file))


def write_sums(wheels, folder):
    """Read every wheel once more, compare its sum with the index's, write the list."""
    lines = []
    for wheel in tqdm(wheels, "verifying", unit="file", **quiet()):
        found = hashed(folder / wheel.name)
        if wheel.sha256 not in (None, found):
            (folder / wheel.name).unlink()
            raise SystemExit(
                f"{wheel.name} reads back wrongly: is the stick damaged? It was deleted; run the same command again."
            )
        lines.append(f"{found}  {wheel.name}\n")
    (folder / SUMS).write_bytes("".join(sorted(lines, key=str.split)).encode())


def quiet():
    """A bar on a terminal; a line now and then in a log."""
    return {"mininterval": 0.2 if sys.stderr.isatty() else 20, "leave": False}


# The stick


def check_folder(folder):
    """End when `folder` holds something that is not an earlier, perhaps unfinished, pack."""
    if folder == ROOT or folder in ROOT.parents:
        raise SystemExit(f"{folder} holds the course itself; name a different folder.")
    if folder.exists() and not folder.is_dir():
        raise SystemExit(f"{folder} is a file; name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "wheels").is_dir():
        raise SystemExit(f"{folder} is not empty. Name a new folder in it: {folder / 'course'}")


def copy_course(folder):
    """Copy the course's own files. Lessons that only an earlier version had are removed: they would count as lessons."""
    files = [path for path in course_files(ROOT) if not (ROOT / path).is_relative_to(folder)]
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)  # without permissions: a stick's file system has none
    known = {*files, *(parent for path in files for parent in path.parents)}
    for place in ("notebooks", "exercises", "solutions"):
        for old in sorted((folder / place).glob("[0-9][0-9]_*")):
            if old.relative_to(folder) not in known:
                print(f"Removed from an earlier pack: {old.relative_to(folder).as_posix()}")
                shutil.rmtree(old) if old.is_dir() else old.unlink()


def pack(folder, systems, pythons, dev=False):
    """Say how much there is to load, load it, copy the course, write the sums."""
    check_folder(folder)
    print("Asking the package index what is needed ...", flush=True)
    planned = plan(systems, pythons, dev)
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        planned = {pair: with_sizes(wheels, client) for pair, wheels in planned.items()}
        for pair, wheels in planned.items():
            print(f"  {named(*pair):22} {len(wheels):4} wheels  {amount(sum(w.size for w in wheels)):>7}")
            if any(wheel.name.startswith("nvidia") for wheel in wheels):
                print("    PyTorch's CPU build could not be reached; this is PyPI's, which brings NVIDIA's libraries.")
        wheels = sorted(
            {wheel.name: wheel for found in planned.values() for wheel in found}.values(), key=lambda w: w.name
        )
        target = folder / "wheels"
        missing = [wheel for wheel in wheels if not there(wheel, target)]
        course = sum((ROOT / path).stat().st_size for path in course_files(ROOT))
        load_bytes, all_bytes = sum(w.size for w in missing), sum(w.size for w in wheels)
        print(f"Together, each file once: {amount(all_bytes)}, and the course itself: {amount(course)}.")
        print(
            f"To load: {amount(load_bytes)} in {len(missing)} files; {len(wheels) - len(missing)} are there.",
            flush=True,
        )
        disk = next(path for path in (folder, *folder.parents) if path.exists())
        if (free := shutil.disk_usage(disk).free) < load_bytes + course:
            raise SystemExit(f"Not enough room: {amount(load_bytes + course)} needed, {amount(free)} free at {disk}.")
        target.mkdir(parents=True, exist_ok=True)
        (target / SUMS).unlink(missing_ok=True)
        with tqdm(total=load_bytes, unit="B", unit_scale=True, **quiet()) as bar:
            for wheel in missing:
                bar.set_description_str(wheel.name.split("-")[0], refresh=False)
                load(wheel, target, client, bar)
    keep = {wheel.name for wheel in wheels}
    for old in [path for path in target.iterdir() if path.name not in keep and path.suffix in (".whl", ".part")]:
        print(f"Removed from an earlier pack: {old.name}")
        old.unlink()
    copy_course(folder)
    write_sums(wheels, target)
    where = " and ".join(SYSTEMS[system][0] for system in systems)
    print(
        f"Ready: {folder}, {amount(all_bytes + course)}, for {where} with Python {' or '.join(pythons)}. Sums are verified."
    )
    print(
        "On each laptop, copy the folder to the disk; in the copy, run  python3 start.py  (Windows: python start.py). It needs no network."
    )


def main(arguments=None):
    from start import PYTHONS

    parser = argparse.ArgumentParser(prog="start.py pack", description="Put the course and its packages on a stick.")
    parser.add_argument("folder", help="a new folder on the stick; an unfinished one is completed")
    parser.add_argument(
        "--for",
        dest="systems",
        nargs="+",
        choices=SYSTEMS,
        metavar="SYSTEM",
        help=f"{', '.join(SYSTEMS)}; default: this one",
    )
    parser.add_argument(
        "--python", dest="pythons", nargs="+", metavar="3.N", help=f"{', '.join(PYTHONS)}; default: this one"
    )
    parser.add_argument("--dev", action="store_true", help="also what tests and grading need")
    args = parser.parse_args(arguments)
    pythons = args.pythons or [".".join(map(str, sys.version_info[:2]))]
    if args.pythons and (unknown := [python for python in pythons if python not in PYTHONS]):
        parser.error(f"--python {' '.join(unknown)}: the course runs on {', '.join(PYTHONS)}")
    systems = args.systems or [this_system()]
    if None in systems:
        parser.error(
            f"no wheels for {platform.machine()} on {sys.platform}; name the laptops' systems: --for {' '.join(SYSTEMS)}"
        )
    try:
        pack(
            Path(args.folder).expanduser().resolve(),
            list(dict.fromkeys(systems)),
            list(dict.fromkeys(pythons)),
            args.dev,
        )
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"git could not list the course's files: {' '.join(error.cmd)} in {ROOT}") from None
    except OSError as error:
        raise SystemExit(f"{error.strerror}: {error.filename or args.folder}") from None
    except KeyboardInterrupt:
        raise SystemExit("Interrupted. Run the same command again: it goes on where it was.") from None


if __name__ == "__main__":
    main()
