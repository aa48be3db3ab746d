"""What every check shares: naming a mistake, calling the learner's code, the time limit, what the learner sees.

A check compares what an answer gave with what a right answer gives, case by case. Where they differ, `explain` looks for
the mistake: a `Mistake` says which value it would have given for a case, and it is named only if it gives every value
that was seen, the right ones included. Otherwise the check says what it saw, under a general name.
"""

import contextlib
import ctypes
import functools
import html
import inspect
import io
import json
import linecache
import operator
import os
import random
import re
import sys
import sysconfig
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 8  # how long the learner's code may take in one check, all calls together
PRINTED = 100_000  # how many characters the learner's code may print meanwhile
SHOWN = 1_000  # how many of them are shown

#: Every mistake that a check can name: "hw05" (or "any") -> slug -> name, why it matters, lesson and section to read.
MISCONCEPTIONS = tomllib.loads(Path(__file__).with_name("misconceptions.toml").read_text(encoding="utf-8"))
#: Name of a check -> the lesson it belongs to, and name -> the check itself.
HOMEWORK, CHECKS = {}, {}

#: What older code calls on a tokenizer and transformers 5 no longer has.
GONE = {"encode_plus", "batch_encode_plus", "prepare_for_model", "build_inputs_with_special_tokens"}


def misconception(slug, lesson):
    """Return what the table says of a mistake in a lesson's homework: a dict of name, why, lesson and section.

    `lesson` is a file's name, "05_padding_and_masking"; a KeyError says that its homework has no such mistake.
    """
    known = MISCONCEPTIONS["any"] | MISCONCEPTIONS.get(f"hw{lesson[:2]}", {})
    return {"lesson": lesson, "section": None} | known[slug]


class NotYet(Exception):
    """The homework is not right yet: what was seen, why it matters, where to read. Never the answer.

    Attributes
    ----------
    misconception : str
        A slug of `MISCONCEPTIONS`.
    saw, why, where : str
        The three parts of the message.
    """

    def __init__(self, misconception, saw):
        super().__init__(saw)
        self.misconception, self.saw = misconception, saw
        self.name, self.why, self.homework, self.lesson, self.section, self.shown = "", "", "", "", None, False

    def belongs_to(self, lesson):
        """Look the mistake up in the table of this lesson's homework."""
        self.homework = lesson
        self.__dict__ |= misconception(self.misconception, lesson)
        return self

    @property
    def where(self):
        section = f", “{self.section}”" if self.section else ""
        return f"lesson {self.lesson[:2]}{section} (notebooks/{self.lesson}.ipynb)"

    def __str__(self):
        return (
            f"Not yet: {self.name} ({self.misconception}).\n"
            f"  What I saw: {self.saw}\n  Why it matters: {self.why}\n  Where to read: {self.where}"
        )

    def _repr_html_(self):
        """The message as a block that can be read in a light theme and in a dark one."""
        where = html.escape(self.where)
        if address := _address(self.lesson, self.section):
            where = f'<a href="{html.escape(address)}">{where}</a>'
        if address := _catalogue(self.homework, self.misconception, self.name):
            where += f' · <a href="{html.escape(address)}">more about this mistake</a>'
        parts = {"What I saw": html.escape(self.saw), "Why it matters": html.escape(self.why), "Where to read": where}
        body = "".join(f"<p style='margin:.4em 0 0'><b>{title}:</b> {text}</p>" for title, text in parts.items())
        return _block("#D55E00", f"<b>Not yet: {html.escape(self.name)}</b> ({self.misconception}){body}")

    def _render_traceback_(self):
        """IPython calls this in place of printing a traceback: the block, then one line for the error itself."""
        from IPython.display import display

        if not self.shown:  # IPython asks a second time, for its history
            display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)
            self.shown = True
        return [f"Not yet ({self.misconception}): see above."]


