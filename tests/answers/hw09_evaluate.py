"""Answers to homework 09: right ones in different styles, wrong ones with one mistake each and its slug."""

import copy
import functools
import itertools
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, classification_report, f1_score, log_loss, precision_score, recall_score
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm
from transformers import BertConfig, BertForSequenceClassification

from transfer_learning import check


def learners_own():
    """What a learner might have at hand: a model in training mode, and a loader whose last batch is smaller."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        own = BertForSequenceClassification(BertConfig(vocab_size=100, num_labels=4, initializer_range=0.2, **sizes))
        ids, labels = torch.randint(1, 100, (22, 16)), torch.randint(0, 4, (22,))
        mask = (torch.arange(16) < torch.randint(4, 17, (22, 1))).long()
    return own.train(), DataLoader(TensorDataset(ids * mask, mask, labels), batch_size=8)


MODEL, LOADER = learners_own()


def judge(answer):
    return check.evaluate(answer, MODEL, LOADER)


# --- right ------------------------------------------------------------------------------------------------


def counted(loss, labels, predictions):
    """The three scores; a part of other answers."""
    return {
        "loss": loss,
        "accuracy": accuracy_score(labels, predictions),
        "macro_f1": f1_score(labels, predictions, average="macro"),
    }


def plain(model, dataloader):
    was_training = model.training
    model.eval()
    total, labels, predictions = 0.0, [], []
    with torch.no_grad():
        for input_ids, attention_mask, batch_labels in dataloader:
            output = model(input_ids=input_ids, attention_mask=attention_mask, labels=batch_labels)
            total += output.loss.item() * len(batch_labels)
            labels += batch_labels.tolist()
            predictions += output.logits.argmax(dim=-1).tolist()
    model.train(was_training)
    return counted(total / len(labels), labels, predictions)


def joined(parts):
    """Of pairs of logits and labels, all logits and all labels."""
    return tuple(map(torch.cat, zip(*parts)))


def outputs(model, dataloader):
    """Logits and labels of all rows; a part of other answers."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    model.train(was_training)
    return joined(parts)


def scores(logits, labels):
    predictions = logits.argmax(-1)
    return {
        "loss": F.cross_entropy(logits, labels).item(),
        "accuracy": (predictions == labels).float().mean().item(),
        "macro_f1": f1_score(labels, predictions, average="macro"),
    }


def all_at_the_end(model, dataloader):
    return scores(*outputs(model, dataloader))


@torch.inference_mode()
def decorated(model, dataloader):
    mode = model.training
    model.train(False)
    loss, rows, confusion = torch.zeros(()), 0, None
    for batch in dataloader:
        batch = [part.to(model.device) for part in batch]
        logits = model(*batch[:2])["logits"]
        if confusion is None:
            confusion = torch.zeros(logits.shape[1], logits.shape[1])
        for label, prediction in zip(batch[2], logits.max(1).indices):
            confusion[label, prediction] += 1
        loss += F.cross_entropy(logits, batch[2], reduction="sum")
        rows += batch[2].size(0)
    model.train(mode)
    hits, both = confusion.diag(), confusion.sum(0) + confusion.sum(1)
    f1 = (2 * hits / both)[both > 0].mean()
    return dict(loss=loss.item() / rows, accuracy=hits.sum().item() / rows, macro_f1=f1.item())


