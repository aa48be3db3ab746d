"""Homework 05: token ids of different lengths as one tensor, and its attention mask."""

import copy
import random

from ._core import NotYet, call, describe, homework, is_function, returned

CLS, SEP = 101, 102  # BERT's; other cases have others
#: sequences, max_len, pad_id, sep_id: the simplest first, each new trap after the ones before it.
FIXED = [
    ([[CLS, 7592, SEP], [CLS, 2023, 2003, SEP]], 6, 0, SEP),
    ([[CLS, *range(11, 15), SEP], [CLS, *range(21, 26), SEP], [CLS, *range(31, 42), SEP], [CLS, 51, SEP]], 6, 0, SEP),
    ([[CLS, 7592, 2088, SEP]], 9, 0, SEP),
    ([[CLS, 11, SEP, 12, 13, SEP], [CLS, 21, SEP, 22, 23, 24, 25, SEP]], 7, 0, SEP),  # pairs of texts
    ([[0, 713, 16, 2], [0, 713, 16, 10, 7728, 32, 2]], 5, 1, 2),  # RoBERTa's ids
    ([[CLS, 0, 7592, 0, SEP], [CLS, 7592, 2088, 999, 0, 0, 0, SEP], [CLS, SEP]], 6, 0, SEP),  # [PAD] as text
    ([[50256, 11, 50256], [50256, 21, 22, 23, 24, 50256]], 4, 50256, 50256),  # GPT-2 pads with what ends a text
]


@homework("05_padding_and_masking")
def pad_and_mask(pad_and_mask):
    """Check homework 05: padded behind, cut so that [SEP] stays, the mask from the lengths.

    Right is whatever comes to the same numbers, in a tuple or a list of two tensors. What the contract leaves open is
    not tried: no sequences at all, one without ids, one that does not end on `sep_id`, a `max_len` below 3.

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
    is_function(pad_and_mask, "pad_and_mask")
    chance = random.SystemRandom()
    cases = [*FIXED, *(_fresh(chance) for _ in range(8))]
    for sequences, *numbers in cases:
        _judge(pad_and_mask, sequences, *numbers)
    return f"{len(cases)} batches, some made just now: padded behind, [SEP] kept where cut, the mask from the lengths."


def _fresh(chance):
    """Make a batch with ids, lengths and a max_len of its own; some of its text has the id of padding."""
    cls_id, sep_id, pad_id = chance.sample(range(60_000), 3)
    max_len = chance.randint(4, 20)
    texts = [[chance.randrange(60_000) for _ in range(chance.randint(0, 2 * max_len))] for _ in range(8)]
    texts = [[pad_id if chance.random() < 0.1 else token for token in text] for text in texts]
    return [[cls_id, *text, sep_id] for text in texts[: chance.randint(1, 8)]], max_len, pad_id, sep_id


def _judge(pad_and_mask, sequences, max_len, pad_id, sep_id):
    import torch

    given = copy.deepcopy(sequences)
    with_what = f"max_len={max_len}, pad_id={pad_id}, sep_id={sep_id}"
    called = f"pad_and_mask(sequences, {with_what})"
    result = call(pad_and_mask, given, max_len, pad_id, sep_id)
    pair = returned(result, (tuple, list), called, "two tensors, input_ids and attention_mask")
    if len(pair) != 2 or not all(isinstance(part, torch.Tensor) for part in pair):
        kinds = ", ".join(type(part).__name__ for part in pair[:5]) or "nothing"
        raise NotYet("wrong-type", f"{called} returned {len(pair)} things ({kinds}), expected two tensors.")
    if repr(given) != repr(sequences):  # a tensor put into the list cannot be compared with a list
        raise NotYet("input-changed", f"after {called}, sequences was {_short(given)}, before it {_short(sequences)}.")
    for name, part in zip(("input_ids", "attention_mask"), pair):
        _right_form(name, part, sequences, max_len, called)
    got_ids, got_mask = (part.detach().cpu().tolist() for part in pair)
    lengths = [min(len(ids), max_len) for ids in sequences]
    ids = [_row(ids, max_len, pad_id, sep_id) for ids in sequences]
    mask = [[1] * n + [0] * (max_len - n) for n in lengths]
    if (got_ids, got_mask) == (mask, ids):
        raise NotYet("mask-before-ids", f"{called} returned the mask first and the ids second.")
    for k, (got, wanted) in enumerate(zip(got_ids, ids)):
        if got != wanted:
            moved = got in ids and sorted(got_ids) == sorted(ids)
            slug = "rows-moved" if moved else _why_ids(got, sequences[k], max_len, pad_id, sep_id)
            raise NotYet(slug, f"with {with_what}, row {k} was {_short(sequences[k])} and became {_short(got)}.")
    for k, (got, wanted) in enumerate(zip(got_mask, mask)):
        if got != wanted:
            slug = _why_mask(got_mask, ids, mask, pad_id, sep_id)
            saw = f"with {with_what}, row {k} was {_short(sequences[k])}; its mask became {_short(got)}."
            raise NotYet(slug, saw)


def _right_form(name, part, sequences, max_len, called):
    """A long tensor of shape (n, max_len)."""
    import torch

    shape, longest = tuple(part.shape), max(map(len, sequences))
    if shape != (len(sequences), max_len):
        slug = "padded-to-the-longest" if shape == (len(sequences), longest) else "padded-to-another-shape"
        saw = f"{called} gave {name} the shape {shape}, for {len(sequences)} sequences, the longest of {longest} ids."
        raise NotYet(slug, saw)
    if part.dtype != torch.long:
        raise NotYet("padded-not-long", f"{called} gave {name} the dtype {part.dtype}.")


def _row(ids, max_len, pad_id, sep_id):
    """What a right answer makes of one sequence."""
    kept = ids if len(ids) <= max_len else [*ids[: max_len - 1], sep_id]
    return kept + [pad_id] * (max_len - len(kept))


def _why_ids(got, ids, max_len, pad_id, sep_id):
    """Name the mistake in one row of input_ids."""
    fill = max(0, max_len - len(ids))
    if fill and got[fill:] == ids:
        return "padded-in-front"
    if fill and got[: len(ids)] == ids and len(set(got[len(ids) :])) == 1:
        return "pad-id-ignored"
    if fill == 0 and any(got == _row([*ids[: n - 1], sep_id], max_len, pad_id, sep_id) for n in range(1, max_len)):
        return "cut-too-short"
    if len(ids) > max_len:
        if got == ids[:max_len]:
            return "sep-cut-off"
        if got in (ids[-max_len:], ids[:1] + ids[len(ids) - max_len + 1 :]):
            return "start-cut-off"
        if got[:-1] == ids[: max_len - 1]:
            return "sep-id-ignored"
    return "padded-other-ids"


def _why_mask(got, ids, mask, pad_id, sep_id):
    """Name the mistake in the mask of a batch: which rule would give it?"""
    if got == [[1 - n for n in row] for row in mask]:
        return "mask-inverted"
    if all(n == 1 for row in got for n in row):
        return "mask-all-ones"
    rules = (
        lambda row, k: row[k] != pad_id,
        lambda row, k: row[k] > 0,
        lambda row, k: row[k] != 0,
        lambda row, k: any(token != pad_id for token in row[k:]),  # all padding from here on
        lambda row, k: sep_id not in row[:k],  # up to the first [SEP]
        lambda row, k: sep_id in row[k:],  # up to the last one
    )
    by_id = any(got == [[int(rule(row, k)) for k in range(len(row))] for row in ids] for rule in rules)
    return "mask-from-ids" if by_id else "another-mask"


def _short(numbers):
    return describe(numbers, 120)
