"""Set the course up and open it.

python3 start.py [--no-browser]      set up .venv when needed, open the course in JupyterLab
python3 start.py run [00 03 ...]     run lessons top to bottom, headless
python3 start.py test [--latest]     run every check there is (--latest: on the newest releases)
python3 start.py bench               measure how fast lesson 10 is here, against what (see benchmarks/speed.py)
python3 start.py grade FOLDER        grade a class's homework, each submission in a sandbox
python3 start.py colab OWNER/REPO    write where the course lives on GitHub into every notebook
"""

# Standard library only, and nothing newer than Python 3.6 above main(): an old Python must get as far as the one line
# that says so.
import argparse
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements.txt"
OLDEST, NEWEST = (3, 11), (3, 13)
FREE_BYTES = 3 * 1024**3  # what torch, transformers and JupyterLab take unpacked, with a margin
FIRST_LESSON = "notebooks/00_start_here.ipynb"


class Stop(Exception):
    """One clear line for the reader."""


def python_in(venv):
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(venv, arguments, key):
    """Make `venv` and pip-install into it, unless a finished install of the same `key` is there.

    The mark is written last: an install that was interrupted has none, and is finished at the next start.
    """
    mark = venv / "installed"
    key = hashlib.sha256(f"{key}{sys.version_info[:2]}{ROOT}".encode()).hexdigest()
    if mark.exists() and mark.read_text() == key and python_in(venv).exists():
        return
    again = venv.exists()
    mark.unlink(missing_ok=True)
    if shutil.disk_usage(ROOT).free < FREE_BYTES and not again:
        raise Stop(f"Not enough disk: the course needs {FREE_BYTES // 1024**3} GB free on the disk of {ROOT}.")
    print("Finishing the install …" if again else "Installing (once; a few minutes) …", flush=True)
    try:
        # --clear would lose what an interrupted install already has
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            [str(python_in(venv)), "-m", "pip", "install", "--disable-pip-version-check", *arguments], check=True
        )
    except subprocess.CalledProcessError:
        raise Stop(why_install_failed(venv)) from None
    mark.write_text(key)


def why_install_failed(venv):
    """One line: no disk, no network, or pip's own words above."""
    if shutil.disk_usage(ROOT).free < 200 * 1024**2:
        return f"The disk is full. Free {FREE_BYTES // 1024**3} GB and run python3 start.py again; it goes on where it was."
    if not python_in(venv).exists():
        return "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv. Then run this again."
    return (
        "The install did not finish; pip's last lines above say why. Without network: connect, then run "
        "python3 start.py again; it goes on where it was."
    )


def environment():
    """Variables for every kernel: Keras on torch, relative paths made absolute."""
    env = {**os.environ, "KERAS_BACKEND": "torch", "TOKENIZERS_PARALLELISM": "false"}
    # threads that wait sleep instead of spinning: on a busy machine training is several times as fast, on an idle one equal
    env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if env.get("TWEETS_CSV"):  # kernels run in notebooks/, the path was typed here
        env["TWEETS_CSV"] = os.path.abspath(env["TWEETS_CSV"])
    return env


def ready():
    """Return the interpreter of the course's environment, installed when needed."""
    venv = ROOT / ".venv"
    install(venv, ["-r", str(REQUIREMENTS)], REQUIREMENTS.read_text())
    return str(python_in(venv))