def homework(lesson):
    """Make a check of a function that judges an answer.

    The judge returns one sentence that says what it verified, or raises `NotYet`. It runs in a thread of its own, so that
    an answer that hangs or calls `sys.exit` does not end the kernel. Whatever else it raises (an answer may be any
    object, and looking at it may fail) becomes a `NotYet` too.
    """

    def decorate(judge):
        @functools.wraps(judge)
        def check(*args, **kwargs):
            inspect.signature(judge).bind(*args, **kwargs)
            print("checking …", flush=True)
            output = _Output()
            try:
                with preserve_rng_state(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                    verified = _in_time(lambda: judge(*args, **kwargs), output)
            except NotYet as not_yet:
                raise not_yet.belongs_to(lesson).with_traceback(None) from None
            finally:
                if printed := output.getvalue():
                    print(printed[:SHOWN] + "…" * (len(printed) > SHOWN))
            _record(judge.__name__)
            _show_passed(verified)

        HOMEWORK[judge.__name__], CHECKS[judge.__name__] = lesson, check
        return check

    return decorate


# --- naming a mistake --------------------------------------------------------------------------------------


class Mistake(NamedTuple):
    """A mistake: `gives(case)` is the value that an answer with this mistake gives for a case."""

    slug: str
    gives: Callable[[Any], Any]
    saw: str = ""  # what it is, for the message

    def explains(self, case, value, same=operator.eq):
        """Does an answer with this mistake give this value? `gives` may return a function that tells."""
        try:
            would_be = self.gives(case)
            return bool(would_be(value) if callable(would_be) else same(value, would_be))
        except Exception:  # for this case the mistake gives nothing at all
            return False


def explain(seen, mistakes, same=operator.eq):
    """Return the first mistake that gives every value that was seen, the right ones too; None if no mistake does.

    `seen` is a list of (case, value): what the answer gave for each case; `same` compares two values.
    """

    return next((m for m in mistakes if all(m.explains(case, value, same) for case, value in seen)), None)


# --- calling the learner's code ----------------------------------------------------------------------------


def call(function, *args, **kwargs):
    """Return `function(*args, **kwargs)`; whatever the learner's function raises becomes a `NotYet`."""
    name = _name(function)
    _running[:] = [f"{name}(…)"]
    try:
        return function(*args, **kwargs)
    except (_Stopped, _PrintedTooMuch):
        raise
    except (SystemExit, KeyboardInterrupt) as error:
        raise NotYet("exits", f"{name}(…) ended the program: {describe(error)}.") from None
    except BaseException as error:
        line = own_line(error)
        if isinstance(error, AttributeError) and error.name in GONE:
            saw = f"{name}(…) uses {error.name}, which transformers 5 no longer has{line}. Call the tokenizer itself."
            raise NotYet("gone-in-transformers-5", saw) from None
        raise NotYet("raises", f"{name}(…) raised {describe(error)}{line}.") from None
    finally:
        _running.clear()


def require_callable(answer, name):
    """Raise `NotYet` unless `answer` can be called with arguments."""
    if answer is None or answer is Ellipsis:
        raise NotYet("nothing-yet", f"{name} is {answer!r}.")
    if isinstance(answer, type):
        raise NotYet("not-a-function", f"{name} is the class {answer.__name__}, not a function.")
    if not callable(answer):
        raise NotYet("not-a-function", f"{name} is {describe(answer)}, {a_type(answer)}; it cannot be called.")


def require_type(value, kind, call_text, expected):
    """Return `value` if it is a `kind`, else raise `NotYet` with what was called and what was expected."""
    if value is None or value is Ellipsis:
        raise NotYet("returns-nothing", f"{call_text} returned {value!r}, expected {expected}.")
    if not isinstance(value, kind):
        if inspect.iscoroutine(value):
            value.close()  # else Python warns that nobody awaited it
        found = f"{describe(value)}, {a_type(value)}"
        raise NotYet("wrong-type", f"{call_text} returned {found}, expected {expected}.")
    return value


def a_type(thing):
    """The name of a thing's type behind its article: "a list", "an int", "an ndarray"."""
    name = type(thing).__name__
    return f"{'an' if name[:1] in 'aeioAEIO' or name == 'ndarray' else 'a'} {name}"


def describe(thing, most=80):
    """Describe anything in one line, for a message: its own repr may raise, or print a megabyte."""
    kind = type(thing).__name__
    try:
        text = " ".join((str(thing) if isinstance(thing, BaseException) else repr(thing)).split())
        text = text if len(text) <= most else text[: most - 1] + "…"
    except Exception:
        text = ""
    if isinstance(thing, BaseException):
        return f"{kind}: {text}" if text else kind
    return text or a_type(thing)


def own_line(error):
    """Say where in the learner's own code an error was raised (", in line 3: x = y"); "" where that is unknown."""
    at, trace = "", error.__traceback__
    while trace:
        file, number = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if not file.startswith(_NOT_THEIRS) and not file.endswith(".pyx"):  # compiled code names its source
            text = linecache.getline(file, number).strip()
            at = f", in line {number}: {text}" if text else at
        trace = trace.tb_next
    return at


#: Files whose lines are not the learner's: Python's, the installed packages', this package's.
_NOT_THEIRS = (*{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, str(Path(__file__).parents[1]))


@contextlib.contextmanager
def preserve_rng_state(*generators):
    """Put torch's, numpy's and random's generators and these `torch.Generator` back as they were."""
    import numpy as np
    import torch

    states = [(g, g.get_state()) for g in {id(g): g for g in generators}.values()]
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
            for generator, state in states:
                generator.set_state(state)


# --- the time limit ----------------------------------------------------------------------------------------

_running = []  # which of the learner's functions is running, for the message when time is up


class _Clock:
    """The seconds that count: those since the start, without those in `untimed`."""

    def __init__(self):
        self.start, self.stopped_at = time.monotonic(), None

    def seconds(self):
        return (self.stopped_at or time.monotonic()) - self.start


_clock = _Clock()


@contextlib.contextmanager
def untimed():
    """Stop the clock for the check's own work, and give the learner's code as much time again.

    With a large model, or on a busy machine, both take longer.
    """
    _clock.stopped_at = time.monotonic()
    try:
        yield
    finally:
        _clock.start += 2 * (time.monotonic() - _clock.stopped_at)
        _clock.stopped_at = None


class _Stopped(BaseException):
    """Raised inside a thread whose time is up."""


class _PrintedTooMuch(BaseException):
    """Raised by the print that goes too far."""


class _Output(io.StringIO):
    """What the learner's code prints: kept, limited, and not to be closed."""

    shut = full = False

    def write(self, text):
        if self.tell() + len(text) > PRINTED:
            self.full = True
            raise _PrintedTooMuch
        return super().write(text)

    def close(self):
        self.shut = True


def _in_time(judge, output):
    """Return what `judge()` returns; raise `NotYet` for everything that goes wrong, and when time is up."""
    box = {}

    def run():
        try:
            box["value"] = judge()
        except BaseException as error:  # sys.exit() in a learner's code must not end the kernel
            box["error"] = error

    _running.clear()
    _clock.__init__()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() and _clock.seconds() < SECONDS:
            thread.join(max(0.05, SECONDS - _clock.seconds()))
    finally:
        running = " ".join(_running) or "looking at your answer"
        late = thread.is_alive()
        _stop(thread)
    if output.full:
        raise NotYet("prints-too-much", f"your code printed more than {PRINTED:,} characters.")
    if late:
        raise NotYet("never-ends", f"{running} was not done after {SECONDS} seconds.")
    if output.shut:
        raise NotYet("closes-stdout", "your code closed sys.stdout, which print writes to.")
    error = box.get("error")
    if error is None:
        return box["value"]
    if isinstance(error, NotYet):
        raise error
    raise NotYet("cannot-be-read", f"looking at your answer raised {describe(error)}.")


def _stop(thread):
    """Raise `_Stopped` inside a thread that still runs; one that waits inside C code is left behind."""
    until = time.monotonic() + 0.5
    while thread.is_alive() and time.monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Stopped))
        thread.join(0.05)


