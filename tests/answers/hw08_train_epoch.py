"""Answers to homework 08: right ones in different styles, wrong ones with one mistake each and its slug."""

import copy
import functools
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import BertConfig, BertForSequenceClassification

from transfer_learning import check


def judge(train_epoch):
    return check.train_epoch(train_epoch)


# --- right


def plain(model, dataloader, optimizer, schedule):
    model.train()
    total, rows = 0.0, 0
    for input_ids, attention_mask, labels in dataloader:
        loss = model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        total += loss.item() * len(labels)
        rows += len(labels)
    return total / rows


def cleared_first(model, dataloader, optimizer, schedule):
    """The loss from the logits, the model called by position; the device is the model's."""
    device = next(model.parameters()).device
    model.train()
    losses = []
    for batch in tqdm(dataloader, leave=False):
        ids, mask, labels = (part.to(device) for part in batch)
        optimizer.zero_grad(set_to_none=False)
        each = F.cross_entropy(model(ids, attention_mask=mask).logits, labels, reduction="none")
        each.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1)
        optimizer.step()
        schedule.step()
        losses += each.tolist()
    return sum(losses) / len(losses)


def clipped_by_hand(model, dataloader, optimizer, schedule):
    model.train(True)
    losses, sizes = [], []
    for _, batch in enumerate(dataloader):
        model.zero_grad()
        output = model(**dict(zip(["input_ids", "attention_mask", "labels"], batch)))
        output[0].backward()
        gradients = [w.grad for w in model.parameters() if w.grad is not None]
        norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
        if norm > 1:
            for gradient in gradients:
                gradient /= norm
        optimizer.step()
        schedule.step()
        losses.append(output["loss"].detach())
        sizes.append(batch[0].shape[0])
    return np.average(torch.stack(losses).numpy(), weights=sizes)


def with_iterator(model, dataloader, optimizer, schedule):
    model.train()
    batches, total = iter(dataloader), torch.zeros(())
    for _ in range(len(dataloader)):
        ids, mask, labels = next(batches)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels)["loss"]
        for group in optimizer.param_groups:
            for weights in group["params"]:
                weights.grad = None
        loss.backward()
        clip_grad_norm_([w for group in optimizer.param_groups for w in group["params"]], 1.0)
        optimizer.step()
        schedule.step()
        total += loss.detach() * labels.numel()
    return (total / len(dataloader.dataset)).item()


def with_autograd_grad(model, dataloader, optimizer, schedule):
    """torch.autograd.grad returns the gradients, and they are put in place."""
    model.train()
    weights, losses = list(model.parameters()), []
    for ids, mask, labels in dataloader:
        loss = F.nll_loss(model(ids, mask).logits.log_softmax(-1), labels)
        for w, gradient in zip(weights, torch.autograd.grad(loss, weights)):
            w.grad = gradient
        clip_grad_norm_(weights, 1.0, foreach=False)
        optimizer.step()
        schedule.step()
        losses.append((loss.item(), labels.size(0)))
    return sum(loss * n for loss, n in losses) / sum(n for _, n in losses)


def with_closure(model, dataloader, optimizer, schedule):
    model.train()
    weighted, rows = 0.0, 0
    for ids, mask, labels in dataloader:

        def closure(ids=ids, mask=mask, labels=labels):
            optimizer.zero_grad()
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            return loss

        weighted += float(optimizer.step(closure)) * len(ids)
        schedule.step()
        rows += len(ids)
    return weighted / rows


def row_by_row(model, dataloader, optimizer, schedule):
    """The gradients of a batch are added up row by row."""
    model.train()
    losses = []
    for batch in dataloader:
        optimizer.zero_grad()
        for ids, mask, label in zip(*batch):
            loss = model(input_ids=ids[None], attention_mask=mask[None], labels=label[None]).loss
            (loss / len(batch[0])).backward()
            losses.append(loss.item())
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return float(np.mean(losses))


