"""Learning curves of lesson 08: macro-F1 on test for each method, number of labels and seed.

    python benchmarks/learning_curves.py                   the course's own tweets ("shipped")
    python benchmarks/learning_curves.py --tweets FILE     and the Kaggle file, a .csv or the .zip ("real")

Adds to data/learning_curves.csv what is not there yet, each row when it is done, so it may be stopped at any time. To
compute everything again, delete the file first. One thread; the networks run in bfloat16 where the processor computes in it.
About an hour and a half on an idle core.

The split is by groups of copies and never changes: half of the rows are the pool, of which each seed draws its labelled
rows, three tenths are test, and the rest was for trying things out while the recipes were made. For each method:

TF-IDF       words and pairs of words, logistic regression
frozen       layer 4's hidden vectors, averaged over the tokens, logistic regression
two votes    the probabilities of "frozen" and of a TF-IDF of characters, averaged
finetuned    the classifier as the lesson trains it, all layers, from the pretrained weights
scratch      the same architecture, labels and steps, from random weights, with a learning rate of its own
begun well   the first four layers, begun at the answer of "frozen", embeddings fixed, rare classes weighted up
"""

import argparse
import functools
import html
import math
import sys
import time
from pathlib import Path

import ftfy
import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import make_pipeline
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
from transformers.utils import logging

from transfer_learning import checkpoint, load_tweets
from transfer_learning.tweets import RETWEET_OR_LINK

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
from environment import has_bfloat16  # noqa: E402
from tables import store  # noqa: E402

TABLE = ROOT / "data" / "learning_curves.csv"
SHIPPED = TABLE.with_name("climate_tweets.csv")
KEY = ["data", "labels", "method", "seed"]
COLUMNS = [*KEY, "macro_f1", "seconds"]
SIZES, SEEDS = (50, 200, 800), (0, 1, 2)
EPOCHS = {50: 24, 200: 10, 800: 4}  # few labels: more rounds, or there are hardly any steps
RATES = {"finetuned": 2e-4, "scratch": 5e-4, "begun well": 1e-4}  # each tried out on the rows outside pool and test
LAYER, BATCH_SIZE, MAX_LEN = 4, 16, 64


# --- data ---------------------------------------------------------------------------------------------------


class Data:
    """Clean texts, labels from 0, and the row numbers of the parts; one text once, copies in one part."""

    def __init__(self, path=SHIPPED):
        df = load_tweets(path)
        texts = df["message"].map(html.unescape).map(ftfy.fix_text)
        plain = (
            texts.str.replace(RETWEET_OR_LINK, "", regex=True)
            .str.lower()
            .str.replace(r"\W+", " ", regex=True)
            .str.strip()
        )
        once = ~plain.duplicated()
        self.texts = texts[once].to_numpy(dtype=object)
        self.labels = df["sentiment"][once].to_numpy() + 1
        # a retweet is cut at 140 characters, so copies differ at the end
        self.groups = plain[once].str[:50].to_numpy()
        folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=1234)
        tenths = [rows for _, rows in folds.split(self.texts, self.labels, self.groups)]
        self.dev, self.test, self.pool = (np.sort(np.concatenate(tenths[a:b])) for a, b in ((0, 2), (2, 5), (5, 10)))

    def sample(self, size, seed):
        """Row numbers of `size` labelled rows of the pool, classes in proportion."""
        return train_test_split(self.pool, train_size=size, random_state=seed, stratify=self.labels[self.pool])[0]

    @functools.cached_property
    def ids(self):
        return tokenizer()(list(self.texts), truncation=True, max_length=MAX_LEN)["input_ids"]

    @functools.cached_property
    def vectors(self):
        """Mean over the tokens of layer 4's hidden vectors, of unit length, shape (rows, hidden size)."""
        return in_batches(Body(), self.ids).numpy()


# --- networks -----------------------------------------------------------------------------------------------


@functools.cache
def tokenizer():
    return AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))


def bf16():
    """Compute in bfloat16 where the processor can: twice as fast, the weights stay float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16("cpu"))


class Body(torch.nn.Module):
    """The first layers of the network, one vector of unit length for a text; `head` makes logits of it."""

    def __init__(self, head=None):
        super().__init__()
        self.bert = AutoModel.from_pretrained(checkpoint("bert-base-uncased"), num_hidden_layers=LAYER)
        self.head = head

    def forward(self, **batch):
        mask = batch["attention_mask"].unsqueeze(-1)
        hidden = self.bert(**batch).last_hidden_state.float()
        vectors = normalize((hidden * mask).sum(1) / mask.sum(1))
        return vectors if self.head is None else self.head(vectors).float()


class Classifier(torch.nn.Module):
    """The library's classifier, pretrained or random."""

    def __init__(self, pretrained):
        super().__init__()
        self.bert = AutoModelForSequenceClassification.from_pretrained(checkpoint("bert-base-uncased"), num_labels=4)
        if not pretrained:
            self.bert = AutoModelForSequenceClassification.from_config(self.bert.config)

    def forward(self, **batch):
        return self.bert(**batch).logits.float()


def padded(ids):
    return tokenizer().pad({"input_ids": ids}, return_tensors="pt")


