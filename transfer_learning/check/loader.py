"""Homework 07: a DataLoader for the validation data."""

import itertools
from collections import Counter

from ._core import NotYet, Raised, TookTooLong, call, describe, passed, unchanged

LESSON = "lesson 07, notebooks/07_dataloaders.ipynb"
ORDER = f"{LESSON}, “Random for training, in order for validation”"
PARTS = ("input_ids", "attention_mask", "labels")


def validation_loader(val_dataloader, val_dataset):
    """Check homework 07: every row of `val_dataset` exactly once, in order, the same on every pass.

    Parameters
    ----------
    val_dataloader : torch.utils.data.DataLoader
        The learner's answer; batches of any size, each a list of tensors in `val_dataset`'s order.
    val_dataset : torch.utils.data.TensorDataset
        input_ids and attention_mask, long tensors of shape (rows, MAX_LEN), and labels of shape (rows,).

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    from torch.utils.data import DataLoader

    _is_loader(val_dataloader, DataLoader)
    with unchanged(*_generators(val_dataloader)):
        expected = _rows_of(val_dataset)
        first, second = _two_passes(val_dataloader, len(expected[0]))
    _right_parts(first, expected)
    rows, columns = _as_rows(expected), len(expected)
    passes = [_as_rows([_cat(batch[k] for batch in batches) for k in range(columns)]) for batches in (first, second)]
    _right_rows(passes[0], rows, val_dataloader, first)
    _right_order(passes, rows)
    passed(f"{len(rows)} rows in {len(first)} batches: each row exactly once, in order, and the same on a second pass.")


def _is_loader(loader, DataLoader):
    if isinstance(loader, DataLoader):
        return
    if loader is None or loader is Ellipsis:
        raise NotYet(
            "nothing-yet",
            f"val_dataloader is {loader!r}: nothing is written here yet.",
            "without a loader there is nothing to measure your model on.",
            f"{LESSON}, where the loader for training is made.",
        )
    if isinstance(loader, type):
        raise NotYet(
            "not-a-loader",
            f"val_dataloader is the class {loader.__name__}, not an object made from it.",
            "a class holds no data; calling it with a data set makes the loader.",
            f"{LESSON}, where the loader for training is made.",
        )
    if hasattr(type(loader), "__next__"):
        raise NotYet(
            "exhausted-iterator",
            f"val_dataloader is a {type(loader).__name__}: it can be gone through only once.",
            "you validate after every epoch; from the second epoch on it would be empty.",
            f"{LESSON}, “The first batch”: what iter() makes, and what it is made from.",
        )
    raise NotYet(
        "not-a-loader",
        f"val_dataloader is {describe(loader)}, a {type(loader).__name__}.",
        "the training loop asks for batches, and a DataLoader is what makes batches.",
        f"{LESSON}, where the loader for training is made.",
    )


def _generators(loader):
    """Every torch.Generator that a pass over the loader may draw from."""
    import torch

    batch_sampler = getattr(loader, "batch_sampler", None)
    holders = (loader, loader.sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
    found = (getattr(holder, "generator", None) for holder in holders)
    return [g for g in found if isinstance(g, torch.Generator)]


def _rows_of(dataset):
    """The tensors that a right loader gives, from the data set itself."""
    from torch.utils.data import TensorDataset, default_collate

    if isinstance(dataset, TensorDataset):
        return [tensor.detach().cpu() for tensor in dataset.tensors]
    try:
        return call(lambda: default_collate([dataset[i] for i in range(len(dataset))]))
    except (Raised, TookTooLong) as error:
        raise NotYet(
            "dataset-raises",
            f"val_dataset cannot be read: {error or 'it does not end'}.",
            "a loader only hands on what its data set gives.",
            f"{LESSON}, “From tensors to a data set”; run the exercise's first cells again.",
        ) from None


def _two_passes(loader, rows):
    """Go through the loader twice; never ask for more than one batch beyond twice the rows there are."""

    def go():
        passes = []
        for _ in range(2):
            batches, seen = [], 0
            for batch in loader:
                batches.append(batch)
                seen += _length(batch)
                if seen > 2 * rows or len(batches) > 2 * rows + 1:
                    break
            passes.append(batches)
        return passes

    try:
        first, second = call(go)
    except TookTooLong:
        raise NotYet(
            "never-ends",
            "two passes over your loader were not done after 8 seconds.",
            "validation would never finish.",
            f"{ORDER}.",
        ) from None
    except Raised as error:
        raise NotYet(
            "dataset-raises",
            f"going through your loader raised {error}.",
            "a loader only hands on what its data set and its sampler give; one of the two failed.",
            f"{LESSON}, “From tensors to a data set”.",
        ) from None
    if first and not second:
        raise NotYet(
            "exhausted-iterator",
            f"the first pass gave {len(first)} batches, the second none.",
            "you validate after every epoch; from the second epoch on there would be nothing.",
            f"{LESSON}, “The first batch”.",
        )
    return first, second


def _length(batch):
    import torch

    parts = [part for part in batch if isinstance(part, torch.Tensor)] if isinstance(batch, (list, tuple)) else []
    return len(parts[0]) if parts and parts[0].ndim else 0


def _right_parts(batches, expected):
    """Each batch has all the tensors, in the data set's order, with its shapes."""
    import torch

    names = PARTS if len(expected) == len(PARTS) else [f"tensor {k}" for k in range(len(expected))]
    if not batches:
        raise NotYet(
            "part-of-the-rows",
            f"your loader gave no batch at all; val_dataset has {len(expected[0])} rows.",
            "a score over no rows says nothing.",
            f"{LESSON}, “From tensors to a data set”.",
        )
    for batch in batches:
        if not isinstance(batch, (list, tuple)) or not all(isinstance(part, torch.Tensor) for part in batch):
            raise NotYet(
                "missing-tensors",
                f"a batch is a {type(batch).__name__}, expected a list of {len(expected)} tensors: {', '.join(names)}.",
                "the training loop unpacks each batch into exactly these.",
                f"{LESSON}, “The first batch”.",
            )
        if len(batch) != len(expected):
            raise NotYet(
                "missing-tensors",
                f"a batch holds {len(batch)} tensors, val_dataset has {len(expected)}: {', '.join(names)}.",
                "without its mask BERT attends to padding; without labels nothing can be scored.",
                f"{LESSON}, “From tensors to a data set”.",
            )
        shapes = [tuple(part.shape[1:]) for part in batch]
        wanted = [tuple(part.shape[1:]) for part in expected]
        if shapes != wanted and sorted(shapes) != sorted(wanted):
            raise NotYet(
                "another-shape",
                f"a row's tensors have the shapes {shapes}, val_dataset's have {wanted}.",
                "the model would be given something else than what you prepared.",
                f"{LESSON}, “The first batch”.",
            )
    got = [_cat(batch[k] for batch in batches) for k in range(len(expected))]
    swapped = [k for k, part in enumerate(got) if not _same_values(part, expected[k])]
    order = [next((j for j, part in enumerate(expected) if _same_values(g, part)), None) for g in got]
    if swapped and sorted(j for j in order if j is not None) == list(range(len(expected))):
        raise NotYet(
            "swapped-tensors",
            f"the tensors of a batch come as {', '.join(names[j] for j in order)}; val_dataset has {', '.join(names)}.",
            "nothing would complain: BERT takes the mask for token ids and gives a score that means nothing.",
            f"{LESSON}, “From tensors to a data set”.",
        )


