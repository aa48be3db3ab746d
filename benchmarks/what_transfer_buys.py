"""Lesson 09's comparison: macro-F1 on test of each method, by number of labels and seed, and what each one costs.

    python benchmarks/what_transfer_buys.py                  the course's own tweets ("shipped")
    python benchmarks/what_transfer_buys.py --tweets FILE    and the Kaggle file, a .csv or the .zip ("real")
    python benchmarks/what_transfer_buys.py --all-labels     and search with all labels, too; about three hours more
    python benchmarks/what_transfer_buys.py --print          only print what is stored

Adds to data/what_transfer_buys.csv what is not there yet, each row when it is done, so it may be stopped at any time
(`--minutes N` does so). To compute everything again, delete the file first. Uses a GPU where there is one, and `--jobs N`
processes, of one thread each. Three to four hours on two cores, about eight minutes on an H200 with sixteen.

always Pro   says Pro to everything
TF-IDF       words and pairs of words, logistic regression
frozen       layer 4's hidden vectors, averaged over the tokens, logistic regression
LoRA         finetuning of small matrices added to queries and values, and of the head
full         finetuning of all weights
scratch      the same network as "full", from random weights

Variants: "frozen, last layer" averages the last layer's vectors; "frozen, [CLS]" takes the last layer's first vector, as
the head of "full" does.

Equal treatment. Each seed splits the tweets anew (seven tenths train, one validation, two test; near-copies together) and
draws the labelled rows; the methods share the rows of a seed, and the class weights. All may look at validation: the
regressions choose their C there (five values), the networks their best epoch, and, once for each method and file, at 200
labels and on three other seeds, their learning rate: of five values the smallest whose mean macro-F1 is within one
standard error of the best one's, as larger ones are less stable. The net from scratch may take twice the epochs.

Does a rate that was chosen at 200 labels suit all of them? `--all-labels` tries the rates of LoRA and full there, too, on
validation and the same three seeds. No score depends on what it finds.

Not equal: layer 4 was chosen for "frozen" beforehand, in trials on the shipped tweets; the variants say what it is worth.
"all" is about 1,217 labels of the shipped tweets and 3,131 of the real ones.
"""

import argparse
import concurrent.futures as futures
import functools
import multiprocessing
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import training
from scipy.stats import t
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

sys.path.append(str(training.ROOT / "tools"))
from environment import machine
from tables import store

TABLE = training.ROOT / "data" / "what_transfer_buys.csv"
KEY = ["stage", "data", "method", "labels", "weights", "seed", "value"]
COLUMNS = [*KEY, "epoch", "epochs", "macro_f1", "accuracy", "seconds", "machine"]
SIZES, SEEDS, SEARCH_SEEDS = (50, 200, 800, "all"), range(5), (100, 101, 102)
WEIGHTS = {"none": 0.0, "square root": 0.5, "balanced": 1.0}  # the power in training.class_weights
EPOCHS = {50: 30, 200: 15, 800: 8, "all": 6}  # for scratch twice as many
C = (0.3, 1, 3, 10, 30)
RATES = {
    "LoRA": (3e-4, 1e-3, 2e-3, 4e-3, 8e-3),
    "full": (3e-5, 5e-5, 1e-4, 2e-4, 4e-4),  # the head's is ten times as large
    "scratch": (5e-5, 1e-4, 2e-4, 5e-4, 1e-3),
}
MAIN = ("always Pro", "TF-IDF", "frozen", "LoRA", "full", "scratch")
VARIANTS = ("frozen, last layer", "frozen, [CLS]")
FEATURES = {"frozen": (4, "mean"), "frozen, last layer": (6, "mean"), "frozen, [CLS]": (6, "first")}
MODELS = {
    "LoRA": training.lora,
    "full": training.classifier,
    "scratch": functools.partial(training.classifier, pretrained=False),
}


class Job(NamedTuple):
    """One point: `value` is the learning rate; 0 for the regressions, which choose their C on the way."""

    stage: str  # "search": the score is on validation; "score": on test
    data: str
    method: str
    labels: int | str
    weights: str
    seed: int
    value: float


# --- one point -----------------------------------------------------------------------------------------------


@functools.cache
def tweets(path):
    return training.Data(path)


@functools.cache
def vectors(path, layer, pooling):
    """The frozen vectors of every tweet, of unit length, shape (rows, hidden size)."""
    data, on = tweets(path), training.device()
    model = training.classifier().bert.eval().to(on)
    order = np.argsort([len(row) for row in data.ids], kind="stable")
    parts = []
    with torch.inference_mode():
        for at in range(0, len(order), 128):
            batch = training.padded([data.ids[row] for row in order[at : at + 128]], on)
            hidden = model(**batch, output_hidden_states=True).hidden_states[layer]
            mask = batch["attention_mask"].unsqueeze(-1)
            parts.append((hidden * mask).sum(1) / mask.sum(1) if pooling == "mean" else hidden[:, 0])
    found = torch.nn.functional.normalize(torch.cat(parts), dim=-1).cpu().numpy()
    return found[np.argsort(order)]


