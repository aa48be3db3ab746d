"""Write the catalogue of mistakes: exercises/NN_name/mistakes.md for each homework, exercises/mistakes.md for any.

    python site/mistakes.py            runs one wrong answer for each mistake (minutes), and writes what the check said
    python site/mistakes.py --text     keeps what the checks said, and writes everything else anew (seconds)

Names and reasons come from misconceptions.toml, wrong answers and their code from tests/answers. JupyterLab and GitHub
show these files as they are, and the web edition has a page for each, so a check can link to them with no network.
"""

import ast
import functools
import importlib
import os
import re
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tools")]
import course  # noqa: E402
import nbformat  # noqa: E402

from transfer_learning import check  # noqa: E402

MOST_LINES = 24  # of code that a reader would read
LESSONS = {f"hw{lesson[:2]}": lesson for lesson in check.HOMEWORK.values()}
#: answers to homework 03 with mistakes that can be made in any homework, and that nobody makes in tests/answers
ANYWHERE = {
    "nothing-yet": "clean = ...",
    "not-a-function": 'clean = "drop the duplicates"',
    "exits": "def clean(df):\n    exit()",
    "never-ends": (
        "def clean(df):\n    n = 0\n    while n < len(df):  # n never grows\n"
        "        message = df['message'].iloc[n]\n    return df"
    ),
    "prints-too-much": "def clean(df):\n    for n in range(10_000):\n        print(n, df['message'].tolist())\n    return df",
    "closes-stdout": "def clean(df):\n    import sys\n\n    sys.stdout.close()\n    return df",
    "cannot-be-read": (
        "class Broken:\n    @property\n    def __class__(self):\n        raise RuntimeError('broken')\n\n\n"
        "def clean(df):\n    return Broken()"
    ),
}


