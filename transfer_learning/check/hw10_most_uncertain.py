"""Homework 10: of the texts without a label, those that a classifier is least sure about."""

import math
import random
from typing import NamedTuple

from ._engine import Mistake, NotYet, a_type, call, describe, explain, homework, require_callable, require_type, untimed

#: How many rows and classes, how many of the rows have no label, and n: the simplest first.
SIZES = [(10, 4, 10, 5), (12, 4, 7, 3), (9, 3, 5, 5), (30, 5, 17, 8), (8, 4, 3, 6), (40, 2, 25, 12), (300, 4, 200, 35)]


class Case(NamedTuple):
    shares: list  # of each row, the probability of each class
    unlabelled: list
    n: int

    def margin(self, row):
        """How far the best two classes of a row are apart; exact, as the numbers are multiples of a power of 2."""
        first, second = sorted(self.shares[row])[-2:][::-1]
        return first - second

    def right(self):
        return sorted(self.unlabelled, key=lambda row: (self.margin(row), row))[: self.n]


@homework("10_annotating")
def most_uncertain(most_uncertain):
    """Check homework 10: the n unlabelled rows whose best two classes are closest, closest first, ties by number.

    Any answer with the right numbers passes; numpy's integers count as int. What the contract leaves open is not tried:
    `n` below 1, no unlabelled row at all, a row that is named twice.

    Parameters
    ----------
    most_uncertain : callable
        The learner's answer, called as ``most_uncertain(probabilities, unlabelled, n)`` with a float64 array of shape
        (rows, classes), a list of int in any order, and an int; it returns a list of int.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(most_uncertain, "most_uncertain")
    with untimed():
        chance = random.SystemRandom()
        cases = [_case(chance, *size, ties=k % 2) for k in range(2) for size in SIZES]
    seen = []
    for case in cases:
        try:
            seen.append((case, _call(most_uncertain, case)))
        except NotYet as not_yet:
            _right_rows(seen)  # a wrong choice in the calls before may be the reason
            if seen and not_yet.misconception == "raises" and case.n > len(case.unlabelled):
                raise NotYet("fails-when-few-are-left", f"{_asked(case)}, {not_yet.saw}") from None
            raise
    _right_rows(seen)
    return f"{len(cases)} pools, some with ties, some with fewer rows than asked for: the closest calls, the closest first."


def _case(chance, rows, classes, pool, n, ties):
    """Make probabilities that are multiples of 1/64, where many rows tie, or of 2 ** -23; float32 holds both exactly."""
    whole, shares = 64 if ties else 2**23, []
    for _ in range(rows):
        cuts = sorted(chance.sample(range(1, whole), classes - 1))
        shares.append([(b - a) / whole for a, b in zip([0, *cuts], [*cuts, whole])])
    return Case(shares, chance.sample(range(rows), pool), n)


def _call(most_uncertain, case):
    """Return the answer's row numbers, once they have the right form."""
    import numpy as np

    probabilities, unlabelled = np.array(case.shares), list(case.unlabelled)
    result = require_type(call(most_uncertain, probabilities, unlabelled, case.n), list, _called(case), "a list of int")
    given = list(result)
    for number in given:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            saw = f"{_called(case)} returned a list with {describe(number)}, {a_type(number)}."
            raise NotYet("not-row-numbers", saw)
    same = isinstance(unlabelled, list) and unlabelled == case.unlabelled
    if not same or not np.array_equal(probabilities, np.array(case.shares)):
        what = "probabilities had other values" if same else f"unlabelled was {_short(unlabelled)}"
        before = "" if same else f", before it {_short(case.unlabelled)}"
        raise NotYet("input-changed", f"after {_called(case)}, {what}{before}.")
    return list(map(int, given))


def _right_rows(seen):
    """Raise `NotYet` for a wrong choice; a mistake is named only if it explains every choice that was seen."""
    wrong = [(case, value) for case, value in seen if value != case.right()]
    if not wrong:
        return
    case, value = wrong[0]
    came = f"{_asked(case)}, your function returned {_short(value)}, expected {_short(case.right())}"
    if many := [(case, value) for case, value in wrong if len(value) > len(case.shares)]:
        saw = (
            f"{_asked(many[0][0])}, your function returned {len(many[0][1])} rows, expected {len(many[0][0].right())}."
        )
        raise NotYet("wrong-number-of-rows", saw)
    with untimed():
        mistake = explain(seen, MISTAKES)
    if mistake:
        raise NotYet(mistake.slug, f"{came}: {mistake.saw}.{_margins(case, value, case.right())}")
    for case, value in wrong:  # what is plainly so, in whichever call
        came = f"{_asked(case)}, your function returned {_short(value)}"
        if strangers := [row for row in value if row not in case.unlabelled]:
            raise NotYet("not-unlabelled", f"{came}; {strangers[0]} is not in unlabelled.")
        if len(set(value)) < len(value):
            raise NotYet("row-twice", f"{came}, with a row more than once.")
        if len(value) != len(case.right()):
            saw = f"{came}: {len(value)} row{'s' * (len(value) != 1)}, expected {len(case.right())}."
            raise NotYet("wrong-number-of-rows", saw)
    alike = _takes(Case.margin, ordered=False)
    case, value = next(pair for pair in wrong if not alike(pair[0])(pair[1]))  # not a call where just the order differs
    saw = f"{_asked(case)}, your function returned {_short(value)}, expected {_short(case.right())}."
    rest = [row for row in value if row not in case.right()], [row for row in case.right() if row not in value]
    raise NotYet("other-rows", f"{saw}{_margins(case, *rest)}")


