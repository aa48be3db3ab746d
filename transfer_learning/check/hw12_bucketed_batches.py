"""Homework 12: batches of rows of similar lengths, and different ones in every epoch."""

import itertools
import random
import statistics
from typing import NamedTuple

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type, untimed

ROWS, SIZE = 1600, 16  # as many as the course trains on, and its batch size
LIMIT = 0.0305  # of all positions: 3.0 % when rounded
#: How many rows, and the batch size: the simplest first, then fewer rows than a batch holds, many portions and a rest.
SMALL = [(12, 4), (11, 4), (30, 7), (3, 8), (1, 2), (130, 32), (9, 1), (211, 2)]


class Case(NamedTuple):
    lengths: list
    size: int

    def __str__(self):
        many = len(self.lengths) > 12
        lengths = f"{len(self.lengths):,} lengths" if many else f"the lengths {self.lengths}"
        return f"with {lengths} and batch_size {self.size}"


@homework("12_making_it_fast")
def bucketed_batches(bucketed_batches):
    """Check homework 12: every row once, one small batch at most, little padding, and the generator decides the rest.

    Any batches will do that have at most 3 % padding on 1,600 lengths spread like the tweets', in batches of 16 (a mean
    over five draws). Where the small batch comes does not matter, nor what draws the random numbers, if its seed is drawn
    from the generator; numpy's integers count as int. Not tried: no rows at all, a batch size below 1.

    Parameters
    ----------
    bucketed_batches : callable
        The learner's answer, called as ``bucketed_batches(lengths, batch_size, generator)`` with a list of int, an int
        and a torch.Generator; it returns a list of lists of row numbers.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    import torch

    require_callable(bucketed_batches, "bucketed_batches")
    chance, seen = random.SystemRandom(), []
    small = [Case([chance.randint(5, 60) for _ in range(rows)], size) for rows, size in SMALL]
    tweets, unequal = Case(_like_tweets(chance), SIZE), Case(chance.sample(range(5, 2 * ROWS), ROWS), SIZE)

    def batches(case, generator):
        try:
            seen.append((case, _call(bucketed_batches, case, generator)))
        except NotYet:
            _every_row_once(seen)  # what was wrong in the calls before may be the reason
            raise
        return seen[-1][1]

    for case in small:
        batches(case, torch.Generator().manual_seed(chance.getrandbits(40)))
    _every_row_once(seen)
    first = _follows_its_generator(lambda generator: batches(tweets, generator), tweets, chance)
    _every_row_once(seen)
    other = [batches(unequal, torch.Generator().manual_seed(chance.getrandbits(40))) for _ in range(3)]
    _every_row_once(seen)
    _other_batches(unequal, other)
    _other_order(tweets, first)
    _other_order(unequal, other)
    share = statistics.mean(_padding(tweets, made) for made in first)
    if share > LIMIT:
        mixed = [chance.sample(range(ROWS), ROWS) for _ in first]
        by_chance = statistics.mean(_padding(tweets, _cut(rows, SIZE)) for rows in mixed)
        slug = "not-grouped" if share > 0.93 * by_chance else "too-much-padding"
        saw = f"{share:.1%} of all positions were padding, expected at most 3%; batches drawn by chance have {by_chance:.0%}."
        raise NotYet(slug, f"{tweets}, spread like the tweets', {saw}")
    return "every row once, one small batch at most, at most 3% padding, different batches for each state of the generator."


def _like_tweets(chance):
    """Lengths spread like those of the course's tweets, in tokens: from 14 to 62, half of them from 33 to 43."""
    spread = statistics.NormalDist(38, 7.6)
    lengths = [round(spread.inv_cdf((k + 0.5) / ROWS)) for k in range(ROWS)]
    chance.shuffle(lengths)
    return lengths


def _cut(rows, size):
    return [rows[k : k + size] for k in range(0, len(rows), size)]


def _padding(case, batches):
    """The share of positions that are padding when each batch is as wide as its longest row."""
    positions = sum(len(rows) * max(case.lengths[row] for row in rows) for rows in batches)
    return 1 - sum(case.lengths) / positions


def _widths(case, batches):
    return [max(case.lengths[row] for row in rows) for rows in batches if len(rows) == case.size]


