"""Folders of projects, right and wrong, for homework 11. Each is made when it is needed, in a temporary folder.

Most hold word counts, which are quick to make; the networks are tiny and untrained, so that only their form is tried.
"""

import atexit
import functools
import json
import pickle
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import skops.io
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

from transfer_learning import check

SCRATCH = Path(tempfile.mkdtemp(prefix="projects"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
PLACES = "river lake meadow harbour village station garden market bridge forest castle museum".split()
PHRASES = {
    "praise": ["What a lovely {}!", "I enjoyed the {} so much.", "The {} is wonderful, thank you.", "A great {}."],
    "complaint": ["The {} is dirty.", "I was bored by the {}.", "What a terrible {}!", "The {} was closed, again."],
    "question": ["Where is the {}?", "When does the {} open?", "How do I get to the {}?", "Is there a {} nearby?"],
}


def texts(names=("praise", "complaint", "question"), places=tuple(PLACES)):
    """A split: index the row, columns set, class, text; each place is in one set."""
    rows = [(place, name, phrase.format(place)) for place in places for name in names for phrase in PHRASES[name]]
    split = pd.DataFrame(rows, columns=["set", "class", "text"])
    part = {place: ("train", "train", "train", "validation", "test", "test")[n % 6] for n, place in enumerate(places)}
    split["set"] = split["set"].map(part)
    return split


def write(split, model=None, rename=None, parts=("TF-IDF",)):
    """Make a folder as lesson 11 does; return its path."""
    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    if rename:
        split = split.assign(**{"class": split["class"].replace(rename)})
    known = split[split["set"] != "test"]
    model = model or make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    model.fit(known["text"], known["class"])
    skops.io.dump(model, folder / "tfidf.skops")
    about = {"classes": sorted({*split["class"]}), "parts": list(parts), "max_len": 64}
    (folder / "project.json").write_text(json.dumps(about), encoding="utf-8")
    split.to_csv(folder / "split.csv", index_label="row")
    test = split[split["set"] == "test"]
    test = test.assign(answer=model.predict(test["text"]))
    test[["class", "answer"]].to_csv(folder / "predictions.csv", index_label="row")
    card(folder)
    return folder


def scores(folder):
    stored = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    truth, answers = stored["class"], stored["answer"]
    return f1_score(truth, answers, average="macro"), accuracy_score(truth, answers)


def card(folder, f1=None, accuracy=None, questions=("Who wrote the texts?", "May they be passed on?")):
    right_f1, right_accuracy = scores(folder)
    metrics = {"f1": right_f1 if f1 is None else f1, "accuracy": right_accuracy if accuracy is None else accuracy}
    lines = ["---", "pipeline_tag: text-classification", "model-index:", "- name: project", "  results:", "  - task:"]
    lines += [
        "      type: text-classification",
        "    dataset:",
        "      name: own",
        "      type: own-file",
        "    metrics:",
    ]
    for kind, value in metrics.items():
        if value != "none":
            value = f"{value:.4f}" if isinstance(value, float) else value
            lines += [f"    - type: {kind}", f"      value: {value}", f"      name: {kind.replace('f1', 'macro-F1')}"]
    lines += ["---", "# A classifier", *(f"- [ ] {question}" for question in questions)]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def change_table(name, change, folder=None):
    """A right folder whose table `name` is what `change` makes of it."""
    folder = folder or write(texts())
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False, index_col="row")
    change(table).to_csv(folder / name, index_label="row")
    card(folder)
    return folder


def change_file(name, data):
    folder = write(texts())
    (folder / name).write_bytes(data) if data is not None else (folder / name).unlink()
    return folder


def about(**changes):
    folder = write(texts())
    known = json.loads((folder / "project.json").read_text())
    (folder / "project.json").write_text(json.dumps({**known, **changes}))
    return folder


# ---- tiny networks ----


@functools.cache
def tiny():
    """A folder with a tokenizer and a BERT of 16 numbers per token, untrained."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    words = sorted(
        {word for text in texts()["text"] for word in "".join(c if c.isalpha() else f" {c} " for c in text).split()}
    )
    vocabulary = {
        word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted({w.lower() for w in words})])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    return folder


def with_encoder(parts=("frozen",)):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = write(texts(), parts=parts)
    body = Transformer(str(tiny()))
    encoder = SentenceTransformer(modules=[body, Pooling(16)], device="cpu")
    split = pd.read_csv(folder / "split.csv", index_col="row")
    vectors = encoder.encode(list(split["text"]), normalize_embeddings=True, show_progress_bar=False)
    known = (split["set"] != "test").to_numpy()
    head = LogisticRegression(C=1000, max_iter=5000).fit(vectors[known], split["class"][known])
    encoder.save_pretrained(str(folder / "encoder"), create_model_card=False)
    skops.io.dump(head, folder / "frozen.skops")
    return answer_again(folder)


def with_network(parts=("finetuned",)):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = write(texts(), parts=parts)
    classes = sorted(PHRASES)
    names = {"id2label": dict(enumerate(classes)), "label2id": {name: n for n, name in enumerate(classes)}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoModelForSequenceClassification.from_pretrained(str(tiny()), num_labels=3, **names).train()
        tokenizer = AutoTokenizer.from_pretrained(str(tiny()))
        split = pd.read_csv(folder / "split.csv", index_col="row")
        known = split[split["set"] != "test"]
        batch = tokenizer(list(known["text"]), padding=True, return_tensors="pt")
        labels = torch.tensor([classes.index(name) for name in known["class"]])
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        for _ in range(30):
            network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    network.save_pretrained(folder / "finetuned")
    tokenizer.save_pretrained(folder / "finetuned")
    return answer_again(folder)


def answer_again(folder):
    """Store what the folder's own model answers, and the scores of that."""
    from transfer_learning.check.hw11_project import load

    split = pd.read_csv(folder / "split.csv", dtype=str, keep_default_na=False, index_col="row")
    test = split[split["set"] == "test"]
    test = test.assign(answer=list(load(folder)(test["text"]).idxmax(axis=1)))
    test[["class", "answer"]].to_csv(folder / "predictions.csv", index_label="row")
    card(folder)
    return folder


# ---- right ----


def no_open_questions():
    folder = write(texts())
    card(folder, questions=())
    return folder


def rounded():
    folder = write(texts())
    f1, accuracy = scores(folder)
    card(folder, round(f1, 2), round(accuracy, 3))
    return folder


def only_f1():
    folder = write(texts())
    card(folder, accuracy="none")
    return folder


def awkward_texts():
    """Quotes, commas, line breaks of each kind, no ASCII."""
    split = texts()
    for row, more in zip(
        (0, 9, 40, 50, 55, 60), ('"so", she said', "a\r\nb", "a\rb", "a\n\nb", "größer, 文章 👍", "\\")
    ):
        split.loc[row, "text"] += f" {more}"
    return write(split)


def from_windows():
    folder = awkward_texts()
    for name in ("split.csv", "predictions.csv"):
        table = pd.read_csv(folder / name, dtype=str, keep_default_na=False, index_col="row", lineterminator="\n")
        table.to_csv(folder / name, index_label="row", lineterminator="\r\n", encoding="utf-8-sig")
    (folder / "README.md").write_text((folder / "README.md").read_text(encoding="utf-8"), encoding="utf-8-sig")
    return folder


def mean_of_two():
    return with_network(parts=("TF-IDF", "finetuned"))


def without_validation():
    split = texts()
    return write(split[split["set"] != "validation"])


def shuffled():
    folder = change_table("split.csv", lambda table: table.sample(frac=1, random_state=0))
    return change_table("predictions.csv", lambda table: table.sample(frac=1, random_state=1), folder)


def few_test_texts():
    split = texts()
    return write(split.drop(split.index[split["set"] == "test"][9:]))


RIGHT = {
    "as lesson 11 writes it": lambda: write(texts()),
    "its path as str": lambda: str(write(texts())),
    "two classes": lambda: write(texts(("praise", "complaint"))),
    "classes that look like numbers": lambda: write(
        texts(), rename={"praise": "1", "complaint": "2", "question": "03"}
    ),
    "classes that look like nothing": lambda: write(
        texts(), rename={"praise": "NA", "complaint": "null", "question": " "}
    ),
    "no open questions": no_open_questions,
    "rounded scores": rounded,
    "macro-F1 only": only_f1,
    "awkward texts": awkward_texts,
    "Windows line ends, byte order marks": from_windows,
    "frozen vectors": with_encoder,
    "finetuned": with_network,
    "the mean of two": mean_of_two,
    "no validation set": without_validation,
    "rows in another order": shuffled,
    "few test texts": few_test_texts,
    "more columns": lambda: change_table("split.csv", lambda table: table.assign(date="2026", who="me")),
}


# ---- wrong ----


def empty_folder():
    return Path(tempfile.mkdtemp(dir=SCRATCH))


def a_file():
    file = empty_folder() / "project.zip"
    file.write_bytes(b"PK")
    return file


def leak(change, into="train"):
    """A test text also stands in another set, changed so that only its look differs."""
    split = texts()
    source, target = (split.index[split["set"] == part][3] for part in ("test", into))
    split.loc[target, "text"] = change(split["text"][source])
    return write(split)


class Runs:
    def __reduce__(self):
        return print, ("this could have been anything",)


def pickled():
    folder = write(texts())
    (folder / "tfidf.skops").write_bytes(pickle.dumps(Runs()))
    return folder


def untrusted():
    """A valid skops file that wants a type nobody has vouched for."""
    folder = write(texts())
    skops.io.dump(functools.partial(print), folder / "tfidf.skops")
    return folder


def another_model():
    """The model was trained again, with its classes swapped; the predictions are the old ones."""
    folder, split = write(texts()), texts()
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    model.fit(split["text"], split["class"].map({"praise": "question", "question": "complaint", "complaint": "praise"}))
    skops.io.dump(model, folder / "tfidf.skops")
    return folder


def with_words_of(rename, folder):
    """The folder, but its word counts come from a project whose classes have other names."""
    shutil.copy(write(texts(), rename=rename) / "tfidf.skops", folder)
    return folder


def renamed_class():
    return with_words_of(None, write(texts(), rename={"praise": "thanks"}))


def part_of_another_project():
    return with_words_of({name: name.upper() for name in PHRASES}, with_encoder(parts=("TF-IDF", "frozen")))


def scores_of(f1=None, accuracy=None):
    folder = write(texts())
    card(folder, f1, accuracy)
    return folder


def in_percent():
    folder = write(texts())
    f1, accuracy = scores(folder)
    card(folder, round(100 * f1, 1), round(100 * accuracy, 1))
    return folder


def always_praise():
    from sklearn.dummy import DummyClassifier

    return write(texts(), make_pipeline(TfidfVectorizer(), DummyClassifier(strategy="constant", constant="praise")))


def no_network():
    folder = write(texts(), parts=("TF-IDF", "finetuned"))
    return folder


def broken_network():
    folder = with_network()
    (folder / "finetuned" / "model.safetensors").write_bytes(b"12345678 not weights")
    return folder


def not_a_model():
    folder = write(texts())
    skops.io.dump([1, 2, 3], folder / "tfidf.skops")
    return folder


def better_answers(table):
    return table.assign(answer=table["class"])


def drop_wrong(table):
    return table[: len(table) // 2]


def always_right():
    """A poor model whose stored answers are all right."""
    return change_table("predictions.csv", better_answers, always_praise())


WRONG = {
    "nothing": ("nothing-yet", lambda: None),
    "a list": ("not-a-path", lambda: ["../my_work/project"]),
    "a number": ("not-a-path", lambda: 11),
    "no such folder": ("no-such-folder", lambda: SCRATCH / "nowhere"),
    "a zip file": ("no-such-folder", a_file),
    "an empty folder": ("files-missing", empty_folder),
    "no card": ("files-missing", lambda: change_file("README.md", None)),
    "no predictions": ("files-missing", lambda: change_file("predictions.csv", None)),
    "project.json cut off": ("file-cannot-be-read", lambda: change_file("project.json", b'{"classes": [')),
    "split.csv in UTF-16": (
        "file-cannot-be-read",
        lambda: change_file("split.csv", "row,set\n1,train".encode("utf-16")),
    ),
    "no classes": ("project-json", lambda: about(classes=[])),
    "a class twice": ("project-json", lambda: about(classes=[*sorted(PHRASES), "praise"])),
    "an unknown part": ("project-json", lambda: about(parts=["GPT"])),
    "a part that is a list": ("project-json", lambda: about(parts=[["TF-IDF"]])),
    "a part with other classes": ("project-json", part_of_another_project),
    "max_len as text": ("project-json", lambda: about(max_len="128")),
    "no column of texts": ("columns-missing", lambda: change_table("split.csv", lambda t: t.drop(columns="text"))),
    "rows doubled": ("rows-twice", lambda: change_table("split.csv", lambda table: pd.concat([table, table[:3]]))),
    "sets renamed": (
        "sets-wrong",
        lambda: change_table("split.csv", lambda t: t.replace({"set": {"train": "training"}})),
    ),
    "no training set": ("sets-wrong", lambda: change_table("split.csv", lambda table: table[table["set"] == "test"])),
    "half of the test set": ("not-the-test-set", lambda: change_table("predictions.csv", drop_wrong)),
    "a label changed": (
        "labels-changed",
        lambda: change_table("predictions.csv", lambda t: t.assign(**{"class": t["answer"].iloc[0]})),
    ),
    "an answer spelt differently": (
        "unknown-class",
        lambda: change_table("predictions.csv", lambda t: t.replace({"answer": {"praise": "Praise"}})),
    ),
    "leak, the same text": ("train-text-in-test", lambda: leak(str)),
    "leak, in capitals": ("train-text-in-test", lambda: leak(str.upper)),
    "leak, a link added": ("train-text-in-test", lambda: leak(lambda text: f"  {text} https://t.co/abc")),
    "leak, more spaces": ("train-text-in-test", lambda: leak(lambda text: text.replace(" ", "\n "))),
    "leak into validation": ("validation-text-in-test", lambda: leak(str.lower, "validation")),
    "no model": ("model-missing", lambda: change_file("tfidf.skops", None)),
    "one of two models": ("model-missing", no_network),
    "a pickle": ("model-does-not-load", pickled),
    "an untrusted type": ("model-does-not-load", untrusted),
    "broken weights": ("model-does-not-load", broken_network),
    "a list for a model": ("model-does-not-answer", not_a_model),
    "another model": ("answers-differ", another_model),
    "a class renamed, but not in the model": ("answers-differ", renamed_class),
    "predictions improved by hand": ("answers-differ", always_right),
    "front matter broken": ("card-cannot-be-read", lambda: change_file("README.md", b"---\nmodel-index: [\n---\n")),
    "no front matter": ("card-without-scores", lambda: change_file("README.md", b"# A classifier\n\nmacro-F1: 0.9\n")),
    "accuracy only": ("card-without-scores", lambda: scores_of(f1="none")),
    "an old macro-F1": ("card-scores-differ", lambda: scores_of(f1=0.4321)),
    "an old accuracy": ("card-scores-differ", lambda: scores_of(accuracy=0.4321)),
    "a score in words": ("card-scores-differ", lambda: scores_of(f1="excellent")),
    "in percent": ("card-in-percent", in_percent),
    "always the same answer": ("no-better-than-the-largest-class", always_praise),
}


def build(make):
    return make()


def judge(folder):
    return check.project(folder)
