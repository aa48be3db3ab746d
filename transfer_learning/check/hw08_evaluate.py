"""Homework 08: score a classifier over every row of a loader."""

import copy
import itertools
import math
import random
from collections.abc import Mapping
from types import SimpleNamespace

from ._engine import NotYet, call, describe, homework, require_callable, require_type, preserve_rng_state
from .hw07_validation_loader import _generators

NAMES = ("loss", "accuracy", "macro_f1")
TOLERANCE = 6e-4  # three decimals are enough to compare two epochs


@homework("08_finetuning")
def evaluate(evaluate, model, dataloader):
    """Check homework 08: the mean loss, the accuracy and the macro-F1 of all rows, and a model left as it was.

    Parameters
    ----------
    evaluate : callable
        The learner's answer, `evaluate(model, dataloader) -> {"loss": float, "accuracy": float, "macro_f1": float}`.
        A float is Python's or numpy's, right to three decimals; further keys do no harm. Macro-F1 is the mean over
        the classes that occur among the labels or the predictions, as in scikit-learn. How dropout and gradients are
        switched off, and how the rows are batched, does not matter.
    model : torch.nn.Module
        A classifier, called with `input_ids` and `attention_mask`, whose output has `logits` of shape (rows, classes).
        The answer gets a copy.
    dataloader : torch.utils.data.DataLoader
        Its batches are `[input_ids, attention_mask, labels]`; up to eight rows of the first one are used.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(evaluate, "evaluate")
    cases = itertools.chain(_cases(), _own_case(model, dataloader))
    borrowed = []  # calls of the learner's own model: an answer that makes one does not use its argument
    handle = model.register_forward_pre_hook(lambda *_: borrowed.append(True))
    try:
        for case in cases:
            scores = _judge(evaluate, case, borrowed)
    finally:
        handle.remove()
    shown = ", ".join(f"{name} {scores[name]:.3f}" for name in NAMES)
    return f"each model scored over all rows, dropout and gradients off, and left as it was. {case.on}: {shown}."


# --- models, loaders, and what should come out --------------------------------------------------------------


def _cases():
    """First equal batches, then one of a single row, then what nobody has seen before, shuffled."""
    secret = random.SystemRandom()
    yield _case(31, classes=6, rows=18, size=6)
    yield _case(31, classes=7, rows=13, size=4, training=False, frozen=True)
    for size in (3, 8):
        rows = size * secret.randint(36 // size, 50 // size) + 1
        yield _case(secret.getrandbits(60), secret.randint(6, 9), rows, size, shuffle=True)


def _case(seed, classes, rows, size, shuffle=False, training=True, frozen=False):
    """A small model and rows on which every mistake of `_mistakes` gives another number."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"vocab_size": 60, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
    config = BertConfig(num_hidden_layers=1, num_labels=classes, **sizes, **dropout)
    model = BertForSequenceClassification(config).eval()
    torch.manual_seed(seed)  # the core puts the state back
    while True:
        for matrix in filter(lambda weights: weights.ndim == 2, model.parameters()):
            torch.nn.init.normal_(matrix, std=0.5)
        ids = torch.randint(1, 60, (120, 10))  # behind the mask too: what is padding, only the mask knows
        mask = (torch.arange(10) < torch.randint(3, 10, (120, 1))).long()
        logits = _logits(model, ids, mask)
        predictions = logits.argmax(-1)
        common = predictions.bincount(minlength=classes).argsort(descending=True, stable=True)
        only_predicted, only_label, neither = common[[2, -2, -1]]  # three classes that macro-F1 is easily wrong about
        others = common[(common != only_predicted) & (common != neither)]
        keep = (predictions != only_label) & (predictions != neither) & _clear(logits)
        keep = keep.nonzero().flatten()[:rows]
        wrong = (torch.rand(len(keep)) < 0.35) | (predictions[keep] == only_predicted)
        labels = predictions[keep].where(~wrong, others[torch.randint(len(others), (len(keep),))])
        tensors, logits = (ids[keep], mask[keep], labels), logits[keep]
        truth = _scores(logits, labels)
        mistakes = list(_mistakes(truth, logits, labels, size, _logits(model, ids[keep], None)))
        if _tell_apart(truth, mistakes, even=rows % size == 0):
            break
    model.train(training).bert.requires_grad_(not frozen)
    on = f"On a model of {classes} classes and {rows} rows in {'shuffled ' * shuffle}batches of {size}"
    if shuffle:  # the first batch is another one on every pass
        mistakes = []
    return _loaded(model, tensors, size, shuffle, truth=truth, mistakes=mistakes, on=on)


