"""Homework 08: one epoch of training."""

import copy
import functools
import inspect
import itertools
import math
import random
from types import SimpleNamespace

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type, untimed

ALLOWED = 2e-3  # how far weights and gradients may be off, as a share of the way the weights should go
BATCH = "input_ids", "attention_mask", "labels"


@homework("08_finetuning")
def train_epoch(train_epoch):
    """Check homework 08: one step of the optimizer and of the schedule a batch, with the right gradients, and the loss.

    Small models are trained with SGD and AdamW; the weights afterwards and the returned loss must be those of a right
    epoch, however they are computed. Their dropout always drops the same numbers, so that there is one right result. A
    float is Python's or numpy's, correct to three decimals. Gradients may be cleared before or after a step. Model and
    batches are on the CPU; a model comes in evaluation mode, without gradients.

    Parameters
    ----------
    train_epoch : callable
        The learner's answer, called as ``train_epoch(model, dataloader, optimizer, schedule)``: a
        BertForSequenceClassification, a DataLoader whose batches are `[input_ids, attention_mask, labels]`, and an
        optimizer and a learning rate schedule of torch's.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(train_epoch, "train_epoch")
    with untimed():
        cases, runs = list(_cases()), []
    for case in cases:
        runs.append(run := _Run(case))
        try:
            for _ in range(case.epochs):
                run.epoch(train_epoch)
        except NotYet as not_yet:
            if not_yet.misconception == "raises" and run.forwards:
                _rows_known(run, run.forwards[-1:])
            run.forget_what_was_not_finished()
            _right(runs)  # wrong weights in the calls before may be the reason
            raise
    _right(runs)
    return f"{len(cases)} small models: dropout on, clipped gradients, one step of each kind a batch, the mean loss over rows."


# --- small models, and what a right epoch makes of them ------------------------------------------------------


def _cases():
    """SGD, AdamW in two groups for two epochs, SGD with momentum; each with its own schedule."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    def sgd(model, momentum=0.0):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=momentum)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.8**step)

    def adamw(model):
        head = [*model.classifier.parameters()]
        groups = [{"params": [*model.bert.parameters()], "lr": 2e-3}, {"params": head, "lr": 1e-2}]
        optimizer = torch.optim.AdamW(groups, eps=1e-3, weight_decay=0.1)  # with so large an eps, clipping shows
        return optimizer, get_linear_schedule_with_warmup(optimizer, 2, 14)

    chance = random.SystemRandom()
    yield _case("SGD", sgd, 9, 4, 1, chance)
    yield _case("AdamW", adamw, 11, 3, 2, chance)
    yield _case("SGD with momentum", functools.partial(sgd, momentum=0.5), 3 * chance.randint(6, 8) + 2, 3, 1, chance)


