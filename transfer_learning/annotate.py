"""Labelling texts: a widget, and the files it keeps.

Each decision is a new line at the end of a JSONL file, in the form Prodigy uses (``text``, ``accept``, ``answer``). Undo
adds a line as well; for each text, the last line counts.
"""

import csv
import html
import json
import os
import sys
import time
from numbers import Integral
from pathlib import Path

from .show import BLUE, DARK, LIGHT
from .texts import read_table
from .tweets import LABELS

AT_ONCE = 0.2  # seconds; nobody reads a text faster, so a press this soon was meant for the text before
KEYS = "123456789abcdefghijklmnopqrtvwxyz"  # for the labels, in this order; s and u are for skip and undo
BAR = f"color:{DARK};background:{LIGHT};padding:.2em .8em;border-left:6px solid {BLUE};max-width:50em"
TEXT = f"color:{DARK};background:#fff;font-size:1.15em;line-height:1.5;padding:.8em;min-height:4.5em;max-width:42em;"
TEXT += "white-space:pre-wrap;overflow-wrap:anywhere"
BUTTON = f"color:{DARK};background:{LIGHT};padding:.2em .7em;margin:.2em;display:inline-block"


class AnnotationError(ValueError):
    """Texts, labels or a file that cannot be used; the message says where and why."""


def read(path, labels=None):
    """Read annotations from JSONL (Prodigy's, or an `Annotator`'s) or from CSV.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` has columns ``text`` and ``label``, or is the course's, where ``sentiment`` is the number of a label.
    labels : dict of int to str, or sequence of str, optional
        The only labels allowed. Default: any; the numbers in the course's CSV then mean `LABELS`, and a line says so.

    Returns
    -------
    pandas.DataFrame
        ``text``, ``label`` (None if skipped, rejected or open) and ``answer``; one row per text, in a CSV one per row.

    Raises
    ------
    AnnotationError, TextFileError
        The file cannot be read, or some lines (counted from 1) or CSV rows (from 0) have no text or a wrong label.
    """
    import pandas as pd

    path, names = Path(path), None if labels is None else _names(labels)
    if path.suffix.lower() != ".csv":
        rows = [(text, *decision) for text, decision in _decisions(path, names)[0].items()]
        return pd.DataFrame(rows, columns=["text", "label", "answer"], dtype=object)
    header, columns, *_ = read_table(path, ("text", "label"))
    table = dict(zip(header, columns))
    if {"message", "sentiment"} <= set(table) and not {"text", "label"} <= set(table):  # the course's
        known = {str(number): name for number, name in (names or LABELS).items()}
        if not names:
            print(f"{path.name}: sentiment is read as {', '.join(map(' '.join, known.items()))}")
        table = {"text": table["message"], "label": [known.get(n, f"sentiment {n}") for n in table["sentiment"]]}
    if not {"text", "label"} <= set(table):
        raise AnnotationError(f"{path.name}: expected columns text and label, found {', '.join(header)}")
    given, wrong = [label.strip() or None for label in table["label"]], []
    allowed = {None, *((names or LABELS).values() if "sentiment" in header else names.values() if names else given)}
    for n, (text, label) in enumerate(zip(table["text"], given)):
        wrong += [f"row {n}: no text in it"] * (not _is_text(text))
        wrong += [f"row {n}: unknown label {label!r}"] * (label not in allowed)
    _fail_if(wrong, f"{path.name}: {len(wrong)} of its rows cannot be used", names)
    answers = [label and "accept" for label in given]
    return pd.DataFrame({"text": table["text"], "label": given, "answer": answers}, dtype=object)


