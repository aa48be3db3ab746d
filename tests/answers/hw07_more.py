"""More answers to homework 07, most of them written by somebody who had read only the exercise.

Every entry takes (train_dataset, val_dataset); the comments say what is wrong.
"""

import functools
import itertools
import random
from typing import NamedTuple

import torch
from answers.hw07_validation_loader import TRAIN, VAL
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
)


def build(entry):
    return entry(TRAIN, VAL)


# ---- right ----


def as_in_the_lesson(train_dataset, val_dataset):
    val_dataloader = DataLoader(dataset=val_dataset, sampler=SequentialSampler(val_dataset), batch_size=32)
    return val_dataloader


def assistant(train_dataset, val_dataset):
    # Validation data should NOT be shuffled, and we keep the last incomplete batch.
    batch_size = 32
    return DataLoader(
        val_dataset,
        batch_size=batch_size,
        shuffle=False,
        drop_last=False,
        num_workers=0,
        pin_memory=torch.cuda.is_available(),
    )


def own_collate(train_dataset, val_dataset):
    def collate(rows):
        ids, masks, labels = zip(*rows)
        return torch.stack(ids), torch.stack(masks), torch.stack(labels)

    return DataLoader(val_dataset, batch_size=7, collate_fn=collate)


class Rows(Dataset):
    def __init__(self, ids, masks, labels):
        self.ids = ids
        self.masks = masks
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.ids[i], self.masks[i], self.labels[i]