def _case(name, prepare, rows, size, epochs, chance):
    """Draw a model and rows for which clipping matters, and known mistakes give a wrong loss."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.0}
    model = BertForSequenceClassification(BertConfig(num_labels=4, intermediate_size=24, **sizes, **dropout))
    for module in list(model.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.__class__ = _fixed_dropout()
    while True:
        torch.manual_seed(chance.getrandbits(60))  # the engine puts the state back
        for part, weights in model.named_parameters():
            if weights.ndim == 2:
                torch.nn.init.normal_(weights, std=1.0 if "embeddings" in part or "classifier" in part else 0.2)
        ids = torch.randint(1, 50, (rows, 8))  # no zeros at the end: only the mask shows what is padding
        mask = (torch.arange(8) < torch.randint(3, 9, (rows, 1))).long()
        mask[0] = 1  # a text that fills its row
        with torch.no_grad():
            likely = model.train()(input_ids=ids, attention_mask=mask).logits.argmax(-1)
        labels = likely.where(torch.rand(rows) < 0.85, torch.randint(4, (rows,)))
        tensors, order = (ids, mask, labels), chance.sample(range(rows), rows)
        case = SimpleNamespace(prepare=prepare, model=model.eval(), tensors=tensors, size=size, order=order)
        case.epochs, case.on = epochs, f"With {name} and {rows} rows in batches of {size}"
        if len({tuple(row) for row in ids[:, :3].tolist()}) < rows:
            continue
        _train(case)
        norms = [step.gradient.norm() for step in case.steps]
        values = [value for _, _, value in _loss_mistakes(case.losses[0], case.sizes)]
        if 0.05 < min(norms) < 0.8 and max(norms) > 1.5 and not any(_close(value, case.values[0]) for value in values):
            return case


@functools.cache
def _fixed_dropout():
    import torch

    class Dropout(torch.nn.Dropout):
        """Drops three of ten numbers, always the same."""

        def forward(self, hidden):
            if not self.training or not self.p:
                return hidden
            return hidden * (torch.arange(hidden.shape[-1]) * 7 % 10 >= 3) / 0.7

    return Dropout


def _loader(case):
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(*(part.clone() for part in case.tensors)), batch_size=case.size, sampler=case.order)


def _train(case):
    """Note what a right answer gives: steps, weights and losses."""
    import torch

    model = copy.deepcopy(case.model)
    optimizer, schedule = case.prepare(model)
    case.start, case.steps, case.losses, case.values, case.weights = _vector(model), [], [], [], []
    case.batches = list(_loader(case))
    case.sizes = [len(labels) for _, _, labels in case.batches]
    for _ in range(case.epochs):
        case.losses.append([])
        for batch in case.batches:
            model.train()
            loss = model(**dict(zip(BATCH, batch))).loss
            optimizer.zero_grad()
            loss.backward()
            rates = [group["lr"] for group in optimizer.param_groups]
            case.steps.append(SimpleNamespace(gradient=_vector(model, gradient=True), rates=rates))
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            case.losses[-1].append(loss.item())
        case.values.append(sum(loss * n for loss, n in zip(case.losses[-1], case.sizes)) / sum(case.sizes))
        case.weights.append(_vector(model))
    case.next_rates = [group["lr"] for group in optimizer.param_groups]


def _vector(model, gradient=False):
    """All weights of a model, or all gradients (0 where there is none), in one row."""
    import torch

    parts = [w if not gradient else torch.zeros_like(w) if w.grad is None else w.grad for w in model.parameters()]
    return torch.cat([part.detach().flatten().float().cpu() for part in parts])


class _Run:
    """The learner's epochs on a copy of a case's model, and what happened meanwhile."""

    @untimed()
    def __init__(self, case):
        self.case, self.model, self.loader = case, copy.deepcopy(case.model), _loader(case)
        self.optimizer, self.schedule = case.prepare(self.model)
        self.losses, self.weights, self.steps, self.forwards = [], [], [], []
        self.finished, self.after = (0, 0, 0), _vector(self.model)
        self.model.bert.register_forward_pre_hook(self.enter, with_kwargs=True)
        self.optimizer.register_step_pre_hook(self.before_step)
        self.optimizer.register_step_post_hook(self.after_step)
        for module in self.model.modules():
            if isinstance(module, _fixed_dropout()):
                module.register_forward_pre_hook(self.enter_dropout)
        self.schedule_start = self.schedule.last_epoch

    def __deepcopy__(self, memo):  # a copy of the model is watched too
        return self

    def enter(self, module, args, kwargs):
        import torch

        given = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        self.forwards.append(SimpleNamespace(ids=ids, mask=mask, gradient=torch.is_grad_enabled(), dropout=True))

    def enter_dropout(self, module, args):
        self.forwards[-1].dropout &= module.training

    def before_step(self, optimizer, args, kwargs):
        self.steps.append(
            SimpleNamespace(
                weights=_vector(self.model),
                rates=[group["lr"] for group in optimizer.param_groups],
                first=len(self.steps) == self.finished[0],  # of an epoch
                before=self.after,  # the weights after the step before
            )
        )

    def after_step(self, optimizer, args, kwargs):
        self.after = _vector(self.model)
        self.steps[-1].gradient = _vector(self.model, gradient=True)  # before the step, a closure has not made it yet

    def epoch(self, train_epoch):
        value = call(train_epoch, self.model, self.loader, self.optimizer, self.schedule)
        with untimed():
            weights = _vector(self.model)
            self.losses.append(_right_form(value))
            self.weights.append(weights)
            self.finished = len(self.steps), len(self.forwards), self.scheduled()
            for name, now, before in zip(BATCH, self.loader.dataset.tensors, self.case.tensors):
                if not (now.shape == before.shape and (now == before).all()):
                    saw = f"{self.case.on}, the {name} of the dataset had different values after your function."
                    raise NotYet("input-changed", saw)
            self.model.eval()  # as after an evaluation

    def forget_what_was_not_finished(self):
        steps, forwards, _ = self.finished
        self.steps, self.forwards = self.steps[:steps], self.forwards[:forwards]

    def is_right(self):
        case = self.case
        pairs = [(w, right, right - case.start) for w, right in zip(self.weights, case.weights)]
        same = all(w.shape == right.shape and (w - right).norm() <= ALLOWED * way.norm() for w, right, way in pairs)
        return same and self.finished[2] == len(self.expected()) == len(self.steps)

    def expected(self):
        """The steps that were due in the epochs so far."""
        return self.case.steps[: len(self.losses) * len(self.case.sizes)]

    def scheduled(self):
        return self.schedule.last_epoch - self.schedule_start


def _right_form(value):
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        raise NotYet("not-a-float", f"train_epoch(…) returned {describe(value)}, a tensor.")
    if isinstance(value, int) and not isinstance(value, bool):
        raise NotYet("not-a-float", f"train_epoch(…) returned {describe(value)}, an int.")
    return float(require_type(value, (float, np.floating), "train_epoch(…)", "a float"))


# --- what is wrong with the weights --------------------------------------------------------------------------


@untimed()
def _right(runs):
    """Raise `NotYet` for wrong weights, then for a wrong loss."""
    runs = [run for run in runs if run.losses]
    if wrong := [run for run in runs if not run.is_right()]:
        for look in (_calls, _rows, _dropout_and_mask):
            look(wrong[0])
        _counts(wrong)
        for look in (_rates, _only_by_steps):
            look(wrong[0])
        _gradients(wrong)
        far = (wrong[0].weights[-1] - wrong[0].case.weights[len(wrong[0].weights) - 1]).norm()
        saw = f"gradients and learning rates were right at every step, but the weights are {far:.3f} away from those expected."
        raise NotYet("other-weights", f"{wrong[0].case.on}, {saw}")
    _loss(runs)


def _calls(run):
    if not run.forwards:
        raise NotYet("not-its-arguments", f"{run.case.on}, the model that was passed was never called.")


def _rows(run):
    """Which rows came to the model."""
    case, epochs = run.case, len(run.losses)
    came = _rows_known(run, run.forwards)
    missing = [n for n in case.order if came.count(n) < epochs]
    last, first = case.order[-case.sizes[-1] :], case.order[: case.size]
    if missing == last:
        saw = f"the last batch, with {len(last)} of {len(case.order)} rows, never came to the model."
        raise NotYet("dropped-last-batch", f"{case.on}, {saw}")
    if missing and {*came} == {*first}:
        raise NotYet("one-batch", f"{case.on}, only the {len(first)} rows of the first batch came to the model.")
    if missing:
        raise NotYet(
            "rows-left-out",
            f"{case.on}, {len(missing)} of {len(case.order)} rows did not reach the model as often as they should.",
        )
    if len(run.steps) == 2 * len(run.expected()) and all(came.count(n) == 2 * epochs for n in case.order):
        raise NotYet("two-passes", f"{case.on}, every row came to the model twice an epoch, with a step each time.")


def _rows_known(run, forwards):
    """The numbers of the rows that came to the model; None for a row that is not the dataloader's."""
    known = {tuple(row[:3]): n for n, row in enumerate(run.case.tensors[0].tolist())}
    came = [known.get(tuple(row[:3])) for forward in forwards for row in _rows_of(forward.ids)]
    if came and not any(n in known.values() for n in came):
        masks, rows = run.case.tensors[1].tolist(), [row for forward in forwards for row in _rows_of(forward.ids)]
        saw = "no row of the dataloader that was passed" if rows[0] not in masks else "attention masks as its input_ids"
        raise NotYet("other-rows", f"{run.case.on}, the model got {saw}.")
    return came


