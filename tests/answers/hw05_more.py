"""Fresh learner answers to homework 05: pad_and_mask(sequences, max_len, pad_id, sep_id)."""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

# ---- right ----


def hint(sequences, max_len, pad_id, sep_id):
    input_ids, attention_mask = [], []
    for ids in sequences:
        kept = [*ids[: max_len - 1], sep_id] if len(ids) > max_len else ids
        rest = max_len - len(kept)
        input_ids.append(kept + [pad_id] * rest)
        attention_mask.append([1] * len(kept) + [0] * rest)
    return torch.tensor(input_ids), torch.tensor(attention_mask)


def beginner(sequences, max_len, pad_id, sep_id):
    rows = []
    masks = []
    for i in range(len(sequences)):
        row = []
        mask = []
        for j in range(max_len):
            if j < len(sequences[i]):
                row.append(sequences[i][j])
                mask.append(1)
            else:
                row.append(pad_id)
                mask.append(0)
        if len(sequences[i]) > max_len:
            row[-1] = sep_id
        rows.append(row)
        masks.append(mask)
    input_ids = torch.tensor(rows, dtype=torch.long)
    attention_mask = torch.tensor(masks, dtype=torch.long)
    return input_ids, attention_mask


@torch.no_grad()
def filled(sequences: list[list[int]], max_len: int, pad_id: int, sep_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad or truncate each sequence to max_len and build the attention mask."""
    n = len(sequences)
    input_ids = torch.full((n, max_len), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((n, max_len), dtype=torch.long)
    for i, seq in enumerate(sequences):
        length = min(len(seq), max_len)
        input_ids[i, :length] = torch.tensor(seq[:length], dtype=torch.long)
        if len(seq) > max_len:
            input_ids[i, max_len - 1] = sep_id
        attention_mask[i, :length] = 1
    return input_ids, attention_mask


def by_numpy(sequences, max_len, pad_id, sep_id):
    lengths = np.minimum([len(s) for s in sequences], max_len)
    mask = (np.arange(max_len)[None, :] < lengths[:, None]).astype(np.int64)
    ids = np.full((len(sequences), max_len), pad_id, dtype=np.int64)
    for row, s in zip(ids, sequences):
        row[: min(len(s), max_len)] = s[:max_len]
        if len(s) > max_len:
            row[-1] = sep_id
    return torch.from_numpy(ids), torch.from_numpy(mask)


def no_loop(sequences, max_len, pad_id, sep_id):
    lengths = torch.tensor([len(s) for s in sequences])
    flat = torch.tensor(list(itertools.chain.from_iterable(sequences)))
    where = torch.arange(len(flat)) - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    mask = torch.arange(max_len) < lengths[:, None]
    ids = torch.full(mask.shape, pad_id)
    ids[mask] = flat[where < max_len]
    ids[lengths > max_len, -1] = sep_id
    return ids, mask.long()


def one_liner(sequences, max_len, pad_id, sep_id):
    return tuple(
        map(
            torch.LongTensor,
            zip(
                *[
                    (
                        (s if len(s) <= max_len else [*s[: max_len - 1], sep_id]) + [pad_id] * (max_len - len(s)),
                        [int(j < len(s)) for j in range(max_len)],
                    )
                    for s in sequences
                ]
            ),
        )
    )


def by_pad_sequence(sequences, max_len, pad_id, sep_id):
    kept = [torch.tensor(s) if len(s) <= max_len else torch.tensor([*s[: max_len - 1], sep_id]) for s in sequences]
    ids = pad_sequence([*kept, torch.empty(max_len, dtype=torch.long)], batch_first=True, padding_value=pad_id)[:-1]
    mask = pad_sequence([*map(torch.ones_like, kept), torch.empty(max_len, dtype=torch.long)], batch_first=True)[:-1]
    return ids, mask


def by_functional_pad(sequences, max_len, pad_id, sep_id):
    ids, masks = [], []
    for seq in sequences:
        row = torch.as_tensor(seq).clone()
        if len(row) > max_len:
            row = torch.cat((row[: max_len - 1], torch.tensor([sep_id])))
        gap = (0, max_len - len(row))
        ids.append(F.pad(row, gap, value=pad_id))
        masks.append(F.pad(torch.ones_like(row), gap))
    return torch.stack(ids), torch.stack(masks)


class Padder:
    def truncate(self, seq, max_len, sep_id):
        seq = list(seq)
        if len(seq) > max_len:
            del seq[max_len - 1 :]
            seq.append(sep_id)
        return seq

    def __call__(self, sequences, max_len, pad_id, sep_id):
        kept = [self.truncate(seq, max_len, sep_id) for seq in sequences]
        lengths = torch.tensor([len(seq) for seq in kept]).unsqueeze(1)
        ids = torch.tensor([seq + [pad_id] * (max_len - len(seq)) for seq in kept])
        return ids, torch.arange(max_len).lt(lengths).to(torch.long)


class Padded(NamedTuple):
    input_ids: torch.Tensor
    attention_mask: torch.Tensor


def named(sequences, max_len, pad_id, sep_id):
    return Padded(*hint(sequences, max_len, pad_id, sep_id))


def by_iterators(sequences, max_len, pad_id, sep_id):
    def row(s):
        kept = s if len(s) <= max_len else itertools.chain(s[: max_len - 1], [sep_id])
        return list(itertools.islice(itertools.chain(kept, itertools.repeat(pad_id)), max_len))

    ids = torch.tensor([row(s) for s in sequences], dtype=torch.int64)
    mask = torch.tensor([[1 if j < len(s) else 0 for j in range(max_len)] for s in sequences], dtype=torch.int64)
    return ids, mask


def by_pandas(sequences, max_len, pad_id, sep_id):
    kept = [s if len(s) <= max_len else [*s[: max_len - 1], sep_id] for s in sequences]
    frame = pd.DataFrame(kept).reindex(columns=range(max_len))
    mask = frame.notna().to_numpy().astype("int64")
    return torch.tensor(frame.fillna(pad_id).to_numpy().astype("int64")), torch.tensor(mask)


def by_keras(sequences, max_len, pad_id, sep_id):
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    from keras.utils import pad_sequences

    ids = pad_sequences(sequences, maxlen=max_len, dtype="int64", value=pad_id, padding="post", truncating="post")
    ids = torch.tensor(ids)
    lengths = torch.tensor([len(s) for s in sequences])
    ids[lengths > max_len, -1] = sep_id
    return ids, (torch.arange(max_len) < lengths[:, None]).long()


def one_row(seq, max_len, pad_id, sep_id):
    kept = seq if len(seq) <= max_len else [*seq[: max_len - 1], sep_id]
    padding = max_len - len(kept)
    return [*kept, *[pad_id] * padding], [1] * len(kept) + [0] * padding


@torch.inference_mode()
def by_rows(sequences, max_len, pad_id, sep_id):
    rows = [one_row(seq, max_len, pad_id, sep_id) for seq in sequences]
    ids, masks = zip(*rows)
    return torch.tensor(ids), torch.tensor(masks)


def by_where(sequences, max_len, pad_id, sep_id, *, dtype):
    longest = max(max_len, *(len(s) for s in sequences), 1)
    wide = torch.tensor([s + [pad_id] * (longest - len(s)) for s in sequences], dtype=dtype)[:, :max_len]
    lengths = torch.tensor(list(map(len, sequences)))[:, None]
    last = torch.arange(max_len) == max_len - 1
    ids = torch.where(last & (lengths > max_len), torch.tensor(sep_id, dtype=dtype), wide)
    return ids, (torch.arange(max_len).expand(len(sequences), -1) < lengths).to(dtype)


RIGHT = {
    "the third hint": hint,
    "beginner's double loop": beginner,
    "filled tensors, decorated, typed": filled,
    "numpy": by_numpy,
    "no loop over rows": no_loop,
    "one line": one_liner,
    "pad_sequence with a dummy row": by_pad_sequence,
    "F.pad": by_functional_pad,
    "class with __call__": Padder(),
    "named tuple": named,
    "iterators": by_iterators,
    "pandas": by_pandas,
    "keras pad_sequences, then repaired": by_keras,
    "helper for one row, inference_mode": by_rows,
    "partial, torch.where": functools.partial(by_where, dtype=torch.long),
}

# ---- wrong ----


def cut(ids, max_len, sep_id):
    return [*ids[: max_len - 1], sep_id] if len(ids) > max_len else list(ids)


def answer(keep=cut, fill=lambda kept, rest, pad_id: kept + [pad_id] * rest, mask=None, end=None):
    """The hint's answer, with a step exchanged: keep(ids, max_len, sep_id), fill, mask(row, kept, pad_id, sep_id), end."""

    def pad_and_mask(sequences, max_len, pad_id, sep_id):
        rows, masks = [], []
        for ids in sequences:
            kept = keep(ids, max_len, sep_id)
            row = fill(kept, max_len - len(kept), pad_id)
            rows.append(row)
            masks.append(mask(row, kept, pad_id, sep_id) if mask else [1] * len(kept) + [0] * (max_len - len(kept)))
        input_ids, attention_mask = torch.tensor(rows), torch.tensor(masks)
        return end(input_ids, attention_mask) if end else (input_ids, attention_mask)

    return pad_and_mask


def up_to(row, value, more=0):
    n = row.index(value) + more if value in row else len(row)
    return [1] * n + [0] * (len(row) - n)


def mutates_sep(sequences, max_len, pad_id, sep_id):
    for ids in sequences:
        if len(ids) > max_len:
            ids[max_len - 1] = sep_id
    return hint([ids[:max_len] for ids in sequences], max_len, pad_id, sep_id)


def mutates_append(sequences, max_len, pad_id, sep_id):
    masks = []
    for ids in sequences:
        if len(ids) > max_len:
            ids[max_len - 1 :] = [sep_id]
        masks.append([1] * len(ids) + [0] * (max_len - len(ids)))
        while len(ids) < max_len:
            ids.append(pad_id)
    return torch.tensor(sequences), torch.tensor(masks)


def mutates_outer(sequences, max_len, pad_id, sep_id):
    for i, ids in enumerate(sequences):
        sequences[i] = cut(ids, max_len, sep_id)
    return hint(sequences, max_len, pad_id, sep_id)


def mask_of_whole_length(sequences, max_len, pad_id, sep_id):
    ids, _ = hint(sequences, max_len, pad_id, sep_id)
    return ids, torch.tensor([[1] * len(s) + [0] * (max_len - len(s)) for s in sequences])


def shared_rows(sequences, max_len, pad_id, sep_id):
    rows, masks = [[pad_id] * max_len] * len(sequences), [[0] * max_len] * len(sequences)
    for row, mask, s in zip(rows, masks, sequences):
        kept = cut(s, max_len, sep_id)
        row[: len(kept)], mask[: len(kept)] = kept, [1] * len(kept)
    return torch.tensor(rows), torch.tensor(masks)


def longest_row(sequences, max_len, pad_id, sep_id):
    return hint(sequences, min(max_len, max(map(len, sequences))), pad_id, sep_id)


def return_in_loop(sequences, max_len, pad_id, sep_id):
    for ids in sequences:
        kept = cut(ids, max_len, sep_id)
        rest = max_len - len(kept)
        return torch.tensor([kept + [pad_id] * rest]), torch.tensor([[1] * len(kept) + [0] * rest])


def split_long(sequences, max_len, pad_id, sep_id):
    parts = [s[i : i + max_len] for s in sequences for i in range(0, len(s), max_len)]
    return hint(parts, max_len, pad_id, sep_id)


def sixteen_bits(sequences, max_len, pad_id, sep_id):
    ids, mask = by_numpy(sequences, max_len, pad_id, sep_id)
    return torch.from_numpy(ids.numpy().astype(np.int16)).long(), mask


def no_padding(sequences, max_len, pad_id, sep_id):
    kept = [cut(s, max_len, sep_id) for s in sequences]
    return torch.tensor(kept), torch.tensor([[1] * len(s) for s in kept])


def torch_pad_sequence(sequences, max_len, pad_id, sep_id):
    ids = pad_sequence(
        [torch.tensor(cut(s, max_len, sep_id)) for s in sequences], batch_first=True, padding_value=pad_id
    )
    return ids, (ids != pad_id).long()


def float_mask(sequences, max_len, pad_id, sep_id):
    ids, mask = torch.full((len(sequences), max_len), pad_id), torch.zeros(len(sequences), max_len)
    for i, s in enumerate(sequences):
        kept = cut(s, max_len, sep_id)
        ids[i, : len(kept)], mask[i, : len(kept)] = torch.tensor(kept), 1
    return ids, mask


def uninitialised(sequences, max_len, pad_id, sep_id):
    ids, mask = filled(sequences, max_len, 0, sep_id)
    ids[ids == 0] = pad_id
    return ids, mask


def sep_by_gap(sequences, max_len, pad_id, sep_id):
    ids, mask = hint([s[:max_len] for s in sequences], max_len, pad_id, sep_id)
    ids[:, -1] = sep_id
    return ids, mask


def half(sequences, max_len, pad_id, sep_id):
    input_ids = []
    for ids in sequences:
        input_ids.append(cut(ids, max_len, sep_id) + [pad_id] * (max_len - len(ids)))
    attention_mask = ...
    return torch.tensor(input_ids), attention_mask


def rows_by_index(sequences, max_len, pad_id, sep_id):
    input_ids, attention_mask = (
        torch.full((len(sequences), max_len), pad_id),
        torch.zeros(len(sequences), max_len).long(),
    )
    for row, mask in zip(*hint(sequences, max_len, pad_id, sep_id)):
        k = next(k for k, ids in enumerate(sequences) if hint([ids], max_len, pad_id, sep_id)[0][0].equal(row))
        input_ids[k], attention_mask[k] = row, mask
    return input_ids, attention_mask


WRONG = {
    # The mask compares ids with pad_id, wrong where pad_id stands inside a text.
    "mask by pad id": ("mask-from-ids", answer(mask=lambda row, kept, pad, sep: [int(i != pad) for i in row])),
    # The mask is 1 up to the first pad id, wrong where pad_id stands inside a text.
    "mask up to the first pad id": ("mask-from-ids", answer(mask=lambda row, kept, pad, sep: up_to(row, pad))),
    # The mask drops all pad ids at the end of the row, wrong only where the text itself ends in pad_id (pad_id
    # equal to sep_id).
    "mask without all trailing pads": (
        "mask-from-ids",
        answer(mask=lambda row, kept, pad, sep: [int(any(i != pad for i in row[j:])) for j in range(len(row))]),
    ),
    # The mask is ids > 0, wrong where pad_id is not 0 or an id of the text is 0.
    "mask > 0": ("mask-from-ids", answer(mask=lambda row, kept, pad, sep: [int(i > 0) for i in row])),
    # The mask ends at the first sep_id, wrong only where sep_id stands twice in a text (pairs).
    "mask up to the first sep": ("mask-from-ids", answer(mask=lambda row, kept, pad, sep: up_to(row, sep, 1))),
    # The mask ends at the last sep_id of the row, wrong where pad_id equals sep_id.
    "mask up to the last sep": (
        "mask-from-ids",
        answer(mask=lambda row, kept, pad, sep: [1] * (len(row) - row[::-1].index(sep)) + [0] * row[::-1].index(sep)),
    ),
    # The mask is one short, [SEP] itself is masked, on every row.
    "mask without sep": (
        "another-mask",
        answer(mask=lambda row, kept, pad, sep: [1] * (len(kept) - 1) + [0] * (len(row) - len(kept) + 1)),
    ),
    # The mask is 1 on padding and 0 on text.
    "mask upside down": ("mask-inverted", answer(end=lambda ids, mask: (ids, 1 - mask))),
    # The mask is 1 everywhere, wrong for every padded row.
    "mask all ones": ("mask-all-ones", answer(end=lambda ids, mask: (ids, torch.ones_like(ids)))),
    # The mask is filled up with pad_id and not 0, wrong where pad_id is not 0.
    "mask filled with pad_id": (
        "another-mask",
        answer(mask=lambda row, kept, pad, sep: [1] * len(kept) + [pad] * (len(row) - len(kept))),
    ),
    # The mask is as long as the uncut sequence, so a row that is too long makes torch.tensor raise.
    "mask of the whole length": ("raises", mask_of_whole_length),
    # A row that is too long is cut without [SEP].
    "plain cut": ("sep-cut-off", answer(keep=lambda ids, n, sep: ids[:n])),
    # The first max_len ids and then sep_id: a row that is too long is one longer than the others and raises, or has
    # the wrong width.
    "one too many": ("raises", answer(keep=lambda ids, n, sep: [*ids[:n], sep] if len(ids) > n else ids)),
    # Only max_len - 2 ids and sep_id are kept of a row that is too long.
    "one too few": ("cut-too-short", answer(keep=lambda ids, n, sep: [*ids[: n - 2], sep] if len(ids) > n else ids)),
    # A row of just max_len ids loses the id before [SEP] (>= and one too few).
    "just fits, cut anyway": (
        "cut-too-short",
        answer(keep=lambda ids, n, sep: [*ids[: n - 2], sep] if len(ids) >= n else ids),
    ),
    # Only rows longer than max_len + 1 are cut well, one over keeps no [SEP].
    "one over stays": (
        "sep-cut-off",
        answer(keep=lambda ids, n, sep: [*ids[: n - 1], sep] if len(ids) > n + 1 else ids[:n]),
    ),
    # A row that is too long loses its beginning and not its end.
    "the end is kept": ("start-cut-off", answer(keep=lambda ids, n, sep: ids[-n:])),
    # A row that is too long keeps its first id and its end, the middle is cut.
    "cls and the end": (
        "start-cut-off",
        answer(keep=lambda ids, n, sep: ids[:1] + ids[len(ids) - n + 1 :] if len(ids) > n else ids),
    ),
    # 102 is hard-coded as sep_id, wrong for any other.
    "102": ("sep-id-ignored", answer(keep=lambda ids, n, sep: cut(ids, n, 102))),
    # 0 is hard-coded as pad_id, wrong for any other.
    "padding 0": ("pad-id-ignored", answer(fill=lambda kept, rest, pad: kept + [0] * rest)),
    # MAX_LEN of the notebook (48) is used and not max_len.
    "48": ("padded-to-another-shape", lambda sequences, max_len, pad_id, sep_id: hint(sequences, 48, pad_id, sep_id)),
    # Padding and zeros stand in front, wrong for every short row.
    "padded in front": (
        "padded-in-front",
        answer(
            fill=lambda kept, rest, pad: [pad] * rest + kept,
            mask=lambda row, kept, pad, sep: [0] * (len(row) - len(kept)) + [1] * len(kept),
        ),
    ),
    # The ids are padded in front but the mask behind, wrong for every short row.
    "ids in front, mask behind": ("padded-in-front", answer(fill=lambda kept, rest, pad: [pad] * rest + kept)),
    # The padding stands between the text and [SEP], wrong for every short row.
    "padded before sep": (
        "padded-other-ids",
        answer(fill=lambda kept, rest, pad: kept[:-1] + [pad] * rest + kept[-1:]),
    ),
    # sep_id is set at the end of every row, also of padded ones.
    "sep closes every row": ("padded-other-ids", sep_by_gap),
    # Short rows are filled up with sep_id and not pad_id.
    "filled with sep": (
        "pad-id-ignored",
        lambda sequences, max_len, pad_id, sep_id: hint(sequences, max_len, sep_id, sep_id),
    ),
    # pad_id and sep_id change places, on every row that is padded or cut.
    "pad and sep exchanged": (
        "pad-id-ignored",
        lambda sequences, max_len, sep_id, pad_id: hint(sequences, max_len, pad_id, sep_id),
    ),
    # A row that is too long gets sep_id written into sequences itself.
    "sep set in the input": ("input-changed", mutates_sep),
    # The padding is appended to the lists of sequences themselves.
    "appends to the input": ("input-changed", mutates_append),
    # The cut rows are put into sequences itself, only where one is too long.
    "input's rows replaced": ("input-changed", mutates_outer),
    # [[...]] * n makes all rows the same list, wrong from two rows on.
    "shared rows": ("padded-other-ids", shared_rows),
    # It pads to the longest row and not to max_len, wrong where all rows are shorter.
    "only the longest row": ("padded-to-the-longest", longest_row),
    # It pads to the longest row and reads the mask off pad_id, wrong where all are shorter or pad_id is in a text.
    "pad_sequence alone": ("padded-to-the-longest", torch_pad_sequence),
    # Nothing is filled up, torch.tensor raises for rows of different lengths.
    "not padded": ("raises", no_padding),
    # Only the first row comes back.
    "return in the loop": ("padded-to-another-shape", return_in_loop),
    # A row that is too long becomes several rows.
    "long rows split": ("padded-to-another-shape", split_long),
    # Rows that are too long are left out.
    "long rows dropped": (
        "padded-to-another-shape",
        lambda sequences, max_len, pad_id, sep_id: hint(
            [s for s in sequences if len(s) <= max_len], max_len, pad_id, sep_id
        ),
    ),
    # The rows come shortest first and not in their order.
    "sorted by length": (
        "rows-moved",
        lambda sequences, max_len, pad_id, sep_id: hint(sorted(sequences, key=len), max_len, pad_id, sep_id),
    ),
    # pad_id inside a text is removed before padding.
    "pad ids taken out": (
        "padded-other-ids",
        lambda sequences, max_len, pad_id, sep_id: hint(
            [[i for i in s if i != pad_id] for s in sequences], max_len, pad_id, sep_id
        ),
    ),
    # It fills with 0 and turns every 0 into pad_id, wrong where an id of the text is 0.
    "zeros become pad_id": ("padded-other-ids", uninitialised),
    # torch.zeros gives a float mask, on every input.
    "float mask": ("padded-not-long", float_mask),
    # The mask is bool and not long.
    "bool mask": ("padded-not-long", answer(end=lambda ids, mask: (ids, mask.bool()))),
    # Both tensors are int32 and not long.
    "int32": ("padded-not-long", answer(end=lambda ids, mask: (ids.int(), mask.int()))),
    # torch.Tensor makes floats of the ids.
    "float ids": ("padded-not-long", answer(end=lambda ids, mask: (torch.Tensor(ids.tolist()), mask))),
    # The ids pass through int16 and overflow above 32767, right for small vocabularies.
    "sixteen bits": ("padded-other-ids", sixteen_bits),
    # Lists come back and not tensors.
    "lists": ("wrong-type", answer(end=lambda ids, mask: (ids.tolist(), mask.tolist()))),
    # numpy arrays come back and not tensors.
    "numpy arrays": ("wrong-type", answer(end=lambda ids, mask: (ids.numpy(), mask.numpy()))),
    # A dict as of a tokenizer comes back, unpacked it gives the keys.
    "a dict": ("wrong-type", answer(end=lambda ids, mask: {"input_ids": ids, "attention_mask": mask})),
    # One tensor (n, 2, max_len) comes back and not two; it even unpacks by accident for two rows.
    "stacked": ("wrong-type", answer(end=lambda ids, mask: torch.stack((ids, mask), dim=1))),
    # The two results come in the wrong order.
    "mask first": ("mask-before-ids", answer(end=lambda ids, mask: (mask, ids))),
    # No mask comes back.
    "ids alone": ("wrong-type", answer(end=lambda ids, mask: ids)),
    # squeeze() takes away the first axis, wrong only for a single row.
    "squeezed": ("padded-to-another-shape", answer(end=lambda ids, mask: (ids.squeeze(), mask.squeeze()))),
    # The tensors have shape (max_len, n).
    "transposed": ("padded-to-another-shape", answer(end=lambda ids, mask: (ids.T, mask.T))),
    # Three dots stand where the mask should be, and long rows are right by luck.
    "half written": ("wrong-type", half),
    # No return, so None comes back.
    "nothing returned": ("returns-nothing", lambda sequences, max_len, pad_id, sep_id: None),
    # Two mistakes: [SEP] is cut off and the mask is read off pad_id.
    "plain cut and mask by pad id": (
        "sep-cut-off",
        answer(keep=lambda ids, n, sep: ids[:n], mask=lambda row, kept, pad, sep: [int(i != pad) for i in row]),
    ),
    # Two mistakes: the mask is float, and padding is a hard-coded 0.
    "float mask and 0": (
        "padded-not-long",
        lambda sequences, max_len, pad_id, sep_id: float_mask(sequences, max_len, 0, sep_id),
    ),
    # The same text twice becomes one row.
    "duplicates dropped": (
        "padded-to-another-shape",
        lambda sequences, *settings: hint([list(ids) for ids in dict.fromkeys(map(tuple, sequences))], *settings),
    ),
    # Each row goes where .index finds its text: at the first of two.
    "rows by index": ("padded-other-ids", rows_by_index),
    # Two places are left free, for [CLS] and [SEP], which are there already.
    "two narrower": ("padded-to-another-shape", lambda sequences, n, *ids: hint(sequences, n - 2, *ids)),
}
