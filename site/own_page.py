"""Turn a saved classifier into a folder with one page that runs it, and open the page.

python3 start.py page my_work/project             the project of lesson 11
python3 start.py page my_work/classifier          the classifier of lesson 08; classifier_repaired: of lesson 10
python3 start.py page FOLDER --to OTHER           write it to OTHER; default: FOLDER_page, beside FOLDER
python3 start.py page FOLDER --build              only write it
python3 start.py page FOLDER --no-browser         serve it, and only print the address

The folder can be put on any static host. What a part of the classifier becomes there: word counts a table that own/tfidf.js
reads, a network ONNX with weights of eight bits.
"""

import argparse
import gzip
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]
OWN = HERE / "own"
MODULES = ("model.js", "show.js")  # of site/live
MARK = "Transfer learning, hands on: a classifier in a page"  # tells a folder that may be replaced
MOST_MB = 40
COARSE = 11  # the highest whole number in the token vectors of a page with two networks
COMPARED = 200  # texts on which the page's networks are compared with the saved ones
LESSON_08 = 64  # tokens that lesson 08's classifier was trained to read


class PageError(Exception):
    """One line: why there is no page, and what to do."""


# --- scikit-learn ------------------------------------------------------------------------------------------


def linear(model, name):
    """Return (weights, intercepts, classes) with ``softmax(x @ weights + intercepts)`` equal to `predict_proba`.

    Parameters
    ----------
    model : scikit-learn classifier
    name : str
        Its file, for the message.

    Returns
    -------
    weights : array (features, classes)
    intercepts : array (classes,)
    classes : list of str
    """
    rng, shape = np.random.default_rng(0), (50, model.n_features_in_)
    some = rng.random(shape) * (rng.random(shape) < 5 / shape[1])  # few words a text, as in life
    for weights, intercepts in _linear(model):
        if np.allclose(softmax(some @ weights + intercepts), model.predict_proba(some), atol=1e-6):
            return weights, intercepts, list(map(str, model.classes_))
    raise PageError(f"{name} answers with {kind(model)}; a page can run LogisticRegression and naive Bayes.")


def _linear(model):
    """Yield weights and intercepts that may be all there is to a model."""
    if hasattr(model, "coef_") and hasattr(model, "predict_proba"):
        weights, intercepts = np.asarray(model.coef_).T, np.ravel(model.intercept_)
        if weights.shape[1] == 1:  # two classes: the logit of the first is 0
            weights, intercepts = np.hstack([0 * weights, weights]), np.append(0, intercepts)
        yield weights, intercepts
    if hasattr(model, "feature_log_prob_"):  # naive Bayes; ComplementNB leaves the classes' shares out
        yield model.feature_log_prob_.T, model.class_log_prior_
        yield model.feature_log_prob_.T, np.zeros(len(model.classes_))


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def kind(thing):
    name = type(thing).__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


WORD = r"\p{L}\p{N}_"
SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
EDGE = f"(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"
IN_CLASS = {"w": WORD, "s": SPACE, "d": r"\p{Nd}", "D": r"\P{Nd}"}
OUTSIDE = {name: f"[{letters}]" for name, letters in IN_CLASS.items()}
OUTSIDE |= {"W": f"[^{WORD}]", "S": f"[^{SPACE}]", "b": EDGE, "B": f"(?!{EDGE})"}


def regular_expression(pattern):
    r"""Return a Python regular expression as one that means the same to JavaScript, with its flag u.

    There, ``\w``, ``\b`` and ``\s`` know fewer letters and different spaces, and the dot stops at more line ends.
    """
    made, in_class = [], False
    for piece in re.findall(r"\\.|\[\^?\]?|\(\?P?.|[+*?}]\+|.", pattern.removeprefix("(?u)"), flags=re.DOTALL):
        first, second = piece[0], piece[1:2]
        if first == "\\":
            known = IN_CLASS if in_class else OUTSIDE
            if second not in known and second.isalnum() and second not in "nrtfv":
                raise PageError(f"The token_pattern {pattern!r} has {piece}, which a page cannot translate.")
            bare = not second.isalnum() and second not in r"^$\.*+?()[]{}|/" + "-" * in_class
            made.append(known.get(second, second if bare else piece))
        elif in_class:
            in_class = piece != "]"
            made.append("".join("\\[" if letter == "[" else letter for letter in piece))
        elif first == "[":
            in_class = True
            made.append(piece.replace("]", "\\]"))  # as the first letter it is only itself
        elif (
            (first == "(" and second and piece not in ("(?:", "(?=", "(?!", "(?<"))
            or (second == "+" and first in "+*?}")
            or piece == "$"
        ):
            raise PageError(f"The token_pattern {pattern!r} has {piece}, which a page cannot translate.")
        else:
            made.append(r"[^\n]" if piece == "." else piece)
    return "".join(made)