def _rows_of(ids):
    return ids.tolist() if getattr(ids, "ndim", 0) == 2 else []


def _dropout_and_mask(run):
    trained = [forward for forward in run.forwards if forward.gradient]
    if off := sum(not forward.dropout for forward in trained):
        saw = f"dropout was off in {off} of {len(trained)} calls of the model (the model arrived in evaluation mode)."
        raise NotYet("dropout-off", f"{run.case.on}, {saw}")
    ids, masks, _ = run.case.tensors
    right = {tuple(row[:3]): mask for row, mask in zip(ids.tolist(), masks.tolist())}
    for forward in trained:
        if forward.mask is None:
            raise NotYet("mask-ignored", f"{run.case.on}, the model was called without an attention mask.")
        for row, mask in zip(_rows_of(forward.ids), _rows_of(forward.mask)):
            due = right.get(tuple(row[:3]), mask)
            if any(due[len(mask) :]):
                saw = f"the model got only the first {len(mask)} of a row's {sum(due)} ids."
                raise NotYet("other-rows", f"{run.case.on}, {saw}")
            if [int(n) for n in mask] != due[: len(mask)]:
                raise NotYet("mask-ignored", f"{run.case.on}, a row's mask was {mask}, expected {due}.")


def _counts(wrong):
    """How often optimizer and schedule took a step."""
    run = wrong[0]
    due, epochs, steps, scheduled = len(run.expected()), len(run.losses), len(run.steps), run.finished[2]
    per_epoch = f"for {due} batches in {epochs} epoch{'s' * (epochs > 1)}"
    if not steps:
        raise NotYet("no-optimizer-step", f"{run.case.on}, the optimizer that was passed took no step {per_epoch}.")
    if steps != due:
        once = all(len(run.steps) == len(run.losses) for run in wrong)
        slug = "one-step-an-epoch" if once else "optimizer-steps"
        raise NotYet(slug, f"{run.case.on}, the optimizer took {steps} step{'s' * (steps > 1)} {per_epoch}.")
    if scheduled != due:
        once = all(run.finished[2] == len(run.losses) for run in wrong)
        slug = "no-schedule-step" if not scheduled else "schedule-once-an-epoch" if once else "schedule-steps"
        moved = f"{scheduled:.3g} step{'s' * (scheduled != 1)}"  # step(loss) goes to a fraction
        raise NotYet(slug, f"{run.case.on}, the schedule that was passed moved on by {moved} {per_epoch}.")


