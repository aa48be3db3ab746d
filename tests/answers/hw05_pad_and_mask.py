"""Answers to homework 05: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import itertools
import os

import numpy as np
import pandas as pd
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")
from keras.utils import pad_sequences
from torch.nn.utils.rnn import pad_sequence

from transfer_learning import check


def judge(pad_and_mask):
    return check.pad_and_mask(pad_and_mask)


# --- right


def loop(sequences, max_len, pad_id, sep_id):
    rows, masks = [], []
    for ids in sequences:
        if len(ids) > max_len:
            ids = [*ids[: max_len - 1], sep_id]
        fill = max_len - len(ids)
        rows.append(ids + [pad_id] * fill)
        masks.append([1] * len(ids) + [0] * fill)
    return torch.tensor(rows), torch.tensor(masks)


def lengths(sequences, max_len, pad_id, sep_id):
    """A full tensor, written over; the mask from one comparison."""
    input_ids = torch.full((len(sequences), max_len), pad_id)
    for row, ids in zip(input_ids, sequences):
        kept = torch.tensor(ids[:max_len])
        row[: len(kept)] = kept
        if len(ids) > max_len:
            row[-1] = sep_id
    real = torch.tensor([min(len(ids), max_len) for ids in sequences])
    return input_ids, (torch.arange(max_len) < real[:, None]).long()


def with_keras(sequences, max_len, pad_id, sep_id):
    cut = [ids if len(ids) <= max_len else [*ids[: max_len - 1], sep_id] for ids in sequences]
    padded = pad_sequences(cut, maxlen=max_len, dtype="int64", padding="post", value=pad_id)
    mask = pad_sequences([np.ones(len(ids)) for ids in cut], maxlen=max_len, dtype="int64", padding="post", value=0)
    return torch.from_numpy(padded), torch.from_numpy(mask)


def with_pad_sequence(sequences, max_len, pad_id, sep_id):
    """torch pads to the longest, so a row of max_len goes along and is dropped."""
    rows = [torch.tensor(ids[:max_len]) for ids in sequences]
    for row, ids in zip(rows, sequences):
        if len(ids) > max_len:
            row[max_len - 1] = sep_id
    whole = torch.zeros(max_len, dtype=torch.long)
    ids = pad_sequence([*rows, whole], batch_first=True, padding_value=pad_id)[:-1]
    mask = pad_sequence([torch.ones_like(row) for row in [*rows, whole]], batch_first=True)[:-1]
    return ids, mask


def scattered(sequences, max_len, pad_id, sep_id):
    """numpy, no loop over rows."""
    real = np.minimum([len(ids) for ids in sequences], max_len)
    mask = np.arange(max_len) < real[:, None]
    out = np.full(mask.shape, pad_id, dtype=np.int64)
    out[mask] = np.concatenate([ids[:max_len] for ids in sequences])
    out[[len(ids) > max_len for ids in sequences], -1] = sep_id
    return torch.tensor(out), torch.tensor(mask.astype(int))


def nested(sequences, max_len, pad_id, sep_id):
    rows = [(ids if len(ids) <= max_len else [*ids[: max_len - 1], ids[-1]]) for ids in sequences]
    columns = itertools.zip_longest(*rows, range(max_len), fillvalue=None)  # the last row sets the width
    table = [row[:-1] for row in columns]
    ids = torch.tensor([[pad_id if token is None else token for token in column] for column in table]).T
    return ids, torch.tensor([[token is not None for token in column] for column in table]).T.long()


def recursive(sequences, max_len, pad_id, sep_id):
    if not sequences:
        return torch.empty(0, max_len, dtype=torch.long), torch.empty(0, max_len, dtype=torch.long)
    first, *rest = sequences
    below = recursive(rest, max_len, pad_id, sep_id)
    return tuple(torch.cat(pair) for pair in zip(loop([first], max_len, pad_id, sep_id), below))


def token_by_token(sequences, max_len, pad_id, sep_id):
    def token(ids, at):
        if at >= len(ids):
            return pad_id, 0
        return (sep_id if at == max_len - 1 and len(ids) > max_len else ids[at]), 1

    both = torch.tensor([[token(ids, at) for at in range(max_len)] for ids in sequences])
    return both.unbind(-1)


def popped(sequences, max_len, pad_id, sep_id):
    """Takes the last token before [SEP] away until the rest fits; works on copies."""
    rows = [list(ids) for ids in sequences]
    for row in rows:
        while len(row) > max_len:
            row.pop(-2)
    mask = torch.zeros(len(rows), max_len, dtype=torch.int64)
    for k, row in enumerate(rows):
        mask[k, : len(row)] = 1
        row.extend(pad_id for _ in range(max_len - len(row)))
    return [torch.LongTensor(rows), mask]


def with_pandas(sequences, max_len, pad_id, sep_id):
    """A table with gaps: what is missing is padding."""
    rows = [ids if len(ids) <= max_len else [*ids[: max_len - 1], sep_id] for ids in sequences]
    table = pd.DataFrame({k: pd.Series(ids, dtype="Int64") for k, ids in enumerate(rows)}).T
    table = table.reindex(columns=range(max_len))
    ids = table.fillna(pad_id).to_numpy(dtype="int64").copy()
    return torch.from_numpy(ids), torch.from_numpy(table.notna().to_numpy().astype("int64"))


def filled_with_minus_one(sequences, max_len, pad_id, sep_id):
    """No token has the id -1, so that may be asked for."""
    ids, _ = loop(sequences, max_len, -1, sep_id)
    mask = (ids >= 0).long()
    return ids.masked_fill(mask == 0, pad_id), mask


class Padder:
    def __call__(self, sequences, max_len, pad_id, sep_id):
        self.width = max_len
        return tuple(torch.stack(rows) for rows in zip(*(self.row(ids, pad_id, sep_id) for ids in sequences)))

    def row(self, ids, pad_id, sep_id):
        ids = torch.tensor(ids)
        if len(ids) > self.width:
            ids = torch.cat([ids[: self.width - 1], torch.tensor([sep_id])])
        fill = (0, self.width - len(ids))
        return torch.nn.functional.pad(ids, fill, value=pad_id), torch.nn.functional.pad(torch.ones_like(ids), fill)


def general(sequences, max_len, pad_id, sep_id, mask_value, dtype):
    ids, mask = lengths(sequences, max_len, pad_id, sep_id)
    return ids.to(dtype), (mask * mask_value).to(dtype)


RIGHT = {
    "a loop": loop,
    "written over": lengths,
    "keras": with_keras,
    "torch's pad_sequence": with_pad_sequence,
    "numpy, no loop": scattered,
    "zip_longest, the last id of the sequence": nested,
    "recursion": recursive,
    "token by token": token_by_token,
    "pop, and a list of two": popped,
    "pandas": with_pandas,
    "an id that cannot be, then pad_id": filled_with_minus_one,
    "an object that can be called": Padder(),
    "a partial": functools.partial(general, mask_value=1, dtype=torch.int64),
    "a view": lambda sequences, max_len, pad_id, sep_id: tuple(
        part.T.contiguous().T for part in loop(sequences, max_len, pad_id, sep_id)
    ),
    "parameters by other names": lambda texts, width, filler, end: loop(texts, width, filler, end),
}


# --- wrong


def cut_and_fill(sequences, max_len, pad_id, cut, front=False):
    """Rows cut by `cut` where they are too long, filled with pad_id, and the mask from their lengths."""
    rows = [list(ids) if len(ids) <= max_len else cut(ids) for ids in sequences]
    fills = [max_len - len(row) for row in rows]
    if front:
        ids = [[pad_id] * fill + row for row, fill in zip(rows, fills)]
        mask = [[0] * fill + [1] * len(row) for row, fill in zip(rows, fills)]
    else:
        ids = [row + [pad_id] * fill for row, fill in zip(rows, fills)]
        mask = [[1] * len(row) + [0] * fill for row, fill in zip(rows, fills)]
    return torch.tensor(ids), torch.tensor(mask)


def old_tutorial(sequences, max_len, pad_id, sep_id):
    ids = pad_sequences(sequences, maxlen=max_len, dtype="long", value=pad_id, truncating="post", padding="post")
    return torch.tensor(ids), torch.tensor([[1] * min(len(s), max_len) + [0] * (max_len - len(s)) for s in sequences])


def kerass_defaults(sequences, max_len, pad_id, sep_id):
    ids = pad_sequences(sequences, maxlen=max_len, dtype="long", value=pad_id)
    return torch.tensor(ids), torch.tensor(ids != pad_id).long()


def to_the_longest(sequences, max_len, pad_id, sep_id):
    rows = [torch.tensor(ids if len(ids) <= max_len else [*ids[: max_len - 1], sep_id]) for ids in sequences]
    ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
    return ids, pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)


def appends(sequences, max_len, pad_id, sep_id):
    """Right numbers, written into the lists that were handed over."""
    n = [min(len(ids), max_len) for ids in sequences]
    for ids in sequences:
        if len(ids) > max_len:
            ids[max_len - 1 :] = [sep_id]
        ids += [pad_id] * (max_len - len(ids))
    return torch.tensor(sequences), (torch.arange(max_len) < torch.tensor(n)[:, None]).long()


def sorts(sequences, max_len, pad_id, sep_id):
    result = loop(sequences, max_len, pad_id, sep_id)
    sequences.sort(key=len)
    return result


def puts_tensors_into_the_list(sequences, max_len, pad_id, sep_id):
    result = loop(sequences, max_len, pad_id, sep_id)
    sequences[:] = map(torch.tensor, sequences)
    return result


def sorted_by_length(sequences, max_len, pad_id, sep_id):
    return loop(sorted(sequences, key=len), max_len, pad_id, sep_id)


def masked(rule):
    """Right ids, and a mask by `rule(ids, mask, pad_id, sep_id)`."""

    def pad_and_mask(sequences, max_len, pad_id, sep_id):
        ids, mask = loop(sequences, max_len, pad_id, sep_id)
        return ids, rule(ids, mask, pad_id, sep_id)

    return pad_and_mask


def changed(change):
    """The right answer, and then `change(ids, mask)`."""
    return lambda *args: change(*loop(*args))


def cut(how, **options):
    """Too long sequences are cut by `how(ids, max_len, sep_id)`."""
    return lambda sequences, max_len, pad_id, sep_id: cut_and_fill(
        sequences, max_len, pad_id, lambda ids: how(ids, max_len, sep_id), **options
    )


def up_to_the_last_text(ids, mask, pad_id, sep_id):
    """Padding is what comes behind the last id that is not pad_id."""
    return (ids != pad_id).flip(1).cummax(1).values.flip(1).long()


def up_to_sep(ids, mask, pad_id, sep_id):
    before = (ids == sep_id).long().cumsum(1) - (ids == sep_id).long()
    return (before == 0).long()


WRONG = {
    "nothing but dots": ("returns-nothing", lambda sequences, max_len, pad_id, sep_id: ...),
    "ids alone": ("wrong-type", changed(lambda ids, mask: ids)),
    "one tensor of both": ("wrong-type", changed(lambda ids, mask: torch.stack([ids, mask]))),
    "a dict": ("wrong-type", changed(lambda ids, mask: {"input_ids": ids, "attention_mask": mask})),
    "lists": ("wrong-type", changed(lambda ids, mask: (ids.tolist(), mask.tolist()))),
    "arrays": ("wrong-type", changed(lambda ids, mask: (ids.numpy(), mask.numpy()))),
    "lengths, too": ("wrong-type", changed(lambda ids, mask: (ids, mask, mask.sum(1)))),
    "fills the lists it was given": ("input-changed", appends),
    "sorts the list it was given": ("input-changed", sorts),
    "tensors in the list it was given": ("input-changed", puts_tensors_into_the_list),
    "padded to the longest": ("padded-to-the-longest", to_the_longest),
    "64 columns": ("padded-to-another-shape", lambda sequences, max_len, pad, sep: loop(sequences, 64, pad, sep)),
    "one column more": (
        "padded-to-another-shape",
        lambda sequences, max_len, pad_id, sep_id: loop(sequences, max_len + 1, pad_id, sep_id),
    ),
    "columns for rows": ("padded-to-another-shape", changed(lambda ids, mask: (ids.T, mask.T))),
    "the first row alone": ("padded-to-another-shape", changed(lambda ids, mask: (ids[0], mask[0]))),
    "flat mask": ("padded-to-another-shape", changed(lambda ids, mask: (ids, mask.flatten()))),
    "one row is squeezed": ("padded-to-another-shape", changed(lambda ids, mask: (ids.squeeze(), mask.squeeze()))),
    "mask as bool": ("padded-not-long", changed(lambda ids, mask: (ids, mask.bool()))),
    "mask as float": ("padded-not-long", changed(lambda ids, mask: (ids, mask.float()))),
    "ids as int32": ("padded-not-long", changed(lambda ids, mask: (ids.int(), mask))),
    "ids as float": ("padded-not-long", changed(lambda ids, mask: (ids.float(), mask))),
    "mask first": ("mask-before-ids", changed(lambda ids, mask: (mask, ids))),
    "sorted by length": ("rows-moved", sorted_by_length),
    "the last row first": ("rows-moved", changed(lambda ids, mask: (ids.flip(0), mask.flip(0)))),
    "padded in front": ("padded-in-front", cut(lambda ids, n, sep: [*ids[: n - 1], sep], front=True)),
    "keras's defaults": ("padded-in-front", kerass_defaults),
    "filled with 0": ("pad-id-ignored", lambda sequences, n, pad, sep: loop(sequences, n, 0, sep)),
    "filled with sep_id": ("pad-id-ignored", lambda sequences, n, pad, sep: loop(sequences, n, sep, sep)),
    "the old tutorial": ("sep-cut-off", old_tutorial),
    "cut with a slice": ("sep-cut-off", cut(lambda ids, n, sep: ids[:n])),
    "only far too long is cut well": (
        "sep-cut-off",
        cut(lambda ids, n, sep: [*ids[: n - 1], sep] if len(ids) > n + 1 else ids[:n]),
    ),
    "cut in front": ("start-cut-off", cut(lambda ids, n, sep: ids[-n:])),
    "the end kept": ("start-cut-off", cut(lambda ids, n, sep: [ids[0], *ids[len(ids) - n + 1 :]])),
    "102 at the end": ("sep-id-ignored", cut(lambda ids, n, sep: [*ids[: n - 1], 102])),
    "pad_id at the end": ("sep-id-ignored", lambda sequences, n, pad, sep: loop(sequences, n, pad, pad)),
    "cut one too many": ("cut-too-short", cut(lambda ids, n, sep: [*ids[: n - 2], sep])),
    "room for two special tokens": ("cut-too-short", cut(lambda ids, n, sep: [*ids[: n - 3], sep])),
    "what just fits is cut": (
        "cut-too-short",
        lambda sequences, n, pad, sep: cut_and_fill(
            [ids if len(ids) != n else [*ids[: n - 2], sep] for ids in sequences],
            n,
            pad,
            lambda ids: [*ids[: n - 1], sep],
        ),
    ),
    "101 in front": (
        "padded-other-ids",
        lambda sequences, n, pad, sep: loop([[101, *ids[1:]] for ids in sequences], n, pad, sep),
    ),
    "ids as int16": ("padded-other-ids", changed(lambda ids, mask: (ids.short().long(), mask))),
    "[SEP] twice": ("padded-other-ids", lambda s, n, pad, sep: loop([[*ids, sep] for ids in s], n, pad, sep)),
    "without [CLS]": ("padded-other-ids", lambda s, n, pad, sep: loop([ids[1:] for ids in s], n, pad, sep)),
    "ids of 30522 and more are unknown": (
        "padded-other-ids",
        lambda sequences, n, pad, sep: loop([[i if i < 30522 else 100 for i in s] for s in sequences], n, pad, sep),
    ),
    "numbers below 0 become 0": ("padded-other-ids", changed(lambda ids, mask: (ids.clamp(min=0), mask))),
    "pad_id taken out of the text": (
        "padded-other-ids",
        lambda sequences, n, pad, sep: loop([[i for i in s if i != pad or i == sep] for s in sequences], n, pad, sep),
    ),
    "mask inverted": ("mask-inverted", masked(lambda ids, mask, pad, sep: 1 - mask)),
    "mask of ones": ("mask-all-ones", masked(lambda ids, mask, pad, sep: torch.ones_like(ids))),
    "ids > 0": ("mask-from-ids", masked(lambda ids, mask, pad, sep: (ids > 0).long())),
    "ids != 0": ("mask-from-ids", masked(lambda ids, mask, pad, sep: (ids != 0).long())),
    "ids != pad_id": ("mask-from-ids", masked(lambda ids, mask, pad, sep: (ids != pad).long())),
    "behind the last text": ("mask-from-ids", masked(up_to_the_last_text)),
    "up to the first [SEP]": ("mask-from-ids", masked(up_to_sep)),
    "numbered": ("another-mask", masked(lambda ids, mask, pad, sep: mask * mask.cumsum(1))),
    "special tokens masked out": ("another-mask", masked(lambda ids, mask, pad, sep: mask * (ids != 101))),
    "one too few": ("another-mask", masked(lambda ids, mask, pad, sep: mask * (mask.cumsum(1) < mask.sum(1, True)))),
    "one too many": (
        "another-mask",
        masked(lambda ids, mask, pad, sep: (torch.arange(ids.shape[1]) <= mask.sum(1, True)).long()),
    ),
    "in front": ("mask-padded-in-front", masked(lambda ids, mask, pad, sep: mask.flip(1))),
    "the first row's for all": ("another-mask", masked(lambda ids, mask, pad, sep: mask[:1].expand_as(mask))),
}
