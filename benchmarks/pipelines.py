"""The pipelines that benchmarks/speed.py measures, and the functions of lesson 12, of which they are made.

The first two parts are the code that lesson 12 and its appendix build up, cell by cell: the cells tagged `export` and this
module hold the same statements, but for docstrings, and tests/test_fast.py compares them. The third part is what they are
compared with, and pipelines from the file to the loaders. speed.py runs each pipeline in a process of its own; importing
this module takes seconds, so it happens before the clock starts.
"""

import os
import re
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "true"  # before the tokenizer's first use
os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset, disable_progress_bars, load_dataset
from keras.utils import pad_sequences
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, RandomSampler, Sampler, TensorDataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BatchEncoding,
    DataCollatorWithPadding,
    logging,
)
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from transfer_learning import checkpoint

# --- lesson 12's code ----------------------------------------------------------------------------------------

logging.set_verbosity_error()
name = checkpoint("bert-base-uncased")
tokenizer = AutoTokenizer.from_pretrained(name)
MAX_LEN = 64
device = "cuda" if torch.cuda.is_available() else "cpu"


def encode(texts):
    """The ids of each text, a list of lists of different lengths, none longer than MAX_LEN."""
    return tokenizer(list(texts), truncation=True, max_length=MAX_LEN)["input_ids"]


def new_model(seed=0):
    """The classifier with four classes on `device`; its new head depends on the seed alone."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=4)
    return model.to(device)


def adamw(model, fused=False):
    """AdamW for the weights that are not frozen."""
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    return torch.optim.AdamW(trained, lr=1e-4, fused=fused)


def train(model, batches, optimizer, bf16=False):
    """One pass over the batches, which hold the labels; returns the last batch's loss."""
    model.train()
    for batch in batches:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = model(**batch.to(device)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()  # waits for a GPU to finish


collate = DataCollatorWithPadding(tokenizer)
collate_fixed = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=MAX_LEN)


def loaders(rows, batch_size=16):
    """The three ways to pad a list of dicts with `input_ids` and `labels`: name -> DataLoader."""
    similar = LengthGroupedSampler(batch_size, rows)
    return {
        "always 64": DataLoader(rows, batch_size, shuffle=True, collate_fn=collate_fixed),
        "the batch's longest": DataLoader(rows, batch_size, shuffle=True, collate_fn=collate),
        "similar lengths": DataLoader(rows, batch_size, sampler=similar, collate_fn=collate),
    }


def padding(batches):
    """How many percent of all positions are padding."""
    masks = [batch["attention_mask"] for batch in batches]
    return 100 - 100 * sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


def matmul_rate(dtype, repeats=4):
    """Multiplications and additions a second, in billions (GFLOP/s), of square matrices on `device`."""
    size = 8192 if device == "cuda" else 2048  # less would hardly keep a GPU busy
    matrix = torch.randn(size, size).to(device, dtype)
    (matrix @ matrix).sum().item()  # warm up
    start = time.perf_counter()
    for _ in range(repeats):
        product = matrix @ matrix
    product.sum().item()  # a GPU has to finish first
    return 2 * size**3 * repeats / (time.perf_counter() - start) / 1e9


def freeze(model, layers):
    """No gradients for the embeddings and for the lowest `layers` layers."""
    model.bert.embeddings.requires_grad_(False)
    model.bert.encoder.layer[:layers].requires_grad_(False)


# --- the appendix's code -------------------------------------------------------------------------------------


def encode_list(messages):
    """The tokenizer's own batch: `input_ids` and `attention_mask`, tensors (n, MAX_LEN), int64."""
    options = {"padding": "max_length", "truncation": True, "max_length": MAX_LEN}
    return tokenizer(list(messages), return_tensors="pt", **options)


rust = tokenizer.backend_tokenizer


def encode_bare(messages):
    """The Rust tokenizer's Encodings, one for each message; neither padded nor cut."""
    rust.no_padding(), rust.no_truncation()  # the call above left its settings in there
    return rust.encode_batch_fast(list(messages))


PUNCTUATION = "[!-/:-@^-`{-~]"
vocabulary = tokenizer.get_vocab()
simple = re.compile(f"[a-z0-9]+|{PUNCTUATION}")
plain = {word: number for word, number in vocabulary.items() if simple.fullmatch(word)}
plain_words = pa.array(list(plain))
plain_ids = pa.array([[number] for number in plain.values()], pa.list_(pa.int32()))