def _call(bucketed_batches, case, generator):
    """Return the answer's batches as lists of int, once they have the right form."""
    import numpy as np

    lengths, called = list(case.lengths), "bucketed_batches(lengths, batch_size, generator)"
    result = call(bucketed_batches, lengths, case.size, generator)
    if len(require_type(result, list, called, "a list of lists of int")) > 100_000:
        raise NotYet("batch-sizes", f"{case}, it returned a list of {len(result):,}.")
    result = list(result)

    def is_row(thing):
        return isinstance(thing, (int, np.integer)) and not isinstance(thing, bool)

    if result and all(map(is_row, result)):
        raise NotYet("one-flat-list", f"{case}, it returned {_short(result)}, one list of {len(result)} numbers.")
    for rows in result:
        if not isinstance(rows, list):
            raise NotYet("not-lists-of-int", f"a batch came as {describe(rows)}, a {type(rows).__name__}.")
        if strange := [row for row in rows if not is_row(row)]:
            saw = f"a batch came as {_short(rows)}, with {describe(strange[0])}, a {type(strange[0]).__name__}."
            raise NotYet("not-lists-of-int", saw)
    if lengths != case.lengths:
        saw = f"after {called}, lengths was {_short(lengths)}, before it {_short(case.lengths)}."
        raise NotYet("input-changed", saw)
    return [list(map(int, rows)) for rows in result]


# --- every row once, in batches that are full ---------------------------------------------------------------


def _is_right(case, batches):
    every = sorted(row for rows in batches for row in rows) == list(range(len(case.lengths)))
    return every and all(map(len, batches)) and sorted(_sizes(case)) == sorted(map(len, batches))


def _sizes(case):
    full, rest = divmod(len(case.lengths), case.size)
    return [case.size] * full + [rest] * (rest > 0)


@untimed()
def _every_row_once(seen):
    """Raise `NotYet` for wrong rows or sizes; a mistake is named only if it explains everything that was returned."""
    wrong = [(case, batches) for case, batches in seen if not _is_right(case, batches)]
    if not wrong:
        return
    case, batches = wrong[0]
    flat, sizes = [row for rows in batches for row in rows], list(map(len, batches))
    came = (
        f"{case}, the batches were {_short(batches)}"
        if len(flat) < 20
        else f"{case}, there were {len(batches)} batches"
    )
    if mistake := explain(seen, MISTAKES):
        raise NotYet(mistake.slug, f"{came}: {mistake.saw}. Their sizes are {_short(sorted(sizes))}.")
    if strange := [row for row in flat if not 0 <= row < len(case.lengths)]:
        raise NotYet(
            "no-such-row", f"{came}; row {strange[0]} does not exist, the last one is {len(case.lengths) - 1}."
        )
    if len(set(flat)) < len(flat):
        twice = next(row for row in flat if flat.count(row) > 1)
        raise NotYet("row-twice", f"{came}, and row {twice} came {flat.count(twice)} times.")
    if left := len(case.lengths) - len(flat):
        raise NotYet("rows-left-out", f"{came}, and {left} of {len(case.lengths)} rows were in none.")
    raise NotYet("batch-sizes", f"{came}, of {_short(sizes)} rows; every row can be had with {_short(_sizes(case))}.")


def _holds(rows_of, sizes_of):
    """A mistake: which rows come (sorted), and whether these are the sizes."""

    def gives(case):
        def told(batches):
            flat = sorted(row for rows in batches for row in rows)
            return _is_right(case, batches) or (rows_of(case, flat) and sizes_of(case, list(map(len, batches))))

        return told

    return gives


def _once(case, flat):
    return flat == list(range(len(case.lengths)))


def _some(case, flat):
    return len(set(flat)) == len(flat) and set(flat) <= set(range(len(case.lengths)))


def _all_full(case, sizes):
    return set(sizes) <= {case.size}