class Answer:
    """A wrong answer in one of the files of tests/answers: its name there, the slugs it may get, its code."""

    def __init__(self, file, judge, name, entry, node, source, tree):
        self.file, self.judge, self.name, self.entry = file, judge, name, entry
        self.slugs = entry[0].split(" or ")
        self._node, self._lines, self._tree = node.elts[1], source.splitlines(), tree

    def run(self):
        """Hand the answer to its check; return the `NotYet`."""
        build = getattr(self.file, "build", lambda entry: entry)
        try:
            self.judge(build(self.entry[1]))
        except check.NotYet as not_yet:
            return not_yet
        raise AssertionError(f"{self.file.__name__}, {self.name!r}: a wrong answer passed")

    @functools.cached_property
    def code(self):
        """The code that makes the mistake: functions named in the entry itself; of their helpers, what they do."""
        known, right = _definitions(self._tree), _right(self._tree)
        names = dict.fromkeys(name for name in _names(self._node) if name in known)
        called = {n.func.id for n in ast.walk(self._node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        shown = [name for name in names if name not in right and name not in called]
        parts = [self._segment(known[name]) for name in shown]
        if not isinstance(self._node, ast.Name) and not (isinstance(self._node, ast.Tuple) and shown):
            parts.append(f"answer = {self._segment(self._node)}")
        helpers = dict.fromkeys(name for part in parts for name in _names(ast.parse(part)))
        notes = [
            f"# {name}: {_what(known[name], self.file)}" for name in helpers if name in known and name not in shown
        ]
        return "\n".join([*notes, "\n\n\n".join(parts)])

    def _segment(self, node):
        """A piece of the file, its decorators included, moved to the left edge."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = [line.encode() for line in self._lines[first - 1 : node.end_lineno]]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = b" " * node.col_offset + lines[0][node.col_offset :]
        return textwrap.dedent("\n".join(line.decode() for line in lines))

    @functools.cached_property
    def cost(self):
        """How hard it is to read: what needs helpers after what does not, long after short, unsure after sure."""
        code = self.code
        helpers = sum(line.startswith("# ") for line in code.splitlines())
        lines = code.count("\n") + 1 - helpers
        whole = isinstance(self._node, (ast.Name, ast.Lambda, ast.Tuple))
        return len(self.slugs) > 1, lines > MOST_LINES, helpers, not whole, lines < 3, lines


def _table(tree, name):
    (found,) = [n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == name]
    return found


@functools.cache
def _definitions(tree):
    """What a file defines by name: functions, classes, and names given to an expression."""
    named = {d.name: d for d in tree.body if isinstance(d, (ast.FunctionDef, ast.ClassDef))}
    given = [d for d in tree.body if isinstance(d, ast.Assign) and isinstance(d.value, (ast.Lambda, ast.Call))]
    return {d.targets[0].id: d for d in given if isinstance(d.targets[0], ast.Name)} | named


@functools.cache
def _right(tree):
    """Names of whole answers that are right: their code is the solution, and is not shown."""
    return {node.id for node in ast.walk(_table(tree, "RIGHT")) if isinstance(node, ast.Name)}


def _names(tree):
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _what(definition, file):
    """What a helper does, in its own words, or where to find it."""
    told = ast.get_docstring(definition) if isinstance(definition, (ast.FunctionDef, ast.ClassDef)) else None
    return told.split("\n")[0] if told else f"see {Path(file.__file__).relative_to(ROOT).as_posix()}"


@functools.cache
def answers():
    """All wrong answers: homework ("hw05") -> list of `Answer`, of all its files."""
    files = [
        importlib.import_module(f"answers.{path.stem}") for path in sorted((ROOT / "tests" / "answers").glob("hw*.py"))
    ]
    judges, found = {}, {}
    for file in files:
        name = file.__name__.removeprefix("answers.")
        if hasattr(file, "judge"):
            judges[name if getattr(file, "SECOND", False) else name[:4]] = file.judge
    for file in files:
        name = file.__name__.removeprefix("answers.")
        judge = judges[name if getattr(file, "SECOND", False) else name[:4]]
        source = Path(file.__file__).read_text(encoding="utf-8")
        tree = ast.parse(source)
        table = _table(tree, "WRONG")
        for key, node in zip(table.keys, table.values):
            entry = file.WRONG[key.value]
            found.setdefault(name[:4], []).append(Answer(file, judge, key.value, entry, node, source, tree))
    return found


def chosen():
    """The answer that stands for each mistake: (homework, slug) -> the one that is easiest to read."""
    best = {}
    for homework, some in answers().items():
        for answer in some:
            for slug in answer.slugs:
                place = homework if slug in check.MISCONCEPTIONS.get(homework, {}) else "any"
                if (place, slug) not in best or answer.cost < best[place, slug].cost:
                    best[place, slug] = answer
    return best


def said_anywhere(slug):
    """What the check of homework 03 says of an answer in `ANYWHERE`."""
    names = {}
    exec(ANYWHERE[slug], names)
    try:
        check.clean(names["clean"])
    except check.NotYet as not_yet:
        if not_yet.misconception == slug:
            return not_yet.saw
        raise AssertionError(f"{slug}: the check says {not_yet.misconception}") from None
    raise AssertionError(f"{slug}: the check says nothing")


def path_of(homework):
    return ROOT / "exercises" / LESSONS.get(homework, "") / "mistakes.md"


def stored(homework):
    """What the checks said when a page was last written: slug -> text."""
    path = path_of(homework)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict(
        re.findall(
            r"^<!-- ([a-z0-9-]+) -->\n.*?^\*\*What the check says:\*\* (.*?)\n\n\*\*Why", text, flags=re.M | re.S
        )
    )


def escape(text):
    """What a check says as Markdown, word by word, with a learner's folder in place of a temporary one."""
    text = re.sub(r"[^'\s]*/projects\w+/(?:tmp\w+)?", "../my_work/project", text).replace("projectnowhere", "nowhere")
    text = text.replace(f"'{Path.cwd().name}'", "'11_your_own_project'")
    return re.sub(r"([\\`*_<>\[\]#|~$])", r"\\\1", " ".join(text.split()))


def entry(homework, slug, said, answer):
    """One mistake as Markdown."""
    about = check.misconception(slug, LESSONS.get(homework, LESSONS["hw03"]))
    lines = [f"## {about['name']}", f"<!-- {slug} -->", f"**What the check says:** {said}"]
    lines.append(f"**Why it matters:** {about['why'][0].upper()}{about['why'][1:]}")
    if homework != "any" or "lesson" in check.MISCONCEPTIONS["any"][slug]:
        place = os.path.relpath(ROOT / "notebooks" / f"{about['lesson']}.ipynb", path_of(homework).parent)
        section = f", “{about['section']}”" if about["section"] else ""
        anchor = f"#{about['section'].replace(' ', '-')}" if about["section"] else ""
        lines.append(f"**Where to read:** [lesson {about['lesson'][:2]}{section}]({Path(place).as_posix()}{anchor})")
    code = ANYWHERE[slug] if answer is None else answer.code
    origin = "" if answer is None else f"# {answer.name}\n"
    folded = f"<details><summary>An answer with this mistake</summary>\n\n```python\n{origin}{code}\n```\n\n</details>"
    return "\n\n".join([*lines, folded]).replace("-->\n\n**What", "-->\n**What")


def title(homework):
    if homework == "any":
        return "# Mistakes in any homework"
    path = next(path for path in course.homework() if path.parent.name == LESSONS[homework])
    heading = nbformat.read(path, as_version=4).cells[0].source.split("\n")[0]
    return heading.replace("# Homework", "# Mistakes in homework")


def page(homework, said, best):
    """A page of the catalogue as Markdown; `said`: slug -> what the check says."""
    parts = [
        title(homework),
        "Every mistake that the check can name. Each has an answer that makes it, folded away, because such an answer is half "
        "of a solution: try first.",
    ]
    for slug in check.MISCONCEPTIONS[homework]:
        parts.append(entry(homework, slug, said[slug], best.get((homework, slug)) if slug not in ANYWHERE else None))
    return "\n\n".join(parts) + "\n"


def run_all(homework, best):
    """Run an answer for each mistake of a homework: slug -> what the check says, as Markdown."""
    said = {}
    for slug in check.MISCONCEPTIONS[homework]:
        if homework == "any" and slug in ANYWHERE:
            said[slug] = escape(said_anywhere(slug))
            continue
        for _ in range(9):  # where chance decides which of two mistakes is named
            not_yet = best[homework, slug].run()
            if not_yet.misconception == slug:
                break
        else:
            raise AssertionError(f"{homework}.{slug}: {best[homework, slug].name!r} is {not_yet.misconception}")
        said[slug] = escape(not_yet.saw)
    return said


def main(run=True):
    best = chosen()
    for homework in check.MISCONCEPTIONS:
        said = run_all(homework, best) if run else stored(homework)
        path_of(homework).write_text(page(homework, said, best), encoding="utf-8")
        print(path_of(homework).relative_to(ROOT), len(said), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_RECORD"] = os.path.join(folder, "homework.json")
        main(run="--text" not in sys.argv)
