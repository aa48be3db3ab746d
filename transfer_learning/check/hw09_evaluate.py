"""Homework 09: score a classifier over every row of a loader."""

import copy
import itertools
import math
import random
from collections.abc import Mapping
from types import SimpleNamespace

from ._engine import NotYet, a_type, call, describe, homework, require_callable, require_type, untimed

NAMES = ("loss", "accuracy", "macro_f1")
ALL_OR_NOTHING = {"mask-ignored", "dropped-last-batch", "one-batch"}  # mistakes that change all three scores


@homework("09_what_transfer_buys")
def evaluate(evaluate, model, dataloader):
    """Check homework 09: the mean loss, the accuracy and the macro-F1 of all rows, and a model left as it was.

    Parameters
    ----------
    evaluate : callable
        The learner's answer, `evaluate(model, dataloader) -> {"loss": float, "accuracy": float, "macro_f1": float}`.
        A float is Python's or numpy's, correct to three decimals; extra keys are fine. Macro-F1 is the mean over the
        classes that occur among the labels or the predictions, as in scikit-learn.
    model : torch.nn.Module
        A classifier, called with `input_ids` and `attention_mask`, whose output has `logits` of shape (rows, classes).
        The answer gets a copy of it and small models of the check's own, all on its device.
    dataloader : torch.utils.data.DataLoader
        Its batches are `[input_ids, attention_mask, labels]`. Eight rows of its data set are used, on the CPU.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(evaluate, "evaluate")
    with untimed():
        cases = [*_cases(next(model.parameters()).device), *_own_case(model, dataloader)]
    runs, borrowed = [], []  # calls of the learner's own model: an answer that makes one does not use its argument
    handle = model.register_forward_pre_hook(lambda *_: borrowed.append(True))
    try:
        for case in cases:
            if case.shuffle:  # what was wrong in order needs no further calls
                _right_numbers(runs)
            run = _Run(case, borrowed)
            try:
                run.scores = _right_form(call(evaluate, run.model, case.loader))
                run.left_all_as_it_was()
            except NotYet as not_yet:
                _right_numbers(runs)  # a wrong score in the calls before may be the reason
                run.used_its_arguments(f"{case.on}, {not_yet.saw.rstrip('.')}")
                raise
            runs.append(run)
    finally:
        handle.remove()
    _right_numbers(runs)
    shown = ", ".join(f"{name} {run.scores[name]:.3f}" for name in NAMES)
    return f"each model scored over all rows, dropout and gradients off, and left as it was. {case.on}: {shown}."


def _cases(device):
    """Equal batches; a last batch of one row; then random sizes and weights, in order and shuffled."""
    secret = random.SystemRandom()
    classes, rows = secret.randint(6, 9), 3 * secret.randint(10, 12) + 2
    # seed 6: a class above all labels is predicted, seed 11: one above all predictions is a label
    yield _small_case(device, 6, classes=6, rows=18, size=6)
    yield _small_case(device, 11, classes=7, rows=13, size=4, training=False)
    yield (case := _small_case(device, secret.getrandbits(60), classes, rows, size=3))
    yield _case(f"{case.on}, shuffled", case.model, case.tensors, 3, shuffle=True)


def _small_case(device, seed, classes, rows, size, training=True):
    """A small model and rows for which every known mistake gives a wrong score."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
    model = BertForSequenceClassification(BertConfig(num_labels=classes, intermediate_size=32, **sizes, **dropout))
    right_if_equal = ["mean-of-batches", "wrong-divisor", "dropped-last-batch"] if rows % size == 0 else []
    torch.manual_seed(seed)  # the engine puts the state back
    while True:
        for matrix in filter(lambda weights: weights.ndim == 2, model.cpu().parameters()):
            torch.nn.init.normal_(
                matrix, std=2 if matrix is model.classifier.weight else 0.5
            )  # some losses above 16 (1e-7)
        ids = torch.randint(1, 60, (120, 10))  # no zeros at the end: only the mask shows what is padding
        mask = (torch.arange(10) < torch.randint(3, 10, (120, 1))).long()
        logits = _logits(model.to(device).train(training), ids, mask)
        predictions = logits.argmax(-1)
        common = predictions.bincount(minlength=classes).argsort(descending=True, stable=True)
        only_predicted, only_label, neither = common[[2, -2, -1]]  # three classes that macro-F1 is easily wrong about
        others = common[(common != only_predicted) & (common != neither)]
        keep = (predictions != only_label) & (predictions != neither) & _clear(logits)
        keep = keep.nonzero().flatten()[:rows]
        wrong = (torch.rand(len(keep)) < 0.35) | (predictions[keep] == only_predicted)
        labels = predictions[keep].where(~wrong, others[torch.randint(len(others), (len(keep),))])
        on = f"On a model of {classes} classes and {len(keep)} rows in batches of {size}"
        case = _case(on, model, (ids[keep], mask[keep], labels), size)
        mistakes = [scores for slug, _, scores in case.mistakes if slug not in ["rounded", *right_if_equal]]
        # in a last batch of two with one right, the mean of batches is not the mean of rows padded to full batches
        if rows % size == 2 and (labels == predictions[keep])[-2:].sum() != 1:
            continue
        losses = torch.nn.functional.cross_entropy(logits[keep], labels, reduction="none")
        if losses.max() > 34:  # float64 probabilities, which scikit-learn clips at 2e-16, show no more
            continue
        if len(keep) == rows and not any(_close(made[n], case.truth[n]) for made in mistakes for n in made):
            model.bert.requires_grad_(training)
            return case


