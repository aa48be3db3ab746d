"""What every check shares: the kind message, the green line, the time limit, the state put back."""

import contextlib
import html
import random
import threading

SECONDS = 8


class NotYet(Exception):
    """The homework is not right yet: what was seen, why it matters, where to read. Never the answer.

    Attributes
    ----------
    misconception : str
        A short slug that names the mistake.
    """

    def __init__(self, misconception, saw, why, where):
        self.misconception = misconception
        self.saw, self.why, self.where = saw, why, where
        super().__init__(f"Not yet.\n  What I saw: {saw}\n  Why it matters: {why}\n  Where to look: {where}")

    def _render_traceback_(self):
        """IPython shows these lines in place of a traceback."""
        return str(self).splitlines()


def passed(what):
    """Show the green line that says what was verified: HTML in a notebook, text elsewhere."""
    line = f"✔ {what}"
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


@contextlib.contextmanager
def unchanged(*generators):
    """Put torch's, numpy's and random's generators and these `torch.Generator` back as they were."""
    import numpy as np
    import torch

    states = [(g, g.get_state()) for g in {id(g): g for g in generators}.values()]
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for generator, state in states:
            generator.set_state(state)


class TookTooLong(Exception):
    """The learner's code was still running when its time was up."""


def call(function, seconds=SECONDS):
    """Run `function()` in a thread of its own and return its value; never wait longer than `seconds`.

    Whatever it raises, `SystemExit` too, is raised here as `Raised`; a thread that hangs is left behind.
    """
    box = {}

    def run():
        try:
            box["value"] = function()
        except BaseException as error:  # sys.exit() in a learner's code must not end the kernel
            box["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TookTooLong
    if "error" in box:
        raise Raised(box["error"])
    return box["value"]


class Raised(Exception):
    """The learner's code raised `error`."""

    def __init__(self, error):
        self.error = error
        super().__init__(describe(error))


def describe(thing):
    """Type and first line of anything, for a message: its own repr may raise or print a megabyte."""
    kind = type(thing).__name__
    try:
        text = str(thing) if isinstance(thing, BaseException) else repr(thing)
        text = " ".join(text.split())[:80]
    except Exception:
        text = ""
    return f"{kind}: {text}" if isinstance(thing, BaseException) else (text or f"a {kind}")
