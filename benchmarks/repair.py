"""Repairing a blind spot with a few labels, in two rounds: the settings, numbers and table of lesson 10, "Repairing".

    python benchmarks/repair.py                  look for a setting on the development sentences
    python benchmarks/repair.py --sealed         open data/behaviour_sealed.csv, once, with the setting found before
    python benchmarks/repair.py --seeds 1 --quick            try it out: one seed, three settings
    python benchmarks/repair.py --show           only print what is stored

For each seed, tweets are split anew (copies left out; a tenth for validation, a tenth for test) and a classifier is
trained on them as in lesson 08. Then two rounds of repair. Each labels some texts of data/reserve.csv, here with the
labels in data/reserve_gold.csv, and goes on training from the classifier: on a sample of the tweets, so that it forgets
nothing, and on all the new texts so far, each several times.

Settings are tried on the 60 sentences of data/behaviour_dev.csv, one question after another, as `QUESTIONS` lists them;
each answer is kept for the next. Of the settings that cost validation at most 0.01 of macro-F1, and whose rounds take at
most `TOKENS` padded tokens (under 45 s on two cores), the one that gets most sentences right is kept, on average over
all seeds. Neither the test set nor the sealed file is looked at before that is decided. (The last question, "all texts",
came after the sealed file had been opened once, for 95 texts; data/repair_first.csv keeps what it said then.)

Writes data/repair.csv (per seed, stage, file and class: how many there are, how many are right; for "all" classes also
macro-F1) and data/repair_settings.csv (what was tried; on an H200, 102 s with --jobs 15). On two cores, training takes three
minutes per seed, and each setting one. Trained classifiers are kept in build/repair.
"""

import argparse
import dataclasses
import functools
import multiprocessing
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t
from sklearn.cluster import KMeans
from training import BATCH_SIZE, NAMES, ROOT, Data, class_weights, classifier, device, encode, fit, predict, scores

from transfer_learning import checkpoint

sys.path.append(str(ROOT / "tools"))
from environment import machine

TABLE, SETTINGS = ROOT / "data" / "repair.csv", ROOT / "data" / "repair_settings.csv"
CACHE = ROOT / "build" / "repair"
FIRST = 35  # texts labelled in round one
TOKENS = 80_000  # padded tokens in a round of training
MAY_FALL = 0.01  # of macro-F1 on validation
NEGATION = r"\b(?:no|not|never|nobody|nothing|none|cannot|isn|aren|wasn|don|doesn|didn|won|can|without)\b(?:['’]t)?"
STAGES = ("before", "round one", "round two")


@dataclasses.dataclass(frozen=True)
class Setting:
    first: str = "random"  # how round one chooses texts: a name in CHOICES
    second: str = "random"  # how round two does
    more: int = 60  # texts labelled in round two
    repeats: int = 4  # how often each new text is seen in an epoch
    rate: float = 7e-5  # learning rate of the body; the head's is three times as high
    replay: int | None = 600  # how many tweets are trained on again; None: all
    epochs: int = 1
    start: str = "last"  # round two goes on from the "last" round's classifier, or from the "saved" one


TRAINING = [{"repeats": repeats, "rate": rate} for repeats in (4, 8, 16) for rate in (7e-5, 1.5e-4, 3e-4)]
QUESTIONS = {  # what is tried, in this order
    "training": TRAINING,
    "texts": [
        {"first": first, "second": second}
        for first in ("random", "uncertain", "half", "spread", "neighbours")
        for second in (first, "contrasts", "neighbours")
    ],
    "start": [{"start": "saved"}],
    "length": [
        {"replay": 300},
        {"replay": 300, "epochs": 2},
        {"replay": 300, "epochs": 3},
        {"epochs": 2},
        {"replay": None},
    ],
    "number": [{"more": 35}],
    "training again": TRAINING,
    "all texts": [
        {"more": 125, "repeats": 4},
        {"more": 285, "repeats": 4},
        {"more": 285, "repeats": 2, "epochs": 3},
        {"more": 285, "repeats": 2, "epochs": 4},
    ],
}
QUICK = {"training": [{"repeats": 8}], "texts": [{"first": "spread", "second": "neighbours"}]}


# --- texts --------------------------------------------------------------------------------------------------


class Texts:
    """Texts with their ids and the numbers of their classes."""

    def __init__(self, texts, labels):
        self.texts, self.ids = list(texts), encode(texts)
        self.labels = np.array([NAMES.index(label) for label in labels])

    @classmethod
    def read(cls, path):
        table = pd.read_csv(path)
        return cls(table["text"], table["label"])


