"""Set the course up and open it.

python3 start.py [--no-browser]      set up .venv when needed, open the course in JupyterLab
python3 start.py run [00 03 ...]     run lessons top to bottom, headless
python3 start.py test                run every check there is; after it, options and files for pytest
python3 start.py test --quick        everything except running lessons: about four minutes
python3 start.py test --other [FILE] run the lessons on a different file of tweets
python3 start.py test --latest       run every check on the newest releases
python3 start.py test --colab        run lessons 00 to 11 on the versions that Colab has
python3 start.py bench               measure how fast lesson 12 is here, against what (see benchmarks/speed.py)
python3 start.py grade FOLDER        grade a class's homework, each submission in a sandbox (grade -h: options)
python3 start.py site                build the course as web pages, and open them (--build: only build)
python3 start.py zip                 write course.zip, the whole course, for Colab
python3 start.py colab OWNER/REPO    write where the course lives on GitHub into every notebook
python3 start.py doctor              one line for each thing the course needs: [OK], or [FAIL] with the remedy
python3 start.py pack FOLDER         the course and its packages on a stick: installs without network (pack -h: options)
python3 start.py page FOLDER         your saved classifier as a page for the browser (page -h: options)
python3 start.py certificate "NAME"  run your homework again, and write a page that says what passed (-h: verify one)

python3 start.py --torch cuda        with PyTorch's build for NVIDIA GPUs, or (--torch cpu) without; otherwise what suits this machine
"""

# Standard library only, and nothing that Python 3.6 cannot parse: an old Python must get as far as the line in main()
# that says what the course needs. What is printed is ASCII. How the course is installed is in tools/installer.py.
import argparse
import csv
import os
import platform
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
FIRST_LESSON = "notebooks/00_start_here.ipynb"
# programs that read their own options, in the environment with tools
WITH_OPTIONS = {"pack": "tools/pack.py", "page": "site/own_page.py", "certificate": "tools/certificate.py"}
Stop = SystemExit  # ends with one clear line for the reader


def environment():
    """Variables for every kernel: Keras on torch, relative paths made absolute, nothing that leads to a different Python."""
    env = {**os.environ, "KERAS_BACKEND": "torch", "TOKENIZERS_PARALLELISM": "false"}
    for name in ("HOME", "PATH", "STARTUP", "INSPECT", "OPTIMIZE", "SAFEPATH"):
        env.pop("PYTHON" + name, None)
    env.pop("__PYVENV_LAUNCHER__", None)
    # what a terminal cannot show is written as \\u2026, not an error
    env["PYTHONIOENCODING"] = env.get("PYTHONIOENCODING", "").partition(":")[0] + ":backslashreplace"
    # threads that wait sleep instead of spinning: on a busy machine training is several times as fast, on an idle one equal
    env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if env.get("TWEETS_CSV"):  # kernels run in notebooks/, the path was typed here
        env["TWEETS_CSV"] = typed_path(env["TWEETS_CSV"])
    return env


def typed_path(text):
    """Return what somebody meant by a path: `~` is the home folder; Windows' `set X="a b.csv"` keeps the quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    return os.path.abspath(os.path.expanduser(text))


def call(command, cwd=None, **more):
    """Run one of the course's programs, with `more` variables; return its status. On Ctrl-C it ends in its own way."""
    with subprocess.Popen(command, cwd=cwd, env={**environment(), **more}) as process:
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:  # the terminal has told the program, too
                continue
            except BaseException:  # SIGTERM
                process.kill()
                raise
    if status in (-signal.SIGINT, 0xC000013A):  # the second on Windows
        raise KeyboardInterrupt
    return status