def _rates(run):
    """The learning rate of each step."""
    seen, due = [step.rates for step in run.steps], [step.rates for step in run.case.steps]
    if not _alike(seen, due):
        after = [*due[1:], run.case.next_rates]
        slug = "schedule-first" if _alike(seen, after) else "another-learning-rate"
        later = ": each is that of the next step" if slug == "schedule-first" else ""
        shown = [", ".join(f"{rates[0]:.4f}" for rates in some) for some in (seen, due)]
        saw = f"the steps had the learning rates {shown[0]}, expected {shown[1]}"
        raise NotYet(slug, f"{run.case.on}, {saw}{later}.")


def _alike(seen, due):
    return all(math.isclose(a, b, abs_tol=1e-9) for one, other in zip(seen, due) for a, b in zip(one, other))


def _only_by_steps(run):
    """Have the weights changed in any other way than by the optimizer's steps?"""
    pairs = [(step.before, step.weights) for step in run.steps]
    if len(run.steps) == len(run.case.steps):
        pairs.append((run.after, run.weights[-1]))
    for number, (before, now) in enumerate(pairs):
        if before.shape != now.shape or (before - now).norm() > 1e-6 * before.norm():
            when = "before the first step" if not number else f"after step {number}"
            saw = f"{when}, the weights changed in some other way than by a step of the optimizer."
            raise NotYet("changed-without-a-step", f"{run.case.on}, {saw}")