def trimmed(model, dataloader, optimizer, schedule):
    """Each batch is cut to its longest row."""
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        width = mask.sum(1).max()
        loss = model(input_ids=ids[:, :width], attention_mask=mask[:, :width], labels=labels).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def with_accelerate(model, dataloader, optimizer, schedule):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model.train()
    total = 0.0
    for input_ids, attention_mask, labels in dataloader:
        loss = model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        total += loss.item() * len(labels)
    return total / sum(len(labels) for *_, labels in dataloader)


def mixed_precision_off(model, dataloader, optimizer, schedule):
    model.train()
    seen = 0
    mean = 0.0
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for input_ids, attention_mask, labels in dataloader:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=False):
            loss = model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        seen += len(labels)
        mean += (loss.item() - mean) * len(labels) / seen  # a running mean
    return mean


def step(model, batch, optimizer, schedule):
    optimizer.zero_grad()
    loss = model(input_ids=batch[0], attention_mask=batch[1], labels=batch[2]).loss
    loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    return [loss.item()] * len(batch[2])


def in_functions(model, dataloader, optimizer, schedule):
    model.train()
    return float(np.mean([loss for batch in dataloader for loss in step(model, batch, optimizer, schedule)]))


def recursive(model, dataloader, optimizer, schedule):
    model.train()

    def rest(batches):
        batch = next(batches, None)
        return [] if batch is None else step(model, batch, optimizer, schedule) + rest(batches)

    losses = rest(iter(dataloader))
    return sum(losses) / len(losses)


def watches_accuracy(model, dataloader, optimizer, schedule):
    """Scores each batch in evaluation mode first, without gradients; then trains on it."""
    losses, right = [], 0
    for batch in dataloader:
        model.eval()
        with torch.no_grad():
            right += (model(batch[0], batch[1]).logits.argmax(-1) == batch[2]).sum().item()
        model.train()
        losses += step(model, batch, optimizer, schedule)
    print(f"accuracy before each step {right / len(losses):.2f}")
    return float(np.float64(np.mean(losses)))


class Trainer:
    norm = 1.0

    def __call__(self, model, dataloader, optimizer, schedule):
        return general(model, dataloader, optimizer, schedule, norm=self.norm)


def general(
    model,
    dataloader,
    optimizer,
    schedule,
    norm=1.0,
    mode=True,
    clear="before",
    clip=None,
    scheduled="after",
    masked=True,
    batches=None,
    scale=None,
    loss_of=None,
    value=None,
    steps=1,
):
    """One epoch in which each part can go wrong."""
    if mode is not None:
        model.train(mode)
    losses, sizes = [], []
    clip = clip or (lambda model: clip_grad_norm_(model.parameters(), norm))
    if clear == "once":
        optimizer.zero_grad()
    for ids, mask, labels in batches(dataloader) if batches else dataloader:
        if clear == "before":
            optimizer.zero_grad()
        if loss_of:
            loss = loss_of(model, ids, mask, labels)
        else:
            loss = model(input_ids=ids, attention_mask=mask if masked else None, labels=labels).loss
        if scheduled == "before":
            schedule.step()
        (loss * scale(dataloader, labels) if scale else loss).backward()
        if clear == "after backward":
            optimizer.zero_grad()
        clip(model)
        for _ in range(steps):
            optimizer.step()
        if scheduled == "after":
            schedule.step()
        elif scheduled == "twice":
            schedule.step(), schedule.step()
        losses.append(loss.item())
        sizes.append(len(labels))
    if scheduled in ("once", "once more"):
        schedule.step()
    if value:
        return value(losses, sizes)
    return sum(loss * n for loss, n in zip(losses, sizes)) / sum(sizes)


RIGHT = {
    "as in the lesson": plain,
    "cleared first, own loss, the model's device": cleared_first,
    "clipped by hand": clipped_by_hand,
    "an iterator, gradients set to None": with_iterator,
    "autograd.grad": with_autograd_grad,
    "a closure": with_closure,
    "row by row": row_by_row,
    "trimmed to the longest row": trimmed,
    "accelerate": with_accelerate,
    "a scaler and autocast, both off": mixed_precision_off,
    "in functions": in_functions,
    "recursion": recursive,
    "scores each batch first": watches_accuracy,
    "an object that can be called": Trainer(),
    "a partial": functools.partial(general, norm=1.0),
    "parameters by other names": lambda net, batches, opt, lr: general(net, batches, opt, lr),
    "rounded to four digits": lambda *arguments: round(plain(*arguments), 4),
    "numpy's float32": lambda *arguments: np.float32(plain(*arguments)),
}


