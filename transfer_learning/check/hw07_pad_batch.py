"""Homework 07, part 2: rows of different lengths as one batch, padded to the longest of them."""

import copy
import random
from collections.abc import Mapping
from typing import NamedTuple

from ._engine import Mistake, NotYet, a_type, call, describe, explain, homework, require_callable, require_type

KEYS = "input_ids", "attention_mask", "labels"
CLS, SEP = 101, 102  # BERT's; other cases have others
#: rows, pad_id: the simplest first, each new trap after the ones before it.
FIXED = [
    ([([CLS, 7592, 2088, SEP], 2), ([CLS, 2023, SEP], 0)], 0),
    ([([CLS, 11, SEP], 1), ([CLS, *range(21, 26), SEP], 3), ([CLS, 31, 32, SEP], 0), ([CLS, 11, SEP], 2)], 0),
    ([([CLS, 41, SEP], 3), ([CLS, 42, SEP], 1), ([CLS, 43, SEP], 1)], 0),  # nothing to pad
    ([([CLS, 51, 52, 53, SEP], 2)], 0),  # one row
    ([([CLS, 61, SEP], 7), ([CLS, *range(1000, 1098), SEP], 12)], 0),  # longer than any MAX_LEN so far; other labels
    ([([0, 713, 16, 10, 2], 0), ([0, 713, 2], 1)], 1),  # RoBERTa's ids
    ([([CLS, 0, 7592, 0, SEP], 1), ([CLS, SEP], 0), ([CLS, 7592, 0, 0, 0, 0, SEP], 2)], 0),  # [PAD] inside a text
    ([([50256, 21, 22, 23, 50256], 1), ([50256, 11, 50256], 0)], 50256),  # GPT-2 pads with its end of text
]


class Batch(NamedTuple):
    rows: list
    pad_id: int

    @property
    def ids(self):
        return [ids for ids, _ in self.rows]

    @property
    def longest(self):
        return max(map(len, self.ids))


@homework("07_dataloaders")
def pad_batch(pad_batch):
    """Check homework 07, part 2: a batch as wide as its longest row, padded on the right, the mask from the lengths.

    Any answer with the right numbers passes; a mapping such as transformers' BatchEncoding counts as a dict. What the
    contract leaves open is not tried: no rows at all, a row without ids.

    Parameters
    ----------
    pad_batch : callable
        The learner's answer, called as ``pad_batch(rows, pad_id)`` with a list of (list of int, int); it returns a dict
        of long tensors: input_ids and attention_mask of shape (len(rows), longest), labels of shape (len(rows),).

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(pad_batch, "pad_batch")
    chance = random.SystemRandom()
    batches = [*(Batch(*fixed) for fixed in FIXED), *(_random_batch(chance) for _ in range(8))]
    given = [_call(pad_batch, batch) for batch in batches]
    if given == [dict(zip(KEYS, (_right_mask(b), _right_ids(b), _labels(b)))) for b in batches]:
        raise NotYet("ids-and-mask-swapped", "input_ids holds ones and zeros, attention_mask the ids.")
    parts = (_right_ids, _id_mistakes), (_right_mask, _mask_mistakes), (_labels, _label_mistakes)
    for key, (right, mistakes) in zip(KEYS, parts):
        seen = [(batch, got[key]) for batch, got in zip(batches, given)]
        if wrong := [(batch, got) for batch, got in seen if got != right(batch)]:
            batch, got = wrong[0]
            mistake = explain(seen, mistakes(batch, got))
            shape, expected = _shape(got), _shape(right(batch))
            slug = "batch-shape" if shape != expected else f"batch-{key.replace('_', '-')}"
            came = f"has the shape {shape}, expected {expected}" if shape != expected else f"came as {_short(got)}"
            saw = f"with pad_id={batch.pad_id} and the rows {_short(batch.rows)}, {key} {came}."
            raise NotYet(mistake.slug if mistake else slug, saw)
    return f"{len(batches)} batches, some made just now: each as wide as its longest row, the mask from the lengths."


def _random_batch(chance):
    """A batch with ids, labels and lengths of its own; some of its text has the id of padding."""
    cls_id, sep_id, pad_id = chance.sample(range(60_000), 3)
    texts = [[chance.randrange(60_000) for _ in range(chance.randint(0, 40))] for _ in range(chance.randint(1, 8))]
    texts = [[pad_id if chance.random() < 0.1 else token for token in text] for text in texts]
    return Batch([([cls_id, *text, sep_id], chance.randint(0, 9)) for text in texts], pad_id)


def _call(pad_batch, batch):
    """Return the answer's tensors as lists, by key, once they have the right form."""
    import torch

    given, called = copy.deepcopy(batch.rows), f"pad_batch(rows, pad_id={batch.pad_id})"
    result = require_type(call(pad_batch, given, batch.pad_id), Mapping, called, "a dict of three tensors")
    if repr(given) != repr(batch.rows):  # a tensor put into the list cannot be compared with a list
        raise NotYet("input-changed", f"after {called}, rows was {_short(given)}, before it {_short(batch.rows)}.")
    if {*result} != {*KEYS}:
        raise NotYet("other-keys", f"{called} returned the keys {_short([*result])}, expected {', '.join(KEYS)}.")
    for key in KEYS:
        part = result[key]
        if not isinstance(part, torch.Tensor):
            raise NotYet("not-a-tensor", f"{called} gave {key} as {describe(part)}, {a_type(part)}.")
        if part.dtype != torch.long:
            raise NotYet("batch-not-long", f"{called} gave {key} the dtype {part.dtype}.")
    return {key: result[key].detach().cpu().tolist() for key in KEYS}