def _gradients(runs):
    """What the gradients were at each step, beside those of its batch for the weights at that moment."""
    seen = []
    for run in runs:
        model, before = copy.deepcopy(run.case.model).train(), None
        for step, batch in zip(run.steps, itertools.cycle(run.case.batches)):
            own, twice = _of_batch(model, step.weights, batch)
            seen.append(
                (SimpleNamespace(own=own, twice=twice, before=before, first=step.first, run=run), step.gradient)
            )
            before = step.gradient
    wrong = [n for n, (case, value) in enumerate(seen) if not _same(value, _clip(case.own))]
    if not wrong:
        return
    mistake, first = explain(seen, list(_gradient_mistakes(runs[0].model, seen)), _same), wrong[0]
    if mistake and mistake.slug == "not-cleared":  # the first step may be right, or only not clipped
        first = next(n for n in wrong if not _same(seen[n][1], seen[n][0].own))
    case, value = seen[first]
    number = next(n for n, step in enumerate(case.run.steps) if step.gradient is value) + 1
    norm, due = (f"{gradient.norm():.3g}" for gradient in (value, _clip(case.own)))
    saw = f"at step {number} the gradients had the norm {norm}, " + (
        f"expected {due}" if norm != due else "as expected, but other values"
    )
    slug, what = (
        (mistake.slug, mistake.saw)
        if mistake
        else ("other-gradients", "they should be those of the batch's mean loss, clipped all together")
    )
    raise NotYet(slug, f"{case.run.case.on}, {saw}: {what}.")


def _of_batch(model, weights, batch):
    """The gradients of a batch's mean loss, and those of a softmax's softmax."""
    import torch

    torch.nn.utils.vector_to_parameters(weights, model.parameters())
    found = []
    with torch.enable_grad():
        for softmax in (False, True):
            model.zero_grad()
            logits = model(input_ids=batch[0], attention_mask=batch[1]).logits
            torch.nn.functional.cross_entropy(logits.softmax(-1) if softmax else logits, batch[2]).backward()
            found.append(_vector(model, gradient=True))
    return found


def _same(a, b):
    return bool((a - b).norm() <= ALLOWED * max(b.norm(), 1e-3))


def _clip(gradient, most=1.0, kind=2):
    return gradient * min(1.0, most / max(float(gradient.norm(kind)), 1e-9))


