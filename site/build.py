"""Build the web edition in site/_build, and open it.

python3 start.py site              build what has changed, and open it in the browser
python3 start.py site --build      only build
python3 start.py site --no-browser serve it, and only print the address
"""

import argparse
import contextlib
import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = HERE / "_build"
SCRATCH = ROOT / "build" / "site"
PORT = 8015  # always the same where it is free: a browser keeps a reader's progress for each address
# what the pages are made from; live parts and the model have their own
INPUTS = [
    "README.md",
    "teaching.md",
    "mistakes.md",
    "pyproject.toml",
    "requirements-dev.txt",
    "tools/course.py",
    "data/*.md",
]
INPUTS += ["notebooks/*", "exercises/**/*", "solutions/**/*", "site/*", "site/static/*", "site/live/*"]


def fingerprint(node):
    """The sum of everything that a build reads."""
    import export

    total = hashlib.sha256(repr((sys.version_info[:2], bool(node))).encode())
    for pattern in INPUTS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and ".ipynb_checkpoints" not in path.parts:
                total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    for path in export.sources():
        total.update(f"{path} {path.stat().st_mtime_ns}\0".encode())
    return total.hexdigest()


@contextlib.contextmanager
def alone(name):
    """While one build is busy with what has this `name`, another says that it waits, and waits."""
    from filelock import FileLock, Timeout

    (ROOT / "build").mkdir(exist_ok=True)
    lock = FileLock(ROOT / "build" / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Another build of the pages is running: waiting for it …", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@alone("npm")
def node_modules():
    """site/node_modules, installed as package-lock.json says; None, with a line that says why, where that cannot be."""
    folder, lock = HERE / "node_modules", HERE / "package-lock.json"
    installed = folder / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return folder
    npm = shutil.which("npm")
    if npm is None:
        print(
            "Node.js is not installed (nodejs.org): the pages are built without live parts, and slides as plain pages.",
            flush=True,
        )
        return None
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=HERE).returncode:
        print(
            "npm could not install what the live parts need (its lines above say why): built without them.", flush=True
        )
        return None
    installed.touch()
    return folder


def sphinx(scratch, live):
    """Run Sphinx on scratch/source; return the folder with its pages. It makes anew only what has changed."""
    from sphinx.cmd.build import main as sphinx_build

    arguments = [
        "-q",
        "-W",
        "--keep-going",
        "-c",
        str(HERE),
        "-d",
        str(scratch / "doctrees"),
        "-D",
        f"live={int(live)}",
    ]
    if sphinx_build([*arguments, str(scratch / "source"), str(scratch / "html")]):
        sys.exit("Sphinx could not build the pages; its lines above say why.")
    return scratch / "html"


#: the theme's faults, by axe: what it writes, and what it should write
FAULTS = {
    # buttons in the list of pages have no name
    r'<summary>(?=<span class="toctree-toggle")': '<summary aria-label="show what belongs to it">',
    # a folded cell says "Show code cell source", its name does not
    r'<summary aria-label="Toggle hidden content">': "<summary>",
    # the button says "Search Ctrl K", its name does not
    r'(<button class="btn search-button-field [^>]*?) aria-label="Search"': r"\1",
    # the sidebar is in no landmark
    r'(<div id="pst-primary-sidebar")': r'\1 role="navigation" aria-label="Course"',
    # a heading without text names nothing
    r"<th class=\"head\"[^>]*><p></p></th>": "<td></td>",
}


def mend(page):
    """A page without the theme's faults of accessibility."""
    for wrong, right in FAULTS.items():
        page = re.sub(wrong, right, page)
    return page


def add_live(out):
    """The live parts' modules, networks and data, in `out`/live; export.py keeps what has not changed."""
    command = [sys.executable, str(HERE / "export.py"), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr.strip()}\nThe live parts could not be exported; the lines above say why.")


@alone("pages")
def build(out=OUT, scratch=SCRATCH, node=True):
    """Build everything that has changed since the last build into `out`; return whether anything had."""
    import pages
    import slides

    modules = node_modules() if node else None
    stamp, now = scratch / "built", fingerprint(modules)
    if stamp.exists() and stamp.read_text() == now and (out / "index.html").exists():
        return False
    stamp.unlink(missing_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    if pages.write(scratch / "source"):  # a page is gone: begin anew, so that nothing old is left
        for name in ("html", "doctrees"):
            shutil.rmtree(scratch / name, ignore_errors=True)
    new = out.with_name(f"{out.name}.new")  # an interrupted build leaves the old pages as they are
    shutil.rmtree(new, ignore_errors=True)
    unread = shutil.ignore_patterns(".buildinfo", "objects.inv", "*.map", "_sources")
    shutil.copytree(sphinx(scratch, bool(modules)), new, ignore=unread)
    for page in new.rglob("*.html"):
        page.write_text(mend(page.read_text(encoding="utf-8")), encoding="utf-8")
    slides.write(new, modules)
    if modules:
        add_live(new)
    (new / ".nojekyll").touch()  # GitHub Pages must not leave out folders that begin with _
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    stamp.write_text(now)
    return True


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files with the headers that let a page use several threads."""

    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments):
        pass


def server(folder=OUT, port=PORT):
    """A server on 127.0.0.1 at `port`, or at a free one."""
    handler = functools.partial(Handler, directory=str(folder))
    with contextlib.suppress(OSError):
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)


def show(what, serving, browser=True):
    """Print the address of a `server`, open it, and serve until Ctrl-C."""
    with serving:
        address = f"http://127.0.0.1:{serving.server_port}/"
        print(f"{what} is open at {address}\nCtrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            serving.serve_forever()


def main(arguments):
    parser = argparse.ArgumentParser(prog="start.py site", description="Build the web edition, and open it.")
    parser.add_argument("--build", action="store_true", help="only build")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    arguments = parser.parse_args(arguments)
    if build():
        print(f"Built {os.path.relpath(OUT)}", flush=True)
    else:
        print(f"{os.path.relpath(OUT)}: nothing has changed", flush=True)
    if arguments.build:
        return
    show("The web edition", server(), browser=not arguments.no_browser)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again.")