def write(frame, path, labels=LABELS, overwrite=False):
    """Write annotations, as Prodigy's JSONL or as CSV; `read` reads both.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``text`` and ``label``. Rows without a label are left out of a CSV, and are ``"ignore"`` in JSONL.
    path : str or Path
        Ends in ``.jsonl`` or ``.csv``. A CSV has columns ``text`` and ``label``; with `LABELS`, those of the course:
        ``sentiment``, ``message``, and the row number as ``tweetid``.
    labels : dict of int to str, or sequence of str
        As for `Annotator`.
    overwrite : bool
        Whether to replace an existing file.

    Raises
    ------
    AnnotationError
        An unknown label, an empty text, an existing file, or a name with a different ending.
    """
    import pandas as pd

    path, names, texts = Path(path), _names(labels), list(frame["text"])
    given = [None if pd.isna(label) else _label(label) or str(label) for label in frame["label"]]
    _checked(texts)
    if unknown := sorted(set(given) - {None, *names.values()}):
        hint = "; give your own as labels=[…]" * (names == LABELS)
        raise AnnotationError(f"unknown label {', '.join(unknown)}; the labels are {', '.join(names.values())}{hint}")
    if path.exists() and not overwrite:
        raise AnnotationError(f"{path.name} is there already; overwrite=True replaces it")
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise AnnotationError(f"{path.name}: expected a name that ends in .jsonl or .csv")
    content = "".join(_line(text, label, names) for text, label in zip(texts, given))
    if path.suffix.lower() == ".csv":
        table = pd.DataFrame({"text": texts, "label": given}, dtype=object).dropna()
        if names == LABELS:
            numbers = table["label"].map({name: number for number, name in names.items()}).astype(int)
            table = pd.DataFrame({"sentiment": numbers, "message": table["text"], "tweetid": table.index})
        content = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")  # so that an error half-way leaves the old file whole
    temporary.write_text(content, encoding="utf-8", newline="")
    os.replace(temporary, path)