# --- wrong


def wrong(**how):
    return functools.partial(general, **how)


def after(change):
    return lambda *arguments: change(plain(*arguments))


def returning(value):
    """The right weights, and this value of the batches' losses and sizes."""
    return wrong(value=value)


def own_model():
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    return BertForSequenceClassification(BertConfig(vocab_size=100, num_labels=4, **sizes))


MODEL = own_model()
OPTIMIZER = torch.optim.SGD(MODEL.parameters(), lr=0.1)
SCHEDULE = torch.optim.lr_scheduler.ConstantLR(OPTIMIZER)
OTHER_ROWS = [(torch.randint(1, 49, (4, 8)), torch.ones(4, 8, dtype=torch.long), torch.randint(4, (4,)))] * 3


LARGE_IDS = [(ids + 2000, mask, labels) for ids, mask, labels in OTHER_ROWS]


def never_clipped(model):
    pass


def clip_each(model):
    for weights in model.parameters():
        clip_grad_norm_(weights, 1.0)


def clip_head(model):
    clip_grad_norm_(model.classifier.parameters(), 1.0)


def clip_groups(model):
    clip_grad_norm_(model.bert.parameters(), 1.0)
    clip_grad_norm_(model.classifier.parameters(), 1.0)


def clip_weights(model):
    with torch.no_grad():
        for weights in model.parameters():
            weights.clamp_(-0.5, 0.5)
    clip_grad_norm_(model.parameters(), 1.0)


def normalised(model):
    norm = clip_grad_norm_(model.parameters(), float("inf"))
    for weights in model.parameters():
        weights.grad /= norm


def clip_first(model, dataloader, optimizer, schedule):
    """Clips what is there before backward()."""
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        optimizer.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        clip_grad_norm_(model.parameters(), 1.0)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def clip_last(model, dataloader, optimizer, schedule):
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        optimizer.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        clip_grad_norm_(model.parameters(), 1.0)
        schedule.step()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def step_behind_the_loop(model, dataloader, optimizer, schedule):
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        losses += [loss.item()] * len(labels)
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    return sum(losses) / len(losses)


def every_second_batch(model, dataloader, optimizer, schedule):
    """Gradients of two batches a step."""
    model.train()
    losses = []
    for n, (ids, mask, labels) in enumerate(dataloader):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        if n % 2:
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def one_step_in_three(model, dataloader, optimizer, schedule):
    """Trains on the first of three batches: by chance once an epoch where there are three."""
    model.train()
    losses = []
    for n, (ids, mask, labels) in enumerate(dataloader):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        losses += [loss.item()] * len(labels)
        if n % 3 == 0:
            step(model, (ids, mask, labels), optimizer, schedule)
    return sum(losses) / len(losses)


def steps_to_the_loss(model, dataloader, optimizer, schedule):
    """schedule.step(loss), as for ReduceLROnPlateau."""
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        optimizer.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step(loss.detach())
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def no_step(model, dataloader, optimizer, schedule):
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        optimizer.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        schedule.step()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def by_hand(model, dataloader, optimizer, schedule):
    """w -= lr * gradient, in place of the optimizer's step."""
    model.train()
    losses = []
    for ids, mask, labels in dataloader:
        model.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        with torch.no_grad():
            for weights in model.parameters():
                weights -= optimizer.param_groups[0]["lr"] * weights.grad
        schedule.step()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def returns_in_the_loop(model, dataloader, optimizer, schedule):
    model.train()
    for batch in dataloader:
        return step(model, batch, optimizer, schedule)[0]


def two_passes(model, dataloader, optimizer, schedule):
    plain(model, dataloader, optimizer, schedule)
    return plain(model, dataloader, optimizer, schedule)