def _called(case):
    return f"most_uncertain(probabilities, unlabelled, {case.n})"


def _asked(case):
    rows, classes = len(case.shares), len(case.shares[0])
    return f"with {rows} rows of {classes} classes, unlabelled={_short(case.unlabelled)} and n={case.n}"


def _margins(case, value, right):
    """The first row that differs, and its probabilities."""
    pairs = [(a, b) for a, b in zip(value, right) if a != b]
    if not pairs or pairs[0][0] not in range(len(case.shares)):
        return ""
    shown = [f"Row {row} has {[round(share, 3) for share in case.shares[row]]}" for row in pairs[0]]
    return f" {'. '.join(shown)}."


# --- mistakes: which rows they take, from which, in which order ----------------------------------------------


def _entropy(case, row):
    return sum(share * math.log(share) for share in case.shares[row])


#: What is sorted, the smallest first, in place of the distance between the best two classes.
MEASURES = {
    "least-confident": (
        "these are the rows whose best class has the lowest probability",
        lambda case, row: max(case.shares[row]),
    ),
    "entropy": ("these are the rows with the highest entropy, which takes in all classes", _entropy),
    "most-certain": ("these are the rows with the clearest best class", lambda case, row: -case.margin(row)),
    "ratio": (
        "these are the rows in which the ratio of the best two classes is closest to 1",
        lambda case, row: sorted(case.shares[row])[-1] / sorted(case.shares[row])[-2],
    ),
    "best-and-worst": (
        "these are the rows whose best and worst classes are closest",
        lambda case, row: max(case.shares[row]) - min(case.shares[row]),
    ),
    "fixed-columns": (
        "these rows come first by the difference between two columns, always the same two",
        lambda case, row: abs(case.shares[row][0] - case.shares[row][1]),
    ),
    "worst-two": (
        "these are the rows whose two worst classes are closest",
        lambda case, row: sorted(case.shares[row])[1] - sorted(case.shares[row])[0],
    ),
}
MORE = [
    ("fixed-columns", lambda case, row: abs(case.shares[row][-1] - case.shares[row][-2])),
    ("fixed-columns", lambda case, row: case.shares[row][0] - case.shares[row][1]),
    ("most-certain", lambda case, row: -max(case.shares[row])),
    ("most-certain", lambda case, row: -_entropy(case, row)),
]
WHICH = [("", "", Case.margin), *((slug, saw, measure) for slug, (saw, measure) in MEASURES.items())]
WHICH += [(slug, MEASURES[slug][0], measure) for slug, measure in MORE]


def _takes(measure, rows=lambda case: case.unlabelled, number=lambda case, value: value, most=None, ordered=True):
    """Does a list hold the rows with the smallest measures, the smallest first, in whichever order equals come?

    `number` makes row numbers of what the list holds. Margins are exact; other measures an answer may round.
    """
    least = 0 if measure is Case.margin else 1e-6

    def gives(case):
        def told(value):
            chosen = [number(case, one) for one in value]
            n = case.n if most is None else most(case)
            best = sorted(measure(case, row) for row in rows(case))[: max(n, 0)]
            found = [measure(case, row) for row in chosen]
            found = found if ordered else sorted(found)
            inside = set(chosen) <= set(rows(case)) and len(set(chosen)) == len(chosen)
            return inside and len(found) == len(best) and all(abs(a - b) <= least for a, b in zip(found, best))

        return told

    return gives


def _position(case, value):
    """The row at this position of `unlabelled`."""
    return case.unlabelled[value] if value >= 0 else -1


def _from_the_top(measure):
    """The probabilities of the first rows, taken for those of the unlabelled ones."""

    def of_the_wrong_row(case, row):
        return measure(case, case.unlabelled.index(row))

    return of_the_wrong_row


def _mistakes():
    fewer = {"all of them, whatever n is": lambda case: len(case.unlabelled)}
    fewer |= {"one row fewer than n": lambda case: case.n - 1, "one row more than n": lambda case: case.n + 1}
    yield Mistake("ties-not-by-number", _takes(Case.margin), "rows that are equally close do not come by their numbers")
    for slug, saw, measure in WHICH:
        if slug:
            yield Mistake(slug, _takes(measure), saw)
    for _, _, measure in WHICH:  # whichever measure: these are wrong with all of them
        saw = "these are positions in the list unlabelled"
        yield Mistake("positions-not-rows", _takes(measure, number=_position), saw)
        every = _takes(measure, rows=lambda case: range(len(case.shares)))
        yield Mistake("labelled-rows-too", every, "these are the rows to choose if none had a label yet")
        saw = "the first number in unlabelled was judged by the first row of probabilities, and so on"
        yield Mistake("another-rows-probabilities", _takes(_from_the_top(measure)), saw)
    saw = "the right rows, in a different order"
    yield Mistake("not-closest-first", _takes(Case.margin, ordered=False), saw)
    for _, _, measure in WHICH:
        for what, most in fewer.items():
            yield Mistake("wrong-number-of-rows", _takes(measure, most=most), what)


MISTAKES = list(_mistakes())


def _short(numbers):
    return describe(numbers, 120)