def lab(browser=True):
    """Open JupyterLab at the first lesson; print the address once the server answers."""
    python = ready()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = os.urandom(16).hex()
    command = [python, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={ROOT}", "--no-browser"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=", "--log-level=WARN"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # let `finally` end the server
    server = subprocess.Popen(command, env=environment(), cwd=ROOT)
    try:
        wait_for(server, port)
        address = f"http://127.0.0.1:{port}/lab/tree/{FIRST_LESSON}?token={token}"
        print(f"\nThe course is open at\n  {address}\nCtrl-C ends it.", flush=True)
        if browser:
            import webbrowser

            webbrowser.open(address)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def wait_for(server, port, seconds=180):  # the first start on a slow disk compiles everything once
    for _ in range(seconds * 10):
        if server.poll() is not None:
            raise Stop(f"JupyterLab ended at once (status {server.returncode}); its lines above say why.")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Stop(f"JupyterLab did not answer on port {port} within {seconds} s.")


def test(latest=False, pytest_arguments=()):
    """Run ruff and pytest; with `latest`, in an environment of the newest releases that pyproject.toml allows."""
    if latest:
        venv = ROOT / ".venv-latest"
        pin = next(line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("torch=="))
        # torch stays as pinned: its newest build weighs gigabytes
        install(
            venv,
            ["--upgrade", "--upgrade-strategy=eager", pin, "-e", f"{ROOT}[test,checkpoints]"],
            time.strftime("%G-%V"),
        )
        python = str(python_in(venv))
    else:
        python = ready()
    for what in (["check"], ["format", "--check"]):
        status = subprocess.run([python, "-m", "ruff", *what, str(ROOT)], cwd=ROOT).returncode
        if status:
            return status
    # what a cell or the helper module calls must not be on its way out
    own = ["__main__", *(f"transfer_learning.{file.stem}" for file in (ROOT / "transfer_learning").glob("*.py"))]
    warnings = [f"error::{kind}:{module}" for kind in ("DeprecationWarning", "FutureWarning") for module in own]
    env = {**environment(), "COURSE_LATEST": "1" if latest else "", "PYTHONWARNINGS": ",".join(warnings)}
    command = [python, "-m", "pytest", "-ra"]
    # nbval runs every lesson and every solution and compares the outputs with the stored ones
    nbval = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-p", "limits"]
    nbval += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools")])
    if pytest_arguments:
        return subprocess.run([*command, *nbval, *pytest_arguments], cwd=ROOT, env=env).returncode
    tests = subprocess.run([*command, "tests"], cwd=ROOT, env=env).returncode
    notebooks = subprocess.run([*without_network(), *command, *nbval, "notebooks", "solutions"], cwd=ROOT, env=env)
    return tests or notebooks.returncode


def without_network():
    """What to put before a command so that it reaches nothing outside this machine; nothing where that can't be done."""
    command = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent"]
    if shutil.which("bwrap") and not subprocess.run([*command, "true"], capture_output=True).returncode:
        return command
    print("No bubblewrap here: the lessons run with the network on.", flush=True)
    return []


def main(arguments):
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:2]))
        raise Stop(f"Python {found} found; the course needs Python 3.11, 3.12 or 3.13. Get one from python.org.")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    commands = parser.add_subparsers(dest="command")
    run_parser = commands.add_parser("run", help="run lessons headless")
    run_parser.add_argument("lessons", nargs="*", metavar="NN", help="lesson numbers; default: all")
    test_parser = commands.add_parser("test", help="run every check; further arguments go to pytest")
    test_parser.add_argument("--latest", action="store_true")
    commands.add_parser("bench", help="measure lesson 10's speed; further arguments go to benchmarks/speed.py")
    grade_parser = commands.add_parser("grade", help="grade a class's homework")
    grade_parser.add_argument("folder", help="STUDENT/NN_name/homework.ipynb, or STUDENT.ipynb")
    grade_parser.add_argument("--unsafe", action="store_true", help="without a sandbox, where there is none")
    colab_parser = commands.add_parser("colab", help="write where the course lives on GitHub into every notebook")
    colab_parser.add_argument("repository", metavar="OWNER/REPO")
    args, rest = parser.parse_known_args(arguments)
    if rest and args.command not in ("test", "bench"):
        parser.error(f"unknown: {' '.join(rest)}")
    if args.command == "run":
        runner = [ready(), str(ROOT / "tools" / "run_lessons.py"), *args.lessons]
        return subprocess.run(runner, cwd=ROOT, env=environment()).returncode
    if args.command == "test":
        return test(args.latest, rest)
    if args.command == "bench":
        return subprocess.run([ready(), str(ROOT / "benchmarks" / "speed.py"), *rest], env=environment()).returncode
    if args.command == "grade":
        grader = [ready(), "-m", "grader", os.path.abspath(args.folder)]
        grader += ["--unsafe"] * args.unsafe
        return subprocess.run(grader, cwd=ROOT, env=environment()).returncode
    if args.command == "colab":
        return subprocess.run([ready(), str(ROOT / "tools" / "course.py"), args.repository], cwd=ROOT).returncode
    return lab(browser=not args.no_browser)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        sys.exit(str(stop))
    except KeyboardInterrupt:
        sys.exit("Interrupted; start again and it goes on where it was.")
