"""Run all homework again, and write one page that says what passed; or verify such a page.

python3 start.py certificate "Ada Lovelace"            your notebooks in exercises/ -> my_work/certificate.html
python3 start.py certificate --verify PAGE FOLDER      for a teacher: FOLDER holds the learner's notebooks, as exercises/ does

A homework's checksum is the SHA-256 of its code, cell by cell: outputs and notes in the notebook don't change it. With the
page and the notebooks, a teacher can check that these are the same answers, and that they pass. The page does not prove who
wrote them, and says so.
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
import unicodedata
from pathlib import Path

from jinja2 import Environment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LONGEST_NAME = 120  # characters
SECONDS = 120  # for a cell, where there is no sandbox with limits of its own
JOINERS = {"\u200c", "\u200d"}  # invisible, but part of Persian and Indian names, and of emoji
LEARNER = "learner"

PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Certificate: {{ course }}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1c1c; --quiet: #555; --line: #8a8a8a; --accent: #005a8d }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #16181b; --ink: #ececec; --quiet: #b5b5b5; --line: #767676; --accent: #7cc6f2 }
}
@page { margin: 12mm }
body { max-width: 50rem; margin: 0 auto; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { margin: 0; color: var(--accent); font-size: 1.2rem; letter-spacing: .08em; text-transform: uppercase }
h2 { margin: 1.2rem 0 .3rem; font-size: 1rem }
.name { margin: .6rem 0; font-size: 2rem; line-height: 1.2 }
.long { font-size: 1.2rem }
p { margin: .4rem 0 }
table { border-collapse: collapse; width: 100% }
th, td { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top;
  font-weight: normal }
thead th { font-weight: bold }
code { font-family: ui-monospace, monospace; font-size: .8em }
.command { display: block; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: .3rem }
.sum { color: var(--quiet) }
@media print { body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.3 } .name { font-size: 20pt }
  .long { font-size: 12pt } h2 { margin-top: .7rem } th, td { padding-block: .08rem } td code { font-size: 6pt }
  tr { break-inside: avoid } }
</style>
</head>
<body>
<main>
<h1>Certificate</h1>
<p class="name{% if name | length > 40 %} long{% endif %}" dir="auto"><bdi>{{ name }}</bdi></p>
<p>The answers to <strong>{{ passed | length }} of {{ homework | length }}</strong> homework assignments of the course
<cite>{{ course }}</cite>, version {{ version }}, passed all of their checks when they were run again on
<time datetime="{{ date }}">{{ day }}</time>{{ "." if sandbox else ", without a sandbox." }}</p>
<table>
<thead><tr><th scope="col">homework</th><th scope="col">checksum of the answer (SHA-256)</th></tr></thead>
<tbody>
{% for one in passed %}
<tr><th scope="row">{{ one.title }}</th><td class="sum"><code>{{ one.sum }}</code></td></tr>
{% endfor %}
</tbody>
</table>
{% if missing %}
<p>Not passed: {{ missing | map(attribute="title") | join("; ") }}.</p>
{% endif %}
<h2>What this proves</h2>
<p>It proves the code, not who wrote it: the notebooks with these checksums passed. The page alone is no proof, because anybody
can write a page. Ask for the notebooks, and verify.</p>
<h2>To verify it</h2>
<p>In a copy of the course, with this page saved as <code>certificate.html</code> and the learner's notebooks in a folder
<code>FOLDER</code>, run</p>
<p><code class="command">python3 start.py certificate --verify certificate.html FOLDER</code></p>
<p>It compares the checksums, and runs the notebooks again. Checksum of the homework checks that were used: <code>{{ checks }}</code>.</p>
</main>
<script type="application/json" id="certificate">{{ record | tojson }}</script>
</body>
</html>
""")


class CertificateError(Exception):
    """One line: why there is no certificate, and what to do."""


