"""Answers to homework 07: right ones in different styles, wrong ones with one mistake each and its slug.

Every entry takes (train_dataset, val_dataset) and returns what a learner might call `val_dataloader`.
"""

import itertools

import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)

from transfer_learning import check

SIZE = 32


def dataset(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, 17, (rows, 1), generator=generator)
    mask = (torch.arange(16) < lengths).long()
    ids = torch.randint(200, 30522, (rows, 16), generator=generator) * mask
    # real validation data holds the same tweet twice
    ids[3], mask[3] = ids[7], mask[7]
    return TensorDataset(ids, mask, torch.randint(0, 4, (rows,), generator=generator))


TRAIN, VAL = dataset(800, 1), dataset(200, 2)


def build(entry):
    return entry(TRAIN, VAL)


def judge(val_dataloader):
    return check.validation_loader(val_dataloader, VAL)


class Rows(Dataset):
    """A data set of one's own over a TensorDataset."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, row):
        return self.dataset[row]


class Failing(Rows):
    def __getitem__(self, row):
        if row == 150:
            raise KeyError("row 150")
        return self.dataset[row]


class Hanging(Rows):
    def __getitem__(self, row):
        import time

        time.sleep(60)


class Exiting(Rows):
    def __getitem__(self, row):
        raise SystemExit(1)


class Endless:
    """A sampler that begins again when it is done."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return itertools.cycle(range(self.n))

    def __len__(self):
        return self.n


class Once(IterableDataset):
    """Rows from a generator: the first pass uses it up."""

    def __init__(self, dataset):
        self.rows = iter([dataset[i] for i in range(len(dataset))])

    def __iter__(self):
        return self.rows