MISTAKES = [
    Mistake(
        "lengths-not-rows",
        _holds(lambda case, flat: flat == sorted(case.lengths), lambda case, sizes: True),
        "these are the lengths, not the numbers of the rows",
    ),
    Mistake(
        "dropped-last-batch",
        _holds(_some, lambda case, sizes: _all_full(case, sizes) and len(sizes) == len(case.lengths) // case.size),
        "the rows that are left over after the full batches are in none",
    ),
    Mistake(
        "filled-up",
        _holds(lambda case, flat: sorted(set(flat)) == list(range(len(case.lengths))), _all_full),
        "all of them full, because rows came more than once",
    ),
    Mistake(
        "several-small-batches",
        _holds(_once, lambda case, sizes: 0 < min(sizes) and max(sizes) <= case.size),
        "more of them are small than need be",
    ),
    Mistake(
        "batch-too-large",
        _holds(_once, lambda case, sizes: 0 < min(sizes) and max(sizes) > case.size),
        "one holds more rows than batch_size",
    ),
]


# --- the generator decides ----------------------------------------------------------------------------------


def _follows_its_generator(batches, case, chance):
    """Return five draws, each with another state of a generator; the same state must repeat the batches."""
    import numpy as np
    import torch

    seed, other = chance.getrandbits(40), chance.getrandbits(40)

    def seeded(number=seed, drawn=0):
        generator = torch.Generator().manual_seed(number)
        torch.rand(drawn, generator=generator)
        return generator

    generator = seeded()
    before = generator.get_state()
    first = batches(generator)
    moved, seed_kept = not torch.equal(before, generator.get_state()), generator.initial_seed() == seed
    if batches(seeded()) != first:
        again = []
        for _ in range(2):  # the engine puts these back
            torch.manual_seed(seed), np.random.seed(seed % 2**32), random.seed(seed)
            again.append(batches(seeded()))
        saw = f"{case}, two generators in the same state gave different batches"
        if again[0] == again[1]:
            raise NotYet("another-generator", f"{saw}, unless torch's, numpy's or Python's own one was set back too.")
        raise NotYet("not-repeatable", f"{saw}.")
    further, advanced = batches(seeded(drawn=chance.randint(5, 50))), batches(seeded(other, drawn=7))
    draws = [first, batches(generator), batches(seeded(other)), further, advanced]
    if all(draw == first for draw in draws):
        if not seed_kept:
            saw = f"{case}, your function set the generator's seed, and every generator gave the same batches in the same order."
            raise NotYet("reseeds-the-generator", saw)
        used = "" if moved else "; no number was drawn from it"
        raise NotYet("always-the-same", f"{case}, every generator gave the same batches in the same order{used}.")
    if further == first and all(batches(seeded(drawn=drawn)) == first for drawn in (3, 60, 61, 62)):
        saw = f"{case}, a generator gave the same batches when it was new and when numbers had been drawn from it."
        raise NotYet("only-the-seed", saw)
    if draws[1] == first and not moved:
        saw = "two calls in turn with one generator gave the same batches and left its state as it was."
        raise NotYet("generator-not-moved", f"{case}, {saw}")
    if not seed_kept and batches(generator) == draws[1]:
        saw = "your function set the generator's seed, and then one call with it gave the same batches as the next."
        raise NotYet("reseeds-the-generator", f"{case}, {saw}")
    _other_batches(case, draws)
    for one, two in itertools.combinations(draws, 2):
        if _rows(one) == _rows(two):
            order = "in the same order" if one == two else "in a different order"
            saw = f"of {len(draws)} states of a generator, two gave the same batches {order}."
            raise NotYet("few-different-epochs", f"{case}, {saw}")
    return draws


def _rows(draw):
    return {frozenset(rows) for rows in draw}


def _other_batches(case, draws):
    """Raise `NotYet` if nearly all batches hold the same rows with every generator."""
    made = list(map(_rows, draws))
    shared = [len(one & made[0]) / len(made[0]) for one in made[1:]]
    if min(shared) > 0.9:
        lengths = " (no two lengths are equal)" if len({*case.lengths}) == len(case.lengths) else ""
        order = "in the same order" if draws[1:] == draws[:-1] else "in a different order"
        saw = f"{case}{lengths}, {len(draws)} states of a generator gave the same {len(made[0])} batches, {order}."
        raise NotYet("same-batches", saw)


def _other_order(case, draws):
    """Raise `NotYet` if the widths of the full batches always come in the same order."""
    widths = [_widths(case, draw) for draw in draws]
    if all(each[1:-1] in (sorted(each[1:-1]), sorted(each[1:-1], reverse=True)) for each in widths):
        from_to = "short to long" if widths[0][1] < widths[0][-2] else "long to short"
        raise NotYet("same-order", f"{case}, the batches always came from {from_to}: {_short(widths[0])}.")
    if all(each == widths[0] for each in widths):
        saw = f"{case}, the longest rows of the batches were always {_short(widths[0])}, whatever the generator."
        raise NotYet("same-order", saw)


def _short(numbers):
    return describe(numbers, 120)
