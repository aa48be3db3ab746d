"""Answers to homework 13's second part: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import math
import statistics
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

from transfer_learning import check

SECOND = True  # the homework's other check has answers of its own


def judge(combine):
    return check.combine(combine)


# --- right


def sums(parts):
    filled = [part for part in parts if part[0] > 0]
    rows = sum(n for n, _, _ in filled)
    loss = sum(n * mean for n, mean, _ in filled) / rows
    return {"loss": loss, "accuracy": sum(correct for _, _, correct in filled) / rows}


def loop(parts):
    rows = right = 0
    total = 0.0
    for n, mean, correct in parts:
        if n == 0:
            continue
        rows += n
        total += n * mean
        right += correct
    return {"accuracy": right / rows, "loss": total / rows}


def running_mean(parts):
    rows, loss, accuracy = 0, 0.0, 0.0
    for n, mean, correct in parts:
        if n:
            rows += n
            loss += (mean - loss) * n / rows
            accuracy += (correct / n - accuracy) * n / rows
    return {"loss": loss, "accuracy": accuracy}


def with_numpy(parts):
    rows, losses, correct = np.array(parts, dtype=float).T
    filled = rows > 0
    loss = np.average(losses[filled], weights=rows[filled])
    return {"loss": loss, "accuracy": correct.sum() / rows.sum()}


def nansum(parts):
    rows, losses, correct = np.array(parts, dtype=float).T
    return {"loss": float(np.nansum(rows * losses) / rows.sum()), "accuracy": float(correct.sum() / rows.sum())}


def with_torch(parts):
    rows, losses, correct = torch.tensor(parts, dtype=torch.float64).unbind(1)
    loss = (rows * losses.nan_to_num()).sum() / rows.sum()
    return {"loss": loss, "accuracy": correct.sum() / rows.sum()}


def in_single_precision(parts):
    rows, losses, correct = torch.tensor(parts).unbind(1)
    return {"loss": (rows * losses).nansum() / rows.sum(), "accuracy": (correct.sum() / rows.sum()).item()}


def with_pandas(parts):
    df = pd.DataFrame(parts, columns=["rows", "loss", "correct"]).query("rows > 0")
    return {
        "loss": (df["rows"] * df["loss"]).sum() / df["rows"].sum(),
        "accuracy": df["correct"].sum() / df["rows"].sum(),
    }


def every_row(parts):
    """As if the losses of all rows were at hand."""
    losses = [mean for n, mean, _ in parts for _ in range(n)]
    hits = [k < correct for n, _, correct in parts for k in range(n)]
    return {"loss": statistics.fmean(losses), "accuracy": sum(hits) / len(hits)}


def weights(parts):
    parts = [part for part in parts if not math.isnan(part[1])]
    shares = [n / sum(n for n, _, _ in parts) for n, _, _ in parts]
    loss = sum(share * part[1] for share, part in zip(shares, parts))
    return {"loss": loss, "accuracy": sum(share * part[2] / part[0] for share, part in zip(shares, parts))}


def two_by_two(parts):
    """An all-reduce in pairs."""

    def merge(one, other):
        (n, a, right), (m, b, more) = one, other
        if n == 0 or m == 0:
            return other if n == 0 else one
        return n + m, (n * a + m * b) / (n + m), right + more

    n, loss, right = functools.reduce(merge, parts)
    return {"loss": loss, "accuracy": right / n}


def fractions(parts):
    rows = sum(n for n, _, _ in parts)
    return {
        "loss": math.fsum(n * mean for n, mean, _ in parts if n) / rows,
        "accuracy": Fraction(sum(part[2] for part in parts), rows),
    }


class Total:
    def __call__(self, parts):
        return loop(parts)


def general(parts, names):
    return dict(zip(names, sums(parts).values()))


RIGHT = {
    "sums": sums,
    "a loop": loop,
    "a running mean": running_mean,
    "numpy's average": with_numpy,
    "nansum": nansum,
    "torch, tensors of one number": with_torch,
    "single precision": in_single_precision,
    "pandas": with_pandas,
    "row by row": every_row,
    "weights": weights,
    "in pairs": two_by_two,
    "a fraction": fractions,
    "an object that can be called": Total(),
    "a partial": functools.partial(general, names=("loss", "accuracy")),
    "more keys": lambda parts: sums(parts) | {"rows": sum(part[0] for part in parts)},
    "a parameter by another name": lambda scores: loop(scores),
    "fmean with weights": lambda parts: (
        sums(parts) | {"loss": statistics.fmean([p[1] for p in parts if p[0]], [p[0] for p in parts if p[0]])}
    ),
}


# --- wrong


def changed(**made):
    """The right answer with some numbers changed: key -> function of the parts."""
    return lambda parts: sums(parts) | {key: make(parts) for key, make in made.items()}


def total(parts):
    return sum(n for n, _, _ in parts)


def filled(parts):
    return [part for part in parts if part[0]]


def mean_of_losses(parts):
    return statistics.fmean(mean for _, mean, _ in parts)


def mean_of_filled_losses(parts):
    return statistics.fmean(mean for _, mean, _ in filled(parts))


def mean_of_accuracies(parts):
    return statistics.fmean(correct / n for n, _, correct in filled(parts))


def mean_of_accuracies_fails(parts):
    return {"loss": sums(parts)["loss"], "accuracy": statistics.fmean(correct / n for n, _, correct in parts)}


def zero_times_nan(parts):
    return sum(n * mean for n, mean, _ in parts) / total(parts)


def is_the_nan(parts):
    """Works on the homework's example, not on a nan that was computed."""
    return zero_times_nan([part for part in parts if part[1] is not math.nan])