class Stream(IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return (self.dataset[i] for i in range(len(self.dataset)))


def shuffled(n):
    return torch.randperm(n, generator=torch.Generator().manual_seed(0)).tolist()


def columns(dataset, *order):
    return TensorDataset(*(dataset.tensors[k] for k in order))


RIGHT = {
    "default": lambda train, val: DataLoader(val),
    "batch size": lambda train, val: DataLoader(val, batch_size=SIZE),
    "shuffle=False": lambda train, val: DataLoader(val, shuffle=False, batch_size=7),
    "SequentialSampler": lambda train, val: DataLoader(val, sampler=SequentialSampler(val), batch_size=SIZE),
    "batch sampler": lambda train, val: DataLoader(val, batch_sampler=BatchSampler(SequentialSampler(val), 9, False)),
    "list of batches as batch sampler": lambda train, val: DataLoader(
        val, batch_sampler=[[0, 1], list(range(2, len(val)))]
    ),
    "workers": lambda train, val: DataLoader(val, batch_size=64, num_workers=2),
    "persistent workers": lambda train, val: DataLoader(val, batch_size=64, num_workers=1, persistent_workers=True),
    "one batch": lambda train, val: DataLoader(val, batch_size=len(val)),
    "larger than the data": lambda train, val: DataLoader(val, batch_size=10_000),
    "range as sampler": lambda train, val: DataLoader(val, sampler=range(len(val)), batch_size=SIZE),
    "a data set of one's own": lambda train, val: DataLoader(Rows(val), batch_size=SIZE),
    "a subset of all rows": lambda train, val: DataLoader(Subset(val, range(len(val))), batch_size=SIZE),
    "a stream": lambda train, val: DataLoader(Stream(val), batch_size=SIZE),
    "drop_last that drops nothing": lambda train, val: DataLoader(val, batch_size=len(val) // 2, drop_last=True),
    "a tuple from collate_fn": lambda train, val: DataLoader(
        val, batch_size=SIZE, collate_fn=lambda rows: tuple(map(torch.stack, zip(*rows)))
    ),
}

WRONG = {
    "nothing written": ("not-set-yet", lambda train, val: ...),
    "None": ("not-a-loader", lambda train, val: None),
    "the class": ("not-a-loader", lambda train, val: DataLoader),
    "the data set": ("not-a-loader", lambda train, val: val),
    "a list of batches": ("not-a-loader", lambda train, val: list(DataLoader(val))),
    "a sampler": ("not-a-loader", lambda train, val: SequentialSampler(val)),
    "a number": ("not-a-loader", lambda train, val: 32),
    "an iterator": ("exhausted-iterator", lambda train, val: iter(DataLoader(val))),
    "a generator": ("exhausted-iterator", lambda train, val: (batch for batch in DataLoader(val))),
    "rows that can be had once": ("exhausted-iterator", lambda train, val: DataLoader(Once(val), batch_size=SIZE)),
    "random sampler": ("random-order", lambda train, val: DataLoader(val, sampler=RandomSampler(val), batch_size=SIZE)),
    "shuffle": ("random-order", lambda train, val: DataLoader(val, shuffle=True, batch_size=SIZE)),
    "shuffle, own generator": (
        "random-order",
        lambda train, val: DataLoader(val, shuffle=True, generator=torch.Generator().manual_seed(1)),
    ),
    "a fixed permutation": (
        "fixed-order",
        lambda train, val: DataLoader(val, sampler=shuffled(len(val)), batch_size=SIZE),
    ),
    "two rows swapped": ("fixed-order", lambda train, val: DataLoader(Subset(val, [1, 0, *range(2, len(val))]))),
    "reversed": ("reversed", lambda train, val: DataLoader(val, sampler=range(len(val) - 1, -1, -1), batch_size=SIZE)),
    "with replacement": (
        "with-replacement",
        lambda train, val: DataLoader(val, sampler=RandomSampler(val, replacement=True), batch_size=SIZE),
    ),
    "drop_last": ("dropped-last-batch", lambda train, val: DataLoader(val, batch_size=SIZE, drop_last=True)),
    "drop_last in the batch sampler": (
        "dropped-last-batch",
        lambda train, val: DataLoader(val, batch_sampler=BatchSampler(SequentialSampler(val), SIZE, True)),
    ),
    "training rows": ("training-rows", lambda train, val: DataLoader(train, batch_size=SIZE)),
    "training and validation rows": (
        "training-rows",
        lambda train, val: DataLoader(ConcatDataset([val, Subset(train, range(50))])),
    ),
    "half of the rows": ("part-of-the-rows", lambda train, val: DataLoader(Subset(val, range(100)), batch_size=SIZE)),
    "no rows": ("part-of-the-rows", lambda train, val: DataLoader(Subset(val, []), batch_size=SIZE)),
    "the first row left out": ("part-of-the-rows", lambda train, val: DataLoader(Subset(val, range(1, len(val))))),
    "rows twice": ("rows-twice", lambda train, val: DataLoader(ConcatDataset([val, val]), batch_size=SIZE)),
    "one row twice": ("rows-twice", lambda train, val: DataLoader(val, sampler=[*range(len(val)), 0], batch_size=SIZE)),
    "no mask": ("missing-tensors", lambda train, val: DataLoader(columns(val, 0, 2), batch_size=SIZE)),
    "ids alone": ("another-kind-of-batch", lambda train, val: DataLoader(val.tensors[0], batch_size=SIZE)),
    "dicts": (
        "another-kind-of-batch",
        lambda train, val: DataLoader([{"input_ids": i} for i, _, _ in val], batch_size=SIZE),
    ),
    "mask before ids": ("swapped-tensors", lambda train, val: DataLoader(columns(val, 1, 0, 2), batch_size=SIZE)),
    "labels first": ("swapped-tensors", lambda train, val: DataLoader(columns(val, 2, 0, 1), batch_size=SIZE)),
    "cut rows": (
        "another-shape",
        lambda train, val: DataLoader(TensorDataset(val.tensors[0][:, :8], *val.tensors[1:]), batch_size=SIZE),
    ),
    "never ends": ("loader-never-ends", lambda train, val: DataLoader(val, sampler=Endless(len(val)), batch_size=SIZE)),
    "a data set that raises": ("loader-raises", lambda train, val: DataLoader(Failing(val), batch_size=SIZE)),
    "a data set that exits": ("loader-raises", lambda train, val: DataLoader(Exiting(val), batch_size=SIZE)),
    "a data set that hangs": ("never-ends", lambda train, val: DataLoader(Hanging(val), batch_size=SIZE)),
}