@functools.cache
def reserve(folder):
    texts, gold = (pd.read_csv(folder / name) for name in ("reserve.csv", "reserve_gold.csv"))
    both = texts.merge(gold, on="id", validate="one_to_one")
    return Texts(both["text"], both["label"])


@functools.cache
def sentences(folder, name):
    return Texts.read(folder / f"behaviour_{name}.csv")


# --- choosing -----------------------------------------------------------------------------------------------


def least_sure(probabilities):
    """Return row numbers, first the row whose two most probable classes are closest."""
    best = np.sort(probabilities, axis=1)
    return np.argsort(best[:, -1] - best[:, -2], kind="stable")


def spread(vectors, n, seed):
    """Return the row nearest to the centre of each of `n` clusters: texts that differ from each other."""
    clusters = KMeans(n, n_init=4, random_state=seed).fit(vectors)
    nearest = np.linalg.norm(vectors[:, None] - clusters.cluster_centers_, axis=-1).argmin(axis=0)
    return np.unique(nearest)


def neighbours(vectors, wrong):
    """Return row numbers: the row nearest to each vector in `wrong`, then the second nearest to each, and so on."""
    return list(dict.fromkeys(np.argsort(-wrong @ vectors.T, axis=1, kind="stable").T.ravel().tolist()))


