"""Homework 13, part 2: the scores of all processes as one."""

import copy
import math
import random
import statistics
from collections.abc import Mapping
from numbers import Real
from typing import NamedTuple

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type

KEYS = "loss", "accuracy"
#: parts, each (rows, mean loss, correct): the simplest first, each new trap after the ones before it. The mean of no rows
#: is a new nan each time, as from a tensor: never the object `math.nan`.
FIXED = [
    [(4, 0.5, 3), (4, 1.5, 1)],  # equally large parts
    [(4, 0.5, 3), (3, 1.25, 1)],
    [(90, 0.25, 80), (1, 2.5, 1), (50, 1.0, 20)],  # a single row
    [(7, 0.75, 0)],  # one process, nothing correct
    [(3, 0.875, 2), (0, float("nan"), 0)],  # a process without rows
    [(0, float("nan"), 0), (5, 1.75, 5), (0, float("nan"), 0), (2, 0.0, 2)],
]


class Part(NamedTuple):
    rows: int
    loss: float
    correct: int


@homework("13_beyond_one_machine")
def combine(combine):
    """Check homework 13, part 2: loss and accuracy over all rows, from what each process has of its own.

    What the contract leaves open is not tried: no parts, or no rows at all.

    Parameters
    ----------
    combine : callable
        The learner's answer, called as ``combine(parts)`` with a list of (rows, mean_loss, correct), one for each
        process; of one without rows the mean loss is nan. It returns a dict of "loss" and "accuracy", numbers
        (Python's, numpy's or tensors of one element), correct to five digits; extra keys are fine.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(combine, "combine")
    chance = random.SystemRandom()
    cases = [*FIXED, *(_random_parts(chance, empty=n % 2) for n in range(12))]
    seen, raised = {key: [] for key in KEYS}, None
    for case in cases:
        parts = [Part(*part) for part in case]
        try:
            got = _call(combine, case)
        except NotYet as not_yet:
            raised = not_yet
            break
        for key in KEYS:
            seen[key].append((parts, got[key]))
    if not raised and all(_close(loss, _accuracy(parts)) for parts, loss in seen["loss"]):
        if all(_close(accuracy, _loss(parts)) for parts, accuracy in seen["accuracy"]):
            raise NotYet("loss-and-accuracy-swapped", f"from {_short(cases[0])} you got {_first(seen)}.")
    for key, right, mistakes in ("loss", _loss, LOSSES), ("accuracy", _accuracy, ACCURACIES):
        wrong = [(parts, got) for parts, got in seen[key] if not _close(got, right(parts))]
        if wrong:
            parts, got = wrong[0]
            mistake = explain(seen[key], mistakes, _close)
            saw = f"from {_short([tuple(part) for part in parts])} you got the {key} {got:.6g}, expected {right(parts):.6g}."
            raise NotYet(mistake.slug if mistake else f"combined-{key}", saw)
    if raised:
        raise raised
    return f"{len(cases)} lists of parts, some made up just now: loss and accuracy over all rows, empty parts included."


def _random_parts(chance, empty):
    """Two to nine parts of different sizes, some without rows."""
    sizes = [chance.randint(1, 400) for _ in range(chance.randint(2, 9))]
    parts = [(rows, chance.uniform(0.05, 3), chance.randint(0, rows)) for rows in sizes]
    return [(0, float("nan"), 0) if empty and n and chance.random() < 0.4 else part for n, part in enumerate(parts)]


def _call(combine, case):
    """Return the two numbers by name, once they have the right form."""
    given = copy.deepcopy(case)
    called = f"combine({_short(case)})"
    result = require_type(call(combine, given), Mapping, called, 'a dict of "loss" and "accuracy"')
    if repr(given) != repr(case):
        raise NotYet("input-changed", f"after {called}, parts was {_short(given)}.")
    if missing := [key for key in KEYS if key not in result]:
        raise NotYet("combined-keys", f"{called} returned the keys {_short([*result])}, without {missing[0]!r}.")
    return {key: _number(result[key], f"{called} gave {key}") for key in KEYS}


def _number(value, what):
    """Return a number of any kind as a float: Python's, numpy's, or a tensor with one element."""
    plain = value.item() if getattr(value, "ndim", None) == 0 or getattr(value, "shape", None) == (1,) else value
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise NotYet("wrong-type", f"{what} as {describe(value)}, a {type(value).__name__}; expected a number.")
    return float(plain)


def _close(one, other):
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-7)


def _filled(parts):
    return [part for part in parts if part.rows]


def _total(parts):
    return sum(part.rows for part in parts)


def _loss(parts):
    return sum(part.loss * part.rows for part in _filled(parts)) / _total(parts)


def _accuracy(parts):
    return sum(part.correct for part in parts) / _total(parts)


def _shares(parts):
    return [part.correct / part.rows for part in _filled(parts)]


def _zero(parts):
    """The parts, with 0 as the mean loss of those without rows."""
    return [part if part.rows else Part(0, 0.0, 0) for part in parts]


#: Each way to be wrong with all parts, with the empty ones left out, and with 0 for their mean loss.
LOSSES = [
    Mistake("nan-counted", lambda parts: sum(part.loss * part.rows for part in parts) / _total(parts)),
    *(
        Mistake(slug, lambda parts, make=make, chosen=chosen: make(chosen(parts)))
        for slug, make in (
            ("mean-of-means", lambda parts: sum(part.loss for part in parts) / len(parts)),
            ("sums-not-means", lambda parts: sum(part.loss * part.rows for part in parts)),
            ("sums-not-means", lambda parts: sum(part.loss for part in parts)),
            ("one-process-only", lambda parts: parts[0].loss),
            ("one-process-only", lambda parts: parts[-1].loss),
            ("losses-divided-again", lambda parts: sum(part.loss for part in parts) / _total(parts)),
            ("not-divided-by-rows", lambda parts: sum(part.loss * part.rows for part in parts) / len(parts)),
            ("not-a-mean", lambda parts: statistics.median(part.loss for part in parts)),
            ("not-a-mean", lambda parts: max(part.loss for part in parts)),
            ("combined-rounded", lambda parts: lambda got: _rounded(got, _loss(parts))),
        )
        for chosen in (list, _filled, _zero)
    ),
]
ACCURACIES = [
    Mistake("mean-of-means", lambda parts: statistics.mean(_shares(parts))),
    Mistake("mean-of-means", lambda parts: sum(_shares(parts)) / len(parts)),
    Mistake("sums-not-means", lambda parts: sum(part.correct for part in parts)),
    Mistake("sums-not-means", lambda parts: sum(_shares(parts))),
    Mistake("not-divided-by-rows", lambda parts: sum(part.correct for part in parts) / len(parts)),
    Mistake("one-process-only", lambda parts: parts[0].correct / parts[0].rows if parts[0].rows else 0.0),
    Mistake("one-process-only", lambda parts: _shares(parts)[0]),
    Mistake("one-process-only", lambda parts: _shares(parts)[-1]),
    Mistake("percent", lambda parts: 100 * _accuracy(parts)),
    Mistake("errors-counted", lambda parts: 1 - _accuracy(parts)),
    Mistake("not-a-mean", lambda parts: statistics.median(_shares(parts))),
    Mistake("not-a-mean", lambda parts: max(_shares(parts))),
    Mistake("combined-rounded", lambda parts: lambda got: _rounded(got, _accuracy(parts))),
]


def _rounded(got, right):
    """Is `got` the right number rounded to four decimals or fewer?"""
    return any(math.isclose(got, round(right, places), abs_tol=1e-9) for places in range(5))


def _first(seen):
    return ", ".join(f"{key} {seen[key][0][1]:.6g}" for key in KEYS)


def _short(thing):
    return describe(thing, 120)