def by_hand(model, dataloader):
    """No library for the scores; every module's own mode is put back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    losses, pairs = [], []
    with torch.no_grad():
        for input_ids, attention_mask, labels in dataloader:
            logits = model(input_ids, attention_mask).logits
            losses += (-logits.log_softmax(1)[torch.arange(len(labels)), labels]).tolist()
            pairs += zip(labels.tolist(), [max(range(len(row)), key=row.__getitem__) for row in logits.tolist()])
    for module, mode in modes:
        module.training = mode
    each = []
    for kind in {kind for pair in pairs for kind in pair}:
        hits = sum(label == kind == prediction for label, prediction in pairs)
        misses = sum((label == kind) != (prediction == kind) for label, prediction in pairs)
        each.append(2 * hits / (2 * hits + misses))
    accuracy = sum(label == prediction for label, prediction in pairs) / len(pairs)
    return {"loss": sum(losses) / len(losses), "accuracy": accuracy, "macro_f1": sum(each) / len(each)}


def with_numpy(model, dataloader):
    logits, labels = (part.numpy().astype("float64") for part in outputs(model, dataloader))
    labels = labels.astype(int)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    predictions = logits.argmax(1)
    kinds = np.union1d(labels, predictions)
    hits = np.array([np.sum((labels == k) & (predictions == k)) for k in kinds])
    both = np.array([np.sum(labels == k) + np.sum(predictions == k) for k in kinds])
    return {
        "loss": -np.log(shares[range(len(labels)), labels]).mean(),
        "accuracy": np.float32(np.mean(predictions == labels)),
        "macro_f1": np.mean(2 * hits / both),
    }


def with_a_report(model, dataloader):
    logits, labels = outputs(model, dataloader)
    with warnings.catch_warnings(action="ignore"):
        report = classification_report(labels, logits.argmax(-1), output_dict=True, zero_division=0)
    loss = log_loss(labels, logits.double().softmax(-1), labels=range(logits.shape[1]))
    return {"loss": loss, "accuracy": report["accuracy"], "macro_f1": report["macro avg"]["f1-score"]}


def frozen_instead_of_no_grad(model, dataloader):
    flags = [weights.requires_grad for weights in model.parameters()]
    was_training = model.training
    model.requires_grad_(False).eval()
    parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    for weights, flag in zip(model.parameters(), flags):
        weights.requires_grad = flag
    model.train(was_training)
    return scores(*joined(parts))


def on_a_copy(model, dataloader):
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    parts = [(twin(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    return scores(*joined(parts))


def on_a_model_built_again(model, dataloader):
    twin = type(model)(copy.deepcopy(model.config))
    twin.load_state_dict(model.state_dict())
    return all_at_the_end(twin, dataloader)


def dropout_set_to_zero(model, dataloader):
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    chances = [layer.p for layer in layers]
    for layer in layers:
        layer.p = 0.0
    try:
        with torch.no_grad():
            parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    finally:
        for layer, chance in zip(layers, chances):
            layer.p = chance
    return scores(*joined(parts))


def without_its_call(model, dataloader):
    """The parts of the model one by one, never the whole."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        parts = [
            (model.classifier(model.bert(input_ids=i, attention_mask=m).pooler_output), y) for i, m, y in dataloader
        ]
    model.train(was_training)
    return scores(*joined(parts))


def row_by_row(model, dataloader):
    return all_at_the_end(model, [[part[None] for part in row] for row in dataloader.dataset])


def in_batches_of_its_own(model, dataloader):
    return all_at_the_end(model, DataLoader(dataloader.dataset, batch_size=5))


def in_one_batch(model, dataloader):
    return all_at_the_end(model, [[torch.cat(part) for part in zip(*dataloader)]])


def recursive(model, dataloader):
    def gather(batches):
        batch = next(batches, None)
        if batch is None:
            return []
        input_ids, attention_mask, labels = batch
        logits = model(input_ids=input_ids, attention_mask=attention_mask).logits
        return [*zip(logits, labels), *gather(batches)]

    mode = model.training
    model.eval()
    with torch.no_grad():
        logits, labels = map(torch.stack, zip(*gather(iter(dataloader))))
    model.train(mode)
    return scores(logits, labels)


def gradients_off_and_on(model, dataloader):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        return all_at_the_end(model, dataloader)
    finally:
        torch.set_grad_enabled(before)