def choose(how, n, texts, probabilities, vectors, wrong, taken, seed):
    """Return the numbers of `n` texts to label next, none of them in `taken`; `how` is one of

    random      as it says
    uncertain   those whose two most probable classes are closest
    half        half of them so, the others at random
    spread      those in the middle of as many clusters
    contrasts   half of them with a word such as "not", the others at random
    neighbours  those most like the development sentences that are wrong now, whose vectors are `wrong`
    """
    rest = np.setdiff1d(np.arange(len(texts)), taken)
    mixed = np.random.default_rng(seed).permutation(rest).tolist()
    if how == "random":
        first = []
    elif how in ("uncertain", "half"):
        first = [row for row in least_sure(probabilities).tolist() if row in mixed][
            : n if how == "uncertain" else n // 2
        ]
    elif how == "spread":
        first = rest[spread(vectors[rest], n, seed)].tolist()
    elif how == "contrasts":
        first = [row for row in mixed if re.search(NEGATION, texts[row], flags=re.I)][: n // 2]
    else:
        first = [row for row in neighbours(vectors, wrong) if row in mixed][:n]
    return np.array([*first, *(row for row in mixed if row not in first)][:n])


# --- one seed -----------------------------------------------------------------------------------------------


@functools.cache
def data():
    return Data()


@functools.cache
def parts(seed):
    """Return the row numbers of train, validation and test."""
    return data().parts(seed, val=1, test=1)


@functools.cache
def mean_vectors(folder):
    """Return the frozen network's mean last hidden vectors, of length 1: of the reserve, and of the sentences."""
    from active_learning import vectors

    return vectors(reserve(folder).ids), vectors(sentences(folder, "dev").ids)


@functools.cache
def saved(seed, cache, epochs=4):
    """Return the weights of lesson 08's classifier for this seed; train it if it is not in the folder `cache`."""
    file = cache / f"seed{seed}.pt"
    if not file.exists():
        tweets = data()
        train, val, _ = parts(seed)
        torch.manual_seed(seed)
        model = classifier().to(device())
        weights = class_weights(tweets.labels[train], 0.5)
        given = [x for rows in (train, val) for x in ([tweets.ids[row] for row in rows], tweets.labels[rows])]
        fit(model, *given, epochs, 1e-4, 1e-3, weights, seed)
        cache.mkdir(parents=True, exist_ok=True)
        torch.save({name: value.cpu() for name, value in model.state_dict().items()}, file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)
    return torch.load(file)


@functools.cache
def model():
    return classifier().to(device())


def padded_tokens(lengths):
    """Return about how many tokens there are, padding included, in batches of similar lengths."""
    longest = np.sort(lengths)[::-1][::BATCH_SIZE]
    return int(longest.sum()) * BATCH_SIZE


def repair(seed, setting, cache, folder, files=("dev",)):
    """Run both rounds; return the rows of the table, and what the choice of a setting needs.

    `files` are the files of sentences that are scored at each stage; the test set is, too, if "test" is among them.
    """
    tweets, texts, net = data(), reserve(folder), model()
    train, val, test = parts(seed)
    weights = class_weights(tweets.labels[train], 0.5)
    val_ids, test_ids = ([tweets.ids[row] for row in rows] for rows in (val, test))
    net.load_state_dict(saved(seed, cache))
    taken, rows, facts = np.array([], dtype=int), [], {"tokens": 0, "seconds": 0.0}
    right = None  # of each development sentence, whether the classifier is right
    for number, stage in enumerate(STAGES):
        if number:
            how, n = (setting.first, FIRST) if number == 1 else (setting.second, setting.more)
            vectors, others = mean_vectors(folder) if how in ("spread", "neighbours") else (None, None)
            wrong = others[~right] if how == "neighbours" else None
            new = choose(how, n, texts.texts, predict(net, texts.ids), vectors, wrong, taken, 10 * seed + number)
            taken = np.concatenate([taken, new])
            again = train if setting.replay is None else tweets.draw(train, setting.replay, 10 * seed + number)
            ids = [tweets.ids[row] for row in again] + [texts.ids[row] for row in taken] * setting.repeats
            labels = np.concatenate([tweets.labels[again], np.tile(texts.labels[taken], setting.repeats)])
            tokens = setting.epochs * padded_tokens([len(row) for row in ids])
            if setting.start == "saved":
                net.load_state_dict(saved(seed, cache))
            torch.manual_seed(10 * seed + number)
            started = time.perf_counter()
            rates = (setting.rate, 3 * setting.rate)
            fit(net, ids, labels, val_ids, tweets.labels[val], setting.epochs, *rates, weights, seed)
            seconds = time.perf_counter() - started
            facts["tokens"], facts["seconds"] = max(tokens, facts["tokens"]), max(seconds, facts["seconds"])
        facts[f"validation {stage}"] = scores(tweets.labels[val], predict(net, val_ids))[0]
        for file in files[::-1]:  # "dev" last: `right` is about its sentences
            if file == "test":
                labels, said = tweets.labels[test], predict(net, test_ids)
            else:
                labels, said = sentences(folder, file).labels, predict(net, sentences(folder, file).ids)
            right = said.argmax(axis=1) == labels
            for c, name in enumerate(NAMES):
                own = right[labels == c]
                rows.append([seed, stage, file, name, len(own), int(own.sum()), None])
            rows.append([seed, stage, file, "all", len(right), int(right.sum()), round(scores(labels, said)[0], 4)])
            facts[f"{file} {stage}"] = right.mean()
            facts[f"{file} lowest {stage}"] = min(right[labels == c].mean() for c in set(labels))
    return rows, facts


# --- all seeds ----------------------------------------------------------------------------------------------


def work(task):
    """Run one task in a process of its own; of its functions only the arguments travel."""
    if task[0] == "train":
        _, seed, cache = task
        started = time.perf_counter()
        saved(seed, cache)
        return f"seed {seed}: {time.perf_counter() - started:.0f} s"
    return repair(*task[1:])


def threads(number):
    if number:
        torch.set_num_threads(number)


def summary(setting, results):
    """Return one line of the table of settings: means over the seeds."""
    facts = pd.DataFrame([facts for _, facts in results]).mean()
    line = dataclasses.asdict(setting) | {"replay": setting.replay or "all", "seeds": len(results)}
    line |= {f"dev {stage}": round(facts[f"dev {stage}"], 4) for stage in STAGES}
    line["dev lowest class"] = round(facts["dev lowest round two"], 4)
    line["validation"] = round(facts["validation round two"] - facts["validation before"], 4)
    return line | {"tokens": int(facts["tokens"]), "seconds": round(facts["seconds"], 1)}


def allowed(line):
    return line["validation"] >= -MAY_FALL and line["tokens"] <= TOKENS


def search(run, questions, until=float("inf"), best=None):
    """Answer one question after another, from the setting `best`; return the one kept, and a line for each one tried.

    No question is begun when `time.perf_counter()` is past `until`.
    """
    best, tried = best or Setting(), {}
    for question, changes in questions.items():
        if time.perf_counter() > until:
            print(f"no time left for the question of {question}")
            continue
        candidates = list(dict.fromkeys([best, *(dataclasses.replace(best, **change) for change in changes)]))
        new = [setting for setting in candidates if setting not in tried]
        for setting, line in zip(new, run(new)):
            tried[setting] = {"question": question} | line
            print(*(f"{value}" for value in tried[setting].values()), sep="\t", flush=True)
        fit_to_use = [setting for setting in candidates if allowed(tried[setting])] or [best]
        # of equally good ones the cheaper
        best = max(fit_to_use, key=lambda setting: (tried[setting]["dev round two"], -tried[setting]["tokens"]))
    return best, [line | {"kept": setting == best} for setting, line in tried.items()]


def kept(file):
    """Return the setting that an earlier search has kept."""
    table = pd.read_csv(file, dtype=object)
    (row,) = table[table["kept"] == "True"].to_dict("records")
    types = {"more": int, "repeats": int, "rate": float, "epochs": int, "first": str, "second": str, "start": str}
    replay = None if row["replay"] == "all" else int(row["replay"])
    return Setting(replay=replay, **{name: kind(row[name]) for name, kind in types.items()})


def interval(values):
    """Return mean and half of the 95 % interval (Student's t); half is 0 where there is one value."""
    n = len(values)
    return np.mean(values), t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5 if n > 1 else 0.0


def show(table):
    """Print the share that is right and its interval over the seeds, by file, stage and class; for test macro-F1."""
    print(f"\n{table['seed'].nunique()} seeds, {', '.join(table['machine'].unique())}")
    for file in table["file"].unique():
        part = table[table["file"] == file]
        for stage in STAGES:
            print(f"{file:8}{stage:10}", end="")
            for name in [*NAMES, "all"]:
                own = part[(part["stage"] == stage) & (part["class"] == name)]
                mean, half = interval(own["right"] / own["n"])
                print(f"  {name} {mean:.1%} ± {half:.1%}", end="")
            whole = part[part["class"] == "all"].pivot(index="seed", columns="stage", values="macro_f1")
            mean, half = interval(whole[stage])
            change, by = interval(whole[stage] - whole["before"])
            print(f"  macro-F1 {mean:.3f} ± {half:.3f} (change {change:+.3f} ± {by:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sealed", action="store_true", help="do not search; open the sealed file, with the setting kept"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--begin-within", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=[], help="go on from what was kept")
    parser.add_argument("--quick", action="store_true", help="try very few settings")
    parser.add_argument("--show", action="store_true", help="compute nothing")
    parser.add_argument("--out", type=Path, default=ROOT / "data", help="folder for the two tables")
    parser.add_argument("--texts", type=Path, default=ROOT / "data", help="folder with reserve and sentences")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args()
    table_file, settings_file = args.out / TABLE.name, args.out / SETTINGS.name
    if args.show:
        return show(pd.read_csv(table_file))
    started, seeds = time.perf_counter(), range(args.seeds)
    checkpoint("bert-base-uncased")  # assembled once, not by each process
    with multiprocessing.get_context("spawn").Pool(args.jobs, threads, [1 if args.jobs > 1 else 0]) as pool:

        def run(settings, files=("dev",)):
            tasks = [("repair", s, setting, args.cache, args.texts, files) for setting in settings for s in seeds]
            results = pool.map(work, tasks, chunksize=1)
            return [results[at : at + len(seeds)] for at in range(0, len(results), len(seeds))]

        print(*pool.map(work, [("train", seed, args.cache) for seed in seeds], chunksize=1), sep="\n", flush=True)
        print(f"classifiers ready after {time.perf_counter() - started:.0f} s", flush=True)
        if args.sealed:
            best = kept(settings_file)
        else:
            best, tried = search(
                lambda settings: [summary(s, results) for s, results in zip(settings, run(settings))],
                {name: QUESTIONS[name] for name in args.only} or (QUICK if args.quick else QUESTIONS),
                started + args.begin_within,
                kept(settings_file) if args.only else None,
            )
            tried = pd.DataFrame(tried).assign(machine=machine())
            if args.only:
                tried = pd.concat([pd.read_csv(settings_file).assign(kept=False), tried])
            tried.to_csv(settings_file, index=False, lineterminator="\n")
        print(f"after {time.perf_counter() - started:.0f} s: {best}", flush=True)
        (results,) = run([best], ("dev", "test", *["sealed"] * args.sealed))
    rows = [[*row, machine()] for own, _ in results for row in own]
    columns = ["seed", "stage", "file", "class", "n", "right", "macro_f1", "machine"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(table_file, index=False, lineterminator="\n")
    show(table)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
