"""Homework 07: a DataLoader for the validation data."""

import itertools
from collections import Counter

from ._engine import NotYet, _PrintedTooMuch, _Stopped, describe, homework, preserve_rng_state

PARTS = ("input_ids", "attention_mask", "labels")


@homework("07_dataloaders")
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
    _is_loader(val_dataloader)
    with preserve_rng_state(*_generators(val_dataloader)):
        expected = _rows_of(val_dataset)
        first, second = _two_passes(val_dataloader, len(expected[0]))
    _right_parts(first, expected)
    rows, columns = _as_rows(expected), len(expected)
    passes = [_as_rows([_cat(batch[k] for batch in batches) for k in range(columns)]) for batches in (first, second)]
    _right_rows(passes[0], rows, val_dataloader, first)
    _right_order(passes, rows)
    return f"{len(rows)} rows in {len(first)} batches: each row exactly once, in order, and the same on a second pass."


def _is_loader(loader):
    from torch.utils.data import DataLoader

    if isinstance(loader, DataLoader):
        return
    if loader is None or loader is Ellipsis:
        raise NotYet("nothing-yet", f"val_dataloader is {loader!r}: nothing is written here yet.")
    if isinstance(loader, type):
        raise NotYet("not-a-loader", f"val_dataloader is the class {loader.__name__}, not an object made from it.")
    kind = type(loader).__name__
    if hasattr(type(loader), "__next__"):
        raise NotYet("exhausted-iterator", f"val_dataloader is a {kind}: it can be gone through only once.")
    raise NotYet("not-a-loader", f"val_dataloader is {describe(loader)}, a {kind}.")


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
        return default_collate([dataset[i] for i in range(len(dataset))])
    except Exception as error:
        raise NotYet("dataset-raises", f"val_dataset cannot be read: {describe(error)}.") from None


def _two_passes(loader, rows):
    """Go through the loader twice; never ask for more than one batch beyond twice the rows there are."""
    passes = []
    try:
        for _ in range(2):
            batches, seen = [], 0
            for batch in loader:
                batches.append(batch)
                seen += _length(batch)
                if seen > 2 * rows or len(batches) > 2 * rows + 1:
                    break
            passes.append(batches)
    except (_Stopped, _PrintedTooMuch):
        raise
    except BaseException as error:  # SystemExit too
        raise NotYet("dataset-raises", f"going through your loader raised {describe(error)}.") from None
    first, second = passes
    if first and not second:
        raise NotYet("exhausted-iterator", f"the first pass gave {len(first)} batches, the second none.")
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
        raise NotYet("part-of-the-rows", f"your loader gave no batch at all; val_dataset has {len(expected[0])} rows.")
    for batch in batches:
        if not isinstance(batch, (list, tuple)) or not all(isinstance(part, torch.Tensor) for part in batch):
            raise NotYet(
                "missing-tensors",
                f"a batch is a {type(batch).__name__}, expected a list of {len(expected)} tensors: {', '.join(names)}.",
            )
        if len(batch) != len(expected):
            raise NotYet(
                "missing-tensors",
                f"a batch holds {len(batch)} tensors, val_dataset has {len(expected)}: {', '.join(names)}.",
            )
        shapes = [tuple(part.shape[1:]) for part in batch]
        wanted = [tuple(part.shape[1:]) for part in expected]
        if shapes != wanted and sorted(shapes) != sorted(wanted):
            raise NotYet("another-shape", f"a row's tensors have the shapes {shapes}, val_dataset's have {wanted}.")
    got = [_cat(batch[k] for batch in batches) for k in range(len(expected))]
    swapped = [k for k, part in enumerate(got) if not _same_values(part, expected[k])]
    order = [next((j for j, part in enumerate(expected) if _same_values(g, part)), None) for g in got]
    if swapped and sorted(j for j in order if j is not None) == list(range(len(expected))):
        raise NotYet(
            "swapped-tensors",
            f"the tensors of a batch come as {', '.join(names[j] for j in order)}; val_dataset has {', '.join(names)}.",
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
        raise NotYet("training-rows", f"{strange} of {len(got)} rows are not in val_dataset at all.")
    if len(got) > 2 * n:
        raise NotYet(
            "loader-never-ends",
            f"I stopped after {len(got)} rows, and your loader was not done; val_dataset has {n}.",
        )
    if missing and extra:
        raise NotYet("with-replacement", f"{missing.total()} rows never came, and {extra.total()} came more than once.")
    if extra:
        raise NotYet("rows-twice", f"{len(got)} rows came, val_dataset has {n}: {extra.total()} came again.")
    dropped = getattr(loader, "drop_last", False) or getattr(loader.batch_sampler, "drop_last", False)
    if missing and dropped and missing.total() < _length(batches[0]):
        raise NotYet(
            "dropped-last-batch",
            f"{len(got)} of {n} rows came: the last {missing.total()}, too few for a full batch, were dropped.",
        )
    if missing:
        raise NotYet("part-of-the-rows", f"{len(got)} of {n} rows came; {missing.total()} never did.")


def _right_order(passes, rows):
    first, second = passes
    if first == rows and second == rows:
        return
    moved = sum(a != b for a, b in itertools.zip_longest(first, rows))
    at = f"{moved} of {len(rows)} rows came at another place than in val_dataset"
    if first != second:
        raise NotYet("random-order", f"{at}, and the second pass had another order.")
    if first == rows[::-1]:
        raise NotYet("reversed", f"{at}: the last one first, on both passes.")
    raise NotYet("fixed-order", f"{at}, the same on both passes.")