def two_passes(model, dataloader):
    """The loss in one, the predictions in another; in a shuffled loader each has an order of its own."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        losses = [
            (model(input_ids=i, attention_mask=m, labels=y).loss.item(), y.shape[0])
            for i, m, y in tqdm(dataloader, leave=False)
        ]
        pairs = [
            (label, prediction)
            for i, m, y in dataloader
            for label, prediction in zip(y.numpy(), model(input_ids=i, attention_mask=m)[0].numpy().argmax(-1))
        ]
    model.train(was_training)
    values, weights = zip(*losses)
    labels, predictions = zip(*pairs)
    return {
        "loss": np.average(values, weights=weights),
        "accuracy": sum(map(np.equal, labels, predictions)) / len(dataloader.dataset),
        "macro_f1": f1_score(labels, predictions, average="macro"),
    }


def parallel(model, dataloader):
    from concurrent.futures import ThreadPoolExecutor

    def one(batch):
        with torch.inference_mode():  # it holds for one thread only
            return model(input_ids=batch[0], attention_mask=batch[1]).logits.numpy(), batch[2].numpy()

    mode = model.training
    model.eval()
    with ThreadPoolExecutor(2) as pool:
        logits, labels = zip(*pool.map(one, dataloader))
    model.train(mode)
    return scores(*(torch.from_numpy(np.concatenate(parts)) for parts in (logits, labels)))


def functional(model, dataloader):
    twin = copy.deepcopy(model).eval()
    weights = {name: value.detach() for name, value in (*model.named_parameters(), *model.named_buffers())}
    parts = [
        (torch.func.functional_call(twin, weights, (i,), {"attention_mask": m}).logits, y) for i, m, y in dataloader
    ]
    return scores(*joined(parts))


class Evaluator:
    def __init__(self, digits=None):
        self.digits = digits

    def __call__(self, model, dataloader):
        found = all_at_the_end(model, dataloader)
        return found if self.digits is None else {name: round(value, self.digits) for name, value in found.items()}


def with_a_generator(model, dataloader):
    def rows():
        for input_ids, attention_mask, labels in dataloader:
            yield from zip(model(input_ids=input_ids, attention_mask=attention_mask).logits, labels)

    mode = model.training
    model.eval()
    with torch.no_grad():
        logits, labels = map(torch.stack, zip(*rows()))
    model.train(mode)
    return scores(logits, labels)


def with_more_keys(model, dataloader):
    logits, labels = outputs(model, dataloader)
    return {"rows": len(labels), "predictions": logits.argmax(-1), **scores(logits, labels)}


def in_half_of_double(model, dataloader):
    """More digits than asked for: a copy in float64."""
    return all_at_the_end(copy.deepcopy(model).double(), dataloader)


def with_an_option(model, dataloader, average):
    logits, labels = outputs(model, dataloader)
    return {**scores(logits, labels), "macro_f1": f1_score(labels, logits.argmax(-1), average=average)}


def with_warnings(model, dataloader):
    """scikit-learn warns about a class that is never predicted; the score is right."""
    logits, labels = outputs(model, dataloader)
    return {**scores(logits, labels), "macro_f1": f1_score(labels, logits.argmax(-1), average="macro", zero_division=0)}


RIGHT = {
    "plain": plain,
    "all at the end": all_at_the_end,
    "inference_mode as a decorator, a confusion matrix": decorated,
    "by hand": by_hand,
    "numpy, float32 and float64": with_numpy,
    "classification_report and log_loss": with_a_report,
    "requires_grad in place of no_grad": frozen_instead_of_no_grad,
    "on a copy": on_a_copy,
    "on a model built again": on_a_model_built_again,
    "on a copy in float64": in_half_of_double,
    "dropout set to zero": dropout_set_to_zero,
    "the parts of the model": without_its_call,
    "row by row from the data set": row_by_row,
    "in batches of its own": in_batches_of_its_own,
    "in one batch": in_one_batch,
    "recursive": recursive,
    "gradients off and on again": gradients_off_and_on,
    "two passes, a progress bar": two_passes,
    "in threads": parallel,
    "functional_call": functional,
    "an object": Evaluator(),
    "a method": Evaluator().__call__,
    "three decimals": Evaluator(3),
    "a generator inside": with_a_generator,
    "more keys than asked for": with_more_keys,
    "partial": functools.partial(with_an_option, average="macro"),
    "lambda": lambda model, dataloader: plain(model, dataloader),
    "default arguments": lambda model=None, dataloader=None, verbose=False: plain(model, dataloader),
    "zero_division": with_warnings,
}

# --- wrong ------------------------------------------------------------------------------------------------


def instead(**made):
    """`plain`, except for the scores that these functions make of logits, labels and the batches' sizes."""

    def evaluate(model, dataloader):
        logits, labels = outputs(model, dataloader)
        sizes = [len(y) for *_, y in dataloader]
        return scores(logits, labels) | {name: make(logits, labels, sizes) for name, make in made.items()}

    return evaluate