def regression(inputs, labels, train, val, weights, **options):
    """Fit one logistic regression for each C; return (the best on validation, its C)."""
    weights = dict(enumerate(weights))
    fitted = {}
    for c in C:
        model = LogisticRegression(C=c, class_weight=weights, max_iter=2000)
        if options:
            model = make_pipeline(TfidfVectorizer(**options), model)
        model.fit(inputs[train], labels[train])
        f1, _ = training.scores(labels[val], model.predict_proba(inputs[val]))
        fitted[c] = f1, model
    best = max(fitted, key=lambda c: fitted[c][0])
    return fitted[best][1], best


def run(job, path):
    """Return the row of one job: its key, the best epoch, the epochs, macro-F1, accuracy, seconds."""
    data, started = tweets(path), time.perf_counter()
    train, val, test = data.parts(job.seed)
    train = data.draw(train, None if job.labels == "all" else job.labels, job.seed)
    measured = val if job.stage == "search" else test
    weights = training.class_weights(data.labels[train], WEIGHTS[job.weights])
    epoch, epochs, value = 0, 0, job.value
    if job.method == "always Pro":
        probabilities = np.tile(np.eye(4)[2], (len(measured), 1))
    elif job.method in MODELS:
        torch.manual_seed(job.seed)
        model = MODELS[job.method]().to(training.device())
        epochs = EPOCHS[job.labels] * (2 if job.method == "scratch" else 1)
        head = 10 * value if job.method == "full" else value
        ids = [[data.ids[row] for row in rows] for rows in (train, val, measured)]
        history = training.fit(
            model, ids[0], data.labels[train], ids[1], data.labels[val], epochs, value, head, weights, job.seed
        )
        epoch, probabilities = int(np.argmax(history)) + 1, training.predict(model, ids[2])
    else:
        if job.method == "TF-IDF":
            inputs, options = data.texts, {"sublinear_tf": True, "ngram_range": (1, 2)}
        else:
            inputs, options = vectors(path, *FEATURES[job.method]), {}
        model, value = regression(inputs, data.labels, train, val, weights, **options)
        probabilities = model.predict_proba(inputs[measured])
    found = [round(number, 4) for number in training.scores(data.labels[measured], probabilities)]
    return [*job[:-1], value, epoch, epochs, *found, round(time.perf_counter() - started, 1), machine()]


# --- all points ----------------------------------------------------------------------------------------------


def searches(names, labels=200, methods=tuple(RATES)):
    """The jobs that find the learning rates."""
    return [
        Job("search", name, method, labels, "square root", seed, rate)
        for name in names
        for method in methods
        for rate in RATES[method]
        for seed in SEARCH_SEEDS
    ]


def learning_rate(table, name, method, labels=200):
    """The learning rate that the searches choose; 0 for methods that have none."""
    if method not in RATES:
        return 0
    rows = table.query("stage == 'search' and data == @name and method == @method and labels == @labels")
    found = rows.groupby("value")["macro_f1"]
    means, errors = found.mean(), found.sem()
    best = means.idxmax()
    return float(means.index[means >= means[best] - errors[best]].min())


def points(names, table):
    """The jobs that measure, in three groups: the comparison, the class weights, the variants."""

    def jobs(methods, sizes, weights):
        return [
            Job("score", name, method, size, weight, seed, learning_rate(table, name, method))
            for seed in SEEDS
            for name in names
            for method in methods
            for size in sizes
            for weight in weights
        ]

    weighted = [method for method in MAIN if method not in ("always Pro", "scratch")]
    return [
        jobs(MAIN, SIZES, ["square root"]),
        jobs(weighted, (200, "all"), ["none", "balanced"]),
        jobs(VARIANTS, (200, "all"), ["square root"]),
    ]


def stored():
    if not TABLE.exists():
        return pd.DataFrame(columns=COLUMNS)
    table = pd.read_csv(TABLE, dtype={"labels": str})
    return table.assign(labels=table["labels"].map(lambda text: int(text) if text.isdigit() else text))


def done(table):
    """What is stored, as jobs; a regression's C is not part of the question."""
    value = table["value"].where(table["method"].isin(MODELS), 0)
    return set(table.assign(value=value)[KEY].itertuples(index=False, name=None))


