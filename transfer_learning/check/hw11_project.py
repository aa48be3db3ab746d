"""Homework 11: the folder of a project, checked as somebody would who was sent it.

What a project's folder holds, as lesson 11 writes it (this is the one place that says so):

- ``project.json``: ``classes`` (list of str), ``parts`` (which models answer: any of `PARTS`), ``max_len`` (int: a
  finetuned network reads no more of a text)
- for "TF-IDF" ``tfidf.skops``, a scikit-learn pipeline from texts to probabilities; for "frozen" ``encoder/``, a
  SentenceTransformer, and ``frozen.skops``, a scikit-learn classifier of its vectors, scaled to length 1; for
  "finetuned" ``finetuned/``, a network and its tokenizer as transformers saves them. Several parts: the mean of their
  probabilities. Nothing in these formats can run code when it is loaded
- ``split.csv``: ``row``, ``set`` ("train", "validation" or "test"), ``class``, ``text``
- ``predictions.csv``: ``row``, ``class`` and ``answer`` of each row of the test set
- ``README.md``: the model card. Its front matter has the scores as the Hub's ``model-index``: macro-F1 as ``f1``, and
  ``accuracy``; a line ``- [ ] …`` is a question that is still open
"""

import contextlib
import io
import json
import os
import random
import re
from pathlib import Path

from ._engine import NotYet, a_type, describe, homework, untimed

PARTS = {"TF-IDF": ["tfidf.skops"], "frozen": ["encoder", "frozen.skops"], "finetuned": ["finetuned"]}
FILES = {"split.csv": ("row", "set", "class", "text"), "predictions.csv": ("row", "class", "answer")}
ASKED = 50  # how many test texts the model answers again
NEAR = 0.02  # probabilities this close may change places on another machine


@homework("11_your_own_project")
def project(folder):
    """Check homework 11: the folder of a project, with its model, its split, its predictions and its card.

    The model loads and gives the stored predictions on 50 rows of the test set; no test text (case, links and spaces
    aside) is in the training set or in the validation set, by which the model was chosen; the card's scores are those
    of the stored predictions; the macro-F1 is higher than that of always answering the largest class. Open questions of
    the card are listed, and fail nothing. What the folder holds is said at the top of this file.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    if folder is None or folder is Ellipsis:
        raise NotYet("nothing-yet", f"folder is {folder!r}.")
    if not isinstance(folder, (str, Path)):
        raise NotYet("not-a-path", f"{describe(folder)} is {a_type(folder)}, expected the path of a folder.")
    with untimed(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return _judge(Path(folder).expanduser())


def _judge(folder):
    from sklearn.metrics import accuracy_score, f1_score

    about = _about(folder)
    split, stored = (_table(folder / name, columns) for name, columns in FILES.items())
    test = _test_set(split, stored, about["classes"])
    _no_leak(split)
    asked = test.loc[random.SystemRandom().sample(list(test.index), min(ASKED, len(test)))]
    _same_answers(load(folder), asked)
    truth, answers = test["class"], test["answer"]
    scores = {"macro-F1": f1_score(truth, answers, average="macro"), "accuracy": accuracy_score(truth, answers)}
    card = (folder / "README.md").read_text(encoding="utf-8-sig", errors="replace")
    found = _card_scores(card)
    for name, value in found.items():
        _same_score(name, value, scores[name])
    largest = split.loc[split["set"] == "train", "class"].mode()[0]
    always = f1_score(truth, [largest] * len(truth), average="macro")
    if scores["macro-F1"] <= always:
        saw = f"the stored predictions have a macro-F1 of {scores['macro-F1']:.4f}, always answering {largest!r} has {always:.4f}."
        raise NotYet("no-better-than-the-largest-class", saw)
    said = ", ".join(f"{name} {scores[name]:.4f}" for name in found)
    done = (
        f"The model loads and gives the stored predictions on {len(asked)} texts; none of the {len(test)} test texts is among "
        f"those it learnt from; the card's scores ({said}) are right, and above always answering {largest!r} ({always:.4f})."
    )
    questions = re.findall(r"^\s*[-*] \[ ?\] *(\S.*)", card, flags=re.M)
    return "\n".join([done, f"Open questions of the card: {len(questions) or 'none'}.", *(f"- {q}" for q in questions)])


def load(folder):
    """Return a project's model: a function from a list of texts to a DataFrame of probabilities, a column per class."""
    about, folder = _about(Path(folder)), Path(folder)
    models = []
    for part in about["parts"]:
        if missing := [name for name in PARTS[part] if not (folder / name).exists()]:
            raise NotYet("model-missing", f"{part!r} is one of the parts, but there is no {', '.join(missing)}.")
        try:
            models.append(_LOADERS[part](folder, about))
        except Exception as error:
            raise NotYet("model-does-not-load", f"loading {part!r} raised {describe(error, 200)}.") from None

    def probabilities(texts):
        tables = []
        for part, model in zip(about["parts"], models):
            table = model(list(texts))
            tables.append(table.reindex(columns=about["classes"], fill_value=0))
            more = [name for name in table if name not in about["classes"]]
            if more and tables[-1].to_numpy().sum() < 0.5 * len(table):
                saw = f"it does not list most of the answers of the part {part!r}, such as {describe(more[0])}."
                raise NotYet("project-json", saw)
        return sum(tables) / len(tables)

    return probabilities