def clean_name(text):
    """Return a name as it can be printed: one line, in normal form, without marks that would turn what follows."""
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        raise CertificateError("The name has bytes that are not text: type it in a terminal that uses UTF-8.")
    letters = (
        " " if unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc") else c for c in unicodedata.normalize("NFC", text)
    )
    kept = [c for c in letters if c in JOINERS or unicodedata.category(c) not in ("Cf", "Cn", "Co")]
    name = " ".join("".join(kept).split())
    if not any(unicodedata.category(c)[0] not in "ZCM" for c in name):
        raise CertificateError('There is no name. Give it in quotes: python3 start.py certificate "Ada Lovelace"')
    if len(name) > LONGEST_NAME:
        raise CertificateError(f"The name has {len(name)} characters; at most {LONGEST_NAME} fit on the page.")
    return name


def printable(text):
    """Return text that somebody else may have written without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


# --- what is certified -------------------------------------------------------------------------------------


def about_course():
    """Return the course's title and version, the sum of its checks, and {NN_name: title} of all homework."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    title = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    checks = hashlib.sha256()
    for path in sorted((ROOT / "transfer_learning" / "check").iterdir()):
        if path.suffix in (".py", ".toml"):
            checks.update(path.name.encode() + path.read_text(encoding="utf-8").encode())
    homework = {}
    for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*/homework.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        homework[path.parent.name] = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# Homework ")
    return {"course": title, "version": version, "checks": checks.hexdigest()[:16]}, homework


def code_sum(path):
    """Return the SHA-256 of a notebook's code cells, in order; None if it is no notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    code = [source.replace("\r\n", "\n").strip() for source in sources]
    return hashlib.sha256(json.dumps([source for source in code if source]).encode()).hexdigest()


def find(folder, homework):
    """Return {NN_name: path} of the notebooks in a folder.

    NN_name/homework.ipynb if it is there; otherwise the newest notebook, here or one folder down, whose cells belong to
    this homework.
    """
    from grader import grade, sandbox, submissions

    found = {name: path for name in homework if (path := folder / name / "homework.ipynb").is_file()}
    if len(found) < len(homework):
        known, others = grade.assignments(sandbox.LIMITS), [*folder.glob("*.ipynb"), *folder.glob("*/*.ipynb")]
        for path in sorted({*others} - {*found.values()}, key=lambda path: path.stat().st_mtime, reverse=True):
            with contextlib.suppress(submissions.NotReadable, OSError):
                submission = submissions.Submission(LEARNER, path)
                submission.read(known)
                found.setdefault(submission.homework, path)
    return found


def run(notebooks, unsafe=False):
    """Run notebooks from the first cell to the last, with the course's own checks in place of theirs.

    Parameters
    ----------
    notebooks : dict of str to Path
        {NN_name: notebook}.
    unsafe : bool
        Without a sandbox.

    Returns
    -------
    dict of str to str or None
        {NN_name: None if it passed, else why not}.
    """
    from grader import grade

    with tempfile.TemporaryDirectory(prefix="certificate-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        for name, path in notebooks.items():
            target = folder / LEARNER / name / "homework.ipynb"
            target.parent.mkdir(parents=True)
            shutil.copyfile(path, target)
        if unsafe:
            return _run_in_kernels(folder)
        rows = {row["homework"]: row for row in grade.grade(folder)}
    why = {}
    for name in notebooks:
        row = rows.get(name, {"points": None, "note": "not graded"})
        why[name] = None if row["points"] is not None and row["points"] == row["max_points"] else row["note"]
    return why


def _run_in_kernels(folder):
    """As `run`, in a Jupyter kernel each, beside the learner's files: that works on every system."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbgrader.utils import is_grade

    from grader import grade, sandbox, submissions

    known, why = grade.assignments(sandbox.LIMITS), {}
    db_url = f"sqlite:///{folder / 'gradebook.db'}"
    for path in sorted((folder / LEARNER).glob("*/homework.ipynb")):
        name = path.parent.name
        print(f"{name} …", flush=True)
        submission = submissions.Submission(LEARNER, path, name)
        try:
            submission.read(known)
        except submissions.NotReadable as problem:
            why[name] = str(problem)
            continue
        known[name].record(db_url)
        notebook, _ = known[name].restore(submission.notebook, submission, db_url)
        place = {"metadata": {"path": str(ROOT / "exercises" / name)}}
        try:
            NotebookClient(
                notebook, timeout=SECONDS, kernel_name="python3", allow_errors=True, resources=place
            ).execute()
        except (CellTimeoutError, DeadKernelError) as problem:
            why[name] = "stopped: " + (str(problem).strip().splitlines() or ["it ended its own kernel"])[0]
            continue
        checks = [cell for cell in notebook.cells if is_grade(cell)]
        errors = [out for cell in checks for out in cell.outputs if out.output_type == "error"]
        why[name] = " ".join(errors[0].evalue.split()) if errors else None
    return why