def run_all(jobs, paths, processes, deadline):
    """Run what is not stored, the longest first, and store each row; return whether all are done."""
    known = done(stored())
    steps = {50: 120, 200: 200, 800: 400, "all": 1000}
    jobs = sorted(
        (job for job in jobs if tuple(job) not in known),
        key=lambda job: -steps[job.labels] * (2 if job.method == "scratch" else 1) * (job.method in MODELS),
    )
    context = multiprocessing.get_context("spawn")
    waiting, running = list(jobs), set()
    with futures.ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        while waiting or running:
            while waiting and len(running) < 2 * processes and time.monotonic() < deadline:
                job = waiting.pop(0)
                running.add(pool.submit(run, job, paths[job.data]))
            if not running:
                return False
            finished, running = futures.wait(running, return_when=futures.FIRST_COMPLETED)
            rows = [future.result() for future in finished]
            store(TABLE, pd.DataFrame(rows, columns=COLUMNS).astype({"labels": str}), KEY)
            for row in rows:
                print(*row, flush=True)
    return True


# --- what the table says -------------------------------------------------------------------------------------


def interval(differences):
    """Return the mean of paired differences and half the width of its 95 % interval (Student's t)."""
    n = len(differences)
    return np.mean(differences), t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / n**0.5


def paired(table, data, labels, a, b, weights=("square root", "square root")):
    """Method `a` less method `b` in macro-F1, seed by seed."""
    part = table.query("stage == 'score' and data == @data and labels == @labels").set_index(
        ["method", "weights", "seed"]
    )
    f1 = part["macro_f1"].sort_index()
    return f1[a, weights[0]] - f1[b, weights[1]]


def report(table):
    """Print every number that the lesson uses."""
    scored = table.query("stage == 'score'").assign(labels=lambda rows: rows["labels"].astype(str))
    print("\nLearning rates:")
    for name in scored["data"].unique():
        print(f"  {name}:", ", ".join(f"{method} {learning_rate(table, name, method):g}" for method in RATES))
    print("\nValidation macro-F1 of the searches, mean of three seeds:")
    searched = table.query("stage == 'search'").assign(labels=lambda rows: rows["labels"].astype(str))
    searched = searched.pivot_table(index=["data", "method", "labels"], columns="value", values="macro_f1")
    print(searched.round(3).astype(object).where(searched.notna(), "").to_string())
    for name, part in scored.groupby("data"):
        print(f"\n{name}: mean macro-F1, (lowest to highest of {part['seed'].nunique()} seeds)")
        cells = part.groupby(["method", "weights", "labels"])["macro_f1"].agg(["mean", "min", "max"])
        texts = cells.apply(lambda row: f"{row['mean']:.3f} ({row['min']:.2f} to {row['max']:.2f})", axis=1)
        sizes = [str(size) for size in SIZES if str(size) in set(part["labels"])]
        print(texts.unstack("labels")[sizes].fillna("").to_string())
        print("paired differences, 95 % interval")
        pairs = [("frozen", "TF-IDF"), ("full", "TF-IDF"), ("full", "frozen"), ("LoRA", "full"), ("LoRA", "frozen")]
        pairs += [
            ("full", "scratch"),
            ("scratch", "TF-IDF"),
            ("full", "frozen, [CLS]"),
            *((variant, variant.split(",")[0]) for variant in VARIANTS),
        ]
        for a, b in pairs:
            show_pair(table, name, a, b)
        for method in ("TF-IDF", "frozen", "LoRA", "full"):
            for weights in (("none", "square root"), ("balanced", "square root"), ("balanced", "none")):
                show_pair(table, name, method, method, weights)


def show_pair(table, name, a, b, weights=("square root", "square root")):
    parts = []
    for size in SIZES:
        try:
            differences = paired(table, name, size, a, b, weights).dropna()
        except KeyError:
            continue
        if len(differences) > 1:
            mean, half = interval(differences)
            parts.append(f"{size}: {mean:+.3f} ± {half:.3f}")
    label = f"{a} - {b}" if a != b else f"{a}, weights {weights[0]} - {weights[1]}"
    if parts:
        print(f"  {label:42} {'; '.join(parts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=Path, metavar="FILE", help="the real tweets: Kaggle's .csv or .zip")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing new after so many minutes")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="of these methods what the searches allow")
    parser.add_argument("--all-labels", action="store_true", help="also search learning rates with all labels")
    parser.add_argument("--print", action="store_true", help="only print what is stored")
    args = parser.parse_args()
    if not args.print:
        deadline = time.monotonic() + 60 * args.minutes
        paths = {"shipped": training.SHIPPED} | ({"real": args.tweets} if args.tweets else {})
        groups = [searches, *(lambda names, n=n: points(names, stored())[n] for n in range(3))]
        if args.all_labels:
            groups.append(lambda names: searches(names, "all", ("LoRA", "full")))
        complete = True
        for group in groups:
            jobs = [job for job in group(paths) if not args.only or job.method in args.only]
            complete = complete and run_all(jobs, paths, args.jobs, deadline)
        print("complete" if complete else "stopped; run it again and it goes on")
    report(stored())


if __name__ == "__main__":
    main()
