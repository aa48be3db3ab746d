"""Write course.zip, the whole course as one file: for Colab, while the course has no address on the web.

python3 start.py zip           (or python3 tools/course_zip.py)

Standard library only: it needs no environment.
"""

import fnmatch
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "course.zip"
FOLDER = "course"  # what it unpacks to; the notebooks' set-up cells expect this name
MOST_BYTES = 60 * 10**6  # more would be slow to upload from a workshop's Wi-Fi


def is_clone(root):
    """Whether git can say which files are the course's."""
    return (Path(root) / ".git").exists() and shutil.which("git") is not None


def course_files(root=ROOT):
    """Return the course's own files, as sorted paths relative to `root`.

    They are the files that git tracks, as they are now. Where the course is not a git clone (a stick, an unpacked
    archive), they are all files that .gitignore does not name, without those whose path begins with a dot, except itself.
    """
    root = Path(root)
    if is_clone(root):
        done = subprocess.run(["git", "ls-files", "-z"], cwd=root, stdout=subprocess.PIPE, check=True)
        tracked = map(os.fsdecode, done.stdout.split(b"\0"))
        return sorted(Path(name) for name in tracked if name and (root / name).is_file())
    ignored = [line.strip().rstrip("/") for line in (root / ".gitignore").read_text(encoding="utf-8").splitlines()]
    found = []
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not _left_out(here / name, ignored)]
        found += [here / name for name in names if not _left_out(here / name, ignored)]
    return sorted(found)


def _left_out(path, patterns):
    """Whether a path begins with a dot, or one of .gitignore's patterns fits it."""
    if path.name == ".gitignore":  # the next copy needs it
        return False
    whole = path.as_posix()
    return path.name.startswith(".") or any(
        fnmatch.fnmatch(whole if "/" in pattern else path.name, pattern) for pattern in patterns if pattern
    )


def write(target, root=ROOT):
    """Write the files of `course_files` to the zip file `target`, below a folder named course; return how many.

    The file appears under its name only when it is complete.
    """
    target = Path(target)
    part = target.with_name(f"{target.name}.part")
    files = course_files(root)
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in files:
                archive.write(Path(root) / path, f"{FOLDER}/{path.as_posix()}")
        os.replace(part, target)
    finally:
        if part.exists():
            part.unlink()
    return len(files)


def main():
    target, started = ROOT / NAME, time.time()
    try:
        count = write(target)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"Cannot write {target}: {error}")
    size = target.stat().st_size
    print(f"{target}: {count} files, {size / 10**6:.0f} MB, {time.time() - started:.0f} s")
    if not is_clone(ROOT):
        print("This is not a git clone: the file holds all that .gitignore does not name, your own files included.")
    if size > MOST_BYTES:
        print(f"That is more than {MOST_BYTES // 10**6} MB: slow to upload. Does git track something large by mistake?")
    print("Put it into My Drive, on drive.google.com. Then upload a notebook on colab.research.google.com, and run its")
    print("first cell: it finds course.zip in your Drive, or asks you for it.")


if __name__ == "__main__":
    main()
