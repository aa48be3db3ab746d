"""Answers to homework 07's second part: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import itertools

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from transfer_learning import check

SECOND = True  # the homework's other check has answers of its own


def judge(pad_batch):
    return check.pad_batch(pad_batch)


# --- right


def loop(rows, pad_id):
    longest = max(len(ids) for ids, _ in rows)
    ids, masks, labels = [], [], []
    for row, label in rows:
        fill = longest - len(row)
        ids.append(row + [pad_id] * fill)
        masks.append([1] * len(row) + [0] * fill)
        labels.append(label)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(masks), "labels": torch.tensor(labels)}


def with_pad_sequence(rows, pad_id):
    texts = [torch.tensor(ids) for ids, _ in rows]
    return dict(
        input_ids=pad_sequence(texts, batch_first=True, padding_value=pad_id),
        attention_mask=pad_sequence([torch.ones_like(ids) for ids in texts], batch_first=True),
        labels=torch.tensor([label for _, label in rows]),
    )


def written_over(rows, pad_id):
    """A full tensor, written over; the mask from one comparison."""
    lengths = torch.tensor([len(ids) for ids, _ in rows])
    input_ids = torch.full((len(rows), lengths.max()), pad_id)
    for row, (ids, _) in zip(input_ids, rows):
        row[: len(ids)] = torch.tensor(ids)
    mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
    return {"labels": torch.LongTensor([row[1] for row in rows]), "attention_mask": mask, "input_ids": input_ids}


def scattered(rows, pad_id):
    """numpy, no loop over rows."""
    texts, labels = zip(*rows)
    lengths = np.array([len(ids) for ids in texts])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(texts)
    parts = ids, mask.astype(np.int64), np.array(labels, dtype=np.int64)
    return dict(zip(("input_ids", "attention_mask", "labels"), map(torch.from_numpy, parts)))


def zipped(rows, pad_id):
    """Columns of all rows; None marks what is missing."""
    columns = list(itertools.zip_longest(*(ids for ids, _ in rows)))
    ids = torch.tensor([[pad_id if token is None else token for token in column] for column in columns]).T
    mask = torch.tensor([[int(token is not None) for token in column] for column in columns]).T
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor(list(zip(*rows))[1])}


def functional(rows, pad_id):
    from torch.nn.functional import pad

    longest = max(map(len, (ids for ids, _ in rows)))

    def padded(values, fill):
        return torch.stack([pad(torch.as_tensor(row), (0, longest - len(row)), value=fill) for row in values])

    return {
        "input_ids": padded([ids for ids, _ in rows], pad_id),
        "attention_mask": padded([[1] * len(ids) for ids, _ in rows], 0),
        "labels": torch.stack([torch.tensor(label) for _, label in rows]),
    }


def by_tokenizer(rows, pad_id):
    """A tokenizer's own `pad` needs no tokenizer's vocabulary, only its padding id."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"[PAD]": 0}, unk_token="?")))
    tokenizer.pad_token = "[PAD]"
    batch = tokenizer.pad({"input_ids": [list(ids) for ids, _ in rows]}, return_tensors="pt")
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, pad_id)
    batch["labels"] = torch.tensor([label for _, label in rows])
    return batch


def token_by_token(rows, pad_id):
    width = max(len(ids) for ids, _ in rows)
    both = torch.tensor([[(ids[k], 1) if k < len(ids) else (pad_id, 0) for k in range(width)] for ids, _ in rows])
    ids, mask = both.unbind(-1)
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([label for _, label in rows])}


def with_minus_one(rows, pad_id):
    """No token has the id -1, so that may be asked for."""
    ids = loop(rows, -1)["input_ids"]
    mask = (ids >= 0).long()
    return loop(rows, pad_id) | {"input_ids": ids.where(mask.bool(), torch.tensor(pad_id)), "attention_mask": mask}


def recursive(rows, pad_id, width=None):
    width = width or max(len(ids) for ids, _ in rows)
    (ids, label), *rest = rows
    first = {
        "input_ids": torch.tensor([ids + [pad_id] * (width - len(ids))]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids))]),
        "labels": torch.tensor([label]),
    }
    if not rest:
        return first
    return {key: torch.cat([part, recursive(rest, pad_id, width)[key]]) for key, part in first.items()}


def copies(rows, pad_id):
    """Appends until all are equally long, to copies."""
    texts, labels = [list(ids) for ids, _ in rows], [label for _, label in rows]
    masks = [[1 for _ in ids] for ids in texts]
    while len({*map(len, texts)}) > 1:
        longest = max(map(len, texts))
        for ids, mask in zip(texts, masks):
            if len(ids) < longest:
                ids.append(pad_id)
                mask.append(0)
    return {k: torch.tensor(v) for k, v in (("input_ids", texts), ("attention_mask", masks), ("labels", labels))}