def in_batches(model, ids, size=64):
    """What the model gives for every row; sorted by length, so that there is hardly any padding."""
    model.eval()
    order = np.argsort([len(row) for row in ids], kind="stable")
    with torch.inference_mode(), bf16():
        parts = [model(**padded([ids[i] for i in order[at : at + size]])) for at in range(0, len(ids), size)]
    return torch.cat(parts)[np.argsort(order)]


def train(model, ids, labels, epochs, rate, weight=None, seed=0):
    """AdamW, a tenth of the steps to warm up, then down to 0; batches of about the same length."""
    rng = np.random.default_rng(seed)
    labels = torch.as_tensor(labels)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, fused=True)
    steps = epochs * math.ceil(len(ids) / BATCH_SIZE)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for _ in range(epochs):
        rows = sorted(rng.permutation(len(ids)), key=lambda row: len(ids[row]) // 8)
        batches = [rows[at : at + BATCH_SIZE] for at in range(0, len(rows), BATCH_SIZE)]
        for n in rng.permutation(len(batches)):
            with bf16():
                logits = model(**padded([ids[row] for row in batches[n]]))
            cross_entropy(logits, labels[batches[n]], weight=weight).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


# --- methods: predictions for the rows `test`, from the labelled rows `rows` ---------------------------------


def regression(C):
    return LogisticRegression(C=C, class_weight="balanced", max_iter=2000)


def from_texts(data, rows, test, C, **options):
    pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True, **options), regression(C))
    return pipeline.fit(data.texts[rows], data.labels[rows]).predict_proba(data.texts[test])


def from_vectors(data, rows, test):
    return regression(10).fit(data.vectors[rows], data.labels[rows]).predict_proba(data.vectors[test])


def tf_idf(data, rows, test, seed):
    return from_texts(data, rows, test, C=1, ngram_range=(1, 2))


def frozen(data, rows, test, seed):
    return from_vectors(data, rows, test)


def two_votes(data, rows, test, seed):
    characters = from_texts(data, rows, test, C=3, analyzer="char_wb", ngram_range=(2, 4), min_df=2)
    return (from_vectors(data, rows, test) + characters) / 2


def finetuned(data, rows, test, seed, pretrained=True):
    torch.manual_seed(seed)
    model = Classifier(pretrained)
    rate = RATES["finetuned" if pretrained else "scratch"]
    train(model, [data.ids[row] for row in rows], data.labels[rows], EPOCHS[len(rows)], rate, seed=seed)
    return in_batches(model, [data.ids[row] for row in test]).numpy()


def scratch(data, rows, test, seed):
    return finetuned(data, rows, test, seed, pretrained=False)


def begun_well(data, rows, test, seed):
    torch.manual_seed(seed)
    answer = regression(10).fit(data.vectors[rows], data.labels[rows])
    head = torch.nn.Linear(data.vectors.shape[1], 4)
    head.load_state_dict({"weight": torch.tensor(answer.coef_), "bias": torch.tensor(answer.intercept_)})
    model = Body(head)
    model.bert.embeddings.requires_grad_(False)
    weight = torch.tensor(len(rows) / 4 / np.bincount(data.labels[rows], minlength=4), dtype=torch.float32)
    ids = [data.ids[row] for row in rows]
    train(model, ids, data.labels[rows], min(5, EPOCHS[len(rows)]), RATES["begun well"], weight, seed)
    return in_batches(model, [data.ids[row] for row in test]).numpy()


METHODS = {
    "TF-IDF": tf_idf,
    "frozen": frozen,
    "two votes": two_votes,
    "finetuned": finetuned,
    "scratch": scratch,
    "begun well": begun_well,
}


def score(data, method, size, seed):
    """Macro-F1 on test with `size` labelled rows."""
    scores = METHODS[method](data, data.sample(size, seed), data.test, seed)
    return f1_score(data.labels[data.test], scores.argmax(axis=1), average="macro")


def plan(names):
    """Every point, the quick and the telling ones first."""
    quick, slow = list(METHODS)[:3], list(METHODS)[3:]
    points = [(name, size, method, seed) for name in names for size in SIZES for method in quick for seed in SEEDS]
    for size in SIZES:
        for methods in (slow[:2], slow[2:]):
            points += [(name, size, method, seed) for seed in SEEDS for name in names for method in methods]
    return points


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=Path, metavar="FILE", help="the real tweets: Kaggle's .csv or .zip")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    stored = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEY)
    done = set(stored[KEY].itertuples(index=False, name=None))
    paths = ({"real": args.tweets} if args.tweets else {}) | {"shipped": SHIPPED}
    sets = {name: Data(path) for name, path in paths.items()}
    for name, size, method, seed in plan(list(paths)):
        if (name, size, method, seed) in done:
            continue
        data = sets[name]
        if method not in ("TF-IDF", "finetuned", "scratch"):
            _ = data.vectors  # computed once; not this point's time
        started = time.process_time()
        f1 = score(data, method, size, seed)
        row = [name, size, method, seed, round(f1, 4), round(time.process_time() - started, 1)]
        store(TABLE, pd.DataFrame([row], columns=COLUMNS), KEY)
        print(*row, flush=True)


if __name__ == "__main__":
    main()