def combining():
    """A character class of what strip_accents="unicode" removes; JavaScript has no name for it."""
    numbers = np.array([n for n in range(sys.maxunicode + 1) if unicodedata.combining(chr(n))])
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return "[" + "".join(rf"\u{{{run[0]:x}}}-\u{{{run[-1]:x}}}" for run in runs) + "]"


def word_counts(pipeline, destination):
    """Write a pipeline from texts to probabilities as a table: words.json and words.bin, which own/tfidf.js reads.

    Parameters
    ----------
    pipeline : scikit-learn Pipeline
        CountVectorizer and perhaps TfidfTransformer, or TfidfVectorizer; then a linear classifier.
    destination : Path
        A folder that exists.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    steps = [step for _, step in getattr(pipeline, "steps", [(None, pipeline)]) if step not in (None, "passthrough")]
    counter, weigher, classifier = steps[0], None, steps[-1]
    if len(steps) == 3 and isinstance(steps[1], TfidfTransformer):
        weigher = steps[1]
    elif isinstance(counter, CountVectorizer) and hasattr(counter, "_tfidf"):
        weigher = counter._tfidf
    unknown = [step for step in steps[:-1] if not isinstance(step, (CountVectorizer, TfidfTransformer))]
    if not isinstance(counter, CountVectorizer) or unknown or len(steps) - (weigher in steps) != 2:
        names = ", ".join(type(step).__name__ for step in steps)
        raise PageError(f"tfidf.skops is {names}; a page can run TfidfVectorizer and a linear classifier.")
    own = [name for name in ("preprocessor", "tokenizer") if getattr(counter, name) is not None]
    if own or callable(counter.analyzer) or callable(counter.strip_accents):
        raise PageError(
            f"tfidf.skops uses a function of your own ({', '.join(own) or 'analyzer or strip_accents'}); a page cannot run Python."
        )
    weights, intercepts, labels = linear(classifier, "tfidf.skops")
    terms = counter.get_feature_names_out()
    uses_idf = weigher is not None and weigher.use_idf
    idf = weigher.idf_ if uses_idf else np.ones(len(terms))
    stop = counter.get_stop_words()
    options = {
        "analyzer": counter.analyzer,
        "lowercase": bool(counter.lowercase),
        "accents": counter.strip_accents,
        "marks": combining() if counter.strip_accents == "unicode" else None,
        "pattern": regular_expression(counter.token_pattern) if counter.analyzer == "word" else None,
        "ngrams": list(map(int, counter.ngram_range)),
        "stop": sorted(stop) if stop and counter.analyzer == "word" else None,
        "binary": bool(counter.binary),
        "sublinear": weigher is not None and bool(weigher.sublinear_tf),
        "norm": weigher.norm if weigher is not None else None,
    }
    about = {"labels": labels, "terms": list(terms), "options": options}
    (destination / "words.json").write_text(json.dumps(about), encoding="utf-8")
    numbers = np.concatenate([np.column_stack([idf, weights]).ravel(), intercepts]).astype("<f4")
    (destination / "words.bin").write_bytes(numbers.tobytes())


# --- networks ----------------------------------------------------------------------------------------------


def frozen(folder, destination):
    """Export an encoder and the linear classifier of its vectors as one network, as `export_classifier` does others.

    Parameters
    ----------
    folder : Path
        Holds ``encoder/``, a SentenceTransformer, and ``frozen.skops``.
    destination : Path
    """
    import torch
    from sentence_transformers import SentenceTransformer

    import export

    encoder = SentenceTransformer(str((folder / "encoder").resolve()), device="cpu", local_files_only=True).eval()
    if encoder.default_prompt_name is not None:
        raise PageError(f"encoder/ puts a prompt ({encoder.default_prompt_name}) before each text; a page cannot.")
    weights, intercepts, labels = linear(skops(folder / "frozen.skops"), "frozen.skops")
    body, *more = encoder

    class Frozen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = getattr(body, "auto_model", None) or body.model
            self.more = torch.nn.ModuleList(more)
            self.head = torch.nn.Linear(*weights.shape)
            self.head.weight.data = torch.tensor(weights.T, dtype=torch.float32)
            self.head.bias.data = torch.tensor(intercepts, dtype=torch.float32)

        def forward(self, input_ids):
            features = {
                "token_embeddings": self.model(input_ids=input_ids)[0],
                "attention_mask": torch.ones_like(input_ids),
            }
            for module in self.more:
                features = module(features)
            vector = features["sentence_embedding"]
            return self.head(torch.nn.functional.normalize(vector, dim=1))

    about = {"labels": labels, "activation": "softmax", "max_length": int(encoder.max_seq_length)}
    export._export(Frozen().eval(), encoder.tokenizer, ["input_ids"], ["logits"], about, destination)


def skops(file):
    from skops.io import load

    return load(file, trusted=[])  # anything but known types is refused


def ask_network(folder, texts):
    """Return what the exported network answers, an array (texts, classes), and its classes; as live/model.js asks it."""
    import onnxruntime
    from tokenizers import Tokenizer

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(about["max_length"])
    ids = [np.array([encoding.ids], dtype="int64") for encoding in tokenizer.encode_batch(texts)]
    logits = np.concatenate([session.run(["logits"], {"input_ids": row})[0] for row in ids])
    return (softmax(logits) if about["activation"] == "softmax" else 1 / (1 + np.exp(-logits))), about["labels"]


# --- the page ----------------------------------------------------------------------------------------------


def read(folder):
    """Return (classes, parts, ask): what the folder's classifier answers with, of what it consists, how Python asks it.

    `parts` are (name, kind, write): write(destination) makes the part's files. `ask` goes from a list of texts to an array
    (texts, classes) of probabilities.
    """
    if not folder.is_dir():
        raise PageError(f"{folder} is not a folder.")
    if (folder / "project.json").is_file():
        return read_project(folder)
    if (folder / "config.json").is_file():
        return read_classifier(folder)
    there = sorted(path.name for path in folder.iterdir())
    here = f"it has {', '.join(there[:6])}{' …' * (len(there) > 6)}" if there else "it is empty"
    raise PageError(
        f"{folder} is no saved classifier: expected project.json (lesson 11's my_work/project) or config.json (lesson 08's "
        f"my_work/classifier); {here}."
    )


def read_project(folder):
    import export
    from transfer_learning.check import NotYet, hw11_project

    try:
        ask = hw11_project.load(folder)
    except NotYet as problem:
        raise PageError(f"{folder} is not a complete project: {problem.saw}") from None
    about = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    makers = {
        "TF-IDF": ("words", lambda place: word_counts(skops(folder / "tfidf.skops"), place)),
        "frozen": ("network", lambda place: frozen(folder, place)),
        "finetuned": ("network", lambda place: export.export_classifier(folder / "finetuned", place, about["max_len"])),
    }
    parts = [(name, *makers[name]) for name in about["parts"]]
    return about["classes"], parts, lambda texts: ask(texts).to_numpy()


def read_classifier(folder):
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

    import export

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if not any("ForSequenceClassification" in name for name in config.architectures or ()):
            raise PageError(
                f"{folder} holds a network without a classifier's head: {', '.join(config.architectures or ['?'])}."
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except PageError:
        raise
    except Exception as error:  # files that are missing, cut off, or of something else: each library has its own errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PageError(f"{folder} does not load as a classifier: {reason}") from None
    classes = [str(config.id2label[n]) for n in range(config.num_labels)]
    classifier = pipeline("text-classification", network, tokenizer=tokenizer, top_k=None, device="cpu")

    def ask(texts):
        answers = classifier(texts, truncation=True, max_length=LESSON_08)
        rows = [{answer["label"]: answer["score"] for answer in row} for row in answers]
        return np.array([[row[name] for name in classes] for row in rows])

    return classes, [("finetuned", "network", lambda place: export.export_classifier(folder, place, LESSON_08))], ask


def texts_to_compare(folder):
    """Return the texts of a project's test set, at most `COMPARED`; for other classifiers as many of the course's tweets."""
    import pandas as pd

    from transfer_learning import load_tweets

    if (folder / "split.csv").is_file():
        table = pd.read_csv(
            folder / "split.csv", dtype=str, keep_default_na=False, encoding="utf-8", lineterminator="\n"
        )
        return list(table["text"][table["set"] == "test"][:COMPARED]), "{} texts of the test set"
    return list(load_tweets(ROOT / "data" / "climate_tweets.csv")["message"][:COMPARED]), "{} of the course's tweets"


def mean_of_parts(classes, answers):
    """Return the mean of the parts' probabilities, class by class, as page.js takes it: a class that a part lacks has 0."""
    total = 0
    for probabilities, labels in answers:
        columns = [labels.index(name) if name in labels else -1 for name in classes]
        total = total + np.hstack([probabilities, np.zeros((len(probabilities), 1))])[:, columns]
    return total / len(answers)


