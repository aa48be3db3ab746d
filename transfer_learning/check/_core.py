"""What every check shares: the kind message, the green line, the time limit, everything put back."""

import contextlib
import ctypes
import functools
import html
import inspect
import io
import json
import linecache
import random
import threading
import time
import tomllib
from pathlib import Path

SECONDS = 8  # how long one check may take, all of the learner's calls together
PRINTED = 100_000  # how many characters the learner's code may print meanwhile
SHOWN = 1_000  # how many of them are shown

#: Every mistake that a check can name: slug -> name, why it matters, lesson and section that clear it up.
MISCONCEPTIONS = tomllib.loads(Path(__file__).with_name("misconceptions.toml").read_text(encoding="utf-8"))
#: Name of the check -> lesson it belongs to.
HOMEWORK = {}


class NotYet(Exception):
    """The homework is not right yet: what was seen, why it matters, where to read. Never the answer.

    Attributes
    ----------
    misconception : str
        A slug, one of the keys of `MISCONCEPTIONS`.
    saw, why, where : str
        The three parts of the message.
    """

    def __init__(self, misconception, saw):
        entry = MISCONCEPTIONS[misconception]
        self.misconception, self.saw, self.why = misconception, saw, entry["why"]
        self.lesson, self.section = entry.get("lesson"), entry.get("section")
        super().__init__(saw)

    @property
    def where(self):
        section = f", “{self.section}”" if self.section else ""
        return f"lesson {self.lesson[:2]}, notebooks/{self.lesson}.ipynb{section}."

    def __str__(self):
        return (
            f"Not yet ({self.misconception}).\n"
            f"  What I saw: {self.saw}\n  Why it matters: {self.why}\n  Where to look: {self.where}"
        )

    def _render_traceback_(self):
        """IPython shows these lines in place of a traceback."""
        return str(self).splitlines()


def homework(lesson):
    """Make a check of a function that judges an answer.

    The judge returns what it verified, as one sentence, or raises `NotYet`. It runs in a thread of its own, so that
    neither an answer that hangs nor one that calls `sys.exit` takes the kernel along; and whatever it raises apart from
    `NotYet` (an answer may be any object, and looking at it may fail) becomes a `NotYet` too.
    """

    def decorate(judge):
        HOMEWORK[judge.__name__] = lesson

        @functools.wraps(judge)
        def check(*args, **kwargs):
            inspect.signature(judge).bind(*args, **kwargs)
            print("checking …", flush=True)
            output = _Output()
            try:
                with unchanged(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                    verified = _in_time(lambda: judge(*args, **kwargs), output)
            except NotYet as not_yet:
                not_yet.lesson = not_yet.lesson or lesson
                raise not_yet.with_traceback(None) from None
            finally:
                if printed := output.getvalue():
                    print(printed[:SHOWN] + "…" * (len(printed) > SHOWN))
            _record(lesson)
            _show_passed(verified)

        return check

    return decorate


def call(function, *args, **kwargs):
    """Return `function(*args, **kwargs)`; whatever the learner's function raises becomes a `NotYet`."""
    name = _name(function)
    _doing[:] = [f"{name}(…)"]
    try:
        return function(*args, **kwargs)
    except (_Stopped, _PrintedTooMuch):
        raise
    except (SystemExit, KeyboardInterrupt) as error:
        raise NotYet("exits", f"{name}(…) ended the program: {describe(error)}.") from None
    except BaseException as error:
        raise NotYet("raises", f"{name}(…) raised {describe(error)}{_line(error, function)}.") from None
    finally:
        _doing.clear()


def is_function(answer, name):
    """Raise `NotYet` unless `answer` can be called with arguments."""
    if answer is None or answer is Ellipsis:
        raise NotYet("nothing-yet", f"{name} is {answer!r}: nothing is written here yet.")
    if isinstance(answer, type):
        raise NotYet("not-a-function", f"{name} is the class {answer.__name__}, not a function.")
    if not callable(answer):
        raise NotYet("not-a-function", f"{name} is {describe(answer)}, a {type(answer).__name__}; it cannot be called.")


def returned(value, kind, call_text, expected):
    """Raise `NotYet` unless `value` is a `kind`; `call_text` says what was called, `expected` what should come back."""
    if value is None or value is Ellipsis:
        raise NotYet("returns-nothing", f"{call_text} returned {value!r}, expected {expected}.")
    if not isinstance(value, kind):
        raise NotYet(
            "wrong-type", f"{call_text} returned {describe(value)}, a {type(value).__name__}, expected {expected}."
        )
    return value


def describe(thing, most=80):
    """One line about anything, for a message: its own repr may raise, or print a megabyte."""
    kind = type(thing).__name__
    try:
        text = " ".join((str(thing) if isinstance(thing, BaseException) else repr(thing)).split())
        text = text if len(text) <= most else text[: most - 1] + "…"
    except Exception:
        text = ""
    if isinstance(thing, BaseException):
        return f"{kind}: {text}" if text else kind
    return text or f"a {kind}"


@contextlib.contextmanager
def unchanged(*generators):
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


# --- the thread ------------------------------------------------------------------------------------------

_doing = []  # what of the learner's is running, for the message when time is up


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

    _doing.clear()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(SECONDS)
    finally:
        doing = " ".join(_doing) or "looking at your answer"
        late = thread.is_alive()
        _stop(thread)
    if output.full:
        raise NotYet("prints-too-much", f"your code printed more than {PRINTED:,} characters.")
    if late:
        raise NotYet("never-ends", f"{doing} was not done after {SECONDS} seconds.")
    if output.shut:
        raise NotYet("closes-stdout", "your code closed sys.stdout, where print writes to.")
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


def _line(error, function):
    """Where in the learner's own code it was raised: ', in line 3: x = y'."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    at, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == file:
            at = trace.tb_lineno
        trace = trace.tb_next
    text = linecache.getline(file, at).strip() if at else ""
    return f", in line {at}: {text}" if text else ""


# --- what the learner sees -------------------------------------------------------------------------------


def _show_passed(verified):
    """Show the green line that says what was verified: HTML in a notebook, text elsewhere."""
    line = f"✔ {verified}"
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        print(line)
        return
    colour = "color:#0b6b3a;background:#e6f5ec;border-left:4px solid #0b6b3a;padding:.4em .8em"
    page = f'<div style="{colour}">{html.escape(line)}</div>'
    display({"text/plain": line, "text/html": page}, raw=True)


def _file():
    """Where this machine notes what has passed; deleting it loses nothing else."""
    from platformdirs import user_data_path

    return user_data_path("transfer_learning", appauthor=False) / "homework.json"


def _recorded():
    try:
        days = json.loads(_file().read_text(encoding="utf-8"))
        return {lesson: str(day) for lesson, day in days.items()}
    except (OSError, ValueError, AttributeError):  # not there yet, or damaged: nothing is known
        return {}


def _record(lesson):
    with contextlib.suppress(OSError):  # a full or read-only disk must not fail a right answer
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(_recorded() | {lesson: time.strftime("%Y-%m-%d")}), encoding="utf-8")


def progress():
    """Show which homeworks have passed on this machine: a table in a notebook, text elsewhere.

    Returns
    -------
    transfer_learning.show.Page
    """
    from ..show import columns

    days = _recorded()
    lessons = sorted(HOMEWORK.items(), key=lambda item: item[1])
    return columns(
        {
            "homework": [f"{lesson[:2]} {name}" for name, lesson in lessons],
            "passed": [days.get(lesson, "not yet") for _, lesson in lessons],
        }
    )
