"""Does it pay to let the classifier choose which texts to label? The tables and numbers of lesson 10, "Which texts first?".

    python benchmarks/active_learning.py                     the course's own tweets ("shipped")
    python benchmarks/active_learning.py --tweets FILE       those in another file ("real")
    python benchmarks/active_learning.py --show              only print what is stored

Every label is known, hidden, and uncovered when it is asked for. Each of 40 seeds splits the tweets anew: three tenths
to score on, the rest to ask about; copies are left out, and tweets that begin alike are on one side. Both strategies
start from the same 20 tweets, drawn at random, and go on in steps: "random" takes the next ones in random order,
"uncertainty" those whose two most probable classes are closest. So they differ in nothing but the texts they ask for,
and for each seed their scores can be compared as a pair.

The texts are the mean of the frozen network's last hidden vectors, of length 1; the classifiers are three logistic
regressions. Writes data/active_learning.csv (a line for each classifier, strategy and seed; the columns are numbers of
labels, and hold macro-F1) and prints the mean differences with 95 % intervals. One thread; about three minutes for the
course's tweets.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits
from training import ROOT, SHIPPED, Data, padded
from transformers import AutoModel

from transfer_learning import checkpoint

TABLE = ROOT / "data" / "active_learning.csv"
KEY = ["data", "classifier", "strategy", "seed"]
SIZES = [*range(20, 201, 20), 250, 300, 350, 400]
FINAL = 200
SEEDS = range(40)
STRATEGIES = ("random", "uncertainty")
CLASSIFIERS = {  # name: C and class weights
    "C=1, balanced": (1, "balanced"),  # the lesson's
    "C=10, balanced": (10, "balanced"),
    "C=30, no weights": (30, None),
}


def vectors(ids, size=64):
    """Return the mean of the last hidden vectors of each text, scaled to length 1: shape (texts, hidden size)."""
    model, rows = AutoModel.from_pretrained(checkpoint("bert-base-uncased")).eval(), []
    order = np.argsort([len(row) for row in ids], kind="stable")
    with torch.inference_mode():
        for at in range(0, len(ids), size):
            batch = padded([ids[i] for i in order[at : at + size]], "cpu")
            mask = batch["attention_mask"].unsqueeze(-1)
            rows.append((model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1))
    return torch.nn.functional.normalize(torch.cat(rows), dim=-1).numpy()[np.argsort(order)]


def margins(probabilities):
    """Return how far apart the two most probable classes are, for each row of (texts, classes)."""
    best = np.sort(probabilities, axis=1)
    return best[:, -1] - best[:, -2] if best.shape[1] > 1 else best[:, -1]


def curve(X, y, pool, test, strategy, C, class_weight):
    """Return macro-F1 on `test` for each number of labels; `pool` is in random order."""
    result = []
    for size, following in zip(SIZES, [*SIZES[1:], None]):
        classifier = LogisticRegression(C=C, class_weight=class_weight, tol=1e-4, max_iter=1000)
        classifier.fit(X[pool[:size]], y[pool[:size]])
        result.append(f1_score(y[test], classifier.predict(X[test]), average="macro", zero_division=0))
        if strategy == "uncertainty" and following:  # the least sure come next, the others stay in random order
            rest = pool[size:]
            chosen = np.argsort(margins(classifier.predict_proba(X[rest])), kind="stable")[: following - size]
            pool = np.concatenate([pool[:size], rest[chosen], np.delete(rest, chosen)])
    return result


def measure(name, path):
    """Run every classifier, strategy and seed on the tweets of one file, and store the scores of each seed."""
    from tables import store  # in tools/, which `training` puts on the path

    data = Data(path)
    X, y = vectors(data.ids), data.labels
    print(f"{name}: {len(y)} tweets", flush=True)
    for seed in SEEDS:
        train, val, test = data.parts(seed, val=1, test=3)
        pool, rows = np.random.default_rng(seed).permutation(np.concatenate([train, val])), []
        for classifier, (C, class_weight) in CLASSIFIERS.items():
            for strategy in STRATEGIES:
                scores = curve(X, y, pool, test, strategy, C, class_weight)
                rows.append([name, classifier, strategy, seed, *np.round(scores, 4)])
        store(TABLE, pd.DataFrame(rows, columns=[*KEY, *map(str, SIZES)]), KEY)


def interval(differences):
    """Return mean and half of the 95 % interval (Student's t)."""
    n = len(differences)
    return np.mean(differences), t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / n**0.5


def paired(table):
    """Return a table: for each data set, classifier and number of labels, what uncertainty gains over random."""
    table, rows = table.set_index(KEY).sort_index(), []
    for name, classifier in table.index.droplevel(["strategy", "seed"]).unique():
        random, chosen = (table.loc[(name, classifier, strategy)].sort_index() for strategy in STRATEGIES)
        for size in table.columns:
            gain = (chosen[size] - random[size]).to_numpy()
            mean, half = interval(gain)
            row = [name, classifier, int(size), random[size].mean(), chosen[size].mean(), mean, half, sum(gain > 0)]
            rows.append(row)
    columns = ["data", "classifier", "labels", *STRATEGIES, "gain", "half", "ahead"]
    return pd.DataFrame(rows, columns=columns)


def to_match(table, name, classifier):
    """Return the least number of labels with which random choice scores what uncertainty scores with `FINAL`."""
    means = paired(table).query("data == @name and classifier == @classifier").set_index("labels")
    enough = means.index[means["random"] >= means.loc[FINAL, "uncertainty"]]
    return str(enough[0]) if len(enough) else f"more than {SIZES[-1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=Path, metavar="FILE", help='other tweets, such as the Kaggle file: "real"')
    parser.add_argument("--show", action="store_true", help="compute nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    if not args.show:
        with threadpool_limits(1):
            measure("real", args.tweets) if args.tweets else measure("shipped", SHIPPED)
    table = pd.read_csv(TABLE)
    for (name, classifier), means in paired(table).groupby(["data", "classifier"], sort=False):
        print(f"\n{name}, {classifier}\nlabels  random  uncertainty  gain, 95 % interval  ahead in")
        for row in means.itertuples():
            print(
                f"{row.labels:6}  {row.random:6.3f}  {row.uncertainty:11.3f}  {row.gain:+.3f} ± {row.half:.3f}"
                f"{'':7}{row.ahead} of {len(table['seed'].unique())}"
            )
        print(f"random needs {to_match(table, name, classifier)} labels for what uncertainty has with {FINAL}")


if __name__ == "__main__":
    main()