def compare(folder, classes, parts, places, ask):
    """Return a sentence that says on how many texts the page's networks answer as in Python."""
    texts, which = texts_to_compare(folder)
    answers = []
    for (_, how, _), place in zip(parts, places):
        if how == "network":
            answers.append(ask_network(place, texts))
        else:
            model = skops(folder / "tfidf.skops")
            answers.append((model.predict_proba(texts), list(map(str, model.classes_))))
    same = int((mean_of_parts(classes, answers).argmax(axis=1) == ask(texts).argmax(axis=1)).sum())
    return (
        f"In this page, the network's weights are rounded to save space. On {same} of {which.format(len(texts))}, it gives the same "
        "class as in Python."
    )


def card_as_html(folder):
    """Return the model card's title and the rest of it as HTML.

    Its front matter is left out, HTML in it is shown as text, and pictures, which may be on other hosts, as links.
    """
    from markdown_it import MarkdownIt

    path = folder / "README.md"
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    text = re.sub(r"\A---\n.*?\n---(\n|\Z)", "", text.replace("\r\n", "\n"), flags=re.DOTALL).strip()
    if not text:
        text = (
            "This classifier has no model card. Lesson 11 of *Transfer learning, hands on* shows what belongs in one."
        )
    text = re.sub(r"^(\s*[-*+] )\[([ xX]?)\] ", lambda m: m[1] + ("☑ " if m[2].strip() else "☐ "), text, flags=re.M)
    reader = MarkdownIt("js-default", {"linkify": False}).disable("image")
    tokens, title = reader.parse(text), "A text classifier"
    if tokens and tokens[0].type == "heading_open":
        title = "".join(token.content for token in tokens[1].children if token.type in ("text", "code_inline")) or title
        tokens = tokens[3:]
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):  # h1 is the page's, h2 the card's
            token.tag = f"h{min(6, max(3, int(token.tag[1]) + 1))}"
    for opening, inside, closing in zip(tokens, tokens[1:], tokens[2:]):
        if opening.type == "th_open" and not inside.content:  # an empty corner is no header
            opening.tag = closing.tag = "td"
    return title, reader.renderer.render(tokens, reader.options, {})


