"""Answers to homework 12: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import itertools
import random

import numpy as np
import torch
from torch.utils.data import BatchSampler, RandomSampler
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from transfer_learning import check


def judge(bucketed_batches):
    return check.bucketed_batches(bucketed_batches)


# --- right


def cut(rows, size):
    return [rows[k : k + size] for k in range(0, len(rows), size)]


def flat(batches):
    return list(itertools.chain.from_iterable(batches))


def shuffled(things, generator):
    return [things[k] for k in torch.randperm(len(things), generator=generator).tolist()]


def portions(lengths, batch_size, generator, many=25):
    """Shuffled rows in portions, each sorted, cut, and all batches shuffled."""
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    in_portions = [sorted(portion, key=lambda row: lengths[row]) for portion in cut(rows, many * batch_size)]
    return shuffled(cut([row for portion in in_portions for row in portion], batch_size), generator)


def not_shuffled_again(lengths, batch_size, generator):
    """The portions come in random order anyway; within one, batches go from long to short."""
    rows, batches = torch.randperm(len(lengths), generator=generator).tolist(), []
    for portion in cut(rows, 40 * batch_size):
        batches += cut(sorted(portion, key=lengths.__getitem__, reverse=True), batch_size)
    return batches


def the_librarys(lengths, batch_size, generator):
    return cut(get_length_grouped_indices(lengths, batch_size, generator=generator), batch_size)


def the_librarys_sampler(lengths, batch_size, generator):
    sampler = LengthGroupedSampler(batch_size, lengths=lengths, generator=generator)
    return list(BatchSampler(sampler, batch_size, drop_last=False))


def fifty_batches(lengths, batch_size, generator):
    order = get_length_grouped_indices(lengths, batch_size, mega_batch_mult=50, generator=generator)
    return shuffled(cut(order, batch_size), generator)


def with_numpy(lengths, batch_size, generator):
    """A numpy generator whose seed is drawn from torch's."""
    rng = np.random.default_rng(torch.randint(2**40, (1,), generator=generator).item())
    lengths, rows = np.array(lengths), rng.permutation(len(lengths))
    parts = np.array_split(rows, range(30 * batch_size, len(rows), 30 * batch_size))
    rows = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    batches = [list(rows[k : k + batch_size]) for k in range(0, len(rows), batch_size)]
    rng.shuffle(batches)
    return batches


def with_python(lengths, batch_size, generator):
    rng = random.Random(int(torch.empty((), dtype=torch.int64).random_(generator=generator)))
    rows = list(range(len(lengths)))
    rng.shuffle(rows)
    batches, step = [], 400
    for start in range(0, len(rows), step):
        batches += sorted(rows[start : start + step], key=lambda row: lengths[row])
    batches = [batches[k : k + batch_size] for k in range(0, len(batches), batch_size)]
    rng.shuffle(batches)
    return batches


def with_noise(lengths, batch_size, generator):
    """All rows sorted by length, give or take a few tokens."""
    noise = (torch.rand(len(lengths), generator=generator) - 0.5) * 2
    rows = (torch.tensor(lengths) + noise).argsort().tolist()
    return shuffled(cut(rows, batch_size), generator)


def with_relative_noise(lengths, batch_size, generator):
    noise = 1 + 0.01 * torch.randn(len(lengths), generator=generator)
    rows = (torch.tensor(lengths) * noise).argsort().tolist()
    return shuffled(cut(rows, batch_size), generator)


def a_random_start(lengths, batch_size, generator):
    """Sorted, but the ring is cut at another place each time; ties in random order."""
    rows = sorted(torch.randperm(len(lengths), generator=generator).tolist(), key=lambda row: lengths[row])
    first = torch.randint(1, batch_size + 1, (1,), generator=generator).item() % len(rows)
    batches = cut(rows[first:], batch_size)
    rest = batches.pop() if len(batches[-1]) < batch_size else []
    batches += cut(rows[:first] + rest, batch_size)
    return shuffled(batches, generator)