def _name(function):
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) and name.isidentifier() else "your function"


# --- what the learner sees ---------------------------------------------------------------------------------


def _block(colour, body):
    """HTML with a coloured edge; text and background are the theme's, light or dark."""
    style = f"border-left:4px solid {colour};background:{colour}1a;padding:.4em .8em;max-width:60em"
    return f'<div style="{style};white-space:pre-wrap">{body}</div>'


def _course():
    """The folder of the course around the current one; None on Colab, where no relative link works, and elsewhere."""
    here = Path.cwd()
    if "google.colab" in sys.modules:
        return None
    return next((folder for folder in (here, *here.parents) if (folder / "notebooks" / "glossary.md").exists()), None)


def _relative(path):
    return Path(os.path.relpath(path)).as_posix()


def _address(lesson, section):
    """A link to a lesson's section that works from the notebook's folder; None where none can."""
    course = _course()
    if course is None or not (path := course / "notebooks" / f"{lesson}.ipynb").exists():
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    heading = re.compile(rf"^#+ {re.escape(section or '')}$", flags=re.M)
    cell = next((c["id"] for c in cells if c["cell_type"] == "markdown" and heading.search("".join(c["source"]))), None)
    # JupyterLab finds a cell in a lesson that it has only just opened, a heading not yet
    return _relative(path) + (f"#cell-id={cell}" if cell else "")