def in_vocabulary(words):
    """The index of each word in plain_words, or null: an Arrow array of int32."""
    return pc.index_in(pc.ascii_lower(words), plain_words)


def cut(words):
    """A list of parts for each word: split at spaces and on both sides of each punctuation mark."""
    return pc.split_pattern(pc.replace_substring_regex(words, f"({PUNCTUATION})", r" \1 "), " ")


def rust_ids(words, portion=100):
    """The ids of each word, as an Arrow array of lists; no word may contain a comma.

    `portion` words are joined into one text, because each text of a call costs a little.
    """
    rust.no_padding(), rust.no_truncation()
    texts = [" , ".join(words[start : start + portion]) + " ," for start in range(0, len(words), portion)]
    encodings = rust.encode_batch_fast(texts, add_special_tokens=False)
    flat = np.concatenate([[], *(encoding.ids for encoding in encodings)]).astype(np.int32)
    comma = flat == vocabulary[","]
    ends = np.flatnonzero(comma)
    offsets = np.append(0, ends - np.arange(len(ends)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat[~comma])


def encode_parts(words):
    """The ids of parts of words, as an Arrow array of lists: looked up where possible, else from Rust."""
    place = in_vocabulary(words).fill_null(-1).to_numpy().copy()
    unknown = place == -1
    place[unknown] = len(plain_words) + np.arange(unknown.sum())
    found = rust_ids(words.filter(pa.array(unknown)).to_pylist())
    return pa.concat_arrays([plain_ids, found]).take(pa.array(place))


def encode_once(lists, encode):
    """For each list of words the ids of all its words, concatenated; `encode` gets each distinct word once."""
    distinct = lists.flatten().dictionary_encode()
    ids = encode(distinct.dictionary).take(distinct.indices)
    return pa.ListArray.from_arrays(ids.offsets.take(lists.offsets), ids.values)


class KnownWords:
    """The ids of every word met so far."""

    def __init__(self):
        self.words, self.ids = plain_words[:0], plain_ids[:0]

    def look_up(self, words):
        """The ids of each word, as an Arrow array of lists; what is new is encoded, and kept."""
        new = words.filter(pc.index_in(words, self.words).is_null())
        self.ids = pa.concat_arrays([self.ids, encode_once(cut(new), encode_parts)])
        self.words = pa.concat_arrays([self.words, new])
        return self.ids.take(pc.index_in(words, self.words))


def encode_words(messages, known):
    """All ids in one array without special tokens, and how many each message has, (n,)."""
    words = pc.split_pattern(pa.array(list(messages), pa.string()), " ")
    tweets = encode_once(words, known.look_up)
    return tweets.values.to_numpy(), pc.list_value_length(tweets).to_numpy()


def lay_out(flat, counts):
    """ids, (n, MAX_LEN), int32, and lengths, (n,), from what `encode_words` returns; one that is cut keeps its [SEP]."""
    place = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    counts = np.minimum(counts, MAX_LEN - 2)
    ids = np.full((len(counts), MAX_LEN), tokenizer.pad_token_id, np.int32)
    ids[:, 0] = tokenizer.cls_token_id
    inside = np.arange(MAX_LEN - 2) < counts[:, None]
    ids[:, 1:-1][inside] = flat[place < MAX_LEN - 2]
    ids[np.arange(len(ids)), counts + 1] = tokenizer.sep_token_id
    return torch.from_numpy(ids), torch.from_numpy(counts + 2)


def prepare(messages, portion=2000):
    """ids, (n, MAX_LEN), int32, and lengths in tokens, (n,), int64: the same as the tokenizer's own.

    `portion` messages are encoded at a time, so that what is needed in between stays small.
    """
    ids = torch.empty(len(messages), MAX_LEN, dtype=torch.int32)
    lengths = torch.empty(len(messages), dtype=torch.int64)
    for start in range(0, len(messages), portion):
        if start % 50_000 == 0:
            known = KnownWords()  # anew: the longer the list, the longer looking up takes
        rows = slice(start, start + portion)
        ids[rows], lengths[rows] = lay_out(*encode_words(messages[rows], known))
    return ids, lengths


class WholeBatches(Sampler):
    """Row numbers a batch at a time, shuffled: a tensor for each batch."""

    def __init__(self, rows, batch_size=32):
        self.rows, self.batch_size = rows, batch_size

    def __len__(self):
        return -(-self.rows // self.batch_size)  # rounded up

    def __iter__(self):
        return iter(torch.randperm(self.rows).split(self.batch_size))


# --- whole pipelines, from the CSV file to a loader for training and one for validation --------------------------

disable_progress_bars()
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


def _texts(path):
    return list(pd.read_csv(path)["message"])


def _loaders(train, val, **options):
    return DataLoader(train, sampler=RandomSampler(train), **options), DataLoader(val, **options)


def old_encode(messages):
    """The ids of each message with special tokens: a list of lists of different lengths, one call a message."""
    return [tokenizer.encode(tweet, add_special_tokens=True) for tweet in messages]


def old_pad(input_ids):
    """Padded and cut on the right to a tensor (n, MAX_LEN), int64; a message that is cut loses its [SEP]."""
    options = {"maxlen": MAX_LEN, "dtype": "long", "padding": "post", "truncating": "post"}
    return torch.tensor(pad_sequences(input_ids, value=tokenizer.pad_token_id, **options))


def old_mask(input_ids):
    """The attention mask, (n, MAX_LEN), int64: 1 where the id is not 0."""
    return torch.tensor([[int(token > 0) for token in tweet] for tweet in input_ids])


def old_split(input_ids, attention_mask, labels):
    """Split twice, as the old tutorial does: (train ids, val ids, train labels, val labels), [train mask, val mask]."""
    same = {"random_state": 1234, "test_size": 0.2}
    masks = train_test_split(attention_mask, list(labels), **same)[:2]
    return train_test_split(input_ids, list(labels), **same), masks


def old_tutorial(path):
    """The old tutorial's code, a function for each of its cells."""
    df = pd.read_csv(path)
    input_ids = old_pad(old_encode(df["message"]))
    (ids, val_ids, labels, val_labels), masks = old_split(input_ids, old_mask(input_ids), df["sentiment"])
    train = TensorDataset(ids, masks[0], torch.tensor(labels))
    return _loaders(train, TensorDataset(val_ids, masks[1], torch.tensor(val_labels)), batch_size=32)


def whole_list(path):
    """All texts in one call of the tokenizer, as lesson 05 does it."""
    df = pd.read_csv(path)
    batch, labels = encode_list(df["message"]), torch.tensor(df["sentiment"].to_numpy())
    columns = batch["input_ids"], batch["attention_mask"], labels
    parts = train_test_split(np.arange(len(df)), **SPLIT)
    return _loaders(*(TensorDataset(*(column[rows] for column in columns)) for rows in parts), batch_size=32)


def _encode(batch):
    return tokenizer(batch["message"], padding="max_length", truncation=True, max_length=MAX_LEN)


def datasets_map(path):
    """The `datasets` library: `map` with its default batches of 1,000 rows."""
    with tempfile.TemporaryDirectory() as cache:  # or the second run would find the first one's result
        rows = Dataset.from_csv(str(path), cache_dir=cache).map(_encode, batched=True)
        parts = rows.with_format("torch", columns=["input_ids", "attention_mask", "sentiment"])
        parts = parts.train_test_split(test_size=SPLIT["test_size"], seed=SPLIT["random_state"])
        return _loaders(parts["train"], parts["test"], batch_size=32)


def _columns(path, encode):
    """ids, lengths and labels of a file."""
    df = pd.read_csv(path)
    return *encode(df["message"]), torch.tensor(df["sentiment"].to_numpy())


class SimilarLengths(WholeBatches):
    """Batches of messages of similar length: shuffled, and every row once an epoch."""

    def __init__(self, lengths, batch_size=32):
        super().__init__(len(lengths), batch_size)
        self.lengths = lengths.tolist()

    def __iter__(self):
        order = get_length_grouped_indices(self.lengths, self.batch_size)
        batches = torch.tensor(order).split(self.batch_size)
        return (batches[i] for i in torch.randperm(len(batches)))


def cut_to_longest(columns):
    """A batch (ids, lengths, labels) as the model's inputs, as wide as its longest message."""
    ids, lengths, labels = columns
    width = int(lengths.max())
    mask = torch.arange(width) < lengths[:, None]
    return {"input_ids": ids[:, :width], "attention_mask": mask.long(), "labels": labels}


def _similar(columns):
    parts = train_test_split(np.arange(len(columns[0])), **SPLIT)
    train, val = (TensorDataset(*(column[rows] for column in columns)) for rows in parts)
    order = SimilarLengths(train.tensors[1])
    return DataLoader(train, sampler=order, batch_size=None, collate_fn=cut_to_longest), DataLoader(val, batch_size=32)


def different_words(path):
    """The appendix's: each distinct word encoded once, batches of similar lengths."""
    return _similar(_columns(path, prepare))


def bare_rust(texts):
    """The tokenizer alone: neither padded, nor split, nor made into tensors."""
    return encode_bare(texts)


def encode_with_tokie(messages):
    """What `prepare` returns, from another tokenizer with the same vocabulary (pip install tokie==0.1.4)."""
    from tokie import Tokenizer

    other = Tokenizer.from_json(f"{name}/tokenizer.json")
    other.no_padding(), other.no_truncation()
    flat, counts = other.encode_batch_flat(list(messages), add_special_tokens=False)
    return lay_out(flat, counts.astype(int))


def tokie(path):
    """The same pipeline with that tokenizer in it."""
    return _similar(_columns(path, encode_with_tokie))


def unequal(encode, texts):
    """How many of the texts get other ids than from the tokenizer itself."""
    if len(texts) < 100:  # a text alone can come out otherwise than among others
        return sum(not torch.equal(encode([text])[0].long(), encode_list([text])["input_ids"]) for text in texts)
    return int((encode(texts)[0].long() != encode_list(texts)["input_ids"]).any(1).sum())


# --- training ----------------------------------------------------------------------------------------------------


def rows_of(texts, labels):
    """What lesson 12 trains on: a list of dicts with `input_ids`, not padded, and `labels`, which begin at 0."""
    return [{"input_ids": ids, "labels": int(label)} for ids, label in zip(encode(texts), labels)]


def some_batches(loader, count):
    """A loader for so many of the batches of one epoch, spread evenly over it, because long ones come first."""
    order, size = list(loader.sampler), loader.batch_size
    batches = [order[n : n + size] for n in range(0, len(order), size)]
    chosen = [batches[int((n + 0.5) * len(batches) / count)] for n in range(count)]
    return DataLoader(loader.dataset, batch_sampler=chosen, collate_fn=loader.collate_fn)


FROZEN = AutoConfig.from_pretrained(name).num_hidden_layers * 2 // 3


@torch.no_grad()
def lower_layers(loader):
    """The loader's batches, with the frozen layers' output, (rows, width, hidden size), in place of the ids."""
    lower = AutoModel.from_pretrained(name, num_hidden_layers=FROZEN).to(device).eval()
    for batch in loader:
        batch = batch.to(device)
        hidden = lower(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        yield BatchEncoding({**batch, "input_ids": None, "inputs_embeds": hidden})


class PassOn(torch.nn.Module):
    """What replaces the embeddings where their output is given already."""

    def forward(self, inputs_embeds, **ignored):
        return inputs_embeds


def upper_model():
    """The classifier without its embeddings and its first FROZEN layers: it reads what `lower_layers` yields."""
    model = new_model()
    model.bert.embeddings = PassOn()
    model.bert.encoder.layer = model.bert.encoder.layer[FROZEN:]
    return model


# --- parts of pipelines ------------------------------------------------------------------------------------------


def stream(path):
    """Every row of a file once through the tokenizer, in batches, nothing kept; returns the number of rows."""
    rows = load_dataset("csv", data_files=str(path), split="train", streaming=True)
    rows = rows.map(lambda batch: encode_list(batch["message"]), batched=True, remove_columns=["message"])
    return sum(len(batch["sentiment"]) for batch in rows.iter(batch_size=1000))


def fetch_items(dataset):
    """One epoch of a loader that fetches row after row."""
    return list(DataLoader(dataset, sampler=RandomSampler(dataset), batch_size=32))


def fetch_batches(dataset):
    """One epoch of a loader that fetches a batch at once."""
    return list(DataLoader(dataset, sampler=WholeBatches(len(dataset)), batch_size=None))


def dataset_of(path):
    """A TensorDataset (ids, lengths, labels) of a file, prepared as in the appendix."""
    return TensorDataset(*_columns(path, prepare))


# what is read before the clock starts, for those that do not begin with the file
SET_UP = {"bare_rust": _texts, "fetch_items": dataset_of, "fetch_batches": dataset_of}


def run(connection, pipeline, path):
    """Run the pipeline of that name; tell the parent before and after, so that it can watch the memory in between."""
    argument = SET_UP.get(pipeline, Path)(path)
    connection.send("ready")
    connection.recv()
    start = time.perf_counter()
    result = globals()[pipeline](argument)
    connection.send(time.perf_counter() - start)
    connection.recv()  # the result is still held: the parent has seen the memory
    del result
