"""Homework 13, part 1: each process works out its own share of the rows."""

import itertools
import random
from numbers import Integral
from typing import NamedTuple

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type

#: rows, world_size: the simplest first, each new trap after the ones before it.
FIXED = [(8, 2), (9, 2), (10, 4), (11, 3), (1, 1), (7, 7), (2, 4), (0, 3), (100, 8), (1003, 5)]


class Deal(NamedTuple):
    rows: int
    world_size: int

    @property
    def least(self):
        return self.rows // self.world_size

    @property
    def most(self):
        return -(-self.rows // self.world_size)


@homework("13_beyond_one_machine")
def shard(shard):
    """Check homework 13, part 1: over all ranks every row number exactly once, in shares of nearly equal size.

    Which rows a rank gets, and in which order, is open. What the contract leaves open is not tried: a negative number
    of rows, a rank that does not exist.

    Parameters
    ----------
    shard : callable
        The learner's answer, called as ``shard(rows, rank, world_size)``, ints with 0 <= rank < world_size; it returns
        the row numbers of this rank, a list of ints. Python's and numpy's ints count as ints.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(shard, "shard")
    chance = random.SystemRandom()
    deals = [Deal(*fixed) for fixed in FIXED]
    deals += [Deal(chance.randint(0, 300), chance.randint(1, 20)) for _ in range(20)]
    seen, raised = [], None
    for deal in deals:
        try:
            seen.append((deal, [_call(shard, deal, rank) for rank in range(deal.world_size)]))
        except NotYet as not_yet:
            raised = not_yet
            break
    if wrong := next((pair for pair in seen if _what_is_wrong(*pair)), None):
        (slug, saw), (rows, world_size) = _what_is_wrong(*wrong), wrong[0]
        mistake = explain(seen, MISTAKES)
        raise NotYet(mistake.slug if mistake else slug, f"with rows={rows} and world_size={world_size}, {saw}.")
    if raised:
        raise raised
    for deal, shares in seen[:4]:  # each process calls it for itself, once, in any order
        for rank in reversed(range(deal.world_size)):
            if (again := _call(shard, deal, rank)) != shares[rank]:
                called = f"shard({deal.rows}, {rank}, {deal.world_size})"
                saw = f"{called} returned {_short(shares[rank])} at first and {_short(again)} later."
                raise NotYet("shares-change", saw)
    return (
        f"{len(deals)} ways to share rows, some made up just now: every row exactly once, sizes differ by at most one."
    )


def _call(shard, deal, rank):
    """Return the share as a list of Python's ints."""
    called = f"shard({deal.rows}, {rank}, {deal.world_size})"
    numbers = require_type(call(shard, deal.rows, rank, deal.world_size), list, called, "a list of row numbers")
    if len(numbers) > 10 * deal.rows + 100:
        raise NotYet("row-outside", f"{called} returned {len(numbers):,} numbers for {deal.rows} rows.")
    share = []
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, Integral):
            found = f"a list with {describe(number)} in it, a {type(number).__name__}"
            raise NotYet("wrong-type", f"{called} returned {found}; expected row numbers, ints.")
        share.append(int(number))
    return share


def _what_is_wrong(deal, shares):
    """Return (slug, what was seen) for the first thing that is wrong with all ranks' shares, or None."""
    every = [row for share in shares for row in share]
    if outside := [row for row in every if not 0 <= row < deal.rows]:
        rank = next(rank for rank, share in enumerate(shares) if outside[0] in share)
        return "row-outside", f"rank {rank} got {_short(shares[rank])}; there is no row {outside[0]}"
    if len(set(every)) < len(every):
        row = next(row for row in every if every.count(row) > 1)
        ranks = [rank for rank, share in enumerate(shares) for other in share if other == row]
        different = [*dict.fromkeys(ranks)]
        named = ", ".join(map(str, different[:8])) + " …" * (len(different) > 8)
        if different == ranks:
            return "row-twice", f"row {row} went to {len(ranks)} ranks: {named}"
        return "row-twice", f"row {row} came {len(ranks)} times, on rank{'s' * (len(different) > 1)} {named}"
    if missing := sorted({*range(deal.rows)} - {*every}):
        left = f"{len(missing)} of {deal.rows} rows {'is' if len(missing) == 1 else 'are'} missing"
        return "row-missing", f"no rank got row {missing[0]}; {left}"
    sizes = [len(share) for share in shares]
    if max(sizes) - min(sizes) > 1:
        return "uneven-shares", f"the ranks got {_short(sizes)} rows"
    return None


def _sizes(deal, shares, sizes):
    """Every row exactly once, in shares of these sizes?"""
    once = sorted(row for share in shares for row in share) == list(range(deal.rows))
    return once and [len(share) for share in shares] == sizes


def _drops_the_rest(deal, shares):
    every = [row for share in shares for row in share]
    within = len(set(every)) == len(every) and all(0 <= row < deal.rows for row in every)
    return within and all(len(share) == deal.least for share in shares)


def _tops_up(deal, shares):
    """As DistributedSampler does: all shares equally large, every row at least once."""
    return {row for share in shares for row in share} == {*range(deal.rows)} and all(
        len(share) == deal.most for share in shares
    )


def _counts_from_one(deal, shares):
    return not _what_is_wrong(deal, [[row - 1 for row in share] for share in shares])


def _last_takes_the_rest(deal, shares):
    world, rest = deal.world_size, deal.rows - deal.least * (deal.world_size - 1)
    return _sizes(deal, shares, [deal.least] * (world - 1) + [rest])


def _last_gets_less(deal, shares):
    """Shares as large as the largest has to be, until the rows are used up."""
    starts = [min(rank * deal.most, deal.rows) for rank in range(deal.world_size + 1)]
    return _sizes(deal, shares, [end - start for start, end in itertools.pairwise(starts)])


MISTAKES = [
    Mistake("everything-everywhere", lambda deal: lambda got: all(sorted(s) == list(range(deal.rows)) for s in got)),
    Mistake("rank-ignored", lambda deal: lambda got: all(share == got[0] for share in got)),
    Mistake("drops-the-rest", lambda deal: lambda got: _drops_the_rest(deal, got)),
    Mistake("tops-up", lambda deal: lambda got: _tops_up(deal, got)),
    Mistake("rows-from-one", lambda deal: lambda got: _counts_from_one(deal, got)),
    Mistake("ranks-from-one", lambda deal: [list(range(r - 1, deal.rows, deal.world_size)) for r in range(deal[1])]),
    Mistake("ranks-from-one", lambda deal: [list(range(r, deal.rows, deal.world_size)) for r in range(1, deal[1] + 1)]),
    Mistake("last-takes-the-rest", lambda deal: lambda got: _last_takes_the_rest(deal, got)),
    Mistake("last-gets-less", lambda deal: lambda got: _last_gets_less(deal, got)),
]


def _short(thing):
    return describe(thing, 100)