def batch_losses(logits, labels, sizes):
    return [F.cross_entropy(*batch).item() for batch in zip(logits.split(sizes), labels.split(sizes))]


def batch_accuracies(logits, labels, sizes):
    return [(x.argmax(-1) == y).float().mean().item() for x, y in zip(logits.split(sizes), labels.split(sizes))]


def batch_f1s(logits, labels, sizes):
    pairs = zip(logits.split(sizes), labels.split(sizes))
    return [f1_score(y, x.argmax(-1), average="macro") for x, y in pairs]


def correct(logits, labels):
    return (logits.argmax(-1) == labels).sum().item()


def sklearn(score, **options):
    return lambda logits, labels, sizes: float(
        score(labels, logits.argmax(-1), **{"average": "macro", "zero_division": 0, **options})
    )


def mean_of_batches(model, dataloader):
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for i, m, y in dataloader:
            found.append(scores(model(input_ids=i, attention_mask=m).logits, y))
    model.train(was_training)
    return {name: sum(part[name] for part in found) / len(found) for name in found[0]}


def batches_weighted_f1(model, dataloader):
    found, sizes = [], []
    for batch in dataloader:
        found.append(all_at_the_end(model, [batch]))
        sizes.append(len(batch[2]))
    return {name: np.average([part[name] for part in found], weights=sizes) for name in found[0]}


def no_eval(model, dataloader):
    with torch.no_grad():
        parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    return scores(*joined(parts))


def eval_too_late(model, dataloader):
    batches = [(i, m, y) for i, m, y in dataloader]
    was_training = model.training
    with torch.no_grad():
        logits = [model(input_ids=i, attention_mask=m).logits for i, m, _ in batches]
    model.eval()
    model.train(was_training)
    return scores(torch.cat(logits), torch.cat([y for _, _, y in batches]))


def only_the_body_in_eval(model, dataloader):
    was_training = model.training
    model.base_model.eval()
    with torch.no_grad():
        parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    model.train(was_training)
    return scores(*joined(parts))


def stays_in_eval(model, dataloader):
    model.eval()
    return all_at_the_end(model, dataloader)


def always_train_at_the_end(model, dataloader):
    found = all_at_the_end(model, dataloader)
    model.train()
    return found


def body_stays_in_eval(model, dataloader):
    found = all_at_the_end(model, dataloader)
    model.base_model.eval()
    return found


def no_no_grad(model, dataloader):
    was_training = model.training
    model.eval()
    parts = [(model(input_ids=i, attention_mask=m).logits.detach(), y) for i, m, y in dataloader]
    model.train(was_training)
    return scores(*joined(parts))