def from_the_longest(rows, pad_id):
    """Sorted by length to fill, and put back."""
    order = sorted(range(len(rows)), key=lambda n: -len(rows[n][0]))
    batch = loop([rows[n] for n in order], pad_id)
    back = torch.tensor(order).argsort()
    return {key: part[back] for key, part in batch.items()}


class Padder:
    def __call__(self, rows, pad_id):
        return with_pad_sequence(rows, pad_id)


def general(rows, pad_id, dtype, side):
    assert side == "right"
    return {key: part.to(dtype) for key, part in written_over(rows, pad_id).items()}


RIGHT = {
    "a loop": loop,
    "torch's pad_sequence": with_pad_sequence,
    "written over, keys in another order": written_over,
    "numpy, no loop": scattered,
    "zip_longest": zipped,
    "functional.pad": functional,
    "a tokenizer's pad, a BatchEncoding": by_tokenizer,
    "token by token": token_by_token,
    "an id that cannot be, then pad_id": with_minus_one,
    "recursion": recursive,
    "appends to copies": copies,
    "sorted, and put back": from_the_longest,
    "an object that can be called": Padder(),
    "a partial": functools.partial(general, dtype=torch.int64, side="right"),
    "parameters by other names": lambda batch, filler: loop(batch, filler),
    "a view": lambda rows, pad_id: {key: part.t().contiguous().t() for key, part in loop(rows, pad_id).items()},
}


# --- wrong


def changed(**parts):
    """The right answer with some parts changed: key -> function of the right batch."""

    def pad_batch(rows, pad_id):
        right = loop(rows, pad_id)
        return right | {key: change(right) for key, change in parts.items()}

    return pad_batch


def remade(make):
    """What `make` makes of the right batch."""
    return lambda rows, pad_id: make(loop(rows, pad_id))


def cut(how):
    """The right answer for rows whose ids `how(ids, all of them)` has changed."""

    def pad_batch(rows, pad_id):
        texts = [ids for ids, _ in rows]
        return loop([(how(ids, texts), label) for ids, label in rows], pad_id)

    return pad_batch


def to_width(width):
    def pad_batch(rows, pad_id):
        texts = [ids[:width] for ids, _ in rows]
        return {
            "input_ids": torch.tensor([ids + [pad_id] * (width - len(ids)) for ids in texts]),
            "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in texts]),
            "labels": torch.tensor([label for _, label in rows]),
        }

    return pad_batch


def on_the_left(fill=None):
    def pad_batch(rows, pad_id):
        right = loop(rows, pad_id)
        n, fill_id = right["input_ids"].shape[1], pad_id if fill is None else fill
        ids = [[fill_id] * (n - len(ids)) + ids for ids, _ in rows]
        return right | {"input_ids": torch.tensor(ids), "attention_mask": right["attention_mask"].flip(1)}

    return pad_batch


def filled(fill):
    """The right mask, and ids padded with `fill(ids of the row)`."""

    def pad_batch(rows, pad_id):
        n = max(len(ids) for ids, _ in rows)
        ids = [ids + [fill(ids)] * (n - len(ids)) for ids, _ in rows]
        return loop(rows, pad_id) | {"input_ids": torch.tensor(ids)}

    return pad_batch


def masked(rule):
    """Right ids, and a mask by `rule(ids, pad_id)`."""

    def pad_batch(rows, pad_id):
        right = loop(rows, pad_id)
        return right | {"attention_mask": rule(right["input_ids"], pad_id)}

    return pad_batch


def ordered(key):
    return lambda rows, pad_id: loop(sorted(rows, key=key), pad_id)


def appends(rows, pad_id):
    """Right numbers, written into the lists that were handed over."""
    right = loop(rows, pad_id)
    for ids, _ in rows:
        ids += [pad_id] * (right["input_ids"].shape[1] - len(ids))
    return right


def sorts(rows, pad_id):
    right = loop(rows, pad_id)
    rows.sort(key=lambda row: len(row[0]))
    return right


def pops(rows, pad_id):
    right = loop(rows, pad_id)
    while rows:
        rows.pop()
    return right


def up_to_the_last_text(ids, pad_id):
    return (ids != pad_id).flip(1).cummax(1).values.flip(1).long()


def up_to_the_first_pad(ids, pad_id):
    return ((ids == pad_id).cumsum(1) == 0).long()


def stacks(rows, pad_id):
    return {"input_ids": torch.tensor([ids for ids, _ in rows])}