def buckets(lengths, batch_size, generator):
    """A bucket for every two lengths, emptied into batches; what is left over makes batches of its own."""
    ready, found, rest = [], {}, []
    for row in torch.randperm(len(lengths), generator=generator).tolist():
        bucket = found.setdefault(lengths[row] // 2, [])
        bucket.append(row)
        if len(bucket) == batch_size:
            ready.append(bucket[:])
            bucket.clear()
    for key in sorted(found):
        rest += found[key]
    return shuffled(ready + cut(rest, batch_size), generator)


def through_samplers(lengths, batch_size, generator):
    big = BatchSampler(RandomSampler(lengths, generator=generator), 25 * batch_size, drop_last=False)
    rows = [row for portion in big for row in sorted(portion, key=lambda row: lengths[row])]
    batches = cut(rows, batch_size)
    return [batches[k] for k in RandomSampler(batches, generator=generator)]


def small_batch_first(lengths, batch_size, generator):
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    rest = len(rows) % batch_size
    batches = portions_of(rows[rest:], lengths, batch_size)
    return [*([rows[:rest]] if rest else []), *shuffled(batches, generator)]


def portions_of(rows, lengths, batch_size):
    step = max(1, len(rows) // (4 * batch_size)) * batch_size
    return [b for part in cut(rows, step) for b in cut(sorted(part, key=lambda row: lengths[row]), batch_size)]


def reseeds_at_random(lengths, batch_size, generator):
    return portions(lengths, batch_size, generator.manual_seed(torch.randint(2**40, (1,), generator=generator).item()))


class Bucketer:
    def __call__(self, lengths, batch_size, generator):
        return portions(lengths, batch_size, generator)


def up_and_down(lengths, batch_size, generator):
    rows, ordered = torch.randperm(len(lengths), generator=generator).tolist(), []
    for n, portion in enumerate(cut(rows, 25 * batch_size)):
        ordered += sorted(portion, key=lengths.__getitem__, reverse=n % 2 == 1)
    return cut(ordered, batch_size)


RIGHT = {
    "portions of 25 batches": portions,
    "portions of 20 batches": functools.partial(portions, many=20),
    "portions of 50 batches": functools.partial(portions, many=50),
    "batches not shuffled again": not_shuffled_again,
    "the library's order": the_librarys,
    "the library's sampler": the_librarys_sampler,
    "the library's, 50 batches": fifty_batches,
    "portions in turn up and down": up_and_down,
    "numpy, seeded from the generator": with_numpy,
    "random.Random, seeded from the generator": with_python,
    "noise on the lengths": with_noise,
    "noise in proportion": with_relative_noise,
    "a random start in sorted rows": a_random_start,
    "buckets": buckets,
    "samplers in samplers": through_samplers,
    "the small batch first": small_batch_first,
    "a new seed, drawn from the generator": reseeds_at_random,
    "an object that can be called": Bucketer(),
    "parameters by other names": lambda sizes, n, rng: portions(sizes, n, rng),
}


# --- wrong


def after(change):
    """The right batches, and what is done to them."""
    return lambda lengths, batch_size, generator: change(portions(lengths, batch_size, generator))


def in_order(rows_of):
    """Rows in some order, cut and no more."""
    return lambda lengths, batch_size, generator: cut(rows_of(lengths, batch_size, generator), batch_size)


def sorted_rows(lengths, batch_size, generator):
    return sorted(range(len(lengths)), key=lambda row: lengths[row])


def sorted_with_random_ties(lengths, batch_size, generator):
    return sorted(torch.randperm(len(lengths), generator=generator).tolist(), key=lambda row: lengths[row])


def sorted_once(lengths, batch_size, generator):
    return shuffled(cut(sorted_rows(lengths, batch_size, generator), batch_size), generator)


def sorted_with_ties_then_shuffled(lengths, batch_size, generator):
    return shuffled(cut(sorted_with_random_ties(lengths, batch_size, generator), batch_size), generator)


def sorted_once_python(lengths, batch_size, generator):
    batches = cut(sorted_rows(lengths, batch_size, generator), batch_size)
    random.shuffle(batches)
    return batches


def with_global(shuffle):
    def bucketed_batches(lengths, batch_size, generator):
        rows = shuffle(len(lengths))
        step = 25 * batch_size
        return [b for part in cut(rows, step) for b in cut(sorted(part, key=lambda row: lengths[row]), batch_size)]

    return bucketed_batches


def python_shuffle(n):
    rows = list(range(n))
    random.shuffle(rows)
    return rows


def half_global(lengths, batch_size, generator):
    batches = portions(lengths, batch_size, generator)
    random.shuffle(batches)
    return batches


def reseeded(seed):
    return lambda lengths, batch_size, generator: portions(lengths, batch_size, generator.manual_seed(seed(generator)))


def own_generator(lengths, batch_size, generator):
    return portions(lengths, batch_size, torch.Generator().manual_seed(0))


def from_initial_seed(lengths, batch_size, generator):
    return portions(lengths, batch_size, torch.Generator().manual_seed(generator.initial_seed()))


def from_initial_seed_python(lengths, batch_size, generator):
    rng = random.Random(generator.initial_seed())
    return portions(lengths, batch_size, torch.Generator().manual_seed(rng.getrandbits(30)))


def a_copy(lengths, batch_size, generator):
    copy = torch.Generator()
    copy.set_state(generator.get_state())
    return portions(lengths, batch_size, copy)


def few_seeds(lengths, batch_size, generator):
    """One of two ways to draw the batches."""
    seed = torch.randint(2, (1,), generator=generator).item()
    return portions(lengths, batch_size, torch.Generator().manual_seed(seed))


def reseeds_at_the_end(lengths, batch_size, generator):
    batches = portions(lengths, batch_size, generator)
    generator.manual_seed(5)
    return batches


def puts_it_back(lengths, batch_size, generator):
    state = generator.get_state()
    batches = portions(lengths, batch_size, generator)
    generator.set_state(state)
    return batches


def each_portion_cut(lengths, batch_size, generator):
    """Portions that are no multiple of the batch size: each has a small batch."""
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    return [
        b for part in cut(rows, 25 * batch_size - 1) for b in cut(sorted(part, key=lengths.__getitem__), batch_size)
    ]


def buckets_cut(lengths, batch_size, generator):
    """Each bucket of equal lengths ends on a small batch."""
    found = {}
    for row in torch.randperm(len(lengths), generator=generator).tolist():
        found.setdefault(lengths[row], []).append(row)
    return shuffled([batch for bucket in found.values() for batch in cut(bucket, batch_size)], generator)


def drops(lengths, batch_size, generator):
    return [rows for rows in portions(lengths, batch_size, generator) if len(rows) == batch_size]


def nothing_for_few_rows(lengths, batch_size, generator):
    return portions(lengths, batch_size, generator) if len(lengths) >= batch_size else []


def drops_in_portions(lengths, batch_size, generator):
    return [rows for rows in each_portion_cut(lengths, batch_size, generator) if len(rows) == batch_size]


def drops_a_small_portion(lengths, batch_size, generator):
    """Portions of 25 batches; what is left after the last of them never comes."""
    rows, step = torch.randperm(len(lengths), generator=generator).tolist(), 25 * batch_size
    starts = range(0, max(1, len(rows) - step + 1), step)
    ordered = [row for start in starts for row in sorted(rows[start : start + step], key=lengths.__getitem__)]
    return shuffled(cut(ordered, batch_size), generator)


def fills(lengths, batch_size, generator):
    """The small batch gets rows of the start again."""
    batches = portions(lengths, batch_size, generator)
    rows = itertools.cycle(range(len(lengths)))
    return [[*batch, *itertools.islice(rows, batch_size - len(batch))] for batch in batches]


def joined(lengths, batch_size, generator):
    """A small batch joins another one."""
    batches = sorted(portions(lengths, batch_size, generator), key=len)
    if len(batches) > 1 and len(batches[0]) < batch_size:
        batches = [batches[0] + batches[1], *batches[2:]]
    return batches


def array_split(lengths, batch_size, generator):
    rows = [row for batch in portions(lengths, batch_size, generator) for row in batch]
    return [part.tolist() for part in np.array_split(rows, -(-len(rows) // batch_size))]


def number_of_batches(lengths, batch_size, generator):
    """batch_size taken for the number of batches."""
    rows = [row for batch in portions(lengths, batch_size, generator) for row in batch]
    return [part.tolist() for part in np.array_split(rows, batch_size)]


def lengths_cut(lengths, batch_size, generator):
    return [[lengths[row] for row in rows] for rows in portions(lengths, batch_size, generator)]


def sorts_lengths(lengths, batch_size, generator):
    lengths.sort()
    return portions(lengths, batch_size, generator)


def with_replacement(lengths, batch_size, generator):
    rows = torch.randint(len(lengths), (len(lengths),), generator=generator).tolist()
    return cut(sorted(rows, key=lengths.__getitem__), batch_size)


def from_short_to_long(lengths, batch_size, generator):
    return sorted(portions(lengths, batch_size, generator), key=lambda rows: max(lengths[row] for row in rows))


def from_long_to_short(lengths, batch_size, generator):
    return from_short_to_long(lengths, batch_size, generator)[::-1]


def noise_sorted(lengths, batch_size, generator):
    noise = torch.rand(len(lengths), generator=generator) * 3
    return cut((torch.tensor(lengths) + noise).argsort().tolist(), batch_size)


def two_starts(lengths, batch_size, generator):
    """Sorted rows, cut with or without a shift of half a batch: each draw is one of two sets of batches."""
    rows = sorted_rows(lengths, batch_size, generator)
    start = torch.randint(2, (), generator=generator).item() * batch_size // 2
    return shuffled(cut(rows[start:] + rows[:start], batch_size), generator)


def grouped_then_mixed(lengths, batch_size, generator):
    """Batches of similar lengths are shuffled row by row afterwards."""
    rows = [row for batch in portions(lengths, batch_size, generator) for row in batch]
    return cut(shuffled(rows, generator), batch_size)


def zero_portions(lengths, batch_size, generator):
    """The library's size of a portion, without its guard for few rows."""
    step = len(lengths) // (4 * batch_size) * batch_size
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    return [b for k in range(0, len(rows), step) for b in cut(rows[k : k + step], batch_size)]


def never_ends(lengths, batch_size, generator):
    rows = list(range(len(lengths)))
    while rows:
        rows.sort(key=lambda row: lengths[row])


def yields(lengths, batch_size, generator):
    yield from portions(lengths, batch_size, generator)


def one_missing(lengths, batch_size, generator):
    """An off-by-one: the last row never comes."""
    return portions(lengths[:-1], batch_size, generator) if len(lengths) > 1 else [[0]]


WRONG = {
    "nothing returned": ("returns-nothing", lambda lengths, batch_size, generator: None),
    "a generator": ("wrong-type", yields),
    "a tuple": ("wrong-type", after(tuple)),
    "a tensor": ("wrong-type", lambda lengths, size, generator: torch.randperm(len(lengths), generator=generator)),
    "a sampler": ("wrong-type", lambda lengths, size, generator: BatchSampler(range(len(lengths)), size, False)),
    "one flat list": ("one-flat-list", after(lambda batches: flat(batches))),
    "the library's order, not cut": (
        "one-flat-list",
        lambda lengths, size, generator: get_length_grouped_indices(lengths, size, generator=generator),
    ),
    "tensors": ("not-lists-of-int", after(lambda batches: list(map(torch.tensor, batches)))),
    "arrays": ("not-lists-of-int", after(lambda batches: list(map(np.array, batches)))),
    "tuples": ("not-lists-of-int", after(lambda batches: list(map(tuple, batches)))),
    "lists of tensors": ("not-lists-of-int", after(lambda batches: [list(torch.tensor(rows)) for rows in batches])),
    "floats": ("not-lists-of-int", after(lambda batches: [list(map(float, rows)) for rows in batches])),
    "rows and lengths": (
        "not-lists-of-int",
        lambda lengths, n, g: [[(row, lengths[row]) for row in rows] for rows in portions(lengths, n, g)],
    ),
    "lengths": ("lengths-not-rows", lengths_cut),
    "sorts the list it was given": ("input-changed", sorts_lengths),
    "no small batch": ("dropped-last-batch", drops),
    "a small batch of each portion dropped": ("rows-left-out", drops_in_portions),
    "nothing for fewer rows than a batch": ("dropped-last-batch", nothing_for_few_rows),
    "the last portion never comes": ("rows-left-out", drops_a_small_portion),
    "the last row never comes": ("rows-left-out", one_missing),
    "no batches": ("rows-left-out", lambda lengths, batch_size, generator: []),
    "filled up": ("filled-up", fills),
    "with replacement": ("row-twice", with_replacement),
    "one based": ("no-such-row", after(lambda batches: [[row + 1 for row in rows] for rows in batches])),
    "a small batch in each portion": ("several-small-batches", each_portion_cut),
    "a small batch in each bucket": ("several-small-batches", buckets_cut),
    "split evenly": ("several-small-batches", array_split),
    "batches of one": ("several-small-batches", after(lambda batches: [[row] for rows in batches for row in rows])),
    "the small batch joined to another": ("batch-too-large", joined),
    "one batch of all": ("batch-too-large", after(lambda batches: [flat(batches)])),
    "an empty batch at the end": ("batch-sizes", after(lambda batches: [*batches, []])),
    "batch_size batches": ("batch-sizes", number_of_batches),
    "torch's own generator": ("another-generator", with_global(lambda n: torch.randperm(n).tolist())),
    "random.shuffle": ("another-generator", with_global(python_shuffle)),
    "numpy's own generator": ("another-generator", with_global(lambda n: np.random.permutation(n).tolist())),
    "random.shuffle for the order of batches": ("another-generator", half_global),
    "sorted once, random.shuffle": ("another-generator", sorted_once_python),
    "a new numpy generator": ("not-repeatable", with_global(lambda n: np.random.default_rng().permutation(n).tolist())),
    "a seed from the clock": ("not-repeatable", reseeded(lambda generator: generator.seed())),
    "seed 0 in the function": ("reseeds-the-generator", reseeded(lambda generator: 0)),
    "its own seed again": ("only-the-seed", reseeded(lambda generator: generator.initial_seed())),
    "a generator with its seed": ("only-the-seed", from_initial_seed),
    "random.Random with its seed": ("only-the-seed", from_initial_seed_python),
    "a generator of its own": ("always-the-same", own_generator),
    "sorted": ("always-the-same", in_order(sorted_rows)),
    "in the order of rows": ("always-the-same", in_order(lambda lengths, size, generator: list(range(len(lengths))))),
    "draws, and does not use it": (
        "always-the-same",
        in_order(lambda lengths, n, g: sorted_rows(shuffled(lengths, g) and lengths, n, g)),
    ),
    "one of two ways": ("few-different-epochs or always-the-same or only-the-seed", few_seeds),
    "seed 5 at the end": ("reseeds-the-generator", reseeds_at_the_end),
    "a copy of the generator": ("generator-not-moved", a_copy),
    "puts its state back": ("generator-not-moved", puts_it_back),
    "sorted once, batches shuffled": ("same-batches", sorted_once),
    "sorted once, ties in random order": ("same-batches", sorted_with_ties_then_shuffled),
    "sorted, ties in random order": ("same-batches", in_order(sorted_with_random_ties)),
    "portions of 200 batches": ("same-batches", functools.partial(portions, many=200)),
    "from short to long": ("same-order", from_short_to_long),
    "from long to short": ("same-order", from_long_to_short),
    "noise, from short to long": ("same-order", noise_sorted),
    "one of two starts in sorted rows": ("few-different-epochs or same-batches", two_starts),
    "rows in random order": (
        "not-grouped",
        in_order(lambda lengths, size, generator: torch.randperm(len(lengths), generator=generator).tolist()),
    ),
    "grouped, then mixed": ("not-grouped", grouped_then_mixed),
    "sorted within each batch": ("not-grouped", functools.partial(portions, many=1)),
    "portions of 4 batches": ("too-much-padding", functools.partial(portions, many=4)),
    "portions of 12 batches": ("too-much-padding", functools.partial(portions, many=12)),
    "portions of 0 rows": ("raises", zero_portions),
    "two arguments": ("raises", lambda lengths, batch_size: portions(lengths, batch_size, None)),
    "never ends": ("never-ends", lambda lengths, batch_size, generator: never_ends([1, 2], 1, generator)),
}