def _own_case(model, dataloader):
    """The learner's model, in training mode, on those of the learner's rows that it is not undecided about."""
    from torch.utils.data import DataLoader

    batches = DataLoader(dataloader.dataset, batch_size=8, collate_fn=dataloader.collate_fn)  # leaves its sampler alone
    tensors = [part.cpu() for part in next(iter(batches))]
    tensors = [part[_clear(_logits(model, *tensors[:2]))] for part in tensors]
    if rows := len(tensors[0]):
        yield _case(f"On {rows} of your rows", copy.deepcopy(model).train(), tensors, max(1, rows * 2 // 5))


def _case(on, model, tensors, size, shuffle=False):
    """A model, a loader, and the scores that are right and those of known mistakes."""
    from torch.utils.data import DataLoader, TensorDataset, default_collate

    (ids, mask, labels), logits = tensors, _logits(model, *tensors[:2])
    padding_read = _scores(_logits(model, ids, (mask >= 0).long()), labels)
    truth, mistakes = _scores(logits, labels), list(_mistakes(logits, labels, size, padding_read))
    read, rows = [], TensorDataset(*(part.clone() for part in tensors))  # `read` notes that a batch was taken

    def collate(batch):
        read.append(True)
        return default_collate(batch)

    loader = DataLoader(rows, batch_size=size, shuffle=shuffle, collate_fn=collate)
    return SimpleNamespace(
        on=on, model=model, tensors=tensors, shuffle=shuffle, loader=loader, read=read, truth=truth, mistakes=mistakes
    )


def _logits(model, ids, mask):
    """Every row's logits, without dropout, on the CPU."""
    import torch

    was_training, device = model.training, next(model.parameters()).device
    with torch.no_grad():
        logits = model.eval()(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
    model.train(was_training)
    return logits.float().cpu()


def _clear(logits):
    """Rows whose prediction does not depend on the last digit, which changes with the batch."""
    first, second = logits.topk(2).values.T
    return first - second > 1e-4


def _close(a, b):
    """Three decimals are enough to compare two epochs."""
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=6e-4)


def _by_class(labels, predictions, classes):
    """How many rows of each class were found, how many there are, and how many were predicted."""
    parts = labels[labels == predictions], labels, predictions
    return [part.bincount(minlength=classes).double() for part in parts]


def _scores(logits, labels, predictions=None):
    from torch.nn.functional import cross_entropy

    predictions = logits.argmax(-1) if predictions is None else predictions
    found, real, predicted = _by_class(labels, predictions, logits.shape[1])
    f1 = (2 * found / (real + predicted)).nanmean().item()
    return {"loss": cross_entropy(logits, labels).item(), "accuracy": found.sum().item() / len(labels), "macro_f1": f1}


def _mistakes(logits, labels, size, padding_read):
    """Known mistakes, for every case in the same order: slug, what it gives, and the scores that come of it."""
    import torch

    rows, classes = logits.shape
    batches, truth = list(zip(logits.split(size), labels.split(size))), _scores(logits, labels)
    n, each, full = len(batches), [_scores(*batch) for batch in batches], rows // size * size
    yield "mask-ignored", "the scores of a model that also reads what the mask hides", padding_read
    for kept, what in (rows - len(batches[-1][1]), "all batches but the last"), (full, "the full batches"):
        yield "dropped-last-batch", f"the scores of {what}", _scores(logits[:kept], labels[:kept]) if kept else {}
    yield "one-batch", "the scores of the first batch alone", each[0]
    yield "one-batch", "the scores of the last batch alone", each[-1]

    across = {}
    if all(len(part) == classes for _, part in batches):
        across = _scores(logits, labels, torch.cat([part.argmax(0) for part, _ in batches]))
    yield "wrong-axis", "what the largest logit of each column gives", {x: across[x] for x in across if x != "loss"}
    means = {name: sum(scores[name] for scores in each) for name in NAMES}
    for slug, what, total, divisor in (
        ("mean-of-batches", "the mean of the batches' own", means, n),
        ("sum-not-mean", "the sum of all batches' means", means, 1),
        ("sum-not-mean", "the sum over all rows", truth, 1 / rows),
        ("wrong-divisor", "the sum over all rows, divided by the number of batches", truth, n / rows),
        ("wrong-divisor", "what it would be if the last batch were full", truth, n * size / rows),
        ("wrong-divisor", "the sum of all batches' means, divided by the number of rows", means, rows),
        ("wrong-divisor", "a mean in which the last batch counts like a full one", means, rows / size),
        ("in-percent", "a hundred times too large", truth, 0.01),
    ):
        yield slug, what, {name: total[name] / divisor for name in NAMES}
    for digits in (2, 1):
        yield "rounded", f"rounded to {digits} digits", {name: round(truth[name], digits) for name in NAMES}
    yield "softmax-twice", "the loss of a softmax's softmax", {"loss": _scores(logits.softmax(-1), labels)["loss"]}
    yield "another-accuracy", "the share of rows that the model gets wrong", {"accuracy": 1 - truth["accuracy"]}

    found, real, predicted = _by_class(labels, logits.argmax(-1), classes)
    f1, occurs = (2 * found / (real + predicted)).nan_to_num(), real + predicted > 0
    p, r = ((found / total.clamp(min=1))[occurs].mean() for total in (predicted, real))
    weighted = sum(scores["macro_f1"] * len(part) for scores, (_, part) in zip(each, batches)) / rows
    for slug, what, value in (
        ("mean-of-batches", "the mean of the batches' own, weighted by their rows", weighted),
        ("not-macro", "one F1 of all rows together, which is the accuracy", truth["accuracy"]),
        ("not-macro", "a mean in which large classes count more", (f1 * real).sum() / rows),
        ("classes-left-out", "a mean over the classes of the labels alone", f1[real > 0].mean()),
        ("classes-left-out", "a mean over the predicted classes alone", f1[predicted > 0].mean()),
        ("fixed-classes", "a mean over the classes 0 to 3, whichever occur", f1[:4].mean()),
        ("fixed-classes", "a mean over all classes of the model, whichever occur", f1.mean()),
        (
            "fixed-classes",
            "a mean over all classes up to the largest, whichever occur",
            f1[: occurs.nonzero().max() + 1].mean(),
        ),
        ("precision-or-recall", "the mean precision", p),
        ("precision-or-recall", "the mean recall", r),
        ("f1-of-means", "one F1 of the mean precision and the mean recall", 2 * p * r / (p + r)),
    ):
        yield slug, what, {"macro_f1": float(value)}
    for order in itertools.permutations(NAMES):
        yield "swapped-scores", "another score's", {n: truth[other] for n, other in zip(NAMES, order) if n != other}


def _right_form(scores):
    import numpy as np

    scores = require_type(scores, Mapping, "evaluate(…)", f"a dict with the keys {', '.join(NAMES)}")
    if missing := [name for name in NAMES if name not in scores]:
        raise NotYet("missing-scores", f"the dict has the keys {describe(list(scores))}, without {missing[0]}.")
    for name in NAMES:
        value = scores[name]
        if not isinstance(value, (float, np.floating)):
            raise NotYet("not-a-float", f"{name} came as {describe(value)}, {a_type(value)}.")
        if math.isnan(value):
            raise NotYet("nan-score", f"{name} came as nan, which is not a number.")
    return {name: float(scores[name]) for name in NAMES}


@untimed()
def _right_numbers(runs):
    """Raise `NotYet` for a wrong score; a mistake is named only if it explains that score in every run in order."""
    wrong = [(run, name) for run in runs for name in NAMES if not _close(run.scores[name], run.case.truth[name])]
    if not wrong:
        return
    run, name = wrong[0]
    run.used_its_arguments(run.came(name))
    if run.dropout:
        raise NotYet("dropout-on", f"{run.came(name)}, while dropout was on.")
    if run.case.shuffle:
        raise NotYet("labels-of-other-rows", f"{run.came(name)}; without shuffling, the same rows were scored right.")
    in_order, found = [run for run in runs if not run.case.shuffle], {}
    for cases in zip(*(run.case.mistakes for run in in_order)):  # one mistake, in every case
        slug, what, _ = cases[0]
        pairs = [(run.scores, made) for run, (_, _, made) in zip(in_order, cases)]
        fits = [n for n in NAMES if all(n in made and _close(scores[n], made[n]) for scores, made in pairs)]
        if len(fits) == 3 or slug not in ALL_OR_NOTHING:
            found = {n: (slug, what) for n in fits} | found
    run, name = next((pair for pair in wrong if pair[1] not in found), wrong[0])
    if name in found:
        raise NotYet(found[name][0], f"{run.came(name)}: {found[name][1]}.")
    if len(runs) > len({tuple(run.scores.values()) for run in runs}) == 1:
        raise NotYet("not-its-arguments", f"{run.came(name)}; every model and every loader gave the same scores.")
    if run.ids and 0 < len(missing := run.unseen()) < len(run.case.tensors[0]):
        saw = f"{run.came(name)}; {len(missing)} of {len(run.case.tensors[0])} rows never came to the model."
        raise NotYet("part-of-the-rows", saw)
    general = {"loss": "another-loss", "accuracy": "another-accuracy", "macro_f1": "another-f1"}
    more = " and ".join(n for one, n in wrong if one is run and n != name)
    saw = f"{run.came(name)}{f'; {more} differed too' * bool(more)}{'' if run.ids else '; the model was never called'}."
    raise NotYet(general[name], saw)


class _Run:
    """One call of the answer, with a copy of the case's model that notes what its layers are called with."""

    @untimed()
    def __init__(self, case, borrowed):
        self.case, self.borrowed, self.model = case, borrowed, copy.deepcopy(case.model)
        self.ids, self.dropout, self.gradient = [], False, False
        for module in self.model.modules():
            module.register_forward_pre_hook(self.enter)
            module.register_forward_hook(self.leave)
        last = list(self.model.parameters())[-1]
        last.grad = last.detach().clone()  # the caller may be between backward() and step()
        self.before = self.facts()

    def __deepcopy__(self, memo):  # a copy of the model is watched too
        return self

    def enter(self, module, args):
        kind = type(module).__name__
        self.ids += args if kind == "Embedding" else ()
        self.dropout |= "Dropout" in kind and module.training and module.p > 0

    def leave(self, module, args, output):
        self.gradient |= getattr(output, "requires_grad", False)

    def facts(self):
        """What a call must not change: slug, what it means that it has changed, and the thing itself."""
        import torch

        state, weights = list(self.model.state_dict().values()), self.model.parameters()
        kinds = str(self.model), [(w.dtype, w.device) for w in state]
        kept = [torch.equal(w.to(old), old) for w, old in zip(state, self.case.model.state_dict().values())]
        gradients = [(w.requires_grad, None if w.grad is None else w.grad.sum().item()) for w in weights]
        left, came, mode = (
            ("eval", "training", "evaluation") if self.case.model.training else ("train", "evaluation", "training")
        )
        modes = [module.training for module in self.model.modules()]
        rows = [part.tolist() for part in self.case.loader.dataset.tensors]
        return [
            ("gradients-left-off", "gradients were on before your function and off after it", torch.is_grad_enabled()),
            ("model-changed", "the model came back with other layers, dropout, dtype or device", kinds),
            (
                "learns-while-scoring" if self.gradient else "model-changed",  # nothing learns without gradients
                "the model's weights had different values after your function",
                kept,
            ),
            ("input-changed", "the dataloader's rows were different after your function", rows),
            ("gradients-on", "the model's outputs had a grad_fn, ready for backward()", self.gradient),
            ("model-changed", "the model came back with other gradients or another requires_grad", gradients),
            (f"left-in-{left}", f"the model arrived in {came} mode and was left in {mode} mode", modes),
        ]

    @untimed()
    def left_all_as_it_was(self):
        import torch

        after = self.facts()
        torch.set_grad_enabled(True)
        for (_, _, was), (slug, saw, now) in zip(self.before, after):
            if was != now:
                raise NotYet(slug, f"{self.case.on}, {saw}.")

    def came(self, name):
        return f"{self.case.on}, {name} came as {self.scores[name]:.4f}, expected {self.case.truth[name]:.4f}"

    def unseen(self):
        """The rows that the model never got, neither whole nor cut to the longest text; padding may have other ids."""
        seen = {tuple(row) for ids in self.ids if ids.ndim == 2 for row in ids.tolist()}
        rows = [list(zip(ids, mask)) for ids, mask in zip(*(part.tolist() for part in self.case.tensors[:2]))]
        return [row for row in rows if not any(all(a == b for (a, kept), b in zip(row, got) if kept) for got in seen)]

    def used_its_arguments(self, came):
        if self.borrowed:
            raise NotYet("not-its-arguments", f"{came}; your function called a model that it was not given.")
        if self.ids and not self.case.read and len(self.unseen()) == len(self.case.tensors[0]):
            raise NotYet("not-its-arguments", f"{came}; your function took no batch from the dataloader it was given.")
