"""More answers to homework 09, most of them by somebody who had read the exercise only."""

import functools
import math
from collections import Counter
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)
from torch import nn
from torch.nn import functional as F
from torch.nn.functional import cross_entropy


def hint_by_hint(model, dataloader):
    """As hint 3 says."""
    device = next(model.parameters()).device
    mode = model.training
    model.eval()
    all_logits, all_labels = [], []
    with torch.no_grad():
        for input_ids, attention_mask, labels in dataloader:
            logits = model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).logits
            all_logits.append(logits.cpu())
            all_labels.append(labels.cpu())
    model.train(mode)
    logits, labels = torch.cat(all_logits), torch.cat(all_labels)
    predictions = logits.argmax(dim=-1)
    return {
        "loss": cross_entropy(logits, labels).item(),
        "accuracy": float(accuracy_score(labels, predictions)),
        "macro_f1": float(f1_score(labels, predictions, average="macro")),
    }


@contextmanager
def evaluating(model):
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in modes:
            module.training = mode


@torch.no_grad()
def every_module(model, dataloader):
    with evaluating(model):
        triples = [
            (
                model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits,
                labels.to(model.device),
            )
            for ids, mask, labels in dataloader
        ]
    logits, labels = map(torch.cat, zip(*triples))
    guess = logits.argmax(-1)
    f1s = []
    for c in torch.cat([labels, guess]).unique():
        tp = ((guess == c) & (labels == c)).sum()
        f1s.append(2 * tp / ((guess == c).sum() + (labels == c).sum()))
    return {
        "loss": float(F.cross_entropy(logits, labels)),
        "accuracy": (guess == labels).double().mean().item(),
        "macro_f1": torch.stack(f1s).mean().item(),
    }


def collect(model, dataloader):
    """Logits and labels as numpy arrays, the model as it was."""
    device = next(model.parameters()).device
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            rows = [(model(input_ids=i.to(device), attention_mask=m.to(device)).logits, y) for i, m, y in dataloader]
    finally:
        for module, mode in modes.items():
            module.training = mode
    return np.vstack([x.float().cpu().numpy() for x, _ in rows]), np.hstack([y.cpu().numpy() for _, y in rows])


def numpy_all(model, dataloader):
    logits, y = collect(model, dataloader)
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    guess = logits.argmax(axis=1)
    classes = np.union1d(y, guess)
    hit = (guess == y)[:, None] & (y[:, None] == classes)
    f1 = 2 * hit.sum(0) / ((y[:, None] == classes).sum(0) + (guess[:, None] == classes).sum(0))
    loss = -log_p[np.arange(len(y)), y].mean()
    return {"loss": float(loss), "accuracy": float((guess == y).mean()), "macro_f1": float(f1.mean())}


@torch.no_grad()
def running_sums(model, dataloader):
    """No logits kept: a sum of losses and a confusion matrix that grows."""
    was = [m for m in model.modules() if m.training]
    model.eval()
    total, table = 0.0, None
    for ids, mask, labels in dataloader:
        ids, mask, labels = (part.to(model.device) for part in (ids, mask, labels))
        logits = model(input_ids=ids, attention_mask=mask).logits
        total += cross_entropy(logits, labels, reduction="sum").item()
        k = logits.shape[-1]
        here = torch.bincount(labels * k + logits.argmax(-1), minlength=k * k).reshape(k, k)
        table = here if table is None else table + here
    for module in was:
        module.training = True
    n, right = table.sum(), table.diagonal()
    both = table.sum(0) + table.sum(1)
    f1 = (2 * right.double() / both.double())[both > 0].mean()
    return {"loss": total / n.item(), "accuracy": (right.sum() / n).item(), "macro_f1": f1.item()}


class MacroF1:
    """Like torchmetrics: update, then compute."""

    def __init__(self):
        self.tp, self.fp, self.fn = Counter(), Counter(), Counter()

    def update(self, predictions, labels):
        for p, y in zip(predictions.tolist(), labels.tolist()):
            if p == y:
                self.tp[y] += 1
            else:
                self.fp[p] += 1
                self.fn[y] += 1

    def compute(self):
        seen = set(self.tp) | set(self.fp) | set(self.fn)
        return sum(self.tp[c] / (self.tp[c] + (self.fp[c] + self.fn[c]) / 2) for c in seen) / len(seen)


