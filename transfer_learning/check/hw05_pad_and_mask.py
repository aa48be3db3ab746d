"""Homework 05: token ids of different lengths as one tensor, and its attention mask."""

import copy
import random
from typing import NamedTuple

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type

CLS, SEP = 101, 102  # BERT's; other cases have others
TWICE = [[CLS, 51, SEP], [CLS, 51, SEP]]  # two rows of the same text
#: sequences, max_len, pad_id, sep_id: the simplest first, each new trap after the ones before it.
FIXED = [
    ([[CLS, 7592, SEP], [CLS, 2023, 2003, SEP]], 7, 0, SEP),  # the longest is not max_len - 1 or - 2
    ([[CLS, *range(11, 15), SEP], [CLS, *range(21, 26), SEP], [CLS, *range(31, 42), SEP], *TWICE], 6, 0, SEP),
    ([[CLS, 7592, 2088, SEP]], 9, 0, SEP),
    ([[CLS, 11, SEP, 12, 13, SEP], [CLS, 21, SEP, 22, 23, 24, 25, SEP]], 7, 0, SEP),  # pairs of texts
    ([[0, 713, 16, 2], [0, 713, 16, 10, 7728, 32, 2]], 5, 1, 2),  # RoBERTa's ids
    ([[CLS, 0, 7592, 0, SEP], [CLS, 7592, 2088, 999, 0, 0, 0, SEP], [CLS, SEP]], 6, 0, SEP),  # [PAD] inside a text
    ([[CLS, 7592, SEP], [CLS, *range(11, 17), SEP]], 6, -100, SEP),  # labels are padded with such a number
    ([[50256, 11, 50256], [50256, 21, 22, 23, 24, 50256]], 4, 50256, 50256),  # GPT-2 pads with its end of text
]


class Row(NamedTuple):
    ids: list
    max_len: int
    pad_id: int
    sep_id: int


@homework("05_padding_and_masking")
def pad_and_mask(pad_and_mask):
    """Check homework 05: padded on the right, cut so that [SEP] stays, the mask from the lengths.

    Any answer with the right numbers passes, as a tuple or a list of two tensors. What the contract leaves open is not
    tried: no sequences at all, one without ids, one that does not end with `sep_id`, a `max_len` below 3.

    Parameters
    ----------
    pad_and_mask : callable
        The learner's answer, called as ``pad_and_mask(sequences, max_len, pad_id, sep_id)`` with a list of lists of
        int; it returns input_ids and attention_mask, long tensors of shape (len(sequences), max_len).

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(pad_and_mask, "pad_and_mask")
    chance = random.SystemRandom()
    batches = [*FIXED, *(_random_batch(chance) for _ in range(8))]
    rows = [[Row(ids, *settings) for ids in sequences] for sequences, *settings in batches]
    given = [_call(pad_and_mask, *batch) for batch in batches]
    wanted = [(list(map(_right_ids, batch)), list(map(_right_mask, batch))) for batch in rows]
    if given == [(mask, ids) for ids, mask in wanted]:
        raise NotYet("mask-before-ids", "the first tensor holds the mask and the second the ids.")
    if given != wanted and all(sorted(ids) == sorted(right[0]) for (ids, _), right in zip(given, wanted)):
        if [ids for ids, _ in given] != [ids for ids, _ in wanted]:
            raise NotYet("rows-moved", "the rows of input_ids came in a different order from the sequences.")
    for part, name, right in (0, "ids", _right_ids), (1, "mask", _right_mask):
        seen = [(row, got) for batch, pair in zip(rows, given) for row, got in zip(batch, pair[part], strict=True)]
        if wrong := [(row, got) for row, got in seen if got != right(row)]:
            row, got = wrong[0]
            mistake = explain(seen, _id_mistakes(row, got) if name == "ids" else MASKS)
            slug = mistake.slug if mistake else {"ids": "padded-other-ids", "mask": "another-mask"}[name]
            settings = f"max_len={row.max_len}, pad_id={row.pad_id}, sep_id={row.sep_id}"
            raise NotYet(slug, f"with {settings}, the {name} of {_short(row.ids)} became {_short(got)}.")
    return f"{len(batches)} batches, some made just now: padded on the right, [SEP] kept where cut, the mask from the lengths."


def _random_batch(chance):
    """A batch with ids, lengths and a max_len of its own; some of its text has the id of padding."""
    cls_id, sep_id, pad_id = chance.sample(range(60_000), 3)
    max_len = chance.randint(4, 20)
    texts = [[chance.randrange(60_000) for _ in range(chance.randint(0, 2 * max_len))] for _ in range(8)]
    texts = [[pad_id if chance.random() < 0.1 else token for token in text] for text in texts]
    return [[cls_id, *text, sep_id] for text in texts[: chance.randint(1, 8)]], max_len, pad_id, sep_id


def _call(pad_and_mask, sequences, max_len, pad_id, sep_id):
    """Return the answer's ids and mask as lists, once they have the right form."""
    import torch

    given, longest = copy.deepcopy(sequences), max(map(len, sequences))
    called = f"pad_and_mask(sequences, max_len={max_len}, pad_id={pad_id}, sep_id={sep_id})"
    result = call(pad_and_mask, given, max_len, pad_id, sep_id)
    pair = require_type(result, (tuple, list), called, "two tensors, input_ids and attention_mask")
    if len(pair) != 2 or not all(isinstance(part, torch.Tensor) for part in pair):
        kinds = ", ".join(type(part).__name__ for part in pair[:5]) or "nothing"
        raise NotYet("wrong-type", f"{called} returned {len(pair)} things ({kinds}), expected two tensors.")
    if repr(given) != repr(sequences):  # a tensor put into the list cannot be compared with a list
        raise NotYet("input-changed", f"after {called}, sequences was {_short(given)}, before it {_short(sequences)}.")
    for name, part in zip(("input_ids", "attention_mask"), pair):
        if (shape := tuple(part.shape)) != (len(sequences), max_len):
            slug = "padded-to-the-longest" if shape == (len(sequences), longest) else "padded-to-another-shape"
            saw = (
                f"{called} gave {name} the shape {shape}, for {len(sequences)} sequences, the longest of {longest} ids."
            )
            raise NotYet(slug, saw)
        if part.dtype != torch.long:
            raise NotYet("padded-not-long", f"{called} gave {name} the dtype {part.dtype}.")
    return tuple(part.detach().cpu().tolist() for part in pair)