def equal_to_the_empty_part(parts):
    return zero_times_nan([part for part in parts if part != (0, math.nan, 0)])


def without_single_rows(parts):
    return sum(n * mean for n, mean, _ in parts if n > 1) / sum(n for n, _, _ in parts if n > 1)


def pops(parts):
    right = sums(parts)
    while parts:
        parts.pop()
    return right


def appends(parts):
    right = sums(parts)
    parts.append((total(parts), right["loss"], 0))
    return right


def sorts(parts):
    parts.sort(key=lambda part: -part[0] or part[2] + 1)
    parts.reverse()
    parts.insert(0, parts.pop())
    return sums(parts)


def swapped(parts):
    right = sums(parts)
    return {"loss": right["accuracy"], "accuracy": right["loss"]}


WRONG = {
    "nothing returned": ("returns-nothing", lambda parts: None),
    "a tuple": ("wrong-type", lambda parts: tuple(sums(parts).values())),
    "a number": ("wrong-type", lambda parts: sums(parts)["loss"]),
    "a list of dicts": ("wrong-type", lambda parts: [sums(parts)]),
    "text": ("wrong-type", changed(loss=lambda parts: f"{sums(parts)['loss']:.6f}")),
    "a list of one": ("wrong-type", changed(accuracy=lambda parts: [sums(parts)["accuracy"]])),
    "accuracies of all": (
        "wrong-type",
        changed(accuracy=lambda parts: torch.tensor([p[2] / max(p[0], 1) for p in parts] + [0.0])),
    ),
    "true": ("wrong-type", changed(accuracy=lambda parts: True)),
    "None": ("wrong-type", changed(loss=lambda parts: None)),
    "no accuracy": ("combined-keys", lambda parts: {"loss": sums(parts)["loss"]}),
    "other names": ("combined-keys", lambda parts: {"mean_loss": 1.0, "acc": 1.0}),
    "three arguments": ("raises", lambda rows, loss, correct: {}),
    "fails without rows": (
        "raises",
        changed(accuracy=lambda parts: sum(c / n * n for n, _, c in parts) / total(parts)),
    ),
    "pops": ("input-changed", pops),
    "appends": ("input-changed", appends),
    "sorts": ("input-changed", sorts),
    "swapped": ("loss-and-accuracy-swapped", swapped),
    "a mean of losses": ("mean-of-means", changed(loss=mean_of_losses)),
    "a mean of losses, empty parts left out": ("mean-of-means", changed(loss=mean_of_filled_losses)),
    "a mean of losses, 0 for empty parts": (
        "mean-of-means",
        changed(loss=lambda parts: sum(mean for n, mean, _ in parts if n) / len(parts)),
    ),
    "numpy's nanmean": ("mean-of-means", changed(loss=lambda parts: np.nanmean([mean for _, mean, _ in parts]))),
    "a mean of accuracies": ("mean-of-means", changed(accuracy=mean_of_accuracies)),
    "a mean of accuracies, 0 for empty parts": (
        "mean-of-means",
        changed(accuracy=lambda parts: sum(c / n for n, _, c in filled(parts)) / len(parts)),
    ),
    "a mean of accuracies that fails": ("mean-of-means", mean_of_accuracies_fails),
    "both means of means": ("mean-of-means", changed(loss=mean_of_filled_losses, accuracy=mean_of_accuracies)),
    "0 times nan": ("nan-counted", changed(loss=zero_times_nan)),
    "torch, 0 times nan": (
        "nan-counted",
        changed(loss=lambda parts: (lambda t: (t[:, 0] * t[:, 1]).sum() / t[:, 0].sum())(torch.tensor(parts))),
    ),
    "the nan of the math module": ("nan-counted", changed(loss=is_the_nan)),
    "the part of the example": ("nan-counted", changed(loss=equal_to_the_empty_part)),
    "parts of one row left out": ("combined-loss", changed(loss=without_single_rows)),
    "a sum of losses": ("sums-not-means", changed(loss=lambda parts: sum(n * mean for n, mean, _ in filled(parts)))),
    "a sum of means": ("sums-not-means", changed(loss=lambda parts: sum(mean for _, mean, _ in filled(parts)))),
    "a count": ("sums-not-means", changed(accuracy=lambda parts: sum(correct for _, _, correct in parts))),
    "a sum of accuracies": ("sums-not-means", changed(accuracy=lambda parts: sum(c / n for n, _, c in filled(parts)))),
    "divided by parts": (
        "not-divided-by-rows",
        changed(loss=lambda parts: sum(n * mean for n, mean, _ in filled(parts)) / len(parts)),
    ),
    "correct by parts": (
        "not-divided-by-rows",
        changed(accuracy=lambda parts: sum(c for _, _, c in parts) / len(parts)),
    ),
    "means divided by rows": (
        "losses-divided-again",
        changed(loss=lambda parts: sum(mean for _, mean, _ in filled(parts)) / total(parts)),
    ),
    "the first": (
        "one-process-only",
        lambda parts: {"loss": parts[0][1], "accuracy": parts[0][2] / max(parts[0][0], 1)},
    ),
    "the first with rows": ("one-process-only", lambda parts: sums(filled(parts)[:1])),
    "the last with rows": ("one-process-only", lambda parts: sums(filled(parts)[-1:])),
    "weighted by correct": (
        "combined-loss",
        changed(loss=lambda parts: sum(c * m for _, m, c in filled(parts)) / max(1, sum(c for _, _, c in parts))),
    ),
    "a median": ("not-a-mean", changed(loss=lambda parts: statistics.median(mean for _, mean, _ in filled(parts)))),
    "a maximum": ("not-a-mean", changed(accuracy=lambda parts: max(c / n for n, _, c in filled(parts)))),
    "percent": ("percent", changed(accuracy=lambda parts: 100 * sums(parts)["accuracy"])),
    "errors": ("errors-counted", changed(accuracy=lambda parts: 1 - sums(parts)["accuracy"])),
    "two decimals": ("combined-rounded", changed(loss=lambda parts: round(sums(parts)["loss"], 2))),
    "accuracy with three decimals": (
        "combined-rounded",
        changed(accuracy=lambda parts: round(sums(parts)["accuracy"], 3)),
    ),
    "whole losses": ("combined-rounded", changed(loss=lambda parts: round(sums(parts)["loss"]))),
    "at least 1": ("combined-loss", changed(loss=lambda parts: max(1.0, sums(parts)["loss"]))),
    "the root": ("combined-loss", changed(loss=lambda parts: sums(parts)["loss"] ** 0.5)),
    "divided by all but one": (
        "combined-loss",
        changed(loss=lambda parts: sums(parts)["loss"] * total(parts) / (total(parts) - 1)),
    ),
    "nan": ("combined-loss", changed(loss=lambda parts: math.nan)),
    "empty parts count one row": (
        "combined-accuracy",
        changed(accuracy=lambda parts: sum(c for _, _, c in parts) / sum(max(n, 1) for n, _, _ in parts)),
    ),
    "one more": ("combined-accuracy", changed(accuracy=lambda parts: (sum(c for _, _, c in parts) + 1) / total(parts))),
}