def round_embeddings(folder):
    """Round an exported network's token vectors more coarsely: they are half of its weights, and then compress better."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(folder / "model.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    for name in looked_up:
        if f"{name}.integers" not in tensors:  # small, and therefore not rounded at all
            continue
        integers, scales = (numpy_helper.to_array(tensors[f"{name}.{what}"]) for what in ("integers", "scales"))
        rounded = np.round(integers.astype("float32") * COARSE / 127).astype("int8")
        for what, array in (("integers", rounded), ("scales", scales * np.float32(127 / COARSE))):
            tensors[f"{name}.{what}"].CopyFrom(numpy_helper.from_array(array, f"{name}.{what}"))
    onnx.save(model, folder / "model.onnx")


def add_runtime(folder):
    """Copy what runs networks into `folder`/vendor, and compress it and them.

    The files keep their names: live/model.js knows by its first bytes which are compressed.
    """
    import export

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        export.copy_runtime(temporary)
        shutil.copytree(Path(temporary) / "vendor", folder / "vendor")
    sizes = folder / "vendor" / "sizes.json"
    runtime = [folder / "vendor" / name for name in json.loads(sizes.read_text(encoding="utf-8"))]
    for path in [
        *runtime,
        *folder.glob("part*/model.onnx"),
        *folder.glob("part*/tokenizer.json"),
        *folder.glob("part*/words.bin"),
        *folder.glob("part*/words.json"),
    ]:
        path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    sizes.write_text(json.dumps({path.name: path.stat().st_size for path in runtime}), encoding="utf-8")
    for path in folder.glob("part*/model.onnx"):
        about = json.loads(path.with_name("model.json").read_text(encoding="utf-8"))
        about["bytes"] = path.stat().st_size
        path.with_name("model.json").write_text(json.dumps(about), encoding="utf-8")


def megabytes(paths):
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def write(folder, destination):
    """Write the page of the classifier in `folder` to `destination`; return a sentence on how exact it is.

    Raises
    ------
    PageError
        The folder holds no classifier that a page can run, or `destination` holds something else.
    """
    from jinja2 import Environment

    import build
    import export

    if destination.exists() and not is_page(destination):
        raise PageError(f"{destination} exists, and is not a page of this command: name another folder with --to.")
    if destination.resolve().is_relative_to(folder.resolve()):
        raise PageError(f"{destination} is inside {folder}: name another folder with --to.")
    classes, parts, ask = read(folder)
    if any(how == "network" for _, how, _ in parts) and build.node_modules() is None:
        raise PageError(
            "To run a network, a page needs onnxruntime-web, which npm installs; the line above says what is missing."
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as temporary:
        new = Path(temporary) / "page"
        places = [new / f"part{number}" for number in range(len(parts))]
        for source in [*(HERE / "live" / name for name in MODULES), *OWN.glob("*.js"), *OWN.glob("*.css")]:
            new.mkdir(exist_ok=True)
            shutil.copyfile(source, new / source.name)
        try:
            for (_, _, make), place in zip(parts, places):
                place.mkdir()
                make(place)
            networks = [place for place, (_, how, _) in zip(places, parts) if how == "network"]
            for place in networks if len(networks) > 1 else ():
                round_embeddings(place)
            measured = "The page computes what scikit-learn computes in Python."
            if networks:
                measured = compare(folder, classes, parts, places, ask)
                add_runtime(new)
        except export.ExportError as problem:
            raise PageError(str(problem)) from None
        listed = [
            {"kind": how, "folder": f"{place.name}/", "bytes": sum(path.stat().st_size for path in place.iterdir())}
            for (_, how, _), place in zip(parts, places)
        ]
        title, card = card_as_html(folder)
        template = Environment(autoescape=True).from_string((OWN / "index.html").read_text(encoding="utf-8"))
        page = template.render(
            mark=MARK,
            title=title,
            classes=classes,
            card=card,
            about=json.dumps({"classes": classes, "parts": listed}).replace("<", r"\u003c"),
            measured=measured,
            megabytes=round(megabytes(path for path in new.rglob("*") if path.suffix not in (".js", ".css"))),
        )
        (new / "index.html").write_text(page, encoding="utf-8")
        if destination.exists():
            shutil.rmtree(destination)
        new.rename(destination)
    return measured


def is_page(folder):
    """Is this a page that was written here, or an empty folder? Only such a one may be replaced."""
    index = folder / "index.html"
    return folder.is_dir() and (
        not any(folder.iterdir()) or (index.is_file() and MARK in index.read_text(encoding="utf-8", errors="replace"))
    )


def quiet():
    """No progress bars, and none of the exporter's remarks on packages that nobody needs here."""
    import torch  # noqa: F401, which sets the level of its own loggers
    from transformers import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)  # PyTorch's exporter's own