def _load_tfidf(folder, about):
    import pandas as pd

    model = _sklearn(folder / "tfidf.skops")
    return lambda texts: pd.DataFrame(model.predict_proba(texts), columns=model.classes_)


def _load_frozen(folder, about):
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    model = _sklearn(folder / "frozen.skops")
    options = {"device": "cpu", "local_files_only": True, "model_kwargs": {"use_safetensors": True}}
    encoder = SentenceTransformer(str((folder / "encoder").resolve()), **options)

    def frozen(texts):
        vectors = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return pd.DataFrame(model.predict_proba(vectors), columns=model.classes_)

    return frozen


def _load_finetuned(folder, about):
    import pandas as pd
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    place = str((folder / "finetuned").resolve())
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    network = AutoModelForSequenceClassification.from_pretrained(place, local_files_only=True, use_safetensors=True)
    classifier = pipeline("text-classification", network, tokenizer=tokenizer, top_k=None, device="cpu")

    def finetuned(texts):
        answers = classifier(texts, truncation=True, max_length=about["max_len"])
        return pd.DataFrame([{answer["label"]: answer["score"] for answer in row} for row in answers])

    return finetuned


_LOADERS = {"TF-IDF": _load_tfidf, "frozen": _load_frozen, "finetuned": _load_finetuned}


def _sklearn(file):
    from skops.io import load

    return load(file, trusted=[])  # anything but known types is refused


def _about(folder):
    """Return what project.json says, once all files are there and it has the right form."""
    try:
        exists = folder.is_dir()
    except (OSError, ValueError):  # no path at all: too long, or with a zero in it
        exists = False
    if not exists:
        raise NotYet("no-such-folder", f"{_name(folder)} is not a folder, seen from {Path.cwd().name!r}.")
    if missing := [name for name in ("project.json", *FILES, "README.md") if not (folder / name).is_file()]:
        there = sorted(os.listdir(folder))
        here = f"it has {', '.join(there[:8])}{' …' * (len(there) > 8)}" if there else "it is empty"
        raise NotYet("files-missing", f"{_name(folder)} has no {', '.join(missing)}; {here}.")
    try:
        about = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotYet("file-cannot-be-read", f"project.json is not JSON: {describe(error)}.") from None
    about = about if isinstance(about, dict) else {}
    classes, parts, most = (about.get(key) for key in ("classes", "parts", "max_len"))
    names = isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
    if not names or len({*classes}) < len(classes):
        raise NotYet("project-json", f"its classes are {describe(classes)}, expected a list of different names.")
    if not (isinstance(parts, list) and parts and all(part in PARTS for part in map(str, parts))):
        raise NotYet("project-json", f"its parts are {describe(parts)}, expected some of {', '.join(PARTS)}.")
    if isinstance(most, bool) or not isinstance(most, int):
        raise NotYet("project-json", f"its max_len is {describe(most)}, expected a whole number.")
    return about


def _table(file, columns):
    """Return a table of str, its index the row numbers."""
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8", lineterminator="\n")
        if (last := table.columns[-1]).endswith("\r"):  # Windows ends lines with \r\n; a \r elsewhere belongs to a text
            table = table.assign(**{last: table[last].str.removesuffix("\r")}).rename(columns={last: last[:-1]})
        missing = [name for name in columns if name not in table]
        if not missing:
            table.index = table["row"].astype("int64")
    except Exception as error:
        raise NotYet("file-cannot-be-read", f"reading {file.name} raised {describe(error)}.") from None
    if missing:
        saw = f"{file.name} has the columns {', '.join(map(str, table.columns[:8]))}; {', '.join(missing)} is missing."
        raise NotYet("columns-missing", saw)
    if twice := list(table.index[table.index.duplicated()]):
        raise NotYet("rows-twice", f"{file.name} has row {twice[0]} more than once.")
    return table