class Annotator:
    """Label texts one by one; each decision is on disk before the next text appears.

    As the last line of a cell it is a widget, with buttons, and a box that takes keys: 1 to 9 and then letters for the
    labels, ``s`` to skip, ``u`` to undo. Opened again on the same file, it continues where you stopped. Two people
    need two files.

    Parameters
    ----------
    texts : iterable of str
        A text that occurs more than once is asked once.
    labels : dict of int to str, or sequence of str
        `LABELS`, or two or more of your own. Whole numbers become text: 1 is the label "1".
    path : str or Path
        A ``.jsonl`` file, created if it does not exist. Its decisions on other texts are kept.

    Raises
    ------
    AnnotationError
        Texts or labels that cannot be used, or a file that is damaged or has other labels.
    """

    def __init__(self, texts, labels, path):
        self.labels, self.texts, self.path = _names(labels), _checked(texts), Path(path)
        if self.path.suffix.lower() != ".jsonl":
            raise AnnotationError(f"{self.path.name}: decisions are kept in a file that ends in .jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()  # where nothing can be written, fail now and not at the first decision
        decisions, whole = _decisions(self.path, self.labels)
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)
        elif whole and not self.path.read_bytes().endswith(b"\n"):
            self._append("\n")
        mine, decided = set(self.texts), decisions.items()
        #: The decisions on these texts, oldest first: {text: label, or None if skipped}
        self.decisions = {t: label for t, (label, answer) in decided if t in mine and (label or answer == "ignore")}
        names = list(self.labels.values())
        digits = set(names) <= set(KEYS[:9] + "0")  # then each is its own key: nobody expects to press 2 for a "1"
        keys = names if digits else [*KEYS, *[""] * len(names)]  # labels beyond the last key have none
        self.keys = dict(zip(names, keys)) | {"skip": "s", "undo": "u"}
        self._widgets, self._message, self._shown = None, "", 0.0

    @property
    def current(self):
        """The text to label next; None when all are done."""
        return next((text for text in self.texts if text not in self.decisions), None)

    def label(self, name):
        """Give the current text the label `name`; raise an `AnnotationError` if there is no such label."""
        if _label(name) not in self.labels.values():
            raise AnnotationError(f"unknown label {name!r}; the labels are {', '.join(self.labels.values())}")
        self._decide(_label(name))

    def skip(self):
        """Leave the current text without a label."""
        self._decide(None)

    def undo(self):
        """Take back the last decision; its text becomes the current one again."""
        if not self.decisions:
            return self._refresh("Nothing to undo.")
        text = next(reversed(self.decisions))
        self._append(json.dumps({"text": text, "answer": "undo"}, ensure_ascii=False) + "\n")
        del self.decisions[text]
        self.texts = [text, *(t for t in self.texts if t != text)]  # ahead of any that are still open
        self._refresh("Taken back.")

    def _decide(self, label):
        if (text := self.current) is None:
            return self._refresh("All texts are done.")
        self._append(_line(text, label, self.labels))
        self.decisions[text] = label
        self._refresh()

    def _append(self, line):
        """Write all of the line to disk or, if that fails, nothing."""
        size = self.path.stat().st_size
        try:
            with open(self.path, "ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            os.truncate(self.path, size)
            raise

    def _progress(self):
        skipped = list(self.decisions.values()).count(None)
        return f"{len(self.decisions)} of {len(self.texts)} done" + f", {skipped} skipped" * bool(skipped)

    def __repr__(self):
        keys = " · ".join(f"{key} {name}".strip() for name, key in self.keys.items())
        return f"{self.path.name}: {self._progress()}\n\n  {self.current or 'All done.'}\n\n{keys}"

    def _page(self):
        text = html.escape(self.current or f"All done: see {self.path.name}")
        return f"<div style='{BAR}'>{self._progress()}</div><div dir='auto' style='{TEXT}'>{text}</div>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        self._widgets = self._widgets or self._build()
        self._refresh(self._message)
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widgets["all"].model_id}
        bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": repr(self)}
        if "google.colab" not in sys.modules:  # Colab might show this page instead of the widget
            names = (html.escape(button.description) for button in self._widgets["buttons"])
            keys = "".join(f"<span style='{BUTTON}'>{name}</span>" for name in names)
            bundle["text/html"] = f"{self._page()}{keys}<p><i>Run the cell, and these become buttons.</i></p>"
        return bundle

    def _build(self):
        from ipywidgets import HTML, Box, Button, HBox, Layout, Text, VBox

        layout, flow = Layout(width="auto"), Layout(flex_flow="row wrap")
        buttons = [Button(description=f"{key} {name}".strip(), layout=layout) for name, key in self.keys.items()]
        for button, name in zip(buttons, self.keys):
            button.on_click(lambda _, name=name: self._press(name))
        # A text box, because JupyterLab takes keys pressed elsewhere for itself: "1" would make the cell a heading
        box = Text(placeholder="or click here and press keys", layout=Layout(width="16em"))

        def typed(change):
            key, box.value = change["new"].strip().lower()[-1:], ""
            if key:
                self._press(next((name for name, own in self.keys.items() if own == key), None), key)

        box.observe(typed, "value")
        page, message = HTML(), HTML()
        everything = VBox([page, Box(buttons, layout=flow), HBox([box, message])])
        return {"all": everything, "page": page, "message": message, "box": box, "buttons": buttons}

    def _press(self, name, key=""):
        """Do what the button says, unless its text has only just appeared. Show errors, which a widget would hide."""
        if name is None:
            return self._refresh(f"The key {key} has no meaning here.")
        if time.monotonic() - self._shown < AT_ONCE:
            return
        try:
            {"skip": self.skip, "undo": self.undo}.get(name, lambda: self.label(name))()
        except OSError as error:
            self._refresh(f"Not saved: {error.strerror or error}. Fix that and press again; the text still waits.")

    def _refresh(self, message=""):
        self._message = message
        if self._widgets:
            self._widgets["page"].value, self._widgets["message"].value = self._page(), html.escape(message)
            self._shown = time.monotonic()


def _is_text(value):
    """Whether it is a str that is not blank and can be written as UTF-8."""
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= c <= "\udfff" for c in value)


