"""Answers to homework 13's first part: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import itertools
import random

import numpy as np
import torch

from transfer_learning import check


def judge(shard):
    return check.shard(shard)


# --- right


def strided(rows, rank, world_size):
    return list(range(rank, rows, world_size))


def contiguous(rows, rank, world_size):
    size, rest = divmod(rows, world_size)
    start = rank * size + min(rank, rest)
    return list(range(start, start + size + (rank < rest)))


def by_proportion(rows, rank, world_size):
    return list(range(rank * rows // world_size, (rank + 1) * rows // world_size))


def modulo(rows, rank, world_size):
    return [row for row in range(rows) if row % world_size == rank]


def dealt_out(rows, rank, world_size):
    hands = [[] for _ in range(world_size)]
    for row, hand in zip(range(rows), itertools.cycle(hands)):
        hand.append(row)
    return hands[rank]


def array_split(rows, rank, world_size):
    return np.array_split(np.arange(rows), world_size)[rank].tolist()


def numpy_ints(rows, rank, world_size):
    return list(np.arange(rows)[rank::world_size])


def tensor_split(rows, rank, world_size):
    return torch.arange(rows).tensor_split(world_size)[rank].tolist()


def shuffled_alike(rows, rank, world_size):
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(5)).tolist()
    return order[rank::world_size]


def pythons_own_shuffle(rows, rank, world_size):
    order = list(range(rows))
    random.Random(1).shuffle(order)
    return order[rank::world_size]


def while_loop(rows, rank, world_size):
    own, row = [], rank
    while row < rows:
        own.append(row)
        row += world_size
    return own


def last_first(rows, rank, world_size):
    return list(range(rows))[::-1][rank::world_size]


def there_and_back(rows, rank, world_size):
    """0 1 2 2 1 0 0 1 2 …: as teams are chosen."""
    rounds = [range(start, min(start + world_size, rows)) for start in range(0, rows, world_size)]
    own = []
    for n, numbers in enumerate(rounds):
        seats = range(world_size) if n % 2 == 0 else range(world_size - 1, -1, -1)
        own += [number for number, seat in zip(numbers, seats) if seat == rank]
    return own


def recursive(rows, rank, world_size):
    return [] if rank >= rows else [rank, *(row + world_size for row in recursive(rows - world_size, rank, world_size))]


class Dealer:
    def __call__(self, rows, rank, world_size):
        return contiguous(rows, rank, world_size)


def general(rows, rank, world_size, start):
    return [row for row in range(start, rows) if (row - start) % world_size == rank]


RIGHT = {
    "every n-th": strided,
    "one after the other": contiguous,
    "by proportion": by_proportion,
    "modulo": modulo,
    "hands of cards": dealt_out,
    "numpy's array_split": array_split,
    "numpy's ints": numpy_ints,
    "torch's tensor_split": tensor_split,
    "shuffled, the same on every process": shuffled_alike,
    "shuffled by a generator of its own": pythons_own_shuffle,
    "a while loop": while_loop,
    "from the last row": last_first,
    "there and back": there_and_back,
    "recursion": recursive,
    "an object that can be called": Dealer(),
    "a partial": functools.partial(general, start=0),
    "parameters by other names": lambda n, me, of: strided(n, me, of),
    "the larger shares last": lambda rows, rank, world: contiguous(rows, world - 1 - rank, world),
}


# --- wrong


def drops_contiguous(rows, rank, world_size):
    size = rows // world_size
    return list(range(rank * size, (rank + 1) * size))


def drops_strided(rows, rank, world_size):
    return list(range(rank, rows - rows % world_size, world_size))


def tops_up(rows, rank, world_size):
    """As torch's DistributedSampler."""
    size = -(-rows // world_size)
    order = list(range(rows))
    while len(order) < size * world_size:
        order += order[: size * world_size - len(order)]
    return order[rank::world_size]


def last_takes_the_rest(rows, rank, world_size):
    size = rows // world_size
    return list(range(rank * size, rows if rank == world_size - 1 else (rank + 1) * size))


def last_gets_less(rows, rank, world_size):
    size = -(-rows // world_size)
    return list(range(rows))[rank * size : (rank + 1) * size]


def torchs_chunk(rows, rank, world_size):
    chunks = torch.arange(rows).chunk(world_size)
    return chunks[rank].tolist() if rank < len(chunks) else []


def one_too_many(rows, rank, world_size):
    size = rows // world_size
    return list(range(rank * size, (rank + 1) * size + 1))


def shuffled_by_chance(rows, rank, world_size):
    order = list(range(rows))
    random.shuffle(order)
    return order[rank::world_size]


def drawn(rows, rank, world_size):
    return torch.randint(rows, (len(strided(rows, rank, world_size)),)).tolist() if rows else []


class RemembersOneShuffle:
    """Right as long as one process asks; each process would have an order of its own."""

    def __init__(self):
        self.left = {}

    def __call__(self, rows, rank, world_size):
        left = self.left.setdefault((rows, world_size), random.sample(range(rows), rows))
        size = len(strided(rows, rank, world_size))
        own, self.left[rows, world_size] = left[:size], left[size:]
        return own


class CountsCalls:
    """Uses its own count of calls as the rank."""

    calls = 0

    def __call__(self, rows, rank, world_size):
        self.calls += 1
        return strided(rows, self.calls % world_size, world_size)


def first_takes_the_rest(rows, rank, world_size):
    size = rows // world_size
    rest = rows - size * world_size
    return list(range(rest + size)) if rank == 0 else list(range(rest + rank * size, rest + (rank + 1) * size))


def batches_of_world(rows, rank, world_size):
    return list(range(rank * world_size, (rank + 1) * world_size))


WRONG = {
    "nothing returned": ("returns-nothing", lambda rows, rank, world: print(end="")),
    "a range": ("wrong-type", lambda rows, rank, world: range(rank, rows, world)),
    "an array": ("wrong-type", lambda rows, rank, world: np.arange(rank, rows, world)),
    "a tensor": ("wrong-type", lambda rows, rank, world: torch.arange(rows)[rank::world]),
    "a list of tensors": ("wrong-type", lambda rows, rank, world: list(torch.arange(rows)[rank::world])),
    "a generator": ("wrong-type", lambda rows, rank, world: (row for row in range(rank, rows, world))),
    "a tuple": ("wrong-type", lambda rows, rank, world: tuple(range(rank, rows, world))),
    "a set": ("wrong-type", lambda rows, rank, world: {*range(rank, rows, world)}),
    "floats": ("wrong-type", lambda rows, rank, world: [float(row) for row in strided(rows, rank, world)]),
    "text": ("wrong-type", lambda rows, rank, world: [str(row) for row in strided(rows, rank, world)]),
    "all ranks' shares": ("wrong-type", lambda rows, rank, world: [strided(rows, r, world) for r in range(world)]),
    "a number": ("wrong-type", lambda rows, rank, world: rows // world),
    "true and false": ("wrong-type", lambda rows, rank, world: [row % world == rank for row in range(rows)]),
    "two arguments": ("raises", lambda rows, rank: strided(rows, rank, 2)),
    "more processes than rows": (
        "raises",
        lambda rows, rank, world: [list(range(rows))[rank], *range(rank + world, rows, world)],
    ),
    "no rows": (
        "raises",
        lambda rows, rank, world: [row % rows for row in range(rank, rows, world)] if rows else [1][1],
    ),
    "everything": ("everything-everywhere", lambda rows, rank, world: list(range(rows))),
    "everything, mixed": ("everything-everywhere", lambda rows, rank, world: random.sample(range(rows), rows)),
    "the first share for all": ("rank-ignored", lambda rows, rank, world: strided(rows, 0, world)),
    "nothing for anybody": ("rank-ignored or drops-the-rest", lambda rows, rank, world: []),
    "drops the rest": ("drops-the-rest", drops_contiguous),
    "drops the rest, every n-th": ("drops-the-rest", drops_strided),
    "tops up": ("tops-up", tops_up),
    "from 1": ("rows-from-one", lambda rows, rank, world: [row + 1 for row in strided(rows, rank, world)]),
    "from 1, one after the other": (
        "rows-from-one",
        lambda n, rank, world: [row + 1 for row in contiguous(n, rank, world)],
    ),
    "ranks from 1": ("ranks-from-one", lambda rows, rank, world: list(range(rank - 1, rows, world))),
    "ranks from 1, the other way": ("ranks-from-one", lambda rows, rank, world: list(range(rank + 1, rows, world))),
    "the last takes the rest": ("last-takes-the-rest", last_takes_the_rest),
    "the last gets less": ("last-gets-less", last_gets_less),
    "torch's chunk": ("last-gets-less", torchs_chunk),
    "the first takes the rest": ("uneven-shares", first_takes_the_rest),
    "rank 0 does it all": ("uneven-shares", lambda rows, rank, world: list(range(rows)) if rank == 0 else []),
    "one row too many": ("row-outside or row-twice", one_too_many),
    "shares as large as the world": ("row-outside or row-missing", batches_of_world),
    "twice each": ("row-twice", lambda rows, rank, world: 2 * strided(rows, rank, world)),
    "row 0 for all": ("row-twice", lambda n, rank, world: sorted({0, *strided(n, rank, world)}) if n else []),
    "without row 0": ("row-missing", lambda rows, rank, world: [row for row in strided(rows, rank, world) if row]),
    "without the last row": ("row-missing", lambda rows, rank, world: strided(max(rows - 1, 0), rank, world)),
    "only up to 100": ("row-missing", lambda rows, rank, world: strided(min(rows, 100), rank, world)),
    "always two processes": ("row-outside or row-twice", lambda rows, rank, world: list(range(rank, rows, 2))),
    "negative": ("row-outside", lambda rows, rank, world: [row - rows for row in strided(rows, rank, world)]),
    "a million": ("row-outside", lambda rows, rank, world: [0] * 1_000_000),
    "shuffled by chance": ("row-twice", shuffled_by_chance),
    "drawn": ("row-twice", drawn),
    "remembers one shuffle": ("shares-change or row-missing", RemembersOneShuffle()),
    "counts its calls": ("shares-change", CountsCalls()),
}