def _labels(batch):
    return [label for _, label in batch.rows]


def _pad(ids, width, fill, left=False):
    """Pad, or cut, a row to this width."""
    filling = [fill] * (width - len(ids))
    return filling + ids[:width] if left else ids[:width] + filling


def _ends(ids, width):
    """At most `width` ids: where some are cut, the last one stays."""
    return ids if len(ids) <= width else [*ids[: width - 1], ids[-1]]


def _right_ids(batch):
    return [_pad(ids, batch.longest, batch.pad_id) for ids in batch.ids]


def _right_mask(batch):
    return [_pad([1] * len(ids), batch.longest, 0) for ids in batch.ids]


def _id_mistakes(batch, got):
    """Mistakes in the ids; `got` is the first wrong value, for `batch`."""
    shape, fills = _shape(got), {0}
    if len(shape) == 2:
        width = shape[1]
        yield Mistake("fixed-width", lambda b: [_pad(ids, width, b.pad_id) for ids in b.ids])
        yield Mistake("cuts-long-rows", lambda b: [_pad(ids, min(width, b.longest), b.pad_id) for ids in b.ids])
        yield Mistake(
            "cuts-long-rows",  # and keeps their last id
            lambda b: [_pad(_ends(ids, width), min(width, b.longest), b.pad_id) for ids in b.ids],
        )
    yield Mistake("cut-to-the-shortest", lambda b: [ids[: min(map(len, b.ids))] for ids in b.ids])
    yield Mistake("rows-as-columns", lambda b: [list(column) for column in zip(*_right_ids(b))])
    yield Mistake("one-row-squeezed", lambda b: _right_ids(b)[0] if len(b.rows) == 1 else _right_ids(b))
    yield Mistake("padded-on-the-left", lambda b: [_pad(ids, b.longest, b.pad_id, left=True) for ids in b.ids])
    if shape == (len(batch.rows), batch.longest):
        short = [row for row, ids in zip(got, batch.ids) if len(ids) < batch.longest]
        fills |= {row[end] for row in short for end in (0, -1)}
    yield Mistake("pad-id-ignored", lambda b: lambda value: _texts_right(b, value))
    for fill in fills:
        yield Mistake("padded-on-the-left", lambda b, f=fill: [_pad(ids, b.longest, f, left=True) for ids in b.ids])
    yield Mistake("padded-on-the-left", lambda b: [_pad(ids, b.longest, ids[-1], left=True) for ids in b.ids])
    yield Mistake("batch-rows-moved", lambda b: lambda value: sorted(value) == sorted(_right_ids(b)))


def _texts_right(batch, value):
    """Does every row begin with its own ids, whatever comes after them?"""
    whole = _shape(value) == (len(batch.rows), batch.longest)
    return whole and all(row[: len(ids)] == ids for row, ids in zip(value, batch.ids))


def _mask_mistakes(batch, got):
    """Mistakes in the mask, where the ids are right."""
    yield Mistake("mask-inverted", lambda b: [[1 - n for n in row] for row in _right_mask(b)])
    yield Mistake("mask-all-ones", lambda b: [[1] * b.longest for _ in b.rows])
    yield Mistake("mask-on-the-left", lambda b: [row[::-1] for row in _right_mask(b)])
    for rule in (
        lambda ids, k, pad_id: ids[k] != pad_id,
        lambda ids, k, pad_id: ids[k] > 0,
        lambda ids, k, pad_id: pad_id not in ids[: k + 1],  # up to the first padding id
        lambda ids, k, pad_id: any(token != pad_id for token in ids[k:]),  # up to the last other id
    ):
        yield Mistake(
            "mask-from-ids",
            lambda b, rule=rule: [[int(rule(ids, k, b.pad_id)) for k in range(b.longest)] for ids in _right_ids(b)],
        )


def _label_mistakes(batch, got):
    """Mistakes in the labels, where ids and mask are right."""
    yield Mistake("labels-as-a-column", lambda b: [[label] for label in _labels(b)])
    yield Mistake("labels-moved", lambda b: lambda value: sorted(value) == sorted(_labels(b)))


def _shape(table):
    """The shape of a tensor that has become a list."""
    return (len(table), *(_shape(table[0]) if table else ())) if isinstance(table, list) else ()


def _short(thing):
    return describe(thing, 120)