def _catalogue(homework, slug, name):
    """A link to a mistake in the catalogue, exercises/NN_name/mistakes.md; None where there is none."""
    course = _course()
    folder = "" if slug in MISCONCEPTIONS["any"] else homework
    if course is None or not (path := course / "exercises" / folder / "mistakes.md").exists():
        return None
    return f"{_relative(path)}#{name.replace(' ', '-')}"


def _show_passed(verified):
    """Show the green line that says what was verified, and how far the learner is: HTML in a notebook, text elsewhere."""
    lines = f"✔ {verified}", _progress_line()
    if "IPython" not in sys.modules or not sys.modules["IPython"].get_ipython():
        print(*lines, sep="\n")
        return
    page = _block("#009E73", "<br>".join(map(html.escape, lines)))
    sys.modules["IPython"].display.display({"text/plain": "\n".join(lines), "text/html": page}, raw=True)


def _file():
    """Where this machine notes what has passed (`$COURSE_RECORD` for tests); deleting it loses nothing else."""
    if own := os.environ.get("COURSE_RECORD"):
        return Path(own)
    from platformdirs import user_data_path

    return user_data_path("transfer_learning", appauthor=False) / "homework.json"


def _recorded():
    try:
        days = json.loads(_file().read_text(encoding="utf-8"))
        return {name: str(day) for name, day in days.items()}
    except (OSError, ValueError, AttributeError):  # not there yet, or damaged: nothing is known
        return {}


def look(picture):
    """Return `picture()`; where the learner's answer is not ready for it, one line that says so, never an error."""
    from ..show import Page

    try:
        return picture()
    except (Exception, SystemExit) as error:
        line = f"Nothing to see yet: {describe(error)}"
        return Page(_block("#0072B2", html.escape(line)), line)


def _record(name):
    with contextlib.suppress(OSError):  # a full or read-only disk must not fail a right answer
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(_recorded() | {name: time.strftime("%Y-%m-%d")}), encoding="utf-8")


def _progress_line():
    """A homework has passed once all its checks have; of one that is half done, say how many."""
    done, count = _recorded(), {}
    for name, lesson in sorted(HOMEWORK.items(), key=lambda item: item[1]):
        count.setdefault(lesson[:2], []).append(name in done)
    passed = [number for number, checks in count.items() if all(checks)]
    begun = [f" Homework {n}: {sum(c)} of its {len(c)} checks." for n, c in count.items() if any(c) and not all(c)]
    numbers = ", ".join(passed) or "none"
    return f"Homework passed on this machine: {numbers} ({len(passed)} of {len(count)}).{''.join(begun)}"


def progress():
    """Return a page that shows which checks have passed on this machine: a table in a notebook, text elsewhere."""
    from ..show import columns

    days, lessons = _recorded(), sorted(HOMEWORK.items(), key=lambda item: item[1])
    names = [f"{lesson[:2]} {name}" for name, lesson in lessons]
    return columns({"homework": names, "passed": [days.get(name, "not yet") for name, _ in lessons]})