def _label(value):
    """Return a label as str, without space around it; None if it cannot be one."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value  # what pandas makes of it
    value = str(value) if isinstance(value, Integral) else value
    return value.strip() if _is_text(value) else None


def _names(labels):
    """Return labels as {number: name}."""
    labels = [labels] if isinstance(labels, str) else labels
    given = dict(labels if isinstance(labels, dict) else enumerate(labels))
    names = {number: _label(name) for number, name in given.items()}
    if None in names.values() or len(set(names.values())) < max(2, len(names)):
        raise AnnotationError(f"labels: expected two different names or more, got {list(given.values())!r}")
    if {"skip", "undo"} & set(names.values()):
        raise AnnotationError("labels: skip and undo are names of buttons; choose others")
    return names


def _checked(texts):
    """Return texts as a list, each once."""
    if isinstance(texts, str):
        raise AnnotationError("texts: expected a list of texts, got a single text")
    if not (texts := list(texts)):
        raise AnnotationError("texts: there are none")
    wrong = [f"number {n} is {text!r:.30}" for n, text in enumerate(texts) if not _is_text(text)]
    _fail_if(wrong, f"texts: {len(wrong)} of {len(texts)} are empty or no text")
    return list(dict.fromkeys(texts))


def _fail_if(wrong, what, names=None):
    if wrong:
        hint = f". The labels are {', '.join(names.values())}" if names else ""
        raise AnnotationError(f"{what}: {'; '.join(wrong[:5])}{' …' * (len(wrong) > 5)}{hint}")


def _line(text, label, names):
    """Return a decision as a line of JSONL."""
    options = [{"id": name, "text": name} for name in names.values()]
    accept, answer = ([], "ignore") if label is None else ([label], "accept")
    line = {"text": text, "options": options, "accept": accept, "answer": answer}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _decisions(path, names):
    """Return {text: (label, answer)}, last decision last, and the length in bytes without a line that was cut off."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: it cannot be read ({error.strerror}). Check the name.") from None
    lines, decisions, wrong = data.split(b"\n"), {}, []
    for number, line in enumerate(lines, 1):
        try:
            text, label, answer = _entry(json.loads(line.decode("utf-8-sig")), names) if line.strip() else [None] * 3
        except AnnotationError as error:
            wrong.append(f"line {number}: {error}")
        except ValueError:
            if number < len(lines) or line[:1] not in (b"{", b"\0"):
                wrong.append(f"line {number}: not JSON")
                continue
            print(f"{path.name}: the last line was cut off while it was written, and is left out")
            data = data[: -len(line)]
        else:
            before = decisions.get(text, (None,))[0]
            if answer is None or (answer == "reject" and before not in (None, label)):
                if text is not None:
                    decisions.setdefault(text, (None, answer))  # "not Pro" takes nothing from a text that is News
                continue
            decisions.pop(text, None)
            if answer != "undo":
                decisions[text] = (label if answer == "accept" else None, answer)
    _fail_if(wrong, f"{path.name}: {len(wrong)} of its lines cannot be used", names)
    return decisions, len(data)


def _entry(line, names):
    """Return one line of JSONL as (text, label, answer)."""
    if not isinstance(line, dict) or not _is_text(line.get("text")):
        raise AnnotationError("no text in it")
    answer, options = line.get("answer"), line.get("options")
    if answer not in (None, "accept", "reject", "ignore", "undo"):
        raise AnnotationError(f"unknown answer {answer!r}")
    given = line["accept"] if "accept" in line else [line["label"]] if line.get("label") is not None else []
    if not isinstance(given, list) or len(given) > 1:
        raise AnnotationError(f"expected one label, found {given!r}")
    options = [str(o.get("id")) for o in options if isinstance(o, dict)] if isinstance(options, list) else []
    if names and options and sorted(options) != sorted(names.values()):
        raise AnnotationError(f"of another task, with the labels {', '.join(options)}")
    label = _label(given[0]) if given else None
    if given and (label is None or (names and label not in names.values())):
        raise AnnotationError(f"unknown label {given[0]!r}")
    return line["text"], label, answer