def shared_rows(rows, pad_id):
    """[[...]] * n makes all rows the same list."""
    n = max(len(ids) for ids, _ in rows)
    table = [[pad_id] * n] * len(rows)
    for line, (ids, _) in zip(table, rows):
        line[: len(ids)] = ids
    return loop(rows, pad_id) | {"input_ids": torch.tensor(table)}


def width_of_the_first(rows, pad_id):
    """As wide as the first row; the others are cut."""
    n = len(rows[0][0])
    return loop([(ids[:n], label) for ids, label in rows], pad_id)


def with_zeros(rows, pad_id):
    """0 is BERT's padding id, not every tokenizer's."""
    longest = max(len(ids) for ids, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows]),
        "labels": torch.tensor([label for _, label in rows]),
    }


def sep_last(rows, pad_id):
    """The row's last id stands in the last column, too."""
    right = loop(rows, pad_id)
    right["input_ids"][:, -1] = torch.tensor([ids[-1] for ids, _ in rows])
    return right


class Widest:
    """As wide as the longest row of all batches so far."""

    width = 0

    def __call__(self, rows, pad_id):
        self.width = max(self.width, *(len(ids) for ids, _ in rows))
        return to_width(self.width)(rows, pad_id)


WRONG = {
    "nothing returned": ("returns-nothing", lambda rows, pad_id: None),
    "not padded": ("raises", stacks),
    "the default of torch": ("wrong-type", lambda rows, pad_id: torch.utils.data.default_collate([r[1] for r in rows])),
    "a tuple": ("wrong-type", remade(lambda batch: tuple(batch.values()))),
    "one dict a row": ("wrong-type", lambda rows, pad_id: [loop([row], pad_id) for row in rows]),
    "one argument": ("raises", lambda rows: loop(rows, 0)),
    "no labels": ("other-keys", remade(lambda batch: {k: v for k, v in batch.items() if k != "labels"})),
    "label": ("other-keys", remade(lambda b: {"label" if k == "labels" else k: v for k, v in b.items()})),
    "token type ids too": ("other-keys", changed(token_type_ids=lambda batch: batch["labels"])),
    "numbers as keys": ("other-keys", remade(lambda batch: dict(enumerate(batch.values())))),
    "an empty dict": ("other-keys", lambda rows, pad_id: {}),
    "lists": ("not-a-tensor", remade(lambda batch: {k: v.tolist() for k, v in batch.items()})),
    "arrays": ("not-a-tensor", remade(lambda batch: {k: v.numpy() for k, v in batch.items()})),
    "labels as a list": ("not-a-tensor", changed(labels=lambda batch: batch["labels"].tolist())),
    "labels as a tuple": ("not-a-tensor", lambda rows, pad: loop(rows, pad) | {"labels": tuple(r[1] for r in rows)}),
    "mask as bool": ("batch-not-long", changed(attention_mask=lambda batch: batch["attention_mask"].bool())),
    "mask as float": ("batch-not-long", changed(attention_mask=lambda batch: batch["attention_mask"].float())),
    "ids as int32": ("batch-not-long", changed(input_ids=lambda batch: batch["input_ids"].int())),
    "labels as float": ("batch-not-long", changed(labels=lambda batch: batch["labels"].float())),
    "labels as int32": ("batch-not-long", changed(labels=lambda batch: batch["labels"].int())),
    "pads the lists it was given": ("input-changed", appends),
    "sorts the list it was given": ("input-changed", sorts),
    "empties the list it was given": ("input-changed", pops),
    "mask for ids": (
        "ids-and-mask-swapped",
        changed(input_ids=lambda b: b["attention_mask"], attention_mask=lambda b: b["input_ids"]),
    ),
    "64 columns": ("fixed-width", to_width(64)),
    "5 columns": ("fixed-width", to_width(5)),
    "128 columns": ("fixed-width", to_width(128)),
    "cut to 64": ("cuts-long-rows", cut(lambda ids, texts: ids[:64])),
    "cut to 64, [SEP] kept": ("cuts-long-rows", cut(lambda ids, t: ids if len(ids) <= 64 else [*ids[:63], ids[-1]])),
    "cut to the shortest": ("cut-to-the-shortest", cut(lambda ids, texts: ids[: min(map(len, texts))])),
    "cut to the first": ("batch-shape", width_of_the_first),
    "the first row alone": ("batch-shape", remade(lambda batch: {k: v[:1] for k, v in batch.items()})),
    "all in one line": ("batch-shape", remade(lambda batch: {k: v.flatten() for k, v in batch.items()})),
    "one column more": ("batch-shape", lambda rows, p: to_width(max(len(i) for i, _ in rows) + 1)(rows, p)),
    "multiples of 8": ("batch-shape", lambda rows, p: to_width(-8 * (-max(len(i) for i, _ in rows) // 8))(rows, p)),
    "flat mask": ("batch-shape", changed(attention_mask=lambda batch: batch["attention_mask"].flatten())),
    "lengths as mask": ("batch-shape", changed(attention_mask=lambda batch: batch["attention_mask"].sum(1))),
    "number of labels": ("batch-shape", changed(labels=lambda batch: torch.tensor(len(batch["labels"])))),
    "wide as the widest so far": ("batch-shape", Widest()),
    "the same row once": (
        "batch-shape",
        lambda rows, pad: loop([(list(ids), n) for ids, n in {tuple(i): n for i, n in rows}.items()], pad),
    ),
    "transposed": ("rows-as-columns", remade(lambda batch: {k: v.t() for k, v in batch.items()})),
    "squeezed": ("one-row-squeezed", remade(lambda batch: {k: v.squeeze() for k, v in batch.items()})),
    "padded on the left": ("padded-on-the-left", on_the_left()),
    "zeros on the left": ("padded-on-the-left", on_the_left(0)),
    "zeros": ("pad-id-ignored", with_zeros),
    "102": ("pad-id-ignored", filled(lambda ids: 102)),
    "-100": ("pad-id-ignored", filled(lambda ids: -100)),
    "another number in place of 0": ("pad-id-ignored", lambda rows, pad_id: loop(rows, pad_id or 100)),
    "the last id again": ("pad-id-ignored", filled(lambda ids: ids[-1])),
    "sorted by length": ("batch-rows-moved", ordered(lambda row: len(row[0]))),
    "longest first": ("batch-rows-moved", ordered(lambda row: -len(row[0]))),
    "sorted by label": ("batch-rows-moved", ordered(lambda row: row[1])),
    "last row first": ("batch-rows-moved", lambda rows, pad_id: loop(rows[::-1], pad_id)),
    "ids sorted, labels not": (
        "batch-rows-moved",
        lambda rows, pad_id: loop(sorted(rows, key=lambda r: len(r[0])), pad_id) | {"labels": loop(rows, 0)["labels"]},
    ),
    "all rows the same list": ("batch-input-ids", shared_rows),
    "sixteen bits": ("batch-input-ids", changed(input_ids=lambda batch: batch["input_ids"].short().long())),
    "without what equals pad_id": (
        "batch-shape",
        lambda rows, pad: loop([([i for i in ids if i != pad] or ids, n) for ids, n in rows], pad),
    ),
    "[SEP] at the end of every row": ("pad-id-ignored", sep_last),
    "mask inverted": ("mask-inverted", changed(attention_mask=lambda batch: 1 - batch["attention_mask"])),
    "mask of ones": ("mask-all-ones", changed(attention_mask=lambda b: torch.ones_like(b["attention_mask"]))),
    "mask on the left": ("mask-on-the-left", changed(attention_mask=lambda batch: batch["attention_mask"].flip(1))),
    "ids != pad_id": ("mask-from-ids", masked(lambda ids, pad_id: (ids != pad_id).long())),
    "ids > 0": ("mask-from-ids", masked(lambda ids, pad_id: (ids > 0).long())),
    "ids != 0": ("mask-from-ids", masked(lambda ids, pad_id: (ids != 0).long())),
    "up to the last text": ("mask-from-ids", masked(up_to_the_last_text)),
    "up to the first padding": ("mask-from-ids", masked(up_to_the_first_pad)),
    "mask without [SEP]": (
        "batch-attention-mask",
        changed(attention_mask=lambda batch: batch["attention_mask"].roll(-1, 1) * batch["attention_mask"]),
    ),
    "mask of 2": ("batch-attention-mask", changed(attention_mask=lambda batch: 2 * batch["attention_mask"])),
    "mask padded with pad_id": (
        "batch-attention-mask",
        lambda rows, pad_id: (
            loop(rows, pad_id) | {"attention_mask": loop([([1] * len(ids), n) for ids, n in rows], pad_id)["input_ids"]}
        ),
    ),
    "labels as a column": ("labels-as-a-column", changed(labels=lambda batch: batch["labels"][:, None])),
    "labels reversed": ("labels-moved", changed(labels=lambda batch: batch["labels"].flip(0))),
    "labels sorted": ("labels-moved", changed(labels=lambda batch: batch["labels"].sort().values)),
    "labels minus 1": ("batch-labels", changed(labels=lambda batch: batch["labels"] - 1)),
    "labels of zeros": ("batch-labels", changed(labels=lambda batch: batch["labels"] * 0)),
    "labels up to 3": ("batch-labels", changed(labels=lambda batch: batch["labels"].clip(max=3))),
}
