"""Labelling texts of your own: a widget, and the files it reads and writes.

Every decision is one line in a file that only grows, in the form that Prodigy uses (``text``, ``answer``, ``accept``).
To take a decision back is a line, too. What counts for a text is its last line.
"""

import csv
import html
import json
import os
import sys
import time
from pathlib import Path

from .show import BLUE, DARK, LIGHT
from .tweets import LABELS, load_tweets

AT_ONCE = 0.2  # seconds; nobody reads a text in less, so such a press was meant for the text before


class AnnotationError(ValueError):
    """Texts, labels or a file that cannot be used; the message says where and why."""


def read(path, labels=None):
    """Read annotations: Prodigy's JSONL, a file that `Annotator` wrote, or the course's CSV.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` goes through `load_tweets`; everything else is read as JSONL, one object a line with ``text`` and,
        where there is one, ``answer`` and ``label`` or ``accept``.
    labels : dict of int to str, or sequence of str, optional
        The labels that may occur. Default: any.

    Returns
    -------
    pandas.DataFrame
        ``text``, ``label`` (None where skipped, rejected, or not answered yet) and ``answer``, one row a text;
        of a CSV, one row a row.

    Raises
    ------
    AnnotationError
        A line that is not such an object, or has an unknown label; lines are named by number, from 1.
    """
    import pandas as pd

    path = Path(path)
    if path.suffix.lower() == ".csv":
        tweets = load_tweets(path)
        return pd.DataFrame({"text": tweets["message"], "label": tweets["sentiment"].map(LABELS), "answer": "accept"})
    decisions, _ = _decisions(path, _names(labels) if labels else None)
    rows = [(text, label, answer) for text, (label, answer) in decisions.items()]
    return pd.DataFrame(rows, columns=["text", "label", "answer"], dtype=object)


