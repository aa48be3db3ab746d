"""The ways that benchmarks/speed.py measures, each in a process of its own.

What lesson 10 shows is taken from the lesson: its cells tagged `export` are run here. Importing this module takes
seconds, so it happens before the clock starts.
"""

import os
import tempfile
import time
import types
from pathlib import Path

import nbformat

os.environ.setdefault("KERAS_BACKEND", "torch")
ROOT = Path(__file__).resolve().parents[1]
SPLIT = {"random_state": 1234, "test_size": 0.2}

# texts that break tokenizers
HOSTILE = [
    "",
    " ",
    "   two  spaces   ",
    "tab\there\nand\r\nthere\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u2028\u3000end",
    "null\x00 and \x7f delete, \ufffd replacement, \ufeff mark",
    "[MASK] [SEP][CLS] x[PAD]y [mask] [UNK]",
    "e\u0301 E\u0301 \u0301alone \u0301 \u0301\u0302 \u00c9\u00df\u0130\u0131 \ufb01 \u1e9e",
    "中文字符 日本語テキスト 한국어 \U00020000",
    "😀👩‍👩‍👧‍👦🏳️‍🌈 \u202eright to left\u202c עברית العربية ไทย",
    "a" * 99 + " " + "a" * 100 + " " + "a" * 101,
    "x" * 100_000,
    "word " * 5000,
    "!?@#$%^&*()_+-=[]{}|;':\",./<>~` …—“”",
    "https://t.co/AbC123 @who: RT #tag_with_underscore don't",
]


def lesson():
    """Return lesson 10's functions as a module."""
    notebook = nbformat.read(ROOT / "notebooks" / "10_making_it_fast.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if "export" in cell.metadata.get("tags", [])]
    module = types.ModuleType("lesson_10")
    exec(compile("\n\n".join(cells), "lesson 10", "exec"), module.__dict__)
    return module


L = lesson()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from datasets import Dataset, disable_progress_bars, load_dataset  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from torch.utils.data import DataLoader, RandomSampler, TensorDataset  # noqa: E402

disable_progress_bars()


def _texts(path):
    return list(pd.read_csv(path)["message"])


def _loaders(train, val, **options):
    return DataLoader(train, sampler=RandomSampler(train), **options), DataLoader(val, **options)


def old_tutorial(path):
    df = pd.read_csv(path)
    input_ids = L.old_pad(L.old_encode(df["message"]))
    (ids, val_ids, labels, val_labels), masks = L.old_split(input_ids, L.old_mask(input_ids), df["sentiment"])
    train = TensorDataset(ids, masks[0], torch.tensor(labels))
    return _loaders(train, TensorDataset(val_ids, masks[1], torch.tensor(val_labels)), batch_size=32)


def whole_list(path):
    df = pd.read_csv(path)
    batch, labels = L.encode_list(df["message"]), torch.tensor(df["sentiment"].to_numpy())
    columns = batch["input_ids"], batch["attention_mask"], labels
    parts = train_test_split(np.arange(len(df)), **SPLIT)
    return _loaders(*(TensorDataset(*(column[rows] for column in columns)) for rows in parts), batch_size=32)


def _encode(batch):
    return L.tokenizer(batch["message"], padding="max_length", truncation=True, max_length=L.MAX_LEN)


def datasets_map(path):
    with tempfile.TemporaryDirectory() as cache:  # or the second run would find the first one's result
        rows = Dataset.from_csv(str(path), cache_dir=cache).map(_encode, batched=True)
        parts = rows.with_format("torch", columns=["input_ids", "attention_mask", "sentiment"])
        parts = parts.train_test_split(test_size=SPLIT["test_size"], seed=SPLIT["random_state"])
        return _loaders(parts["train"], parts["test"], batch_size=32)


def _columns(path, encode):
    """ids, lengths and labels of a file."""
    df = pd.read_csv(path)
    return *encode(df["message"]), torch.tensor(df["sentiment"].to_numpy())


def _similar(columns):
    parts = train_test_split(np.arange(len(columns[0])), **SPLIT)
    train, val = (TensorDataset(*(column[rows] for column in columns)) for rows in parts)
    order = L.SimilarLengths(train.tensors[1])
    return DataLoader(train, sampler=order, batch_size=None, collate_fn=L.collate), DataLoader(val, batch_size=32)


def different_words(path):
    return _similar(_columns(path, L.prepare))


def bare_rust(texts):
    return L.encode_bare(texts)


def encode_with_tokie(messages):
    from tokie import Tokenizer

    other = Tokenizer.from_json(f"{L.name}/tokenizer.json")
    other.no_padding(), other.no_truncation()
    flat, counts = other.encode_batch_flat(list(messages), add_special_tokens=False)
    return L.lay_out(flat, counts.astype(int))


def tokie(path):
    """Another tokenizer with the same vocabulary, where it is installed (pip install tokie==0.1.4)."""
    return _similar(_columns(path, encode_with_tokie))


def unequal(encode, texts):
    """How many of the texts get other ids than from the tokenizer itself."""
    if len(texts) < 100:  # a text alone can come out otherwise than among others
        return sum(not torch.equal(encode([text])[0].long(), L.encode_list([text])["input_ids"]) for text in texts)
    return int((encode(texts)[0].long() != L.encode_list(texts)["input_ids"]).any(1).sum())


def stream(path):
    """Every row of a file once through the tokenizer, in batches, nothing kept."""
    rows = load_dataset("csv", data_files=str(path), split="train", streaming=True)
    rows = rows.map(lambda batch: L.encode_list(batch["message"]), batched=True, remove_columns=["message"])
    return sum(len(batch["sentiment"]) for batch in rows.iter(batch_size=1000))


def fetch_items(dataset):
    return list(DataLoader(dataset, sampler=RandomSampler(dataset), batch_size=32))


def fetch_batches(dataset):
    return list(DataLoader(dataset, sampler=L.WholeBatches(len(dataset)), batch_size=None))


def _dataset(path):
    return TensorDataset(*_columns(path, L.prepare))


# what is read before the clock starts, for the ways that do not begin at the file
SET_UP = {"bare_rust": _texts, "fetch_items": _dataset, "fetch_batches": _dataset}


def run(connection, way, path):
    """Run one way; tell the parent before and after, so that it can watch the memory in between."""
    argument = SET_UP.get(way, Path)(path)
    connection.send("ready")
    connection.recv()
    start = time.perf_counter()
    result = globals()[way](argument)
    connection.send(time.perf_counter() - start)
    connection.recv()  # the result is still held: the parent has seen the memory
    del result