def _test_set(split, stored, classes):
    """Return the rows of the test set with text, class and answer, once split and predictions fit together."""
    if wrong := sorted({*split["set"]} - {"train", "validation", "test"}):
        raise NotYet("sets-wrong", f"split.csv has the set {describe(wrong[0])}, expected train, validation or test.")
    for name in ("train", "test"):
        if name not in {*split["set"]}:
            raise NotYet("sets-wrong", f"split.csv has no row whose set is {name!r}.")
    test = split[split["set"] == "test"]
    without, beside = test.index.difference(stored.index), stored.index.difference(test.index)
    if len(without) or len(beside):
        saw = f"{len(test)} rows of split.csv are in the test set; predictions.csv lacks {len(without)} of them"
        raise NotYet("not-the-test-set", f"{saw} and has {len(beside)} other rows.")
    stored = stored.loc[test.index]
    if len(rows := test.index[test["class"] != stored["class"]]):
        saw = (
            f"row {rows[0]} is {describe(test['class'][rows[0]])} in split.csv and {describe(stored['class'][rows[0]])}"
        )
        raise NotYet("labels-changed", f"{saw} in predictions.csv; {len(rows)} rows differ.")
    for file, names in (("split.csv", split["class"]), ("predictions.csv", stored["answer"])):
        if unknown := sorted({*names} - {*classes}):
            saw = f"{file} has {describe(unknown[0])}, which is not one of the {len(classes)} classes in project.json."
            raise NotYet("unknown-class", saw)
    return test.assign(answer=stored["answer"])


def plain(texts):
    """Case, links and spaces aside: a Series of texts as they are compared."""
    return texts.str.casefold().str.replace(r"https?://\S+|www\.\S+", "", regex=True).str.split().str.join(" ")


def _no_leak(split):
    texts = plain(split["text"])
    test = texts[split["set"] == "test"]
    for part, name in (("train", "training"), ("validation", "validation")):
        seen = texts[split["set"] == part]
        if len(both := test[test.isin({*seen})]):
            row, other = both.index[0], seen.index[seen == both.iloc[0]][0]
            are = "is" if len(both) == 1 else "are"
            saw = f"{len(both)} of the {len(test)} test texts {are} also in the {name} set. Row {row} (test)"
            raise NotYet(f"{part}-text-in-test", f"{saw} and row {other} ({name}): {describe(split['text'][row])}.")


def _same_answers(probabilities, asked):
    try:
        table = probabilities(asked["text"])
    except NotYet:
        raise
    except Exception as error:
        raise NotYet("model-does-not-answer", f"asking it about {len(asked)} texts raised {describe(error)}.") from None
    table.index = asked.index
    wrong = [row for row, name in asked["answer"].items() if not table.at[row, name] >= table.loc[row].max() - NEAR]
    if wrong:
        row, shares = wrong[0], table.loc[wrong[0]]
        now = f"{shares.idxmax()!r} ({shares.max():.2f})" if shares.notna().all() else "no number"
        if (rest := 1 - shares.sum()) > NEAR:
            now += f", and {rest:.2f} for classes that project.json does not list"
        saw = f"on {len(wrong)} of {len(asked)} test texts the model's answer is not the stored one. Row {row}:"
        raise NotYet(
            "answers-differ", f"{saw} stored {asked['answer'][row]!r}, now {now}, for {describe(asked['text'][row])}."
        )


def _card_scores(card):
    """Return the card's scores by name; macro-F1 has to be one of them."""
    from huggingface_hub import ModelCard

    try:
        results = ModelCard(card).data.eval_results or []
        metrics = [(str(r.metric_type).lower(), str(r.metric_name or "").lower(), r.metric_value) for r in results]
    except Exception as error:
        raise NotYet(
            "card-cannot-be-read", f"reading the front matter of README.md raised {describe(error)}."
        ) from None
    f1s = [(name, value) for kind, name, value in metrics if "f1" in kind + name and "weighted" not in name]
    f1s = [value for name, value in f1s if "macro" in name] or [value for _, value in f1s]
    if not f1s:
        names = ", ".join(kind for kind, *_ in metrics[:5]) or "none at all"
        raise NotYet("card-without-scores", f"the model-index of README.md has no macro-F1; its scores: {names}.")
    accuracies = [("accuracy", value) for kind, _, value in metrics if kind == "accuracy"]
    return dict([("macro-F1", f1s[0]), *accuracies[:1]])


def _same_score(name, value, right):
    """Raise unless the card's value is the right one, rounded to two decimals or more."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise NotYet("card-scores-differ", f"the card's {name} is {describe(value)}, expected {right:.4f}.") from None
    decimals = max(2, len(repr(number).partition(".")[2]))
    if abs(round(right, decimals) - number) < 1e-9 or abs(right - number) <= 0.5 * 10**-decimals:
        return
    if abs(100 * right - number) <= 0.5:
        raise NotYet("card-in-percent", f"the card's {name} is {number:g}, the stored predictions have {right:.4f}.")
    raise NotYet("card-scores-differ", f"the card's {name} is {number:g}, the stored predictions have {right:.4f}.")


def _name(folder):
    return describe(str(folder), 60)
