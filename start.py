"""Set the course up and open it.

python3 start.py [--no-browser]      set up .venv when needed, open the course in JupyterLab
python3 start.py run [00 03 ...]     run lessons top to bottom, headless
python3 start.py test                run every check there is; after it, options and files for pytest
python3 start.py test --quick        everything except running lessons: under two minutes
python3 start.py test --other [FILE] run the lessons on a different file of tweets
python3 start.py test --latest       run every check on the newest releases
python3 start.py bench               measure how fast lesson 12 is here, against what (see benchmarks/speed.py)
python3 start.py grade FOLDER        grade a class's homework, each submission in a sandbox
python3 start.py colab OWNER/REPO    write where the course lives on GitHub into every notebook
"""

# Standard library only, and nothing that Python 3.6 cannot parse: an old Python must get as far as the line in main()
# that says what the course needs.
import argparse
import csv
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements.txt"
DEV_REQUIREMENTS = ROOT / "requirements-dev.txt"
# pyproject.toml lists the Python versions the course supports, oldest first
PYTHONS = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FREE_BYTES = 3 * 1024**3  # what torch, transformers and JupyterLab take unpacked, with a margin
FIRST_LESSON = "notebooks/00_start_here.ipynb"


class Stop(Exception):
    """One clear line for the reader."""


def python_in(venv):
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(venv, arguments, key, mark="installed", what="Installing (once; a few minutes) …"):
    """Make `venv` and pip-install into it, unless a finished install of the same `key` is there.

    The mark, a file in `venv`, is written last: an interrupted install has none, and is finished at the next start.
    """
    mark = venv / mark
    key = hashlib.sha256(f"{key}{sys.version_info[:2]}{ROOT}".encode()).hexdigest()
    if mark.exists() and mark.read_text() == key and python_in(venv).exists():
        return
    again = venv.exists()
    mark.unlink(missing_ok=True)
    if shutil.disk_usage(ROOT).free < FREE_BYTES and not again:
        raise Stop(f"Not enough disk: the course needs {FREE_BYTES // 1024**3} GB free on the disk of {ROOT}.")
    print("Finishing the install …" if again and mark.name == "installed" else what, flush=True)
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


def ready(dev=False):
    """Return the interpreter of the course's environment, installed when needed; `dev`: with tools for tests, grading."""
    venv = ROOT / ".venv"
    key = REQUIREMENTS.read_text()
    install(venv, ["-r", str(REQUIREMENTS)], key)
    if dev:
        key += DEV_REQUIREMENTS.read_text()
        what = "Installing what tests and grading need (once) …"
        install(venv, ["-r", str(DEV_REQUIREMENTS)], key, "installed-dev", what)
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


def test(quick=False, latest=False, pytest_arguments=()):
    """Run ruff and pytest; with `latest`, in an environment of the newest releases that pyproject.toml allows.

    `quick` leaves out running lessons and the tests marked as slow. Tests run side by side, which keeps both cores of a
    small machine busy; those that share what is slow to set up share a process, as the cells of one notebook do.
    """
    python = newest_releases() if latest else ready(dev=True)
    for what in (["check"], ["format", "--check"]):
        status = subprocess.run([python, "-m", "ruff", *what, str(ROOT)], cwd=ROOT).returncode
        if status:
            return status
    before = untracked()
    # what a cell or the helper module calls must not be deprecated
    own = ["__main__", *(f"transfer_learning.{file.stem}" for file in (ROOT / "transfer_learning").glob("*.py"))]
    warnings = [f"error::{kind}:{module}" for kind in ("DeprecationWarning", "FutureWarning") for module in own]
    # nbval runs every lesson and every solution and compares the outputs with the stored ones
    nbval = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=900", "-p", "limits"]
    nbval += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    chosen = ["-m", "not slow"] if quick else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        env = {**environment(), **scratch(folder), "PYTHONWARNINGS": ",".join(warnings)}
        env["COURSE_LATEST"] = "1" if latest else ""
        env["PROJECT_MINUTES"] = "0.5"  # lesson 11: on a machine of any speed, the simpler models win
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools")])

        def pytest(*arguments, before=(), **more):
            command = [*before, python, "-m", "pytest", "-ra", *arguments]
            return subprocess.run(command, cwd=ROOT, env={**env, **more}).returncode

        if pytest_arguments:
            return pytest(*chosen, *([] if quick else nbval), *pytest_arguments)
        # three, because some of them wait, for an answer that hangs or for a server; one thread each
        status = pytest("-n", "3", "--dist=loadgroup", *chosen, OMP_NUM_THREADS="1")
        if not quick:
            together = ["-n", "2", "--dist=loadfile", *nbval, "notebooks", "solutions"]
            status = pytest(*together, before=without_network()) or status
    left = sorted(untracked() - before)
    if left:
        print(f"New files, perhaps left by a test: {', '.join(left)}", flush=True)
    return status or bool(left and os.environ.get("CI"))