def _cat(parts):
    """Join along the rows; None where the parts do not fit together."""
    import torch

    try:
        return torch.cat([part.detach().cpu() for part in parts])
    except (RuntimeError, TypeError):
        return None


def _same_values(part, expected):
    """The same rows, in whatever order and however often?"""
    if part is None or part.shape[1:] != expected.shape[1:]:
        return False
    return set(_keys(part)) & set(_keys(expected)) != set() and set(_keys(part)) <= set(_keys(expected))


def _keys(tensor):
    return [tuple(row) if isinstance(row, list) else (row,) for row in tensor.reshape(len(tensor), -1).tolist()]


def _as_rows(tensors):
    """One hashable key a row, over all its tensors."""
    if any(tensor is None for tensor in tensors):
        return []
    return list(zip(*map(_keys, tensors)))


def _right_rows(got, rows, loader, batches):
    """Every row exactly once."""
    have, want = Counter(got), Counter(rows)
    extra, missing = have - want, want - have
    n, strange = len(rows), sum(count for key, count in extra.items() if key not in want)
    if strange:
        raise NotYet(
            "training-rows",
            f"{strange} of {len(got)} rows are not in val_dataset at all.",
            "validation must be on rows that the model never trained on; other rows measure something else.",
            "lesson 06, notebooks/06_splitting.ipynb.",
        )
    if len(got) > 2 * n:
        raise NotYet(
            "never-ends",
            f"I stopped after {len(got)} rows, and your loader was not done; val_dataset has {n}.",
            "an epoch has to end, or validation never gives a number.",
            f"{ORDER}.",
        )
    if missing and extra:
        raise NotYet(
            "with-replacement",
            f"{missing.total()} rows never came, and {extra.total()} came more than once.",
            "rows drawn twice count double and others not at all: the score changes with the luck of the draw.",
            f"{ORDER}.",
        )
    if extra:
        raise NotYet(
            "rows-twice",
            f"{len(got)} rows came, val_dataset has {n}: {extra.total()} came again.",
            "rows that count twice pull the score towards themselves.",
            f"{ORDER}.",
        )
    dropped = getattr(loader, "drop_last", False) or getattr(loader.batch_sampler, "drop_last", False)
    if missing and dropped and missing.total() < _length(batches[0]):
        raise NotYet(
            "dropped-last-batch",
            f"{len(got)} of {n} rows came: the last {missing.total()}, too few for a full batch, were dropped.",
            "in training nobody misses them; in validation they would never be scored.",
            f"{LESSON}, “The last batch is smaller”.",
        )
    if missing:
        raise NotYet(
            "part-of-the-rows",
            f"{len(got)} of {n} rows came; {missing.total()} never did.",
            "a score over part of the rows is a score of another data set.",
            f"{LESSON}, “From tensors to a data set”.",
        )


def _right_order(passes, rows):
    first, second = passes
    if first == rows and second == rows:
        return
    moved = sum(a != b for a, b in itertools.zip_longest(first, rows))
    if first != second:
        raise NotYet(
            "random-order",
            f"{moved} of {len(rows)} rows came at another place than in val_dataset, and the second pass had another order.",
            "each row comes once, so the score is right; but nobody can lay predictions beside the tweets any more, "
            "and a shuffle buys nothing where nothing is learnt.",
            f"{ORDER}.",
        )
    slug, how = (
        ("reversed", "in reverse")
        if first == rows[::-1]
        else ("fixed-order", "in one order, but not in val_dataset's:")
    )
    raise NotYet(
        slug,
        f"the rows came {how} {moved} of {len(rows)} at another place, the same on both passes.",
        "prediction number 0 would no longer belong to tweet number 0, and nothing would tell you.",
        f"{ORDER}.",
    )