# --- the page ----------------------------------------------------------------------------------------------


def write(record):
    """Return the page of a record: what `certify` puts together, and `read` gets out of the page again."""
    day = datetime.date.fromisoformat(record["date"])
    return PAGE.render(
        **record,
        day=f"{day.day} {day:%B %Y}",
        passed=[one for one in record["homework"] if one["passed"]],
        missing=[one for one in record["homework"] if not one["passed"]],
        record=record,
    )


def certify(name, folder):
    """Run the notebooks in `folder`, and return a certificate's record and, for what did not pass, why."""
    from grader import sandbox

    name = clean_name(name)
    course, titles = about_course()
    notebooks = find(folder, titles)
    if not notebooks:
        raise CertificateError(
            f"{folder} has no homework: expected {next(iter(titles))}/homework.ipynb and others like it."
        )
    try:
        sandbox.assert_available([folder])
        sandboxed = True
    except sandbox.NoSandbox as reason:
        sandboxed = False
        print(f"Your notebooks run without a sandbox, because {reason}; the page says so.", flush=True)
    why = run(notebooks, unsafe=not sandboxed)
    why |= {missing: "there is no notebook" for missing in titles if missing not in notebooks}
    passed = [one for one in titles if why[one] is None]
    if not passed:
        first = next(iter(notebooks))
        raise CertificateError(
            f"None of the {len(notebooks)} notebooks in {folder} passes, so there is nothing to certify. Save them in "
            f"JupyterLab first. {titles[first]}: {why[first]}"
        )
    homework = [
        {
            "name": one,
            "title": titles[one],
            "passed": one in passed,
            "sum": code_sum(notebooks[one]) if one in passed else None,
        }
        for one in titles
    ]
    date = datetime.date.today().isoformat()
    record = {"name": name, **course, "date": date, "sandbox": sandboxed, "homework": homework}
    return record, {titles[one]: why[one] for one in titles if why[one]}


def read(page):
    """Return the record of a certificate's page and its text."""
    try:
        text = page.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise CertificateError(f"{page} cannot be read: {problem}") from None
    found = re.findall(r'<script type="application/json" id="certificate">(.*?)</script>', text, flags=re.DOTALL)
    try:
        (record,) = map(json.loads, found)
        write(record)
        {one["name"]: one["sum"] for one in record["homework"] if one["passed"]}
    except Exception:
        raise CertificateError(f"{page} is no certificate of this course, or it is damaged.") from None
    return record, text