def ready(dev=False, torch=None):
    """Return the interpreter of the course's environment, installed when needed; `dev`: with tools for tests, grading.

    `torch`, "cpu" or "cuda", asks for one of PyTorch's builds; None takes what is there, or suits the machine.
    """
    from installer import install, python_in

    venv = ROOT / ".venv"
    key = REQUIREMENTS.read_text(encoding="utf-8")
    install(venv, ["--only-binary=:all:", "-r", str(REQUIREMENTS)], key, torch=torch, offline=True)
    if dev:
        key += DEV_REQUIREMENTS.read_text(encoding="utf-8")
        what = "Installing what tests and grading need (once) ..."
        packed = any((ROOT / "wheels").glob("nbgrader-*.whl"))  # by start.py pack --dev
        arguments = ["--only-binary=:all:", "-r", str(DEV_REQUIREMENTS)]
        install(venv, arguments, key, mark="installed-dev", what=what, offline=packed)
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
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=None", "--log-level=WARN"]
    # only the environment's own extensions, and of those none that only teachers need (see tools/jupyter)
    extensions = Path(python).parents[1] / "share" / "jupyter" / "labextensions"
    command.append(f"--LabApp.labextensions_path={extensions}")
    # settings of its own: the reader's may be for a different JupyterLab
    temporary = not os.access(str(ROOT), os.W_OK)
    own = Path(tempfile.mkdtemp()) if temporary else ROOT / ".start"
    own.mkdir(exist_ok=True)
    env = {
        **environment(),
        "JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(own / "jupyter"),
    }
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # let `finally` end the server
    log = own / "jupyterlab.log"
    with open(str(log), "wb") as file:  # warnings that a learner can do nothing about stay out of the terminal
        server = subprocess.Popen(command, env=env, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    answered = False
    try:
        wait_for(server, port, log)
        answered = True
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
        if temporary and answered:  # else its log says why it did not
            shutil.rmtree(str(own), ignore_errors=True)


def wait_for(server, port, log, seconds=180):  # the first start on a slow disk compiles everything once
    for _ in range(seconds * 10):
        if server.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise Stop(f"JupyterLab ended at once (status {server.returncode}): {last} All its lines: {log}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Stop(f"JupyterLab did not answer on port {port} within {seconds} s. Its lines: {log}")


def test(quick=False, latest=False, pytest_arguments=(), colab=False):
    """Run ruff and pytest; with `latest`, in an environment of the newest releases that pyproject.toml allows.

    `quick` leaves out running lessons and the tests marked as slow. Tests run side by side, which keeps both cores of a
    small machine busy; those that share what is slow to set up share a process, as the cells of one notebook do.
    `colab` only runs lessons, those that `pytest_arguments` names, on Colab's versions.
    """
    if colab:
        return test_on_colabs_versions(pytest_arguments)
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
    from installer import install, python_in

    venv = ROOT / ".venv-latest"
    pin = re.search(r"^torch==.*$", REQUIREMENTS.read_text(encoding="utf-8"), flags=re.M).group()
    # torch stays as pinned: its newest build weighs gigabytes
    arguments = ["--upgrade", "--upgrade-strategy=eager", pin, "-e", f"{ROOT}[test,teach,checkpoints,site]"]
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
        tweets = typed_path(file) if file else write_other_tweets(folder)
        command = [python, str(ROOT / "tools" / "run_lessons.py"), *numbers]
        return call(command, cwd=str(ROOT), TWEETS_CSV=tweets, **scratch(folder))


def test_on_colabs_versions(numbers=()):
    """Run lessons, 00 to 11 when none is named, on the versions of constraints-colab.txt, in .venv-colab."""
    from installer import install, python_in

    venv, constraints = ROOT / ".venv-colab", ROOT / "constraints-colab.txt"
    # torch stays as pinned: Colab's build is for its GPUs, and weighs gigabytes
    pin = re.search(r"^torch==.*$", REQUIREMENTS.read_text(encoding="utf-8"), flags=re.M).group()
    arguments = ["-c", str(constraints), pin, "-e", str(ROOT), "ipykernel", "nbclient"]
    install(venv, arguments, constraints.read_text(encoding="utf-8") + pin)
    numbers = numbers or [path.name[:2] for path in sorted((ROOT / "notebooks").glob("[01][0-9]_*.ipynb"))[:12]]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        more = {**scratch(folder), "PROJECT_MINUTES": "0.5"}
        more["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # that ipykernel would warn about with every kernel
        command = [str(python_in(venv)), str(ROOT / "tools" / "run_lessons.py"), *numbers]
        return call(command, cwd=str(ROOT), **more)


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


def doctor():
    """Print a line for each thing the course needs, whatever is installed so far; return 0 when nothing is wrong."""
    python = [sys.executable, "-I", "-S"]  # the standard library alone
    if sys.version_info[:2] >= tuple(map(int, PYTHONS[0].split("."))):
        from installer import python_in, works

        if works(ROOT / ".venv"):
            python = [str(python_in(ROOT / ".venv"))]
    print(f"{ROOT} on {platform.platform()}, Python {platform.python_version()}", flush=True)
    status = subprocess.call([*python, str(ROOT / "tools" / "environment.py")], env=environment())
    if not 0 <= status <= 100:
        print(
            f"[FAIL] The system ended this check (status {status}): close other programs; else delete .venv, then start again."
        )
    return status


def needed():
    """Return the supported Python versions as a phrase: "Python 3.11, 3.12, 3.13 or 3.14"."""
    return f"Python {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}"


def main(arguments):
    if sys.path[0] != str(ROOT / "tools"):  # before other people's modules: there is an `installer` on PyPI
        sys.path.insert(0, str(ROOT / "tools"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a folder's name may have letters that the terminal does not
            stream.reconfigure(errors="backslashreplace")
    if arguments[:1] == ["doctor"]:  # on any Python, the first line says which is needed
        return doctor()
    oldest, newest = (tuple(map(int, text.split("."))) for text in (PYTHONS[0], PYTHONS[-1]))
    found = "{}.{}".format(*sys.version_info[:2])
    if sys.version_info[:2] < oldest:
        raise Stop(f"Python {found} found; the course needs {needed()}. Get one from python.org.")
    if sys.version_info[:2] > newest:
        print(f"Python {found} found. The course was tested on {needed()}; trying it all the same.", flush=True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--torch", choices=["cpu", "cuda"], help="which build; default: what suits this machine")
    commands = parser.add_subparsers(dest="command")
    run_parser = commands.add_parser("run", help="run lessons headless")
    run_parser.add_argument("lessons", nargs="*", metavar="NN", help="lesson numbers; default: all")
    test_parser = commands.add_parser("test", help="run every check; further arguments go to pytest")
    which = test_parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="everything except running lessons: about four minutes")
    which.add_argument(
        "--other",
        nargs="?",
        const="",
        metavar="FILE",
        help="only run the lessons (further arguments: lesson numbers) on FILE; without it, on part of the course's tweets",
    )
    test_parser.add_argument("--latest", action="store_true", help="on the newest releases, in .venv-latest")
    which.add_argument("--colab", action="store_true", help="only run lessons (default: 00 to 11) on Colab's versions")
    commands.add_parser("bench", help="measure lesson 12's speed; further arguments go to benchmarks/speed.py")
    grade_parser = commands.add_parser("grade", help="grade a class's homework")
    grade_parser.add_argument("folder", help="STUDENT/NN_name/homework.ipynb, or STUDENT.ipynb")
    grade_parser.add_argument("--unsafe", action="store_true", help="without a sandbox, where there is none")
    grade_parser.add_argument("--seconds", metavar="N", help="time limit for one submission")
    grade_parser.add_argument("--workers", metavar="N", help="how many submissions run side by side")
    commands.add_parser("zip", help="write course.zip, the whole course, for Colab")
    site_parser = commands.add_parser("site", help="build the course as web pages, and open them")
    site_parser.add_argument("--build", action="store_true", help="only build")
    site_parser.add_argument(
        "--no-browser", action="store_true", default=argparse.SUPPRESS, help="only print the address"
    )
    colab_parser = commands.add_parser("colab", help="write where the course lives on GitHub into every notebook")
    colab_parser.add_argument("repository", metavar="OWNER/REPO")
    commands.add_parser("doctor", help="say what is there and what is missing")
    commands.add_parser("pack", add_help=False, help="put the course on a stick; -h: options of tools/pack.py")
    commands.add_parser("page", add_help=False, help="turn a saved classifier into a page")
    commands.add_parser("certificate", add_help=False, help="certify your homework, or verify a certificate")
    args, rest = parser.parse_known_args(arguments)
    if rest and args.command not in ("test", "bench", *WITH_OPTIONS):
        parser.error(f"unknown: {' '.join(rest)}")
    if args.command == "test" and args.latest and (args.colab or args.other is not None):
        parser.error("--latest runs every check: it goes with --quick, not with --other or --colab")
    if args.torch:
        ready(torch=args.torch)
    if args.command == "run":
        return call([ready(), str(ROOT / "tools" / "run_lessons.py"), *args.lessons], cwd=str(ROOT))
    if args.command == "test":
        if args.other is not None:
            return test_on_other_tweets(args.other, rest)
        return test(args.quick, args.latest, rest, colab=args.colab)
    if args.command == "bench":
        return call([ready(), str(ROOT / "benchmarks" / "speed.py"), *rest])
    if args.command == "grade":
        grader = [ready(dev=True), "-m", "grader", os.path.abspath(args.folder)]
        grader += ["--unsafe"] * args.unsafe
        grader += [f"--{name}={vars(args)[name]}" for name in ("seconds", "workers") if vars(args)[name]]
        # what a class has passed is not the teacher's own homework
        return call(grader, cwd=str(ROOT), COURSE_RECORD=os.devnull)
    if args.command == "zip":  # needs no environment
        return call([sys.executable, str(ROOT / "tools" / "course_zip.py")])
    if args.command == "site":
        site = [ready(dev=True), str(ROOT / "site" / "build.py")]
        site += ["--build"] * args.build + ["--no-browser"] * args.no_browser
        return call(site, cwd=str(ROOT))
    if args.command == "colab":
        return call([ready(dev=True), str(ROOT / "tools" / "course.py"), args.repository], cwd=str(ROOT))
    if args.command in WITH_OPTIONS:
        return call([ready(dev=True), str(ROOT / WITH_OPTIONS[args.command]), *rest])
    return lab(browser=not args.no_browser)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # pip and JupyterLab are ended with it
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Interrupted; start again and it goes on where it was.")
