"""Answers to homework 10: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import heapq
import sys

import numpy as np
import pandas as pd
import torch

from transfer_learning import check


def judge(most_uncertain):
    return check.most_uncertain(most_uncertain)


# --- right


def plain(probabilities, unlabelled, n):
    def margin(row):
        first, second = sorted(probabilities[row], reverse=True)[:2]
        return first - second

    return sorted(unlabelled, key=lambda row: (margin(row), row))[:n]


def with_numpy(probabilities, unlabelled, n):
    rows = np.sort(unlabelled)
    best = np.sort(probabilities[rows], axis=1)[:, -2:]
    order = np.argsort(best[:, 1] - best[:, 0], kind="stable")
    return rows[order[:n]].tolist()


def with_lexsort(probabilities, unlabelled, n):
    rows = np.array(unlabelled)
    two = np.partition(probabilities[rows], -2, axis=1)[:, -2:]
    return list(rows[np.lexsort((rows, two[:, 1] - two[:, 0]))][:n])


def with_torch(probabilities, unlabelled, n):
    rows = torch.tensor(sorted(unlabelled))
    first, second = torch.from_numpy(probabilities)[rows].topk(2).values.T
    return rows[(first - second).argsort(stable=True)[:n]].tolist()


def single_precision(probabilities, unlabelled, n):
    return with_numpy(probabilities.astype(np.float32), unlabelled, n)


def with_a_heap(probabilities, unlabelled, n):
    pairs = []
    for row in unlabelled:
        *_, second, first = sorted(probabilities[row].tolist())
        heapq.heappush(pairs, (first - second, row))
    return [heapq.heappop(pairs)[1] for _ in range(min(n, len(pairs)))]


def with_pandas(probabilities, unlabelled, n):
    frame = pd.DataFrame(np.sort(probabilities, axis=1)).loc[unlabelled]
    frame = pd.DataFrame({"margin": frame.iloc[:, -1] - frame.iloc[:, -2], "row": frame.index})
    return frame.sort_values(["margin", "row"])["row"].head(n).tolist()


def with_a_mask(probabilities, unlabelled, n):
    """Every row is judged; those that have a label are put last and left out."""
    best = -np.sort(-probabilities, axis=1)
    margin = best[:, 0] - best[:, 1]
    labelled = np.ones(len(margin), dtype=bool)
    labelled[unlabelled] = False
    margin[labelled] = np.inf
    return [int(row) for row in margin.argsort(kind="stable")[: min(n, len(unlabelled))]]


def one_by_one(probabilities, unlabelled, n):
    """Takes the closest, n times."""
    rest, chosen = set(unlabelled), []
    while rest and len(chosen) < n:
        closest = None
        for row in sorted(rest):
            second, first = np.sort(probabilities[row])[-2:]
            if closest is None or first - second < closest[0]:
                closest = first - second, row
        rest.remove(closest[1])
        chosen.append(closest[1])
    return chosen


def two_maxima(probabilities, unlabelled, n):
    found = []
    for row in unlabelled:
        shares = list(probabilities[row])
        first = max(shares)
        shares.remove(first)
        found.append((float(first - max(shares)), row))
    return [row for _, row in sorted(found)][:n]


def recursive(probabilities, unlabelled, n):
    if n == 0 or not len(unlabelled):
        return []
    first = min(unlabelled, key=lambda row: (np.diff(np.sort(probabilities[row])[-2:])[0], row))
    return [first, *recursive(probabilities, [row for row in unlabelled if row != first], n - 1)]


class Chooser:
    def __call__(self, probabilities, unlabelled, n):
        return with_numpy(probabilities, unlabelled, n)


def general(probabilities, unlabelled, n, best):
    return plain(probabilities, unlabelled, n)[:: 1 if best else -1]


RIGHT = {
    "sorted with a key": plain,
    "numpy, a stable argsort": with_numpy,
    "lexsort, numpy's integers": with_lexsort,
    "torch's topk": with_torch,
    "in single precision": single_precision,
    "a heap": with_a_heap,
    "pandas": with_pandas,
    "all rows, labelled ones at infinity": with_a_mask,
    "one by one": one_by_one,
    "two maxima": two_maxima,
    "recursion": recursive,
    "an object that can be called": Chooser(),
    "a partial": functools.partial(general, best=True),
    "parameters by other names": lambda p, rows, how_many: plain(p, rows, how_many),
    "nsmallest": lambda p, rows, n: heapq.nsmallest(n, rows, key=lambda r: (np.ptp(np.sort(p[r])[-2:]), r)),
}


# --- wrong


def by(measure):
    """Sorted by another measure, the smallest first."""
    return lambda probabilities, unlabelled, n: sorted(unlabelled, key=lambda row: (measure(probabilities[row]), row))[
        :n
    ]


def margin(shares):
    return np.sort(shares)[-1] - np.sort(shares)[-2]


def entropy(shares):
    return -(shares * np.log(shares)).sum()


def after(change):
    """The right rows, and what is done to them."""
    return lambda probabilities, unlabelled, n: change(plain(probabilities, unlabelled, n))


def every_row(probabilities, unlabelled, n):
    return plain(probabilities, range(len(probabilities)), n)


def positions(probabilities, unlabelled, n):
    best = np.sort(probabilities[unlabelled], axis=1)
    return np.argsort(best[:, -1] - best[:, -2], kind="stable")[:n].tolist()


def positions_least_confident(probabilities, unlabelled, n):
    return probabilities[unlabelled].max(axis=1).argsort()[:n].tolist()


def zipped(probabilities, unlabelled, n):
    """The first unlabelled row gets the margin of the first row."""
    margins = [margin(shares) for shares in probabilities]
    return [row for _, row in sorted(zip(margins, unlabelled))][:n]


def beyond(probabilities, unlabelled, n):
    order = [margin(shares) for shares in probabilities]
    return [unlabelled[k] for k in np.argsort(order)[:n]]


def unstable(reverse=False):
    def most_uncertain(probabilities, unlabelled, n):
        return sorted(unlabelled[:: -1 if reverse else 1], key=lambda row: margin(probabilities[row]))[:n]

    return most_uncertain


def ties_last_first(probabilities, unlabelled, n):
    return sorted(unlabelled, key=lambda row: (margin(probabilities[row]), -row))[:n]


def partitioned(probabilities, unlabelled, n):
    rows = np.sort(unlabelled)
    margins = np.array([margin(probabilities[row]) for row in rows])
    return rows[np.argpartition(margins, min(n, len(rows) - 1))[:n]].tolist()


def needs_n(probabilities, unlabelled, n):
    rows = torch.tensor(sorted(unlabelled))
    first, second = torch.from_numpy(probabilities)[rows].topk(2).values.T
    return rows[(second - first).topk(n).indices].tolist()


def pops(probabilities, unlabelled, n):
    order = plain(probabilities, unlabelled, len(unlabelled))
    return [order.pop(0) for _ in range(n)]


def sorts_the_list(probabilities, unlabelled, n):
    unlabelled.sort(key=lambda row: (margin(probabilities[row]), row))
    return unlabelled[:n]


def removes(probabilities, unlabelled, n):
    chosen = plain(probabilities, unlabelled, n)
    for row in chosen:
        unlabelled.remove(row)
    return chosen


def sorts_the_array(probabilities, unlabelled, n):
    probabilities.sort(axis=1)
    return plain(probabilities, unlabelled, n)


def fills_up(probabilities, unlabelled, n):
    chosen = plain(probabilities, unlabelled, n)
    return (chosen * n)[:n]


def fills_with_labelled(probabilities, unlabelled, n):
    chosen = plain(probabilities, unlabelled, n)
    more = [row for row in range(len(probabilities)) if row not in unlabelled]
    return [*chosen, *more][: max(n, len(chosen))]


def no_abs(shares):
    return shares[0] - shares[1]


def yields(probabilities, unlabelled, n):
    yield from plain(probabilities, unlabelled, n)


WRONG = {
    "nothing returned": ("returns-nothing", lambda probabilities, unlabelled, n: None),
    "prints": ("returns-nothing", after(print)),
    "an array": ("wrong-type", after(np.array)),
    "a tensor": ("wrong-type", after(torch.tensor)),
    "a tuple": ("wrong-type", after(tuple)),
    "a set": ("wrong-type", after(set)),
    "a generator": ("wrong-type", yields),
    "one row": ("wrong-type", after(lambda rows: rows[0])),
    "two arguments": ("raises", lambda probabilities, n: plain(probabilities, range(len(probabilities)), n)),
    "the position in unlabelled of any row": ("another-rows-probabilities or raises", beyond),
    "tensors in a list": ("not-row-numbers", after(lambda rows: list(torch.tensor(rows)))),
    "floats": ("not-row-numbers", after(lambda rows: [float(row) for row in rows])),
    "strings": ("not-row-numbers", after(lambda rows: [str(row) for row in rows])),
    "rows and margins": ("not-row-numbers", lambda p, rows, n: [(row, margin(p[row])) for row in plain(p, rows, n)]),
    "margins": ("not-row-numbers", lambda p, rows, n: [margin(p[row]) for row in plain(p, rows, n)]),
    "sorts the list it was given": ("input-changed", sorts_the_list),
    "takes them out of the list it was given": ("input-changed", removes),
    "sorts the array it was given": ("input-changed", sorts_the_array),
    "least confident": ("least-confident", by(max)),
    "1 minus the best": ("least-confident", lambda p, rows, n: sorted(rows, key=lambda r: max(p[r]))[:n]),
    "entropy": ("entropy", by(lambda shares: -entropy(shares))),
    "entropy in bits, of float32": (
        "entropy",
        by(lambda shares: (shares.astype(np.float32) * np.log2(shares.astype(np.float32))).sum()),
    ),
    "clearest first": ("most-certain", by(lambda shares: -margin(shares))),
    "most confident": ("most-certain", by(lambda shares: -max(shares))),
    "lowest entropy": ("most-certain", by(entropy)),
    "ratio": ("ratio", by(lambda shares: -np.sort(shares)[-2] / np.sort(shares)[-1])),
    "distance of logarithms": ("ratio", by(lambda shares: np.ptp(np.log(np.sort(shares)[-2:])))),
    "best minus worst": ("best-and-worst", by(np.ptp)),
    "the first two columns": ("fixed-columns", by(lambda shares: abs(shares[0] - shares[1]))),
    "the last two columns": ("fixed-columns", by(lambda shares: abs(shares[-1] - shares[-2]))),
    "the first two columns, no abs": ("fixed-columns", by(no_abs)),
    "the first two after sorting": ("worst-two", by(lambda shares: np.sort(shares)[1] - np.sort(shares)[0])),
    "positions": ("positions-not-rows", positions),
    "positions of the least confident": ("positions-not-rows", positions_least_confident),
    "all rows": ("labelled-rows-too", every_row),
    "all rows, least confident": (
        "labelled-rows-too",
        lambda p, rows, n: p.max(axis=1).argsort(kind="stable")[:n].tolist(),
    ),
    "zipped with the first rows": ("another-rows-probabilities", zipped),
    "order of unlabelled": ("ties-not-by-number", unstable()),
    "order of unlabelled, reversed": ("ties-not-by-number", unstable(reverse=True)),
    "largest number first": ("ties-not-by-number", ties_last_first),
    "argpartition": ("ties-not-by-number or not-closest-first", partitioned),
    "by number": ("not-closest-first", after(sorted)),
    "closest last": ("not-closest-first", after(lambda rows: rows[::-1])),
    "topk with n too large": ("fails-when-few-are-left", needs_n),
    "pops n": ("fails-when-few-are-left", pops),
    "all of them": ("wrong-number-of-rows", lambda p, rows, n: plain(p, rows, len(rows))),
    "one less": ("wrong-number-of-rows", lambda p, rows, n: plain(p, rows, n - 1)),
    "one more": ("wrong-number-of-rows", lambda p, rows, n: plain(p, rows, n + 1)),
    "always three": ("wrong-number-of-rows", lambda p, rows, n: plain(p, rows, 3)),
    "nothing when there are fewer": (
        "wrong-number-of-rows",
        lambda p, rows, n: plain(p, rows, n) if n <= len(rows) else [],
    ),
    "an empty list": ("wrong-number-of-rows", lambda p, rows, n: []),
    "the same rows again": ("row-twice", fills_up),
    "filled with labelled rows": ("not-unlabelled", fills_with_labelled),
    "one based": ("not-unlabelled", after(lambda rows: [row + 1 for row in rows])),
    "the first n": ("other-rows", lambda p, rows, n: sorted(rows)[:n]),
    "best and third": ("other-rows", by(lambda shares: np.sort(shares)[-1] - np.sort(shares)[max(-3, -len(shares))])),
    "a variance": ("other-rows", by(np.var)),
    "never ends": ("never-ends", lambda p, rows, n: exec("while True: pass")),
    "exits": ("exits", lambda p, rows, n: sys.exit()),
}