def newest_releases():
    """Return the interpreter of .venv-latest, installed anew each week."""
    venv = ROOT / ".venv-latest"
    pin = next(line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("torch=="))
    # torch stays as pinned: its newest build weighs gigabytes
    arguments = ["--upgrade", "--upgrade-strategy=eager", pin, "-e", f"{ROOT}[test,teach,checkpoints]"]
    install(venv, arguments, time.strftime("%G-%V"))
    return str(python_in(venv))


def scratch(folder):
    """Variables that keep tests away from the reader's own files: passed homework, saved models, settings, history."""
    names = {
        "COURSE_RECORD": "homework.json",
        "COURSE_WORK": "my_work",
        "HYPOTHESIS_STORAGE_DIRECTORY": "hypothesis",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter",
        "JUPYTER_DATA_DIR": "jupyter_data",
        "JUPYTER_RUNTIME_DIR": "jupyter_runtime",
    }
    return {variable: os.path.join(str(folder), name) for variable, name in names.items()}


def untracked():
    """Return the files in this folder that git neither tracks nor ignores; none where there is no git."""
    try:
        command = ["git", "ls-files", "--others", "--exclude-standard"]
        return set(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines())
    except (OSError, subprocess.CalledProcessError):
        return set()


def test_on_other_tweets(file, numbers=()):
    """Run lessons on a different file of tweets; without one, on part of the course's own, in a different order."""
    python = ready()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        env = {**environment(), **scratch(folder)}
        env["TWEETS_CSV"] = os.path.abspath(file) if file else write_other_tweets(folder)
        command = [python, str(ROOT / "tools" / "run_lessons.py"), *numbers]
        return subprocess.run(command, cwd=ROOT, env=env).returncode


def write_other_tweets(folder):
    """Write rows 1000 to 1899 of the course's tweets, then rows 0 to 949, so that no lesson finds a row where it was."""
    path = os.path.join(folder, "tweets.csv")
    with open(ROOT / "data" / "climate_tweets.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows[1000:1900], *rows[:950]])
    return path


def without_network():
    """Return what to put before a command to cut it off from the network; nothing where that cannot be done."""
    command = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent"]
    if shutil.which("bwrap") and not subprocess.run([*command, "true"], capture_output=True).returncode:
        return command
    print("No bubblewrap here: the lessons run with the network on.", flush=True)
    return []


def needed():
    """Return the supported Python versions as a phrase: "Python 3.11, 3.12 or 3.13"."""
    return f"Python {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}"


def main(arguments):
    found = ".".join(map(str, sys.version_info[:2]))
    if found not in PYTHONS:
        raise Stop(f"Python {found} found; the course needs {needed()}. Get one from python.org.")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    commands = parser.add_subparsers(dest="command")
    run_parser = commands.add_parser("run", help="run lessons headless")
    run_parser.add_argument("lessons", nargs="*", metavar="NN", help="lesson numbers; default: all")
    test_parser = commands.add_parser("test", help="run every check; further arguments go to pytest")
    which = test_parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="everything except running lessons: under two minutes")
    which.add_argument(
        "--other",
        nargs="?",
        const="",
        metavar="FILE",
        help="only run the lessons (further arguments: lesson numbers) on FILE; without it, on part of the course's tweets",
    )
    test_parser.add_argument("--latest", action="store_true", help="on the newest releases, in .venv-latest")
    commands.add_parser("bench", help="measure lesson 12's speed; further arguments go to benchmarks/speed.py")
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
        if args.other is not None:
            return test_on_other_tweets(args.other, rest)
        return test(args.quick, args.latest, rest)
    if args.command == "bench":
        return subprocess.run([ready(), str(ROOT / "benchmarks" / "speed.py"), *rest], env=environment()).returncode
    if args.command == "grade":
        grader = [ready(dev=True), "-m", "grader", os.path.abspath(args.folder)]
        grader += ["--unsafe"] * args.unsafe
        # what a class has passed is not the teacher's own homework
        return subprocess.run(grader, cwd=ROOT, env={**environment(), "COURSE_RECORD": os.devnull}).returncode
    if args.command == "colab":
        course = [ready(dev=True), str(ROOT / "tools" / "course.py"), args.repository]
        return subprocess.run(course, cwd=ROOT).returncode
    return lab(browser=not args.no_browser)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        sys.exit(str(stop))
    except KeyboardInterrupt:
        sys.exit("Interrupted; start again and it goes on where it was.")