class Evaluator:
    def __init__(self, criterion):
        self.criterion = criterion

    def __call__(self, model, dataloader):
        device, was_training, metric = next(model.parameters()).device, model.training, MacroF1()
        loss, right, n = 0.0, 0, 0
        model.eval()
        with torch.no_grad():
            for ids, mask, labels in dataloader:
                labels = labels.to(device)
                logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
                loss += self.criterion(logits, labels).item() * labels.size(0)
                predictions = logits.argmax(dim=1)
                right += (predictions == labels).sum().item()
                n += labels.size(0)
                metric.update(predictions, labels)
        if was_training:
            model.train()
        return {"loss": loss / n, "accuracy": right / n, "macro_f1": metric.compute()}


def in_eval_mode(function):
    @functools.wraps(function)
    def wrapper(model, *args, **kwargs):
        modes = [module.training for module in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                return function(model, *args, **kwargs)
        finally:
            for module, mode in zip(model.modules(), modes):
                module.training = mode

    return wrapper


@in_eval_mode
def plain_loops(model, dataloader):
    losses, pairs = [], []
    for ids, mask, labels in dataloader:
        rows = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits.tolist()
        for row, label in zip(rows, labels.tolist()):
            top = max(row)
            losses.append(top + math.log(sum(math.exp(x - top) for x in row)) - row[label])
            pairs.append((label, row.index(top)))
    scores = []
    for c in {c for pair in pairs for c in pair}:
        tp = sum(pair == (c, c) for pair in pairs)
        called, true = sum(p == c for _, p in pairs), sum(y == c for y, _ in pairs)
        precision, recall = tp / called if called else 0, tp / true if true else 0
        scores.append(2 * precision * recall / (precision + recall) if tp else 0.0)
    return {
        "loss": sum(losses) / len(losses),
        "accuracy": sum(y == p for y, p in pairs) / len(pairs),
        "macro_f1": sum(scores) / len(scores),
    }


@in_eval_mode
def report(model, dataloader):
    """sklearn's report as a dict; losses row by row."""
    truth, guess, losses = [], [], []
    for ids, mask, labels in dataloader:
        out = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
        losses.extend(cross_entropy(out.logits, labels.to(model.device), reduction="none").tolist())
        truth += labels.tolist()
        guess += out.logits.argmax(-1).tolist()
    macro = classification_report(truth, guess, output_dict=True, zero_division=0)["macro avg"]["f1-score"]
    return {"loss": float(np.mean(losses)), "accuracy": float(np.equal(truth, guess).mean()), "macro_f1": float(macro)}


def nll_and_prf(model, dataloader):
    logits, y = map(torch.tensor, collect(model, dataloader))
    log_p = logits.double().log_softmax(dim=-1)
    guess = log_p.max(dim=-1).indices
    _, _, f1, _ = precision_recall_fscore_support(y, guess, average="macro", zero_division=0)
    return dict(loss=F.nll_loss(log_p, y).item(), accuracy=(y == guess).sum().item() / len(y), macro_f1=float(f1))


def general(model, dataloader, metrics):
    logits, y = collect(model, dataloader)
    return {name: float(metric(torch.from_numpy(logits), torch.from_numpy(y))) for name, metric in metrics.items()}


def from_confusion(logits, labels):
    table = confusion_matrix(labels, logits.argmax(-1))
    return (2 * table.diagonal() / (table.sum(0) + table.sum(1))).mean()


def grad_switch(model, dataloader):
    """ChatGPT style, with the global switch put back."""
    device = next(model.parameters()).device
    training, grad = model.training, torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    model.eval()
    predictions, references, total_loss, total = [], [], 0.0, 0
    try:
        for batch in dataloader:
            input_ids, attention_mask, labels = [tensor.to(device) for tensor in batch]
            logits = model(input_ids=input_ids, attention_mask=attention_mask).logits
            total_loss += cross_entropy(logits, labels).item() * len(labels)
            total += len(labels)
            predictions.extend(logits.softmax(dim=-1).argmax(dim=-1).cpu().numpy())
            references.extend(labels.cpu().numpy())
    finally:
        torch.set_grad_enabled(grad)
        model.train(training)
    return {
        "loss": total_loss / total,
        "accuracy": float(accuracy_score(references, predictions)),
        "macro_f1": float(f1_score(references, predictions, average="macro", zero_division=0)),
    }


def dice(model, dataloader):
    x, y = map(torch.from_numpy, collect(model, dataloader))
    truth, guess = F.one_hot(y, x.shape[1]), F.one_hot(x.argmax(1), x.shape[1])
    overlap, size = (truth * guess).sum(0), (truth + guess).sum(0)
    f1 = 2 * overlap[size > 0] / size[size > 0]
    loss = -(truth * x.log_softmax(1)).sum(1).mean()
    return {"loss": loss.item(), "accuracy": (overlap.sum() / len(y)).item(), "macro_f1": f1.mean().item()}


def logits_and_labels(model, dataloader, use_mask=True):
    device, modes = next(model.parameters()).device, [module.training for module in model.modules()]
    model.eval()
    with torch.no_grad():
        rows = [
            (model(input_ids=i.to(device), attention_mask=m.to(device) if use_mask else None).logits.cpu(), y.cpu())
            for i, m, y in dataloader
        ]
    for module, mode in zip(model.modules(), modes):
        module.training = mode
    return rows


def macro(y, guess):
    return float(f1_score(y, guess, average="macro", zero_division=0))


def scores(x, y, loss=cross_entropy, guess=None, f1=macro, accuracy=accuracy_score):
    guess = x.argmax(dim=-1) if guess is None else guess(x)
    return {"loss": float(loss(x, y)), "accuracy": float(accuracy(y, guess)), "macro_f1": float(f1(y, guess))}


def bent(**kwargs):
    """All right but for one of the scores."""

    def evaluate(model, dataloader):
        x, y = map(torch.cat, zip(*logits_and_labels(model, dataloader)))
        return scores(x, y, **kwargs)

    return evaluate


def batchwise(*names):
    """The named scores are means over batches."""

    def evaluate(model, dataloader):
        rows = logits_and_labels(model, dataloader)
        whole = scores(*map(torch.cat, zip(*rows)))
        each = [scores(x, y) for x, y in rows]
        return whole | {name: float(np.mean([one[name] for one in each])) for name in names}

    return evaluate


def nominal(model, dataloader):
    rows = logits_and_labels(model, dataloader)
    n = sum(len(y) for _, y in rows)
    loss = sum(cross_entropy(x, y).item() * dataloader.batch_size for x, y in rows) / n
    return scores(*map(torch.cat, zip(*rows))) | {"loss": loss}


def simple(eval_mode=True, back="mode", mask="own", device="model", grad=False):
    """One loop with parts left out or bent."""

    def evaluate(model, dataloader):
        where = next(model.parameters()).device if device == "model" else device
        mode = model.training
        if eval_mode:
            model.eval()
        if back == "late":
            mode = model.training
        rows, first = [], None
        with torch.set_grad_enabled(grad):
            for ids, own, y in dataloader:
                if where:
                    ids, own, y = ids.to(where), own.to(where), y.to(where)
                first = own if first is None else first
                given = {"own": own, "ones": torch.ones_like(ids), "first": first[: len(ids)], "inverted": 1 - own}
                given["ids"] = (ids > 0).long()
                given["float"] = own * 0
                args = {} if mask == "none" else {"attention_mask": given[mask]}
                rows.append((model(input_ids=ids, **args).logits.detach().cpu(), y.cpu()))
        if back == "train":
            model.train()
        elif back in ("mode", "late"):
            model.train(mode)
        return scores(*map(torch.cat, zip(*rows)))

    return evaluate


def eval_after_first(model, dataloader):
    """model.eval() inside the loop, behind the call."""
    mode, rows = model.training, []
    device = next(model.parameters()).device
    with torch.no_grad():
        for ids, mask, y in dataloader:
            rows.append((model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits.cpu(), y))
            model.eval()
    model.train(mode)
    return scores(*map(torch.cat, zip(*rows)))


def zeroed(model, dataloader):
    model.zero_grad()
    return simple()(model, dataloader)


def padded(model, dataloader):
    """Room for whole batches; what the last one leaves empty counts as right answers of class 0."""
    rows = logits_and_labels(model, dataloader)
    size = len(rows) * max(len(y) for _, y in rows)
    truth, guess = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    x, y = map(torch.cat, zip(*rows))
    truth[: len(y)], guess[: len(y)] = y, x.argmax(-1)
    return {
        "loss": cross_entropy(x, y).item(),
        "accuracy": float((truth == guess).float().mean()),
        "macro_f1": macro(truth, guess),
    }


def f1_each(y, guess, classes, empty):
    out = []
    for c in classes:
        tp, called, true = ((y == c) & (guess == c)).sum().item(), (guess == c).sum().item(), (y == c).sum().item()
        if not called or not true:
            out.append(empty)
        else:
            p, r = tp / called, tp / true
            out.append(2 * p * r / (p + r) if tp else 0.0)
    return float(np.nanmean(out)) if not np.isnan(out).all() else 0.0


def f1_some_labels(labels_of, average="macro"):
    return lambda y, g: f1_score(y, g, average=average, labels=labels_of(y, g), zero_division=0)


def up_to_largest_label(y, guess):
    k = int(y.max()) + 1
    table = torch.zeros(k, k)
    for a, b in zip(y.tolist(), guess.tolist()):
        if b < k:
            table[a, b] += 1
    both = table.sum(0) + table.sum(1)
    return (2 * table.diagonal() / both)[both > 0].mean()


def accuracy_of_slice(n):
    return lambda y, guess: accuracy_score(y[:n], guess[:n])


def balanced(x, y):
    count = torch.bincount(y, minlength=x.shape[-1])
    return cross_entropy(x, y, weight=len(y) / count.clamp(min=1).float())


def clipped(x, y):
    return log_loss(y, x.double().softmax(-1).numpy().clip(1e-7, 1), labels=range(x.shape[-1]))


def two_mistakes(model, dataloader):
    return batchwise("loss")(model, dataloader) | {"macro_f1": simple(mask="none")(model, dataloader)["macro_f1"]}


def models_own_loss(model, dataloader):
    device, mode, total, n = next(model.parameters()).device, model.training, 0.0, 0
    model.eval()
    rows = []
    with torch.no_grad():
        for ids, mask, y in dataloader:
            out = model(input_ids=ids.to(device), attention_mask=mask.to(device), labels=y.to(device))
            total, n = total + out.loss.item() * len(y), n + len(y)
            rows.append((out.logits.cpu(), y))
    model.train(mode)
    return scores(*map(torch.cat, zip(*rows))) | {"loss": total / n}


def dataset_length(model, dataloader):
    rows = logits_and_labels(model, dataloader)
    n = len(dataloader.dataset)
    loss = sum(cross_entropy(x, y, reduction="sum").item() for x, y in rows) / n
    right = sum((x.argmax(-1) == y).sum().item() for x, y in rows)
    return scores(*map(torch.cat, zip(*rows))) | {"loss": loss, "accuracy": right / n}


def epsilon(y, guess):
    f1s = []
    for c in torch.cat([y, guess]).unique():
        tp = ((y == c) & (guess == c)).sum().item()
        p, r = tp / ((guess == c).sum().item() + 1e-8), tp / ((y == c).sum().item() + 1e-8)
        f1s.append(2 * p * r / (p + r + 1e-8))
    return np.mean(f1s)


def with_inputs(change):
    """Otherwise right; the model gets change(ids, mask)."""

    @torch.no_grad()
    def evaluate(model, dataloader):
        with evaluating(model):
            rows = [(*change(ids, mask), y) for ids, mask, y in dataloader]
            rows = [(model(input_ids=ids, attention_mask=mask).logits, y) for ids, mask, y in rows]
        return scores(*map(torch.cat, zip(*rows)))

    return evaluate


def half_and_back(model, dataloader):
    found = with_inputs(lambda ids, mask: (ids, mask))(model, dataloader)
    model.half().float()
    return found


def smoothed_without_padding(model, dataloader):
    found = []
    model_scores = with_inputs(lambda ids, mask: (ids * mask, mask))(model, dataloader)
    with torch.no_grad(), evaluating(model):
        for ids, mask, y in dataloader:
            logits = model(input_ids=ids * mask, attention_mask=mask).logits
            found += cross_entropy(logits, y, label_smoothing=0.1, reduction="none").tolist()
    return model_scores | {"loss": sum(found) / len(found)}


RIGHT = {
    "hint by hint": hint_by_hint,
    "no_grad decorator, context manager": every_module,
    "numpy, inference_mode": numpy_all,
    "running sums and confusion matrix": running_sums,
    "class with __call__, own MacroF1": Evaluator(nn.CrossEntropyLoss()),
    "plain python loops, own decorator": plain_loops,
    "classification_report": report,
    "nll_loss, precision_recall_fscore_support": nll_and_prf,
    "partial with a dict of metrics": functools.partial(
        general,
        metrics={
            "loss": cross_entropy,
            "accuracy": lambda x, y: (x.argmax(-1) == y).double().mean(),
            "macro_f1": from_confusion,
        },
    ),
    "global grad switch put back": grad_switch,
    "one-hot, Dice": dice,
    # where the exercise leaves the choice
    "the whole model's mode": simple(),
    "the model's own loss": models_own_loss,
    "len(dataloader.dataset)": dataset_length,
    "epsilon 1e-8": bent(f1=epsilon),
    "zeros as padding": with_inputs(lambda ids, mask: (ids * mask, mask)),
}


WRONG = {
    "logits[:, :4]": ("another-f1", bent(guess=lambda x: x[:, :4].argmax(-1))),
    "sigmoid and round": ("another-accuracy", bent(guess=lambda x: x.sigmoid().round().argmax(-1))),
    "argmin": ("another-accuracy", bent(guess=lambda x: x.argmin(-1))),
    "argmax(dim=0)": ("raises", bent(guess=lambda x: x.argmax(dim=0))),
    "never class 0": ("another-accuracy", bent(guess=lambda x: x[:, 1:].argmax(-1) + 1)),
    "absolute": ("another-accuracy", bent(guess=lambda x: x.abs().argmax(-1))),
    "accuracy of 22 rows": ("another-accuracy", bent(accuracy=accuracy_of_slice(22))),
    "nominal batch size": ("wrong-divisor", nominal),
    "eval behind the call": ("dropout-on", eval_after_first),
    "mode noted late": ("left-in-eval", simple(back="late")),
    "first mask": ("another-loss", simple(mask="first")),
    "mask from ids": ("mask-ignored", simple(mask="ids")),
    "zero_grad": ("model-changed", zeroed),
    "room for full batches": ("another-accuracy", padded),
    "base 2": ("another-loss", bent(loss=lambda x, y: cross_entropy(x, y) / np.log(2))),
    "median": ("another-loss", bent(loss=lambda x, y: cross_entropy(x, y, reduction="none").median())),
    "smoothed": ("another-loss", bent(loss=functools.partial(cross_entropy, label_smoothing=0.1))),
    "weighted loss": ("another-loss", bent(loss=balanced)),
    "clipped": ("another-loss", bent(loss=clipped)),
    "largest logit": ("another-loss", bent(loss=lambda x, y: cross_entropy(x, x.argmax(-1)))),
    "f1 to the largest": ("fixed-classes", bent(f1=f1_some_labels(lambda y, g: range(int(max(y.max(), g.max())) + 1)))),
    "f1 to the largest label": ("another-f1", bent(f1=up_to_largest_label)),
    "f1 without nan": ("another-f1", bent(f1=lambda y, g: f1_each(y, g, torch.cat([y, g]).unique().tolist(), np.nan))),
    "f1 empty is 1": ("another-f1", bent(f1=lambda y, g: f1_each(y, g, torch.cat([y, g]).unique().tolist(), 1.0))),
    "two at once": ("another-f1", two_mistakes),
    "ids and mask swapped": ("another-loss", with_inputs(lambda ids, mask: (mask, ids))),
    "without the first token": ("another-loss", with_inputs(lambda ids, mask: (ids[:, 1:], mask[:, 1:]))),
    "smoothed, zeros as padding": ("another-loss", smoothed_without_padding),
    "to half precision and back": ("model-changed", half_and_back),
}