def main(arguments):
    import build

    parser = argparse.ArgumentParser(
        prog="start.py page", description="Turn a saved classifier into a folder with one page."
    )
    parser.add_argument("folder", type=Path, help="my_work/project, my_work/classifier, or a folder like them")
    parser.add_argument(
        "--to", type=Path, metavar="OTHER", help="the page's folder; default: FOLDER_page, beside FOLDER"
    )
    parser.add_argument("--build", action="store_true", help="only write it")
    parser.add_argument("--no-browser", action="store_true", help="serve it, and only print the address")
    arguments = parser.parse_args(arguments)
    folder = Path(os.path.abspath(arguments.folder.expanduser()))
    destination = arguments.to or folder.with_name(f"{folder.name}_page")
    destination = Path(os.path.abspath(destination.expanduser()))
    quiet()
    try:
        measured = write(folder, destination)
    except (PageError, OSError) as problem:  # of the second kind: no space left, or a folder that may not be written to
        sys.exit(f"No page was written: {problem}")
    size = megabytes(destination.rglob("*"))
    print(f"{measured}\n{destination}: {size:.1f} MB. Put this folder on any web server; it needs nothing else.")
    if size > MOST_MB:
        print(f"That is more than {MOST_MB} MB: too much for many phones.")
    if arguments.build:
        return
    build.show("The page", build.server(destination, port=0), browser=not arguments.no_browser)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again.")