def _own_case(model, dataloader):
    """The learner's model, in training mode, on rows of the learner's loader that it is not undecided about."""
    with preserve_rng_state(*_generators(dataloader)):
        tensors = [part[:8] for part in next(iter(dataloader))]
    model = copy.deepcopy(model).eval()
    logits = _logits(model, *tensors[:2])
    clear = _clear(logits)
    if not clear.any():
        return []
    tensors, truth = [part[clear] for part in tensors], _scores(logits[clear], tensors[2][clear])
    rows = len(tensors[0])
    return [_loaded(model.train(), tensors, max(1, rows * 2 // 5), truth=truth, on=f"On {rows} rows of your loader")]


def _loaded(model, tensors, size, shuffle=False, mistakes=(), **more):
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(*(part.clone() for part in tensors)), batch_size=size, shuffle=shuffle)
    return SimpleNamespace(model=model, tensors=tensors, loader=loader, shuffle=shuffle, mistakes=mistakes, **more)


def _logits(model, ids, mask):
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        mask = None if mask is None else mask.to(device)
        return model(input_ids=ids.to(device), attention_mask=mask).logits.float().cpu()


def _clear(logits):
    """Rows whose prediction does not hang on the last digit, which changes with the batch."""
    first, second = logits.topk(2).values.T
    return first - second > 1e-4


def _by_class(labels, predictions):
    """How many rows of each class were found, how many there are, and how many were predicted."""
    most = max(labels.max(), predictions.max()) + 1
    return [rows.bincount(minlength=most).double() for rows in (labels[labels == predictions], labels, predictions)]


def _scores(logits, labels, predictions=None):
    from torch.nn.functional import cross_entropy

    predictions = logits.argmax(-1) if predictions is None else predictions
    found, real, predicted = _by_class(labels, predictions)
    return {
        "loss": cross_entropy(logits, labels).item(),
        "accuracy": (found.sum() / len(labels)).item(),
        "macro_f1": (2 * found / (real + predicted)).nanmean().item(),
    }


def _mistakes(truth, logits, labels, size, unmasked):
    """Known mistakes: slug, what it is, and the scores that come of it."""
    import torch
    from torch.nn.functional import cross_entropy

    rows, classes = logits.shape
    batches = list(zip(logits.split(size), labels.split(size)))
    each = [_scores(*batch) for batch in batches]
    sums = {name: sum(scores[name] for scores in each) for name in NAMES}
    total = {name: truth[name] * rows for name in NAMES}
    kept = rows - len(batches[-1][1])
    yield "mask-ignored", "what the model gives without its attention_mask", _scores(unmasked, labels)
    yield "dropped-last-batch", "what all batches but the last give", _scores(logits[:kept], labels[:kept])
    yield "one-batch", "what the first batch alone gives", each[0]
    yield "one-batch", "what the last batch alone gives", each[-1]
    yield "mean-of-batches", f"the mean of the {len(each)} batches' own", _divided(sums, len(each))
    if all(len(part) == classes for _, part in batches):
        across = _scores(logits, labels, torch.cat([part.argmax(0) for part, _ in batches]))
        yield "wrong-axis", "what the largest logit of each column gives", {n: across[n] for n in NAMES[1:]}
    yield "another-accuracy", "the share of rows that the model gets wrong", {"accuracy": 1 - truth["accuracy"]}
    yield "softmax-twice", "the loss of a softmax's softmax", {"loss": cross_entropy(logits.softmax(-1), labels).item()}
    yield "sum-not-mean", "a sum over the rows", total
    yield "sum-not-mean", "a sum over the batches", sums
    yield "wrong-divisor", "a sum over the rows, divided by the number of batches", _divided(total, len(each))
    yield "wrong-divisor", "a mean as if the last batch were full", _divided(total, len(each) * size)
    yield "wrong-divisor", "a sum over the batches, divided by the number of rows", _divided(sums, rows)

    found, real, predicted = _by_class(labels, logits.argmax(-1))
    f1 = (2 * found / (real + predicted)).nan_to_num()
    occur = real + predicted > 0
    precision = (found / predicted.clamp(min=1))[occur].mean()
    recall = (found / real.clamp(min=1))[occur].mean()
    for slug, what, value in (
        ("not-macro", "one F1 of all rows at once", found.sum() / rows),
        ("not-macro", "a mean in which large classes count more", (f1 * real).sum() / rows),
        ("classes-left-out", "a mean over part of the classes", f1[real > 0].mean()),
        ("classes-left-out", "a mean over part of the classes", f1[predicted > 0].mean()),
        ("fixed-classes", "a mean over 4 classes, whichever occur", f1[:4].mean()),
        ("fixed-classes", f"a mean over {classes} classes, whichever occur", f1.sum() / classes),
        ("precision-or-recall", "the mean precision", precision),
        ("precision-or-recall", "the mean recall", recall),
        ("f1-of-means", "one F1 of the mean precision and the mean recall", 2 / (1 / precision + 1 / recall)),
    ):
        yield slug, what, {"macro_f1": value.item()}
    for order in itertools.permutations(NAMES):
        yield "swapped-scores", "another score's", {n: truth[other] for n, other in zip(NAMES, order) if n != other}
    yield "in-percent", "a hundred times too large", {name: 100 * truth[name] for name in NAMES[1:]}
    for digits in (2, 1, 0):
        yield "rounded", f"rounded to {digits} decimals", {name: round(truth[name], digits) for name in NAMES}


def _divided(scores, count):
    return {name: value / count for name, value in scores.items()}


def _tell_apart(truth, mistakes, even):
    """Does every mistake give another number? In batches of one size, means over rows and batches are the same."""
    skipped = {"rounded", *(("mean-of-batches", "wrong-divisor") if even else ())}
    return all(
        abs(value - truth[name]) > 2 * TOLERANCE
        for slug, _, scores in mistakes
        if slug not in skipped
        for name, value in scores.items()
    )


# --- one case -----------------------------------------------------------------------------------------------


class _Watch:
    """Notes at every layer's call: the ids, whether dropout acts, whether a gradient could be asked for."""

    def __init__(self, model):
        self.ids, self.dropout, self.gradient = [], False, False
        for module in model.modules():
            module.register_forward_pre_hook(self.before)
            module.register_forward_hook(self.after)

    def __deepcopy__(self, memo):  # a copy of the model is watched too
        return self

    def before(self, module, args):
        import torch

        if isinstance(module, torch.nn.Embedding):
            self.ids += args
        self.dropout |= isinstance(module, torch.nn.Dropout) and module.training and module.p > 0

    def after(self, module, args, output):
        self.gradient |= getattr(output, "requires_grad", False)

    def rows(self):
        return set().union(*(_row_set(ids) for ids in self.ids if ids.ndim == 2))


def _row_set(ids):
    return set(map(tuple, ids.tolist()))


def _judge(evaluate, case, borrowed):
    """Let the answer score a copy of the case's model; raise `NotYet`, or return the scores."""
    import torch

    model = copy.deepcopy(case.model)
    seen = _Watch(model)
    try:
        scores = call(evaluate, model, case.loader)
    except NotYet as not_yet:
        _own_arguments(case, seen, borrowed, f"{case.on}, {not_yet.saw.rstrip('.')}")
        raise
    gradients_on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    scores = _right_form(scores)
    _weights_kept(model, case)
    _right_numbers(scores, case, seen, borrowed)
    if seen.gradient:
        raise NotYet("gradients-on", f"{case.on}, the model's outputs carried what a backward pass would need.")
    if not gradients_on:
        raise NotYet("gradients-left-off", "torch.is_grad_enabled() was True before your function, and False after it.")
    _mode_kept(model, case)
    return scores


def _own_arguments(case, seen, borrowed, came):
    """The answer ran the model that it was given, on the rows that it was given."""
    if borrowed:
        raise NotYet("not-its-arguments", f"{came}; your function ran another model than the one that it was given.")
    if seen.ids and not seen.rows() & _row_set(case.tensors[0]):
        raise NotYet(
            "not-its-arguments", f"{came}; the model never saw a row of the dataloader that was given with it."
        )


def _right_form(scores):
    import numpy as np

    scores = require_type(scores, Mapping, "evaluate(…)", f"a dict with the keys {', '.join(NAMES)}")
    if missing := [name for name in NAMES if name not in scores]:
        keys = describe(list(scores))
        raise NotYet("missing-scores", f"evaluate(…) returned a dict with the keys {keys}, without {missing[0]}.")
    for name in NAMES:
        value = scores[name]
        if not isinstance(value, (float, np.floating)):
            raise NotYet("not-a-float", f"{name} came as {describe(value)}, a {type(value).__name__}.")
        if math.isnan(value):
            raise NotYet("nan-score", f"{name} came as nan, which is not a number.")
    return {name: float(scores[name]) for name in NAMES}


def _weights_kept(model, case):
    """The weights and the rows are what they were."""
    import torch

    before, after = case.model.state_dict(), model.state_dict()
    if str(model) != str(case.model) or any(before[name].dtype != after[name].dtype for name in before):
        raise NotYet("model-changed", "after your function, the model had other layers, dropout or dtype than before.")
    changed = [name for name in before if not torch.equal(before[name].cpu(), after[name].cpu())]
    if changed:
        raise NotYet(
            "learns-while-scoring",
            f"{len(changed)} of the model's {len(before)} tensors of weights had other numbers after your function.",
        )
    if not all(map(torch.equal, case.tensors, case.loader.dataset.tensors)):
        raise NotYet("input-changed", "after your function, the rows of the dataloader were not what they had been.")


def _right_numbers(scores, case, seen, borrowed):
    wrong = [name for name in NAMES if not abs(scores[name] - case.truth[name]) <= TOLERANCE]
    if not wrong:
        return

    def explained(mistake):
        slug, _, made = mistake
        close = 1e-6 if slug == "rounded" else TOLERANCE  # a round number lies near many numbers
        names = [name for name in wrong if abs(scores[name] - made.get(name, math.inf)) <= close]
        by_chance = wrong[0] == "loss" and "loss" not in names  # as an accuracy may agree, and a loss hardly
        return [] if by_chance else names

    came = f"{case.on}, {wrong[0]} came as {scores[wrong[0]]:.4g}"
    _own_arguments(case, seen, borrowed, came)
    if not seen.ids:
        raise NotYet("not-its-arguments", f"{came}; your function never ran the model that it was given.")
    if seen.dropout:
        raise NotYet("dropout-on", f"{came}, while dropout was on.")
    best = max(case.mistakes, key=lambda mistake: len(explained(mistake)), default=None)
    if best and (names := explained(best)):
        slug, what, _ = best
        raise NotYet(slug, f"{case.on}, {names[0]} came as {scores[names[0]]:.4g}: {what}.")
    rows = _row_set(case.tensors[0])
    if missing := rows - seen.rows():
        raise NotYet("part-of-the-rows", f"{came}; {len(missing)} of {len(rows)} rows never came to the model.")
    if case.shuffle:
        raise NotYet("labels-of-other-rows", f"{came}; on loaders that come in order it was right.")
    raise NotYet({"loss": "another-loss", "accuracy": "another-accuracy"}.get(wrong[0], "another-f1"), f"{came}.")


def _mode_kept(model, case):
    names = [name for name, weights in case.model.named_parameters() if weights.requires_grad]
    after = [name for name, weights in model.named_parameters() if weights.requires_grad]
    if names != after:
        raise NotYet(
            "model-changed",
            f"{len(names)} of the model's weights asked for a gradient before your function, {len(after)} after it.",
        )
    if case.model.training and not all(module.training for module in model.modules()):
        raise NotYet("left-in-eval", "the model came in training mode and went back in evaluation mode.")
    if not case.model.training and any(module.training for module in model.modules()):
        raise NotYet("left-in-train", "the model came in evaluation mode and went back in training mode.")