def measures_afterwards(model, dataloader, optimizer, schedule):
    """The loss after the epoch, as validation would measure it."""
    plain(model, dataloader, optimizer, schedule)
    model.eval()
    with torch.no_grad():
        losses = [model(ids, mask, labels=labels).loss.item() * len(labels) for ids, mask, labels in dataloader]
    return sum(losses) / len(dataloader.dataset)


def without_gradients(model, dataloader, optimizer, schedule):
    with torch.no_grad():
        return plain(model, dataloader, optimizer, schedule)


def without_labels(model, dataloader, optimizer, schedule):
    model.train()
    for ids, mask, _ in dataloader:
        model(input_ids=ids, attention_mask=mask).loss.backward()


def on_a_copy(model, dataloader, optimizer, schedule):
    """The optimizer knows nothing of the copy."""
    return plain(copy.deepcopy(model), dataloader, optimizer, schedule)


def own_optimizer(model, dataloader, optimizer, schedule):
    return plain(model, dataloader, torch.optim.AdamW(model.parameters(), lr=1e-3), schedule)


def eval_after_first(model, dataloader, optimizer, schedule):
    """Back to evaluation mode within the loop."""
    model.train()
    losses = []
    for batch in dataloader:
        losses += step(model, batch, optimizer, schedule)
        model.eval()
    return sum(losses) / len(losses)


def in_another_order(dataloader):
    return DataLoader(dataloader.dataset, batch_size=dataloader.batch_size)


def changes_labels(model, dataloader, optimizer, schedule):
    value = plain(model, dataloader, optimizer, schedule)
    dataloader.dataset.tensors[2].clamp_(max=0)
    return value


def twice_softmax(model, ids, mask, labels):
    return F.cross_entropy(model(ids, mask).logits.softmax(-1), labels)


def smoothed(model, ids, mask, labels):
    return F.cross_entropy(model(ids, mask).logits, labels, label_smoothing=0.2)


def ones_as_mask(model, ids, mask, labels):
    return model(input_ids=ids, attention_mask=torch.ones_like(mask), labels=labels).loss


def mask_from_ids(model, ids, mask, labels):
    return model(input_ids=ids, attention_mask=(ids > 0).long(), labels=labels).loss


def on_other_rows(model, ids, mask, labels):
    ids, mask, labels = OTHER_ROWS[0]
    return model(input_ids=ids, attention_mask=mask, labels=labels).loss


def constant_rate(model, dataloader, optimizer, schedule):
    """Sets the rate itself."""
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    return plain(model, dataloader, optimizer, schedule)


def closure_without_clipping(model, dataloader, optimizer, schedule):
    model.train()
    losses = []
    for ids, mask, labels in dataloader:

        def closure(ids=ids, mask=mask, labels=labels):
            optimizer.zero_grad()
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            return loss

        losses += [optimizer.step(closure).item()] * len(labels)
        schedule.step()
    return sum(losses) / len(losses)


def forgets_momentum(model, dataloader, optimizer, schedule):
    """The optimizer's running means are thrown away at every batch."""
    model.train()
    losses = []
    for batch in dataloader:
        optimizer.state.clear()
        losses += step(model, batch, optimizer, schedule)
    return sum(losses) / len(losses)


def decays(model, dataloader, optimizer, schedule):
    value = plain(model, dataloader, optimizer, schedule)
    with torch.no_grad():
        for weights in model.parameters():
            weights *= 0.9
    return value


def hangs(model, dataloader, optimizer, schedule):
    while True:
        plain(model, list(dataloader), optimizer, schedule)