def write(frame, path, labels=LABELS, overwrite=False):
    """Write annotations as Prodigy's JSONL or as the course's CSV, whichever the suffix says.

    Parameters
    ----------
    frame : pandas.DataFrame
        With ``text`` and ``label``, as `read` returns it. A row without a label is left out of the CSV, and
        ``"ignore"`` in the JSONL.
    path : str or Path
        ``.jsonl`` or ``.csv``. In the CSV, ``sentiment`` is the label's number and ``tweetid`` that of the row.
    labels : dict of int to str, or sequence of str
        As for `Annotator`.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    import pandas as pd

    path, names = Path(path), _names(labels)
    texts, given = list(frame["text"]), [None if pd.isna(label) else label for label in frame["label"]]
    _checked(texts)
    unknown = sorted({str(label) for label in given if label is not None} - set(names.values()))
    if unknown:
        raise AnnotationError(f"unknown label {', '.join(unknown)}; the labels are {', '.join(names.values())}")
    if path.exists() and not overwrite:
        raise AnnotationError(f"{path.name} is there already; overwrite=True replaces it")
    if path.suffix.lower() == ".csv":
        numbers = {name: number for number, name in names.items()}
        rows = [(numbers[label], text, n) for n, (text, label) in enumerate(zip(texts, given)) if label is not None]
        table = pd.DataFrame(rows, columns=["sentiment", "message", "tweetid"])
        content = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    elif path.suffix.lower() == ".jsonl":
        content = "".join(_line(text, label, names) for text, label in zip(texts, given))
    else:
        raise AnnotationError(f"{path.name}: expected a name that ends in .jsonl or .csv")
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(content, encoding="utf-8", newline="")
    os.replace(temporary, path)


class Annotator:
    """Label texts one by one; every decision is on disk before the next text shows.

    As the last line of a cell it is a widget: buttons for the mouse, and a box that listens to the keys 1 to 9, ``s``
    (skip) and ``u`` (undo). Opened again on the same file, it goes on where it was. Two people need two files.

    Parameters
    ----------
    texts : iterable of str
        Equal texts are asked once.
    labels : dict of int to str, or sequence of str
        `LABELS`, or your own; a sequence is numbered from 0.
    path : str or Path
        A ``.jsonl`` file, made when it is not there. Decisions on other texts in it stay as they are.
    """

    def __init__(self, texts, labels, path):
        self.labels, self.texts, self.path = _names(labels), _checked(texts), Path(path)
        if self.path.suffix.lower() != ".jsonl":
            raise AnnotationError(f"{self.path.name}: decisions are kept in a file that ends in .jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab"):  # where it may not be written, say so now and not at the first decision
            pass
        decisions, whole = _decisions(self.path, self.labels)
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)
        elif whole and not self.path.read_bytes().endswith(b"\n"):
            self._append("\n")
        mine = set(self.texts)
        #: What was decided on these texts, oldest first: {text: label, or None where skipped}
        self.decisions = {
            text: label for text, (label, answer) in decisions.items() if text in mine and (label or answer == "ignore")
        }
        self._widgets, self._message, self._shown = None, "", 0.0

    @property
    def current(self):
        """The text that waits for its label; None when all are done."""
        return next((text for text in self.texts if text not in self.decisions), None)

    def label(self, name):
        """Give the current text the label `name`."""
        if name not in self.labels.values():
            raise AnnotationError(f"unknown label {name!r}; the labels are {', '.join(self.labels.values())}")
        self._decide(name)

    def skip(self):
        """Leave the current text without a label."""
        self._decide(None)

    def undo(self):
        """Take back the last decision; its text is the current one again."""
        if not self.decisions:
            return self._refresh("Nothing to undo.")
        text = next(reversed(self.decisions))
        self._append(json.dumps({"text": text, "answer": "undo"}, ensure_ascii=False) + "\n")
        del self.decisions[text]
        self.texts.remove(text)  # to the front: in a list of another order it may stand behind texts still open
        self.texts.insert(0, text)
        self._refresh("Taken back.")

    def _decide(self, label):
        text = self.current
        if text is None:
            return self._refresh("All texts are done.")
        self._append(_line(text, label, self.labels))
        self.decisions[text] = label
        self._refresh()

    def _append(self, line):
        """Put a line on disk: all of it, or, if that fails, nothing."""
        size = self.path.stat().st_size
        try:
            with open(self.path, "ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            os.truncate(self.path, size)
            raise

    # What a notebook shows

    @property
    def _keys(self):
        return {**dict(zip("123456789", self.labels.values())), "s": "skip", "u": "undo"}

    def _progress(self):
        skipped = list(self.decisions.values()).count(None)
        return f"{len(self.decisions)} of {len(self.texts)} done" + f", {skipped} skipped" * bool(skipped)

    def __repr__(self):
        keys = " · ".join(f"{key} {name}" for key, name in self._keys.items())
        return f"{self.path.name}: {self._progress()}\n\n  {self.current or 'All done.'}\n\n{keys}"

    def _page(self):
        text = html.escape(self.current) if self.current else f"All done: see {html.escape(self.path.name)}"
        return f"<div style='{_BAR}'>{self._progress()}</div><div dir='auto' style='{_TEXT}'>{text}</div>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        if not self._widgets:
            self._build()
        self._refresh(self._message)
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widgets["all"].model_id}
        bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": repr(self)}
        if "google.colab" not in sys.modules:  # whether Colab would prefer the page to the widget is not documented
            keys = "".join(f"<span style='{_KEY}'>{key} {html.escape(name)}</span>" for key, name in self._keys.items())
            bundle["text/html"] = f"{self._page()}{keys}<p><i>Run the cell, and these become buttons.</i></p>"
        return bundle

    def _build(self):
        import ipywidgets as widgets

        presses = {name: lambda name=name: self.label(name) for name in self.labels.values()}
        presses |= {"skip": self.skip, "undo": self.undo}
        names = {name: key for key, name in self._keys.items()}
        buttons = []
        for name, press in presses.items():
            text = f"{names.get(name, '')} {name}".strip()
            buttons.append(widgets.Button(description=text, layout=widgets.Layout(width="auto")))
            buttons[-1].on_click(lambda _, press=press: self._press(press))
        # A text box, since any other element hands these keys to JupyterLab, where "1" makes the cell a heading
        box = widgets.Text(placeholder="or click here and press keys", layout=widgets.Layout(width="16em"))

        def typed(change):
            key = change["new"].strip().lower()[-1:]
            box.value = ""
            if key in self._keys:
                self._press(presses[self._keys[key]])
            elif key:
                self._refresh(f"The key {key} has no meaning here.")

        box.observe(typed, "value")
        page, message = widgets.HTML(), widgets.HTML()
        row = widgets.Box(buttons, layout=widgets.Layout(flex_flow="row wrap"))
        self._widgets = {"page": page, "message": message, "box": box, "buttons": buttons}
        self._widgets["all"] = widgets.VBox([page, row, widgets.HBox([box, message])])

    def _press(self, press):
        """What a button or a key does. No press counts for a text that cannot have been seen; no error stays unseen."""
        if time.monotonic() - self._shown < AT_ONCE:
            return
        try:
            press()
        except OSError as error:
            self._refresh(
                f"Not saved: {error.strerror or error}. The text still waits; press again once that is mended."
            )

    def _refresh(self, message=""):
        self._message = message
        if self._widgets:
            self._widgets["page"].value = self._page()
            self._widgets["message"].value = html.escape(message)
            self._shown = time.monotonic()


_BAR = f"color:{DARK};background:{LIGHT};padding:.2em .8em;border-left:6px solid {BLUE};max-width:50em"
_TEXT = (
    f"color:{DARK};background:#fff;font-size:1.15em;line-height:1.5;padding:.8em;min-height:4.5em;max-width:42em;"
    "white-space:pre-wrap;overflow-wrap:anywhere"
)
_KEY = f"color:{DARK};background:{LIGHT};padding:.2em .7em;margin:.2em;display:inline-block"


def _names(labels):
    """Labels as {number: name}."""
    names = (
        dict(labels) if isinstance(labels, dict) else dict(enumerate([labels] if isinstance(labels, str) else labels))
    )
    values = list(names.values())
    if not all(_is_text(value) for value in values) or len(set(values)) < max(2, len(values)):
        raise AnnotationError(f"labels: expected two different names or more, got {values!r}")
    if {"skip", "undo"} & set(values):
        raise AnnotationError("labels: skip and undo are names of buttons; choose others")
    return names


def _checked(texts):
    """Texts as a list, equal ones once."""
    if isinstance(texts, str):
        raise AnnotationError("texts: expected a list of texts, got a single text")
    texts = list(texts)
    wrong = [f"number {n} is {text!r:.30}" for n, text in enumerate(texts) if not _is_text(text)]
    if wrong:
        some = "; ".join(wrong[:5]) + " …" * (len(wrong) > 5)
        raise AnnotationError(f"texts: {len(wrong)} of {len(texts)} are empty or no text: {some}")
    if not texts:
        raise AnnotationError("texts: there are none")
    return list(dict.fromkeys(texts))


def _is_text(value):
    """Whether it is a str with something in it, and can be written as UTF-8."""
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _line(text, label, names):
    """One decision as a line of Prodigy's JSONL."""
    options = [{"id": name, "text": name} for name in names.values()]
    line = {"text": text, "options": options, "accept": [] if label is None else [label]}
    return json.dumps(line | {"answer": "ignore" if label is None else "accept"}, ensure_ascii=False) + "\n"