class Stream(IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        for i in range(len(self.dataset)):
            yield self.dataset[i]


class InOrder(Sampler):
    def __init__(self, data_source):
        self.data_source = data_source

    def __len__(self):
        return len(self.data_source)

    def __iter__(self):
        return iter(range(len(self.data_source)))


class ValLoader(DataLoader):
    def __init__(self, dataset, **kwargs):
        super().__init__(dataset, shuffle=False, **kwargs)


class Named(NamedTuple):
    """A batch with names."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor


class Shifted(Rows):
    """Rows of a data set that is one of several."""

    def __getitem__(self, i):
        return tuple(part[i : i + 1].squeeze(0) for part in (self.ids, self.masks, self.labels))


class InPlace(Rows):
    """Changes its tensors while it is read."""

    def __getitem__(self, i):
        mask = self.masks[i]
        mask += 1
        return self.ids[i], mask, self.labels[i]


class Anew(Sampler):
    """In order at first, then shuffled."""

    def __init__(self, n):
        self.n, self.passes = n, 0

    def __len__(self):
        return self.n

    def __iter__(self):
        self.passes += 1
        return iter(range(self.n) if self.passes == 1 else random.Random(self.passes).sample(range(self.n), self.n))


class Shorter(Anew):
    """All rows at first, then all but one."""

    def __iter__(self):
        self.passes += 1
        return iter(range(self.n - (self.passes > 1)))


def trimmed(rows):
    ids, masks, labels = default_collate(rows)
    longest = int(masks.sum(1).max())
    return [ids[:, : longest - 1], masks[:, : longest - 1], labels]


def fails(rows):
    raise ValueError("rows of different lengths")


class Endless(IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        while True:
            for i in range(len(self.dataset)):
                yield self.dataset[i]


RIGHT = {
    "as in the lesson": as_in_the_lesson,
    "as an assistant writes it": assistant,
    "one batch of all": lambda train, val: DataLoader(val, batch_size=len(val)),
    "batches as sampler": lambda train, val: DataLoader(
        val, sampler=BatchSampler(SequentialSampler(val), 9, False), batch_size=None
    ),
    "batch_sampler as a list": lambda train, val: DataLoader(
        val, batch_sampler=[list(range(len(val)))[i : i + 8] for i in range(0, len(val), 8)]
    ),
    "own collate, tuples": own_collate,
    "own data set": lambda train, val: DataLoader(Rows(*val.tensors), batch_size=32),
    "iterable data set": lambda train, val: DataLoader(Stream(val), batch_size=5),
    "own sampler": lambda train, val: DataLoader(val, batch_size=32, sampler=InOrder(val)),
    "one worker": lambda train, val: DataLoader(val, batch_size=32, num_workers=1),
    "two workers kept alive": lambda train, val: DataLoader(
        val, batch_size=13, num_workers=2, persistent_workers=True, prefetch_factor=1
    ),
    "concat of one": lambda train, val: DataLoader(ConcatDataset([val]), batch_size=32),
    "subclass": lambda train, val: ValLoader(val, batch_size=32),
    "partial": lambda train, val: functools.partial(DataLoader, batch_size=4)(val),
    "a new TensorDataset": lambda train, val: DataLoader(TensorDataset(*val[:]), batch_size=32),
    "StackDataset": lambda train, val: DataLoader(StackDataset(*val.tensors), batch_size=32),
    "default_collate, seeded, long-winded": lambda train, val: DataLoader(
        val, batch_size=3, collate_fn=default_collate, generator=torch.Generator().manual_seed(0), timeout=0
    ),
    "list of rows in a loader": lambda train, val: DataLoader([val[i] for i in range(len(val))], batch_size=32),
    "subset sampler of one piece each": lambda train, val: DataLoader(val, batch_size=1, sampler=list(range(len(val)))),
    "named tuples": lambda train, val: DataLoader(
        val, batch_size=32, collate_fn=lambda rows: Named(*default_collate(rows))
    ),
    "rows cut out one by one": lambda train, val: DataLoader(Shifted(*val.tensors), batch_size=32),
    "two halves": lambda train, val: DataLoader(
        ConcatDataset([Subset(val, range(77)), Subset(val, range(77, len(val)))]), batch_size=32
    ),
    "batches of all sizes": lambda train, val: DataLoader(
        val,
        batch_sampler=[
            range(i * (i - 1) // 2, min(len(val), i * (i + 1) // 2))
            for i in range(1, 21)
            if i * (i - 1) // 2 < len(val)
        ],
    ),
    "workers over a stream of batches": lambda train, val: DataLoader(
        [val[i : i + 32] for i in range(0, len(val), 32)], batch_size=None, num_workers=1
    ),
}

# ---- wrong ----


def changed(**new):
    """A loader whose columns are changed: ids=, masks=, labels= are functions of a column."""

    def make(train, val):
        parts = zip(("ids", "masks", "labels"), val.tensors)
        return DataLoader(TensorDataset(*[new.get(name, lambda x: x)(part) for name, part in parts]), batch_size=32)

    return make


def collated(collate, batch_size=32):
    return lambda train, val: DataLoader(
        val, batch_size=batch_size, collate_fn=lambda rows: collate(default_collate(rows))
    )


def shuffled_once(train, val):
    order = torch.randperm(len(val), generator=torch.Generator().manual_seed(1)).tolist()
    return DataLoader(Subset(val, order), batch_size=32)


def unique_rows(train, val):
    seen, keep = set(), []
    for i in range(len(val)):
        key = tuple(val[i][0].tolist())
        if key not in seen:
            keep.append(i)
            seen.add(key)
    return DataLoader(Subset(val, keep), batch_size=32)


def batches(val, size):
    return [list(range(i, min(i + size, len(val)))) for i in range(0, len(val), size)]


class Growing(Dataset):
    """A data set that changes as it is read."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.passes = 0

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        if i == 0:
            self.passes += 1
            random.seed(self.passes)
        ids, mask, label = self.dataset[i]
        if self.passes > 1 and random.random() < 0.15:
            mask = torch.zeros_like(mask)
        return ids, mask, label


class Worked(Rows):
    def __getitem__(self, i):
        return self.ids[i], self.masks[i], int(i)


class FromOne(Rows):
    def __len__(self):
        return len(self.labels) - 1

    def __getitem__(self, i):
        return super().__getitem__(i + 1)


class Wrapped(Rows):
    def __getitem__(self, i):
        return {"input_ids": self.ids[i], "attention_mask": self.masks[i], "labels": self.labels[i]}


class Turning(Sampler):
    """All rows, in the order that `rule(rows, n)` gives them on pass n = 1, 2, …"""

    def __init__(self, n, rule):
        self.rows, self.rule, self.passes = list(range(n)), rule, 0

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        self.passes += 1
        return iter(self.rule(self.rows, self.passes))


WRONG = {
    # A recipe for a loader that is never called.
    "partial not called": ("not-a-loader", lambda train, val: functools.partial(DataLoader, val, batch_size=32)),
    # The sampler counts the train rows, so indices run out of range when train is larger, or rows are missing when
    # it is smaller.
    "train's sampler": (
        "loader-raises",
        lambda train, val: DataLoader(val, sampler=SequentialSampler(train), batch_size=32),
    ),
    # It goes over the train rows as well.
    "train and val": ("training-rows", lambda train, val: DataLoader(ConcatDataset([val, train]), batch_size=32)),
    # The labels are the first of the train data, wrong where they differ.
    "train labels": (
        "another-value",
        lambda train, val: DataLoader(
            TensorDataset(
                *val.tensors[:2],
                train.tensors[2][: len(val)]
                if len(train) >= len(val)
                else train.tensors[2].repeat(len(val))[: len(val)],
            ),
            batch_size=32,
        ),
    ),
    # The order is shuffled inside the only batch.
    "one batch, shuffled": ("random-order", lambda train, val: DataLoader(val, shuffle=True, batch_size=len(val))),
    # Shuffled with a seeded generator, so out of order, and anew on each pass.
    "seeded and shuffled": (
        "random-order",
        lambda train, val: DataLoader(val, shuffle=True, batch_size=32, generator=torch.Generator().manual_seed(0)),
    ),
    # Shuffled once: the same on each pass but not in the order of the data set.
    "shuffled once": ("fixed-order", shuffled_once),
    # Batches larger than the data with drop_last: no batch at all.
    "drop_last, larger than the data": (
        "dropped-last-batch",
        lambda train, val: DataLoader(val, batch_size=len(val) + 1, drop_last=True),
    ),
    # The rows are counted from 1, the first is missing.
    "first row missing": ("part-of-the-rows", lambda train, val: DataLoader(FromOne(*val.tensors), batch_size=32)),
    # Rows with equal ids come only once, seen only with repeated rows.
    "equal rows once": ("part-of-the-rows", unique_rows),
    # Batches overlap by one row.
    "overlap": (
        "rows-twice",
        lambda train, val: DataLoader(
            val, batch_sampler=[list(range(i, min(i + 8, len(val)))) for i in range(0, len(val), 7)]
        ),
    ),
    # The sampler is an iterator: the second pass is empty.
    "sampler used up": (
        "exhausted-iterator",
        lambda train, val: DataLoader(val, sampler=iter(range(len(val))), batch_size=32),
    ),
    # itertools.cycle never ends.
    "cycle": ("exhausted-iterator", lambda train, val: itertools.cycle(DataLoader(val, batch_size=32))),
    # enumerate gives (number, batch) pairs, and only once.
    "enumerate": ("exhausted-iterator", lambda train, val: enumerate(DataLoader(val, batch_size=32))),
    # zip of three loaders is used up after one pass.
    "zip of three loaders": (
        "exhausted-iterator",
        lambda train, val: zip(*[DataLoader(part, batch_size=32) for part in val.tensors]),
    ),
    # From the second pass on some masks are zeroed (dropout of words left in validation).
    "second pass differs": ("another-value", lambda train, val: DataLoader(Growing(val), batch_size=32)),
    # SequentialSampler as batch_sampler gives numbers and not lists, iterating raises.
    "sequential batch_sampler": (
        "loader-raises",
        lambda train, val: DataLoader(val, batch_sampler=SequentialSampler(val)),
    ),
    # A BatchSampler as sampler with batch_size 4: batches of batches, one axis too many.
    "batch sampler as sampler": (
        "another-shape",
        lambda train, val: DataLoader(val, sampler=BatchSampler(SequentialSampler(val), 4, False)),
    ),
    # batch_size=None: single rows without a batch axis.
    "no batches": ("another-shape", lambda train, val: DataLoader(val, batch_size=None)),
    # DataLoader(val_dataset[:]) takes the three columns for three rows, collating them mixes or raises.
    "val_dataset[:]": ("another-kind-of-batch", lambda train, val: DataLoader(val[:])),
    # The tuple of columns for a data set, in batches of 32: torch.stack of unlike shapes raises.
    "val_dataset.tensors": ("loader-raises", lambda train, val: DataLoader(val.tensors, batch_size=32)),
    # Only the ids are in the loader.
    "ids alone": ("another-kind-of-batch", lambda train, val: DataLoader(val.tensors[0], batch_size=32)),
    # The labels are left out.
    "no labels": ("missing-tensors", lambda train, val: DataLoader(TensorDataset(*val.tensors[:2]), batch_size=32)),
    # Labels and masks have changed places.
    "labels second": (
        "swapped-tensors",
        lambda train, val: DataLoader(TensorDataset(val.tensors[0], val.tensors[2], val.tensors[1]), batch_size=32),
    ),
    # The ids stand in the place of the mask.
    "ids twice": (
        "another-value",
        lambda train, val: DataLoader(TensorDataset(val.tensors[0], val.tensors[0], val.tensors[2]), batch_size=32),
    ),
    # Each batch is a dict and not a list of three.
    "dicts": ("another-kind-of-batch", lambda train, val: DataLoader(Wrapped(*val.tensors), batch_size=32)),
    # The label is the number of the row.
    "index for label": ("another-value", lambda train, val: DataLoader(Worked(*val.tensors), batch_size=32)),
    # The rows are not stacked: each batch is a list of rows, wrong even where it has three of them.
    "collate lambda b: b": (
        "another-kind-of-batch",
        lambda train, val: DataLoader(val, batch_size=32, collate_fn=lambda b: b),
    ),
    # As the rows are not stacked and three come at a time, a batch looks like three parts but holds three rows.
    "rows of three": (
        "another-kind-of-batch",
        lambda train, val: DataLoader(val, batch_size=3, collate_fn=lambda b: b),
    ),
    # zip(*rows) without stack: each part is a tuple of single tensors.
    "collate zip": (
        "another-kind-of-batch",
        lambda train, val: DataLoader(val, batch_size=32, collate_fn=lambda b: list(zip(*b))),
    ),
    # All three columns are glued to one tensor.
    "one tensor": (
        "another-kind-of-batch",
        collated(lambda parts: torch.cat([parts[0], parts[1], parts[2][:, None]], dim=1)),
    ),
    # squeeze() in collate takes the batch axis of a batch with one row, seen only where the last has one.
    "squeezed": ("another-shape", collated(lambda parts: [part.squeeze() for part in parts], batch_size=199)),
    # Batches of one row, squeezed: no batch axis.
    "single rows squeezed": (
        "another-shape",
        collated(lambda parts: [part.squeeze(0) for part in parts], batch_size=1),
    ),
    # Ids and masks come as (length, rows).
    "transposed": ("another-shape", collated(lambda parts: [parts[0].T, parts[1].T, parts[2]])),
    # Each part is a numpy array and not a tensor.
    "numpy": ("another-kind-of-batch", collated(lambda parts: [part.numpy() for part in parts])),
    # The ids come as floats, of no use to an embedding.
    "float ids": ("another-dtype", changed(ids=torch.Tensor.float)),
    # The masks come as floats, the values look the same.
    "float masks": ("another-dtype", changed(masks=torch.Tensor.float)),
    # The labels come as floats.
    "float labels": ("another-dtype", changed(labels=torch.Tensor.float)),
    # The ids are int32 and not long.
    "int32 ids": ("another-dtype", changed(ids=torch.Tensor.int)),
    # The masks are bool and not long.
    "bool masks": ("another-dtype", changed(masks=torch.Tensor.bool)),
    # The ids pass through half precision, wrong only above 2048.
    "half and back": ("another-value", changed(ids=lambda x: x.half().long())),
    # The labels have shape (n, 1).
    "labels as columns": ("another-shape", changed(labels=lambda x: x[:, None])),
    # 1 is added to the labels once more.
    "labels + 1": ("another-value", changed(labels=lambda x: x + 1)),
    # Ids and masks are cut to 12 columns, right only where they have no more.
    "cut to 12": ("another-shape", changed(ids=lambda x: x[:, :12], masks=lambda x: x[:, :12])),
    # Two mistakes: shuffled, and the labels are floats.
    "shuffled floats": (
        "another-dtype",
        lambda train, val: DataLoader(
            TensorDataset(*val.tensors[:2], val.tensors[2].float()), batch_size=32, shuffle=True
        ),
    ),
    # Two mistakes: shuffled, and the last rows dropped.
    "shuffled, last dropped": (
        "part-of-the-rows",
        lambda train, val: DataLoader(val, batch_size=32, shuffle=True, drop_last=True),
    ),
    # Each pass changes the masks of val_dataset itself.
    "in place": (
        "another-value",
        lambda train, val: DataLoader(InPlace(*[t.clone() for t in val.tensors]), batch_size=32),
    ),
    # The first pass is in order, the second is not.
    "second pass shuffled": ("random-order", lambda train, val: DataLoader(val, sampler=Anew(len(val)), batch_size=32)),
    # The second pass leaves a row out.
    "second pass shorter": (
        "part-of-the-rows",
        lambda train, val: DataLoader(val, sampler=Shorter(len(val)), batch_size=32),
    ),
    # The collate function raises.
    "collate raises": ("loader-raises", lambda train, val: DataLoader(val, batch_size=32, collate_fn=fails)),
    # Batches are cut to less than their longest row.
    "trimmed": ("another-shape", lambda train, val: DataLoader(val, batch_size=32, collate_fn=trimmed)),
    # Every row comes three times.
    "three times": ("loader-never-ends", lambda train, val: DataLoader(ConcatDataset([val] * 3), batch_size=32)),
    # The stream starts again and again.
    "endless stream": ("loader-never-ends", lambda train, val: DataLoader(Endless(val), batch_size=32)),
    # The same rows drawn once, some of them twice: the passes are equal.
    "fixed draw with replacement": (
        "part-of-the-rows",
        lambda train, val: DataLoader(
            val, sampler=random.Random(1).choices(range(len(val)), k=len(val)), batch_size=32
        ),
    ),
    # drop_last, and the first row is left out: the rows that are missing are not the last ones.
    "drop_last and no first row": (
        "part-of-the-rows",
        lambda train, val: DataLoader(Subset(val, range(1, len(val))), batch_size=32, drop_last=True),
    ),
    # A function that would make the loader.
    "a function": ("not-a-loader", lambda train, val: lambda: DataLoader(val)),
    # A tensor too many.
    "four tensors": (
        "another-kind-of-batch",
        lambda train, val: DataLoader(TensorDataset(*val.tensors, val.tensors[2]), batch_size=32),
    ),
    # The labels are in another order than the ids.
    "labels shuffled": (
        "another-value",
        changed(labels=lambda x: x[torch.randperm(len(x), generator=torch.Generator().manual_seed(3))]),
    ),
    # Each batch is in reverse order.
    "batches reversed": ("fixed-order", collated(lambda parts: [part.flip(0) for part in parts])),
    # Each pass goes the other way: nothing is shuffled.
    "there and back": (
        "fixed-order",
        lambda train, val: DataLoader(val, sampler=Turning(len(val), lambda rows, n: rows[:: -1 if n % 2 else 1])),
    ),
    # Each pass begins where no pass has begun yet, and goes round.
    "begins elsewhere": (
        "fixed-order",
        lambda train, val: DataLoader(val, sampler=Turning(len(val), lambda rows, n: rows[32 * n :] + rows[: 32 * n])),
    ),
    # Row 0 stays where it is.
    "every fourth row": (
        "fixed-order",
        lambda train, val: DataLoader(val, batch_sampler=[range(k, len(val), 4) for k in range(4)]),
    ),
}