WRONG = {
    "nothing returned": ("returns-nothing", after(lambda loss: None)),
    "prints": ("returns-nothing", after(print)),
    "a tensor": ("not-a-float", after(torch.tensor)),
    "a tensor that needs gradients": ("not-a-float", after(lambda loss: torch.tensor(loss, requires_grad=True))),
    "an int": ("not-a-float", after(int)),
    "text": ("wrong-type", after(str)),
    "all losses": ("wrong-type", returning(lambda losses, sizes: losses)),
    "the loss and the model": ("wrong-type", after(lambda loss: (loss, None))),
    "three arguments": ("raises", lambda model, dataloader, optimizer: 1.0),
    "no gradients": ("raises", without_gradients),
    "no labels": ("raises", without_labels),
    "labels as the third argument": ("raises", wrong(loss_of=lambda model, *batch: model(*batch).loss)),
    "changes the labels": ("input-changed", changes_labels),
    "the notebook's own model": ("not-its-arguments", lambda m, data, o, s: plain(MODEL, data, o, s)),
    "all the notebook's own": (
        "not-its-arguments",
        lambda m, data, o, s: plain(MODEL, OTHER_ROWS, OPTIMIZER, SCHEDULE),
    ),
    "a constant": ("not-its-arguments", lambda m, d, o, s: 1.0),
    "the notebook's own rows": ("other-rows", lambda m, d, o, s: plain(m, OTHER_ROWS, o, s)),
    "a row from elsewhere": ("other-rows", wrong(loss_of=on_other_rows)),
    "no last batch": ("dropped-last-batch", wrong(batches=lambda loader: list(loader)[:-1])),
    "the first batch": ("one-batch", wrong(batches=lambda loader: list(loader)[:1])),
    "return in the loop": ("one-batch", returns_in_the_loop),
    "five batches": ("rows-left-out or dropped-last-batch", wrong(batches=lambda loader: list(loader)[:5])),
    "a step every third batch": ("optimizer-steps", one_step_in_three),
    "ids and masks swapped": ("other-rows", wrong(loss_of=lambda m, i, k, n: m(k, attention_mask=i, labels=n).loss)),
    "without the last position": (
        "other-rows",
        wrong(loss_of=lambda m, i, k, n: m(i[:, :-1], attention_mask=k[:, :-1], labels=n).loss),
    ),
    "the loss as the schedule's step": ("schedule-steps", steps_to_the_loss),
    "no first batch": ("rows-left-out", wrong(batches=lambda loader: list(loader)[1:])),
    "two passes": ("two-passes", two_passes),
    "in evaluation mode": ("dropout-off", wrong(mode=False)),
    "in whatever mode": ("dropout-off", wrong(mode=None)),
    "evaluation mode after the first batch": ("dropout-off", eval_after_first),
    "no mask": ("mask-ignored", wrong(masked=False)),
    "a mask of ones": ("mask-ignored", wrong(loss_of=ones_as_mask)),
    "a mask from the ids": ("mask-ignored", wrong(loss_of=mask_from_ids)),
    "no step": ("no-optimizer-step", no_step),
    "steps by hand": ("no-optimizer-step", by_hand),
    "an optimizer of its own": ("no-optimizer-step", own_optimizer),
    "the notebook's own optimizer": ("no-optimizer-step", lambda m, data, o, s: plain(m, data, OPTIMIZER, s)),
    "one step behind the loop": ("one-step-an-epoch", step_behind_the_loop),
    "a step every second batch": ("optimizer-steps", every_second_batch),
    "two steps a batch": ("optimizer-steps", wrong(steps=2)),
    "no schedule": ("no-schedule-step", wrong(scheduled="")),
    "the notebook's own schedule": ("no-schedule-step", lambda m, data, o, s: plain(m, data, o, SCHEDULE)),
    "one step of the schedule": ("schedule-once-an-epoch", wrong(scheduled="once")),
    "two steps of the schedule a batch": ("schedule-steps", wrong(scheduled="twice")),
    "one step of the schedule too many": ("schedule-steps", lambda m, d, o, s: (plain(m, d, o, s), s.step())[0]),
    "the schedule first": ("schedule-first", wrong(scheduled="before")),
    "a learning rate of its own": ("another-learning-rate", constant_rate),
    "never cleared": ("not-cleared", wrong(clear="")),
    "cleared once": ("not-cleared", wrong(clear="once")),
    "never cleared, never clipped": ("not-cleared", wrong(clear="", clip=never_clipped)),
    "cleared after backward": ("no-gradients-at-the-step", wrong(clear="after backward")),
    "trains a copy": ("no-gradients-at-the-step", on_a_copy),
    "not clipped": ("not-clipped", wrong(clip=never_clipped)),
    "clipped before backward": ("not-clipped", clip_first),
    "clipped after the step": ("not-clipped", clip_last),
    "clipped, and the result not used": (
        "not-clipped",
        wrong(clip=lambda model: [w.grad.clamp(-1, 1) for w in model.parameters()]),
    ),
    "by value, 0.1": ("clipped-by-value", wrong(clip=lambda model: clip_grad_value_(model.parameters(), 0.1))),
    "by value, 0.05": ("clipped-by-value", wrong(clip=lambda model: clip_grad_value_(model.parameters(), 0.05))),
    "to 2": ("another-norm", wrong(norm=2.0)),
    "to 0.1": ("another-norm", wrong(norm=0.1)),
    "the largest number": (
        "another-norm",
        wrong(clip=lambda model: clip_grad_norm_(model.parameters(), 1.0, norm_type=float("inf"))),
    ),
    "the sum": ("another-norm", wrong(clip=lambda model: clip_grad_norm_(model.parameters(), 1.0, norm_type=1))),
    "always to 1": ("always-the-same-norm or scaled-gradients", wrong(clip=normalised)),
    "each weight on its own": ("clipped-one-by-one", wrong(clip=clip_each)),
    "body and head apart": ("other-gradients", wrong(clip=clip_groups)),
    "the head alone": ("other-gradients", wrong(clip=clip_head)),
    "divided by the number of batches": ("scaled-gradients", wrong(scale=lambda loader, labels: 1 / len(loader))),
    "the sum of the batch": ("scaled-gradients", wrong(scale=lambda loader, labels: len(labels))),
    "softmax twice": ("softmax-twice", wrong(loss_of=twice_softmax)),
    "label smoothing": ("other-gradients", wrong(loss_of=smoothed)),
    "in another order": ("other-gradients", wrong(batches=in_another_order)),
    "clips the weights": ("changed-without-a-step", wrong(clip=clip_weights)),
    "shrinks the weights at the end": ("changed-without-a-step", decays),
    "forgets the momentum": ("other-weights", forgets_momentum),
    "a closure that does not clip": ("not-clipped", closure_without_clipping),
    "rows with ids of another tokenizer": ("other-rows", lambda m, d, o, s: plain(m, LARGE_IDS, o, s)),
    "mean of batches": ("mean-of-batches", returning(lambda losses, sizes: sum(losses) / len(losses))),
    "mean of batches, numpy": ("mean-of-batches", returning(lambda losses, sizes: np.mean(losses))),
    "the last loss": ("last-loss", returning(lambda losses, sizes: losses[-1])),
    "the first loss": ("last-loss", returning(lambda losses, sizes: losses[0])),
    "sum of batches": ("sum-not-mean", returning(lambda losses, sizes: sum(losses))),
    "sum of rows": ("sum-not-mean", returning(lambda losses, sizes: np.dot(losses, sizes))),
    "rows by batches": ("wrong-divisor", returning(lambda losses, sizes: np.dot(losses, sizes) / len(losses))),
    "batches by rows": ("wrong-divisor", returning(lambda losses, sizes: sum(losses) / sum(sizes))),
    "the last batch as if full": (
        "wrong-divisor",
        returning(lambda losses, sizes: sum(losses) * sizes[0] / sum(sizes)),
    ),
    "divided by full batches": (
        "wrong-divisor",
        returning(lambda losses, sizes: np.dot(losses, sizes) / (len(losses) * sizes[0])),
    ),
    "+ forgotten": ("last-loss", returning(lambda losses, sizes: losses[-1] * sizes[-1] / sum(sizes))),
    "the loss afterwards": ("another-loss", measures_afterwards),
    "the smallest loss": ("another-loss", returning(lambda losses, sizes: min(losses))),
    "perplexity": ("another-loss", after(np.exp)),
    "nan": ("another-loss", after(lambda loss: float("nan"))),
    "rounded to one digit": ("another-loss", after(lambda loss: round(loss, 1))),
    "never ends": ("never-ends", hangs),
    "exits": ("exits", lambda m, d, o, s: sys.exit()),
}