def _decisions(path, names=None):
    """Return {text: (label, answer)}, in the order of the last decisions, and how many bytes of the file are whole."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: it cannot be read ({error.strerror}). Check the name.") from None
    lines = data.split(b"\n")
    unfinished, decisions, wrong = lines[-1], {}, []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                _enter(json.loads(line.decode("utf-8-sig")), decisions, names)
        except AnnotationError as error:
            wrong.append(f"line {number}: {error}")
        except ValueError:
            if number == len(lines) and unfinished[:1] in (b"{", b"\0"):  # no line end: the writing was cut off
                print(f"{path.name}: the last line was cut off while it was written, and is left out")
                data = data[: -len(unfinished)]
            else:
                wrong.append(f"line {number}: not JSON")
    if wrong:
        some = "; ".join(wrong[:5]) + " …" * (len(wrong) > 5)
        hint = f". The labels are {', '.join(names.values())}" if names else ""
        raise AnnotationError(f"{path.name}: {len(wrong)} of its lines cannot be used: {some}{hint}")
    return decisions, len(data)


def _enter(line, decisions, names):
    """Enter one line of JSONL into {text: (label, answer)}."""
    if not isinstance(line, dict) or not _is_text(line.get("text")):
        raise AnnotationError("no text in it")
    text, answer = line["text"], line.get("answer")
    if answer == "undo":
        decisions.pop(text, None)
        return
    if answer not in (None, "accept", "reject", "ignore"):
        raise AnnotationError(f"unknown answer {answer!r}")
    given = line["accept"] if "accept" in line else [line["label"]] if line.get("label") is not None else []
    if not isinstance(given, list) or len(given) > 1:
        raise AnnotationError(f"expected one label, found {given!r}")
    options = line.get("options")
    options = [option.get("id") for option in options if isinstance(option, dict)] if isinstance(options, list) else []
    if names and options and sorted(map(str, options)) != sorted(names.values()):
        raise AnnotationError(f"of another task, with the labels {', '.join(map(str, options))}")
    if given and (not isinstance(given[0], str) or (names and given[0] not in names.values())):
        raise AnnotationError(f"unknown label {given[0]!r}")
    label = given[0] if given else None
    before, _ = decisions.get(text, (None, None))
    if answer is None or (answer == "reject" and before not in (None, label)):
        decisions.setdefault(text, (None, answer))  # "not Pro" takes nothing from a text that is News
        return
    decisions.pop(text, None)
    decisions[text] = (label if answer == "accept" else None, answer)
