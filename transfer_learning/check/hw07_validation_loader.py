"""Homework 07: a DataLoader for the validation data."""

import itertools
import sys
from collections import Counter
from collections.abc import Iterator

from ._engine import (
    NotYet,
    _PrintedTooMuch,
    _running,
    _Stopped,
    describe,
    homework,
    own_line,
    preserve_rng_state,
    untimed,
)

NAMES = "input_ids", "attention_mask", "labels"


@homework("07_dataloaders")
def validation_loader(val_dataloader, val_dataset):
    """Check homework 07: every row of `val_dataset` exactly once, unchanged, in order, the same on every pass.

    Parameters
    ----------
    val_dataloader : torch.utils.data.DataLoader
        The learner's answer; batches of any size, each a list or tuple of tensors in `val_dataset`'s order.
    val_dataset : torch.utils.data.TensorDataset
        input_ids and attention_mask, long tensors of shape (rows, MAX_LEN), and labels of shape (rows,).

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    _require_types(val_dataloader, val_dataset)
    with untimed():
        right = [column.detach().cpu() for column in val_dataset.tensors]
        rows = _rows([right])
    with preserve_rng_state(*_generators(val_dataloader)):
        (first, ended), (second, ended_too) = (_pass(val_dataloader, val_dataset, len(rows)) for _ in range(2))
    if first and not second:
        raise NotYet("exhausted-iterator", f"the first pass gave {len(first)} batches, the second none.")
    with untimed():
        _right_tensors(first + second, right, rows)
        got, again = _rows(first), _rows(second)
        _right_rows(got, rows, "", val_dataloader, ended, random=got != again and Counter(again) != Counter(rows))
        _right_rows(again, rows, " on the second pass", val_dataloader, ended_too, random=False)
        if any(moved := [sum(a != b for a, b in zip(each, rows)) for each in (got, again)]):
            slug = "random-order" if got != again else "reversed" if got == rows[::-1] else "fixed-order"
            if got != again and _in_runs(got, rows) and _in_runs(again, rows):
                slug = "fixed-order"  # moved by a rule, not shuffled: reversed every other time, or begun elsewhere
            saw = f"rows in a different position than in val_dataset: {moved[0]} of {len(rows)}"
            raise NotYet(slug, f"{saw}, on the second pass {moved[1]}.")
    return f"{len(rows)} rows in {len(first)} batches: each row exactly once, in order, and the same on a second pass."


def _require_types(loader, dataset):
    from torch.utils.data import DataLoader, TensorDataset

    if loader is Ellipsis:
        mine = [*vars(sys.modules["__main__"]).items()]  # in a notebook, the learner's variables
        found = [n for n, x in mine if n[:1] != "_" and isinstance(x, DataLoader) and x.dataset is dataset]
        why = "nothing is written yet, the cell stopped with an error before it set the name, or your loader has another name"
        hint = "".join(f" {name} is a DataLoader over val_dataset." for name in found)
        raise NotYet("not-set-yet", f"val_dataloader is still `...`: {why}.{hint}")
    # of these it is known that they never go back to the first row
    if isinstance(loader, Iterator) and type(loader).__module__.split(".")[0] in ("builtins", "itertools", "torch"):
        saw = f"val_dataloader is an iterator ({type(loader).__name__}): a second pass goes on where the first one stopped."
        raise NotYet("exhausted-iterator", saw)
    if not isinstance(loader, DataLoader):
        raise NotYet("not-a-loader", f"val_dataloader is {describe(loader)}, a {type(loader).__name__}.")
    if not isinstance(dataset, TensorDataset) or len(dataset.tensors) != len(NAMES):
        raise NotYet("cannot-be-read", f"val_dataset is {describe(dataset)}, no longer the exercise's TensorDataset.")


def _generators(loader):
    """Every generator that a pass over the loader may draw from."""
    holders = loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)
    return [g for g in (getattr(holder, "generator", None) for holder in holders) if hasattr(g, "set_state")]


def _pass(loader, dataset, n):
    """Return the batches of one pass, and whether it ended within twice the n rows that there are."""
    batches, rows = [], 0
    _running[:] = ["a pass over val_dataloader"]
    try:
        for batch in loader:
            if rows > 2 * n:
                return batches, False
            _require_tensors(batch)
            batches.append([part.detach().cpu().clone() for part in batch])
            rows += max([1, *batch[0].shape[:1]])
        return batches, True
    except (NotYet, _Stopped, _PrintedTooMuch):
        raise
    except BaseException as error:  # SystemExit too
        # from a worker process comes a whole traceback; its last line says what happened
        cause = describe(error) if "worker process" not in describe(error) else str(error).strip().splitlines()[-1]
        source = "" if loader.dataset is dataset else f" Its data set is a {type(loader.dataset).__name__}."
        raise NotYet("loader-raises", f"a pass over val_dataloader raised {cause}{own_line(error)}.{source}") from None
    finally:
        _running.clear()


def _require_tensors(batch):
    import torch

    parts = batch if isinstance(batch, (list, tuple)) else []
    kinds = [type(part).__name__ for part in parts]
    if len(parts) != len(NAMES) or not all(isinstance(part, torch.Tensor) for part in parts):
        shape = f" of shape {tuple(batch.shape)}" if isinstance(batch, torch.Tensor) else ""
        inside = f" of {len(parts)} things ({', '.join(sorted({*kinds})[:4])})" if parts else shape
        slug = "missing-tensors" if kinds in (["Tensor"], ["Tensor"] * 2) else "another-kind-of-batch"
        raise NotYet(slug, f"a batch is a {type(batch).__name__}{inside}, expected three tensors: {', '.join(NAMES)}.")


def _rows(batches):
    """One hashable key for each row, over all its tensors; a tensor without dimensions counts as one row."""
    tables = ([part if part.ndim else part[None] for part in batch] for batch in batches)
    return [tuple(tuple(part.flatten().tolist()) for part in row) for table in tables for row in zip(*table)]


def _fits(batch, right):
    """Has each tensor the shape that it should have, with equally many rows?"""
    return [part.shape for part in batch] == [(*batch[0].shape[:1], *column.shape[1:]) for column in right]


def _right_tensors(batches, right, rows):
    """Raise `NotYet` unless the tensors of every batch have the shapes and dtypes of `right`, in its order."""
    for order in itertools.permutations(range(len(NAMES))):  # as it should be, first of all
        moved = [[batch[k] for k in order] for batch in batches]
        if all(_fits(batch, right) for batch in moved) and set(_rows(moved)) <= set(rows):
            if order != (0, 1, 2):
                came = [NAMES[order.index(k)] for k in range(len(NAMES))]
                raise NotYet("swapped-tensors", f"a batch holds {', '.join(came)}; expected {', '.join(NAMES)}.")
            break
    for batch in batches:
        if not _fits(batch, right):
            shapes, wanted = (", ".join(str(tuple(part.shape)) for part in parts) for parts in (batch, right))
            raise NotYet("another-shape", f"a batch's tensors have the shapes {shapes}; val_dataset's are {wanted}.")
        for name, part, column in zip(NAMES, batch, right):
            if part.dtype != column.dtype:
                raise NotYet("another-dtype", f"{name} has the dtype {part.dtype}, in val_dataset {column.dtype}.")


def _in_runs(got, rows):
    """Are most rows next to the same row as in the data set?"""
    pairs = {pair for one in (rows, rows[::-1]) for pair in itertools.pairwise(one)}
    return 2 * sum(pair in pairs for pair in itertools.pairwise(got)) > len(rows)


def _right_rows(got, rows, when, loader, ended, random):
    """Raise `NotYet` unless each row came exactly once."""
    from torch.utils.data import BatchSampler

    n, have, want = len(rows), Counter(got), Counter(rows)
    extra, missing = (have - want).total(), (want - have).total()
    if strange := sum(row not in want for row in got):
        differ = [sum(g[k] != r[k] for g, r in zip(got, rows)) for k in range(len(NAMES))]
        if len(got) == n and 0 in differ:  # the rest of every row is right, and in its position
            saw = ", ".join(f"{name} (in {count} of {n} rows)" for name, count in zip(NAMES, differ) if count)
            raise NotYet("another-value", f"different from val_dataset{when}: {saw}.")
        read = "" if ended else "the first "
        raise NotYet("training-rows", f"{strange} of {read}{len(got)} rows{when} are not in val_dataset.")
    if not ended:
        raise NotYet("loader-never-ends", f"I stopped after {len(got)} rows{when}; val_dataset has {n}, and more came.")
    if extra or missing:
        sampler, drops = loader.batch_sampler, False
        slug = "rows-twice" if not missing else "with-replacement" if extra and random else "part-of-the-rows"
        if type(sampler) is BatchSampler and (drops := sampler.drop_last) and got == rows[: n - n % sampler.batch_size]:
            slug = "dropped-last-batch"
        saw = f"{n - missing} of {n} rows came{when}; missing: {missing}, too many: {extra}."
        raise NotYet(slug, saw + " drop_last is True." * drops)