def _gradient_mistakes(model, seen):
    """Each gives a function that tells whether the gradients of a step can come of it."""
    import torch

    sizes = [w.numel() for w in model.parameters()]
    most = max(float(value.norm()) for _, value in seen)
    largest = max(float(value.abs().max()) for _, value in seen)

    def one_of(*made):
        return lambda value: any(_same(value, one) for one in made)

    def not_cleared(case):
        fresh = [case.own, _clip(case.own)]
        if case.before is None:
            return one_of(*fresh)
        added = case.before + case.own
        return one_of(added, _clip(added), *(fresh if case.first else []))

    def one_by_one(case):
        return torch.cat([_clip(part) for part in case.own.split(sizes)])

    def direction(case):
        return lambda value: (
            value.norm() > 0 and _same(_clip(value, 1e-3), case.own * (min(1e-3, value.norm()) / case.own.norm()))
        )

    yield Mistake("no-gradients-at-the-step", lambda case: case.own * 0, "all of them were 0, or there were none")
    unclipped = "they were not clipped before the optimizer's step"
    yield Mistake("not-clipped", lambda case: one_of(case.own, _clip(case.own)), unclipped)
    yield Mistake("not-cleared", not_cleared, "those of the batches before were still in them")
    by_value = f"each number was cut to at most {largest:.3g}, whatever the others were"
    yield Mistake("clipped-by-value", lambda case: case.own.clamp(-largest, largest), by_value)
    yield Mistake("another-norm", lambda case: _clip(case.own, most), f"they were clipped to the norm {most:.3g}")
    for kind, name in (math.inf, "their largest number"), (1, "the sum of their absolute values"):
        saw = f"the norm that was clipped is {name}"
        yield Mistake("another-norm", lambda case, kind=kind: _clip(case.own, kind=kind), saw)
    stretched = "they had this norm at every step, also where they were shorter"
    shortest = min(case.own.norm() for case, _ in seen)
    # else the sum of a batch's losses, clipped, would have this norm as well
    if shortest * max(case.run.case.size for case, _ in seen) < most:
        yield Mistake("always-the-same-norm", lambda case: case.own * (most / case.own.norm()), stretched)
    saw = "those of each weight matrix were clipped on their own"
    yield Mistake("clipped-one-by-one", one_by_one, saw)
    twice = "they are those of a softmax's softmax"
    yield Mistake("softmax-twice", lambda case: one_of(case.twice, _clip(case.twice)), twice)
    yield Mistake("scaled-gradients", direction, "they have the right direction and the wrong length")


# --- what is wrong with the loss -----------------------------------------------------------------------------


def _close(a, b):
    """Three decimals are enough to compare two epochs."""
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=6e-4)


def _loss_mistakes(losses, sizes):
    """Slug, what it is, and the value that comes of it, for the mean losses of the batches in an epoch."""
    n, rows, full = len(losses), sum(sizes), max(sizes)
    total = sum(loss * size for loss, size in zip(losses, sizes))
    yield from (
        (
            "mean-of-batches",
            "the mean of the batches' losses, in which a small batch counts like a full one",
            sum(losses) / n,
        ),
        ("last-loss", "the loss of the last batch", losses[-1]),
        ("last-loss", "the loss of the first batch", losses[0]),
        ("sum-not-mean", "the sum of the batches' losses", sum(losses)),
        ("sum-not-mean", "the sum of all rows' losses", total),
        ("wrong-divisor", "the sum of all rows' losses, divided by the number of batches", total / n),
        ("wrong-divisor", "the sum of the batches' losses, divided by the number of rows", sum(losses) / rows),
        ("wrong-divisor", "what it would be if the last batch were full", total / (n * full)),
        (
            "wrong-divisor",
            "a sum in which the last batch counts like a full one, divided by the number of rows",
            sum(losses) * full / rows,
        ),
        ("last-loss", "the last batch's part of the mean", losses[-1] * sizes[-1] / rows),
    )


def _loss(runs):
    """Raise `NotYet` for a wrong loss where the weights are right."""
    calls = [(run, k, value) for run in runs for k, value in enumerate(run.losses)]
    wrong = [(run, k, value) for run, k, value in calls if not _close(value, run.case.values[k])]
    if not wrong:
        return
    run, k, value = wrong[0]
    saw = f"{run.case.on}, the loss was {value:.4f}, expected {run.case.values[k]:.4f}"
    every = [list(_loss_mistakes(run.case.losses[k], run.case.sizes)) for run, k, _ in calls]
    for same in zip(*every):
        if all(_close(made, value) for (_, _, made), (_, _, value) in zip(same, calls)):
            raise NotYet(same[0][0], f"{saw}: {same[0][1]}.")
    raise NotYet("another-loss", f"{saw}; the weights are right.")