def _cut(row, limit=0, kept=0):
    """Cut what is more than `limit` ids shorter than max_len; `kept` fewer ids than max_len stay."""
    n = row.max_len - kept
    return row.ids if len(row.ids) <= row.max_len - limit else [*row.ids[: n - 1], row.sep_id]


def _pad(row, kept):
    return kept + [row.pad_id] * (row.max_len - len(kept))


def _right_ids(row):
    return _pad(row, _cut(row))


def _right_mask(row):
    kept = len(_cut(row))
    return [1] * kept + [0] * (row.max_len - kept)


def _id_mistakes(first, got):
    """Every way to cut with every way to pad, named after what is wrong in the first wrong row, which became `got`."""
    cuts = [
        ("", _cut),
        ("sep-cut-off", lambda row: row.ids[: row.max_len]),
        ("start-cut-off", lambda row: row.ids[-row.max_len :]),
        ("start-cut-off", lambda row: row.ids[:1] + row.ids[1:][-(row.max_len - 1) :]),
        ("sep-cut-off", lambda row: _cut(row, limit=-1)[: row.max_len]),  # a row that is one id too long
        ("cut-too-short", lambda row: _cut(row) if len(row.ids) != row.max_len else _cut(row, 1, 1)),
    ]
    for end in (lambda row: got[-1], lambda row: row.pad_id):
        cuts.append(
            ("sep-id-ignored", lambda row, end=end: row.ids if row.ids == _cut(row) else [*_cut(row)[:-1], end(row)])
        )
    for kept in (1, 2, 3):
        cuts += [("cut-too-short", lambda row, n=n, kept=kept: _cut(row, n, kept)) for n in (0, 1, kept) if kept]
    pads = [("", _pad), ("padded-in-front", lambda row, kept: [row.pad_id] * (row.max_len - len(kept)) + kept)]
    for fill in (got[-1], got[0]):
        pads.append(("pad-id-ignored", lambda row, kept, fill=fill: kept + [fill] * (row.max_len - len(kept))))
    pads.append(("pad-id-ignored", lambda row, kept: kept + [row.sep_id] * (row.max_len - len(kept))))
    for cut_slug, cut in cuts:
        for pad_slug, pad in pads:
            slug = cut_slug if cut(first) != _cut(first) else pad_slug or cut_slug
            yield Mistake(slug, lambda row, cut=cut, pad=pad: pad(row, cut(row)))


def _from_ids(rule):
    """A mask made from the padded ids: `rule(ids, k, row)` says whether position k is attended to."""
    return Mistake("mask-from-ids", lambda row: [int(rule(_right_ids(row), k, row)) for k in range(row.max_len)])


MASKS = [
    Mistake("mask-inverted", lambda row: [1 - n for n in _right_mask(row)]),
    Mistake("mask-all-ones", lambda row: [1] * row.max_len),
    Mistake("mask-padded-in-front", lambda row: _right_mask(row)[::-1]),
    _from_ids(lambda ids, k, row: ids[k] != row.pad_id),
    _from_ids(lambda ids, k, row: ids[k] > 0),
    _from_ids(lambda ids, k, row: ids[k] != 0),
    _from_ids(lambda ids, k, row: row.pad_id not in ids[: k + 1]),  # up to the first padding id
    _from_ids(lambda ids, k, row: any(token != row.pad_id for token in ids[k:])),  # up to the last other id
    _from_ids(lambda ids, k, row: row.sep_id not in ids[:k]),  # up to the first [SEP]
    _from_ids(lambda ids, k, row: row.sep_id in ids[k:]),  # up to the last one
]


def _short(numbers):
    return describe(numbers, 120)