def verify(page, folder, unsafe=False):
    """Compare a certificate with a learner's notebooks; return lines that say what was found, and whether all is right."""
    record, text = read(page)
    course, titles = about_course()
    lines, right = [], True
    if record["version"] != course["version"]:
        lines.append(
            f"The page was written by version {record['version']!r} of the course; this is {course['version']!r}."
        )
    elif write(record) != text:
        lines.append("The page is not as the course writes it: it was changed afterwards. Don't rely on what it says.")
        right = False
    if record["checks"] != course["checks"]:
        lines.append("Its checks were not the ones of this copy of the course, which count here.")
    claimed = {one["name"]: one["sum"] for one in record["homework"] if one["passed"]}
    if unknown := [name for name in claimed if name not in titles]:
        lines.append(f"NO  {len(unknown)} of its homework are not part of this copy of the course.")
        right, claimed = False, {name: code for name, code in claimed.items() if name in titles}
    notebooks = find(folder, titles)
    same = {
        name: notebooks[name] for name in claimed if name in notebooks and code_sum(notebooks[name]) == claimed[name]
    }
    why = run(same, unsafe) if same else {}
    for name in claimed:
        if name not in notebooks:
            said = f"no notebook in {folder}"
        elif name not in same:
            said = "a different answer than the page's: its sum differs"
        else:
            said = (
                "the page's answer, and it passes"
                if why[name] is None
                else f"the page's answer, but it does not pass: {why[name]}"
            )
        right = right and why.get(name, "missing") is None
        lines.append(f"{'ok  ' if why.get(name, 'missing') is None else 'NO  '}{titles[name]}: {said}")
    return lines, right and bool(claimed), clean_name(record["name"])


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="start.py certificate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="the name on the page; with --verify: the folder of notebooks")
    parser.add_argument("--folder", type=Path, default=ROOT / "exercises", help="your notebooks; default: exercises/")
    parser.add_argument("--to", type=Path, metavar="PAGE", help="the page; default: my_work/certificate.html")
    parser.add_argument("--verify", type=Path, metavar="PAGE", help="verify a certificate")
    parser.add_argument("--unsafe", action="store_true", help="verify without a sandbox, where there is none")
    arguments = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _verify(arguments) if arguments.verify else _certify(arguments)
    except CertificateError as problem:
        return printable(str(problem))
    except (OSError, RuntimeError) as problem:  # a disk that is full, a grading process that does not start
        return printable(f"{type(problem).__name__}: {problem}")
    except KeyboardInterrupt:
        return "Interrupted: nothing was written."


def _certify(arguments):
    if arguments.unsafe:
        raise CertificateError(
            "--unsafe belongs to --verify: your own notebooks run without a sandbox where there is none."
        )
    page = arguments.to or Path(os.environ.get("COURSE_WORK") or ROOT / "my_work") / "certificate.html"
    record, why = certify(arguments.name or "", arguments.folder)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(write(record), encoding="utf-8", newline="\n")
    for title, reason in why.items():
        print(printable(f"not passed: {title}: {reason}"))
    print(f"{len(record['homework']) - len(why)} of {len(record['homework'])} homework passed: {page}")
    return 0


def _verify(arguments):
    from grader import sandbox

    folder = Path(arguments.name) if arguments.name else None
    if folder is None or not folder.is_dir():
        said = f"{folder} is not a folder" if folder else "there is no folder"
        raise CertificateError(
            f"{said}: give the learner's notebooks, as python3 start.py certificate --verify PAGE FOLDER."
        )
    try:
        if not arguments.unsafe:
            sandbox.assert_available([folder])
    except sandbox.NoSandbox as reason:
        raise CertificateError(
            f"Not verified: {reason}. {sandbox.INSTALL}. Or give --unsafe: then {sandbox.UNSAFE}."
        ) from None
    lines, right, name = verify(arguments.verify, folder, arguments.unsafe)
    for line in lines:
        print(printable(line))
    print(
        f"{'Verified' if right else 'NOT verified'}: the certificate of {name}. It proves the code, not who wrote it."
    )
    return 0 if right else 1


if __name__ == "__main__":
    os.environ["COURSE_RECORD"] = os.devnull  # the record of passed homework is for what is run in JupyterLab
    sys.exit(main(sys.argv[1:]))