def no_grad_for_the_scores_alone(model, dataloader):
    was_training = model.training
    model.eval()
    parts = [(model(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    model.train(was_training)
    with torch.no_grad():
        return scores(*joined(parts))


def backward(model, dataloader):
    was_training = model.training
    model.eval()
    for i, m, y in dataloader:
        model(input_ids=i, attention_mask=m, labels=y).loss.backward()
    model.train(was_training)
    return all_at_the_end(model, dataloader)


def trains(model, dataloader):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    total, rows = 0.0, 0
    for i, m, y in dataloader:
        loss = model(input_ids=i, attention_mask=m, labels=y).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, rows = total + loss.item() * len(y), rows + len(y)
    return {**all_at_the_end(model, dataloader), "loss": total / rows}


def shrinks_after_scoring(model, dataloader):
    found = all_at_the_end(model, dataloader)
    with torch.no_grad():
        for weights in model.classifier.parameters():
            weights.mul_(0.99)
    return found


def gradients_left_off(model, dataloader):
    torch.set_grad_enabled(False)
    return all_at_the_end(model, dataloader)


def left_frozen(model, dataloader):
    model.requires_grad_(False)
    return all_at_the_end(model, dataloader)


def thawed(model, dataloader):
    model.requires_grad_(False)
    found = all_at_the_end(model, dataloader)
    model.requires_grad_(True)
    return found


def left_in_float64(model, dataloader):
    return all_at_the_end(model.double(), dataloader)


def without_mask(model, dataloader):
    return all_at_the_end(Differently(model, lambda i, m: model(input_ids=i)), dataloader)


def mask_from_ids(model, dataloader):
    return all_at_the_end(
        Differently(model, lambda i, m: model(input_ids=i, attention_mask=(i > 0).long())), dataloader
    )


def mask_inverted(model, dataloader):
    return all_at_the_end(Differently(model, lambda i, m: model(input_ids=i, attention_mask=1 - m)), dataloader)


def mask_as_token_types(model, dataloader):
    return all_at_the_end(Differently(model, lambda i, m: model(i, m, m)), dataloader)


class Differently:
    """A model of which one thing is different."""

    def __init__(self, model, call):
        self.model, self.call = model, call

    training = property(lambda self: self.model.training)

    def eval(self):
        self.model.eval()

    def train(self, mode):
        self.model.train(mode)

    def __call__(self, input_ids, attention_mask):
        return self.call(input_ids, attention_mask)


def first_batch(model, dataloader):
    return all_at_the_end(model, [next(iter(dataloader))])


def first_batch_again_and_again(model, dataloader):
    return all_at_the_end(model, [next(iter(dataloader)) for _ in range(len(dataloader))])


def return_in_the_loop(model, dataloader):
    for batch in dataloader:
        return all_at_the_end(model, [batch])


def last_batch(model, dataloader):
    for batch in dataloader:
        found = all_at_the_end(model, [batch])
    return found


def all_but_the_last_batch(model, dataloader):
    return all_at_the_end(model, list(dataloader)[:-1])


def full_batches_only(model, dataloader):
    return all_at_the_end(model, [batch for batch in dataloader if len(batch[2]) == dataloader.batch_size])


def first_batch_for_the_iterator(model, dataloader):
    """To know the shape, one batch is taken from the iterator; it never comes back."""
    batches = iter(dataloader)
    next(batches)
    return all_at_the_end(model, batches)


def ten_batches(model, dataloader):
    return all_at_the_end(model, itertools.islice(dataloader, 10))


def one_iterator_for_two_passes(model, dataloader):
    batches = iter(dataloader)
    found = all_at_the_end(model, batches)
    labels = [y for *_, y in batches]
    return {**found, "accuracy": found["accuracy"] * len(labels)}


def global_names(model, dataloader):
    return all_at_the_end(MODEL, LOADER)


def global_model(model, dataloader):
    was_training = MODEL.training
    MODEL.eval()
    with torch.no_grad():
        parts = [(MODEL(input_ids=i, attention_mask=m).logits, y) for i, m, y in dataloader]
    MODEL.train(was_training)
    return scores(*joined(parts))


def constants(model, dataloader):
    return {"loss": 1.2, "accuracy": 0.5, "macro_f1": 0.4}


def remembers(model, dataloader, labels=[], predictions=[]):  # noqa: B006
    """A default that keeps the rows of every call before."""
    logits, batch_labels = outputs(model, dataloader)
    labels += batch_labels.tolist()
    predictions += logits.argmax(-1).tolist()
    return counted(F.cross_entropy(logits, batch_labels).item(), labels, predictions)


def chance(model, dataloader):
    labels = torch.cat([y for *_, y in dataloader])
    return scores(torch.zeros(len(labels), model.config.num_labels), labels)


def labels_from_the_data_set(model, dataloader):
    logits, labels = outputs(model, dataloader)
    predictions, labels_in_order = logits.argmax(-1), dataloader.dataset.tensors[2]
    return counted(F.cross_entropy(logits, labels).item(), labels_in_order, predictions)


def labels_in_another_pass(model, dataloader):
    labels = torch.cat([y for *_, y in dataloader])
    logits, own_labels = outputs(model, dataloader)
    return {**scores(logits, labels), "loss": F.cross_entropy(logits, own_labels).item()}


def squeezed(model, dataloader):
    """Right until a batch has one row."""
    predictions, labels = [], []
    total = 0.0
    for i, m, y in dataloader:
        logits, _ = outputs(model, [(i, m, y)])
        total += F.cross_entropy(logits, y, reduction="sum").item()
        predictions += logits.squeeze().argmax(-1).tolist()
        labels += y.tolist()
    return counted(total / len(labels), labels, predictions)


def across(model, dataloader):
    """The largest logit of each column: as many as there are classes."""
    correct = rows = 0
    for batch in dataloader:
        logits, labels = outputs(model, [batch])
        correct += (logits.argmax(dim=0) == labels).sum().item()
        rows += len(labels)
    return {**all_at_the_end(model, dataloader), "accuracy": correct / rows}


def values_for_classes(logits, labels, sizes):
    return (logits.max(-1).values == labels).float().mean().item()


def four_classes(logits, labels, sizes):
    predictions, each = logits.argmax(-1), []
    for kind in range(4):
        hits = ((labels == kind) & (predictions == kind)).sum().item()
        both = (labels == kind).sum().item() + (predictions == kind).sum().item()
        each.append(2 * hits / both if both else 0.0)
    return sum(each) / 4


def f1_of_means(logits, labels, sizes):
    precision = sklearn(precision_score)(logits, labels, sizes)
    recall = sklearn(recall_score)(logits, labels, sizes)
    return 2 * precision * recall / (precision + recall)


def never_predicted_is_nan(logits, labels, sizes):
    predictions = logits.argmax(-1)
    each = []
    for kind in labels.unique():
        precision = ((predictions == kind) & (labels == kind)).sum() / (predictions == kind).sum()
        recall = ((predictions == kind) & (labels == kind)).sum() / (labels == kind).sum()
        each.append(2 * precision * recall / (precision + recall))
    return torch.stack(each).mean().item()


def hits_over_rows(logits, labels, sizes):
    """A divisor that lets a class that nobody predicted pass for perfect."""
    return sklearn(f1_score, zero_division=1, labels=range(logits.shape[1]))(logits, labels, sizes)


def with_keys(*names):
    return lambda model, dataloader: dict(zip(names, all_at_the_end(model, dataloader).values()))


def changes_labels(model, dataloader):
    found = all_at_the_end(model, dataloader)
    dataloader.dataset.tensors[2].clamp_(max=1)
    return found


def changes_ids(model, dataloader):
    found = all_at_the_end(model, dataloader)
    dataloader.dataset.tensors[0].mul_(dataloader.dataset.tensors[1])
    return found


def dropout_left_at_zero(model, dataloader):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return all_at_the_end(model, dataloader)


def eval_of_a_copy(model, dataloader):
    copy.deepcopy(model).eval()
    return no_eval(model, dataloader)


def no_grad_for_the_first_batch(model, dataloader):
    first, *others = dataloader
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits = [model(input_ids=first[0], attention_mask=first[1]).logits]
    logits += [model(input_ids=i, attention_mask=m).logits.detach() for i, m, _ in others]
    model.train(was_training)
    return scores(torch.cat(logits), torch.cat([y for *_, y in (first, *others)]))


def new_head(model, dataloader):
    found = all_at_the_end(model, dataloader)
    model.classifier = torch.nn.Sequential(model.classifier)
    return found


def method_of_the_model(model, dataloader):
    return model.evaluate(dataloader)


def as_tensors(model, dataloader):
    return {name: torch.tensor(value) for name, value in all_at_the_end(model, dataloader).items()}


def values_only(model, dataloader):
    return tuple(all_at_the_end(model, dataloader).values())


def forgets_return(model, dataloader):
    all_at_the_end(model, dataloader)


WRONG = {
    # form
    "nothing": ("returns-nothing", lambda model, dataloader: ...),
    "forgets return": ("returns-nothing", forgets_return),
    "ellipsis": ("nothing-yet", ...),
    "a tuple": ("wrong-type", values_only),
    "the loss alone": ("wrong-type", lambda model, dataloader: all_at_the_end(model, dataloader)["loss"]),
    "f1 for macro_f1": ("missing-scores", with_keys("loss", "accuracy", "f1")),
    "capitals": ("missing-scores", with_keys("Loss", "Accuracy", "Macro_F1")),
    "two scores": ("missing-scores", with_keys("loss", "accuracy")),
    "an empty dict": ("missing-scores", lambda model, dataloader: {}),
    "all tensors": ("not-a-float", as_tensors),
    "the loss a tensor": ("not-a-float", instead(loss=lambda x, y, n: F.cross_entropy(x, y))),
    "the accuracy a tensor": ("not-a-float", instead(accuracy=lambda x, y, n: (x.argmax(-1) == y).float().mean())),
    "text": ("not-a-float", instead(accuracy=lambda x, y, n: f"{correct(x, y) / len(y):.3f}")),
    "an f1 for each class": ("not-a-float", instead(macro_f1=lambda x, y, n: f1_score(y, x.argmax(-1), average=None))),
    "a method that models do not have": ("raises", method_of_the_model),
    "one argument": ("raises", lambda dataloader: plain(MODEL, dataloader)),
    # what it was given
    "global names": ("not-its-arguments", global_names),
    "global loader": ("not-its-arguments", lambda model, dataloader: all_at_the_end(model, LOADER)),
    "global model": ("not-its-arguments", global_model),
    "constants": ("not-its-arguments", constants),
    "never runs the model": ("another-loss", chance),
    "the rows of every call before": ("another-accuracy", remembers),
    "no mask": ("mask-ignored", without_mask),
    "mask from the ids": ("mask-ignored", mask_from_ids),
    "mask inverted": ("another-loss", mask_inverted),
    "mask as token types": ("another-loss", mask_as_token_types),
    # mode, gradients, weights
    "no eval": ("dropout-on", no_eval),
    "eval of a copy": ("dropout-on", eval_of_a_copy),
    "eval too late": ("dropout-on", eval_too_late),
    "only the body in eval": ("dropout-on", only_the_body_in_eval),
    "train in place of eval": ("dropout-on", lambda model, dataloader: no_eval(model.train(), dataloader)),
    "stays in eval": ("left-in-eval", stays_in_eval),
    "the body stays in eval": ("left-in-eval", body_stays_in_eval),
    "always in training at the end": ("left-in-train", always_train_at_the_end),
    "no no_grad": ("gradients-on", no_no_grad),
    "no_grad for the scores alone": ("gradients-on", no_grad_for_the_scores_alone),
    "no_grad for the first batch alone": ("gradients-on", no_grad_for_the_first_batch),
    "backward": ("gradients-on", backward),
    "gradients left off": ("gradients-left-off", gradients_left_off),
    "left frozen": ("model-changed", left_frozen),
    "thawed": ("model-changed", thawed),
    "left in float64": ("model-changed", left_in_float64),
    "dropout left at zero": ("model-changed", dropout_left_at_zero),
    "a new head": ("model-changed", new_head),
    "trains": ("learns-while-scoring", trains),
    "weights changed after scoring": ("model-changed", shrinks_after_scoring),
    "changes the labels": ("input-changed", changes_labels),
    "changes the ids": ("input-changed", changes_ids),
    # which rows
    "the first batch": ("one-batch", first_batch),
    "return inside the loop": ("one-batch", return_in_the_loop),
    "the first batch again and again": ("one-batch", first_batch_again_and_again),
    "the last batch": ("one-batch", last_batch),
    "all but the last batch": ("dropped-last-batch", all_but_the_last_batch),
    "full batches only": ("dropped-last-batch", full_batches_only),
    "ten batches at most": ("part-of-the-rows", ten_batches),
    "one batch looked at": ("part-of-the-rows", first_batch_for_the_iterator),
    "one iterator for two passes": ("another-accuracy", one_iterator_for_two_passes),
    "labels from the data set": ("labels-of-other-rows", labels_from_the_data_set),
    "labels in another pass": ("labels-of-other-rows", labels_in_another_pass),
    "squeeze": ("raises", squeezed),
    # means
    "mean of the batches": ("mean-of-batches", mean_of_batches),
    "mean of the batches' losses": ("mean-of-batches", instead(loss=lambda *a: np.mean(batch_losses(*a)))),
    "mean of the batches' accuracies": ("mean-of-batches", instead(accuracy=lambda *a: np.mean(batch_accuracies(*a)))),
    "mean of the batches' F1s": ("mean-of-batches", instead(macro_f1=lambda *a: np.mean(batch_f1s(*a)))),
    "the batches' F1s, weighted by their rows": ("mean-of-batches", batches_weighted_f1),
    "sum of the batches' losses": ("sum-not-mean", instead(loss=lambda *a: sum(batch_losses(*a)))),
    "sum of the rows' losses": (
        "sum-not-mean",
        instead(loss=lambda x, y, n: F.cross_entropy(x, y, reduction="sum").item()),
    ),
    "how many are right": ("sum-not-mean", instead(accuracy=lambda x, y, n: float(correct(x, y)))),
    "the batches' losses over the rows": (
        "wrong-divisor",
        instead(loss=lambda x, y, n: sum(batch_losses(x, y, n)) / len(y)),
    ),
    "the right ones over the batches": ("wrong-divisor", instead(accuracy=lambda x, y, n: correct(x, y) / len(n))),
    "as if the last batch were full": (
        "wrong-divisor",
        instead(accuracy=lambda x, y, n: correct(x, y) / (len(n) * n[0] if n[0] == max(n) else 1)),
    ),
    "softmax twice": ("softmax-twice", instead(loss=lambda x, y, n: F.cross_entropy(x.softmax(-1), y).item())),
    "nll of logits": ("another-loss", instead(loss=lambda x, y, n: F.nll_loss(x, y).item())),
    "squared error": (
        "another-loss",
        instead(loss=lambda x, y, n: F.mse_loss(x.softmax(-1), F.one_hot(y, x.shape[1]).float()).item()),
    ),
    # accuracy
    "argmax over the rows": ("wrong-axis", across),
    "the largest logit in place of its class": ("another-accuracy", instead(accuracy=values_for_classes)),
    "error rate": ("another-accuracy", instead(accuracy=lambda x, y, n: 1 - correct(x, y) / len(y))),
    "whole numbers": ("another-accuracy", instead(accuracy=lambda x, y, n: float(correct(x, y) // len(y)))),
    "percent": ("in-percent", instead(accuracy=lambda x, y, n: 100 * correct(x, y) / len(y))),
    "F1 in percent": ("in-percent", instead(macro_f1=lambda *a: 100 * sklearn(f1_score)(*a))),
    "two decimals": ("rounded", Evaluator(2)),
    "balanced accuracy": ("another-accuracy", instead(accuracy=sklearn(recall_score))),
    # macro-F1
    "micro": ("not-macro", instead(macro_f1=sklearn(f1_score, average="micro"))),
    "weighted": ("not-macro", instead(macro_f1=sklearn(f1_score, average="weighted"))),
    "accuracy for F1": ("not-macro", instead(macro_f1=lambda x, y, n: correct(x, y) / len(y))),
    "four classes": ("fixed-classes", instead(macro_f1=four_classes)),
    "all of the model's classes": (
        "fixed-classes",
        instead(macro_f1=lambda x, y, n: f1_score(y, x.argmax(-1), average="macro", labels=range(x.shape[1]))),
    ),
    "classes of the labels": (
        "classes-left-out",
        instead(macro_f1=lambda x, y, n: f1_score(y, x.argmax(-1), average="macro", labels=y.unique())),
    ),
    "classes of the predictions": (
        "classes-left-out",
        instead(macro_f1=lambda x, y, n: f1_score(y, x.argmax(-1), average="macro", labels=x.argmax(-1).unique())),
    ),
    "macro precision": ("precision-or-recall", instead(macro_f1=sklearn(precision_score))),
    "macro recall": ("precision-or-recall", instead(macro_f1=sklearn(recall_score))),
    "F1 of the means": ("f1-of-means", instead(macro_f1=f1_of_means)),
    "nan": ("nan-score", instead(macro_f1=never_predicted_is_nan)),
    "nothing predicted is perfect": ("another-f1", instead(macro_f1=hits_over_rows)),
    "accuracy and F1 swapped": ("swapped-scores", with_keys("loss", "macro_f1", "accuracy")),
    "all three swapped": ("swapped-scores", with_keys("accuracy", "macro_f1", "loss")),
}
