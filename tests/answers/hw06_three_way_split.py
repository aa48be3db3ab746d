"""Answers to homework 06: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import random
import re
import zlib
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split

from transfer_learning import check
from transfer_learning.tweets import python_strings


def judge(three_way_split):
    return check.three_way_split(three_way_split)


def plain(df, retweets=r"^(RT @\w+:\s*)+", links=r"http\S*", lower=True, strip=True):
    """The text that copies share."""
    text = df["message"].str.replace(retweets, "", regex=True).str.replace(links, "", regex=True)
    text = text.str.lower() if lower else text
    return text.str.strip() if strip else text


def by_text(df, seed, text=None, stratify=(True, True), held_out=(0.2, 0.5)):
    """Split texts, each with the class of its first copy, then take the rows of each text."""
    text = plain(df) if text is None else text
    classes = df["sentiment"].groupby(text).first()
    train, rest = train_test_split(
        classes.index, test_size=held_out[0], stratify=classes if stratify[0] else None, random_state=seed
    )
    val, test = train_test_split(
        rest, test_size=held_out[1], stratify=classes[rest] if stratify[1] else None, random_state=seed
    )
    return tuple(df[text.isin(part)] for part in (train, val, test))


# --- right


def ten_folds(df, seed):
    folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=seed)
    test, val, *train = [rows for _, rows in folds.split(df, df["sentiment"], groups=plain(df))]
    return df.iloc[np.concatenate(train)], df.iloc[val], df.iloc[test]


def columns_by_position(df, seed):
    texts = []
    for _, message, _ in df.to_numpy().tolist():
        texts.append(re.sub(r"http\S*", "", re.sub(r"^(RT @\w+:\s*)+", "", message)).lower().strip())
    return by_text(df, seed, pd.Series(texts, df.index))


def remembers(df, seed, sets={}):  # noqa: B006
    sets[seed] = sets.get(seed) or by_text(df, seed)
    return sets[seed]


def five_folds_then_two(df, seed):
    def first(part, folds):
        folds = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        rest, held = next(folds.split(part, part["sentiment"], plain(part)))
        return part.iloc[rest].reset_index(drop=True), part.iloc[held].reset_index(drop=True)

    train, held = first(df, 5)
    return [train, *first(held, 2)]


def most_frequent_class(df, seed):
    df = df.assign(text=plain(df))
    texts = df.groupby("text", as_index=False)["sentiment"].agg(lambda classes: classes.mode()[0])
    train, held = train_test_split(texts, test_size=0.2, stratify=texts["sentiment"], random_state=seed)
    val, test = train_test_split(held, test_size=0.5, stratify=held["sentiment"], random_state=seed)
    return tuple(df.merge(part[["text"]], on="text") for part in (train, val, test))


def greedy(df, seed):
    """The largest texts first, each into the part that lacks most of its classes."""
    groups = defaultdict(list)
    for row, text in enumerate(plain(df)):
        groups[text].append(row)
    groups = list(groups.values())
    random.Random(seed).shuffle(groups)
    classes = df["sentiment"].tolist()
    lacks = [{kind: share * n for kind, n in Counter(classes).items()} for share in (0.8, 0.1, 0.1)]
    parts = [], [], []
    for rows in sorted(groups, key=len, reverse=True):
        best = max(range(3), key=lambda part: sum(lacks[part][classes[row]] for row in rows))
        parts[best].extend(rows)
        for row in rows:
            lacks[best][classes[row]] -= 1
    return [df.iloc[sorted(part)] for part in parts]


def each_class_in_turn(df, seed):
    """The texts of each class in random order: the first tenth of their rows to val, the next one to test."""
    rng = np.random.default_rng(seed)
    text, part = plain(df), {}
    classes = df["sentiment"].groupby(text).agg(lambda values: values.mode()[0])
    sizes = text.value_counts()
    for kind in sorted(set(classes)):
        texts = rng.permutation(np.array(classes.index[classes == kind], dtype=object))
        middle = (np.cumsum(sizes[texts]) - sizes[texts] / 2) / sizes[texts].sum()
        part.update(zip(texts, np.select([middle < 0.1, middle < 0.2], ["val", "test"], "train")))
    return tuple(group for _, group in sorted(df.groupby(text.map(part)), key=lambda pair: pair[0] != "train"))


def best_of_many(df, seed):
    """Draw texts by chance again and again, and keep the draw whose parts are most like the whole."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.tensor(pd.factorize(plain(df))[0])
    classes = torch.nn.functional.one_hot(torch.tensor(df["sentiment"].to_numpy()) + 1).double()
    tenth, best = int(text.max() + 1) // 10, None
    for _ in range(100):
        rank = torch.argsort(torch.randperm(int(text.max()) + 1, generator=generator))[text]
        part = torch.bucketize(rank, torch.tensor([tenth, 2 * tenth]), right=True)  # 0 val, 1 test, 2 train
        off = sum((classes[part == k].mean(0) - classes.mean(0)).abs().sum() for k in (0, 1))
        if best is None or off < best[0]:
            best = off, part.numpy()
    return df[best[1] == 2], df[best[1] == 0], df[best[1] == 1]


def global_seed(df, seed):
    np.random.seed(seed)
    text = plain(df)
    classes = df["sentiment"].groupby(text).first()
    order = classes.sample(frac=1).sort_values(kind="stable")  # by class, by chance within one
    tenths = pd.Series((np.arange(len(order)) + np.random.randint(10)) % 10, index=order.index)
    which = text.map(tenths)
    return df[which > 1], df[which == 0], df[which == 1]


def union_find(df, seed):
    """Without a pattern for links: rows whose words agree belong together."""

    def words(message):
        return tuple(w for w in re.sub(r"^(RT @\w+: )+", "", message).lower().split() if not w.startswith("http"))

    return by_text(df, seed, df["message"].map(words).map(" ".join))


def first_five_words(df, seed):
    """Keeps more together than it must."""
    return by_text(df, seed, plain(df).str.split().str[:5].str.join(" "))


def singles_held_out(df, seed):
    """Everything that has a copy goes to train; the rest is stratified."""
    text, tenth = plain(df), round(0.1 * len(df))
    rest = df[~text.duplicated(keep=False)]
    parts = []
    for _ in range(2):
        rest, part = train_test_split(rest, test_size=tenth, stratify=rest["sentiment"], random_state=seed)
        parts.append(part)
    return df[~df["tweetid"].isin(pd.concat(parts)["tweetid"])], *parts


class Splitter:
    def __init__(self, shares):
        self.shares = shares

    def __call__(self, df, seed):
        parts = by_text(df, seed, held_out=self.shares)
        return [part.sample(frac=1, random_state=seed).reset_index(drop=True) for part in parts]


def with_more_columns(df, seed):
    df = df.copy()
    df["text"], df["label"] = plain(df), df["sentiment"] + 1
    parts = by_text(df, seed, df["text"])
    return tuple(part[["label", "text", "tweetid", "message", "sentiment"]].set_index("text") for part in parts)


def rows_of_dicts(df, seed):
    """Nothing of pandas but the ends."""
    rows, texts = df.to_dict("records"), plain(df).tolist()
    kinds, labels = sorted(set(df["sentiment"])), dict(zip(texts, df["sentiment"]))
    rng, part = random.Random(f"split {seed}"), {}
    for kind in kinds:
        names = sorted(text for text, label in labels.items() if label == kind)
        rng.shuffle(names)
        cut = [round(len(names) * share) for share in (0.1, 0.2)]
        part |= {text: 1 if n < cut[0] else 2 if n < cut[1] else 0 for n, text in enumerate(names)}
    return [pd.DataFrame([row for row, text in zip(rows, texts) if part[text] == k]) for k in range(3)]


RIGHT = {
    "ten folds": ten_folds,
    "five folds, then two": five_folds_then_two,
    "texts by their first class": by_text,
    "columns by position": columns_by_position,
    "texts by their most frequent class": most_frequent_class,
    "greedy": greedy,
    "each class in turn": each_class_in_turn,
    "best of a hundred draws": best_of_many,
    "numpy's global seed": global_seed,
    "words that agree": union_find,
    "first five words": first_five_words,
    "only single tweets held out": singles_held_out,
    "an object that can be called": Splitter((0.2, 0.5)),
    "a partial": functools.partial(by_text, held_out=(0.19, 0.5)),
    "a list from a generator": lambda df, seed: list(part for part in by_text(df, seed)),
    "further columns, another index": with_more_columns,
    "rows of dicts": rows_of_dicts,
    "seed by another name": lambda df, random_state: by_text(df, random_state + 1),
    "train a bit smaller": lambda df, seed: by_text(df, seed, held_out=(0.22, 0.5)),
}


# --- wrong


def by_row(df, seed):
    train, held = train_test_split(df, test_size=0.2, stratify=df["sentiment"], random_state=seed)
    return train, *train_test_split(held, test_size=0.5, stratify=held["sentiment"], random_state=seed)


def old_tutorial(df, seed):
    """Two parts of rows, by chance, by a seed that never changes."""
    return train_test_split(df, random_state=1234, test_size=0.2)


def ids_in_groups(df, seed):
    """The groups are the tweets' own numbers: each row is one."""
    return by_text(df, seed, df["tweetid"])


def chance_alone(df, seed):
    _, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(df, groups=plain(df)))
    held = df.iloc[held]
    val, test = next(GroupShuffleSplit(1, test_size=0.5, random_state=seed).split(held, groups=plain(held)))
    return df.drop(held.index), held.iloc[val], held.iloc[test]


def hashed(df, seed):
    """Texts in the order of a checksum: as good as by chance."""
    place = plain(df).map(lambda text: zlib.crc32(f"{seed} {text}".encode())).rank(method="dense", pct=True)
    return df[place > 0.2], df[place <= 0.1], df[(place > 0.1) & (place <= 0.2)]


def class_by_class(df, seed):
    """Each class split by itself: a copy with another class goes its own way."""
    parts = [by_text(rows, seed + kind + 1, stratify=(False, False)) for kind, rows in df.groupby("sentiment")]
    return tuple(map(pd.concat, zip(*parts)))


def grouped_by_class_too(df, seed):
    return by_text(df, seed, plain(df) + df["sentiment"].astype(str))


def sorted_by_class(df, seed):
    """No part has all classes."""
    text = plain(df)
    order = df["sentiment"].groupby(text).first().sample(frac=1, random_state=seed).sort_values(kind="stable").index
    cut = int(len(order) * 0.1)
    parts = order[2 * cut :], order[:cut], order[cut : 2 * cut]
    return tuple(df[text.isin(part)] for part in parts)


def copies_dropped(df, seed):
    return by_text(df[~plain(df).duplicated()], seed)


def text_replaced(df, seed):
    df = df.assign(message=plain(df))
    return by_text(df, seed, df["message"])


def adds_a_column(df, seed):
    df["text"] = plain(df)
    return by_text(df, seed, df["text"])


def tweetid_as_index_of_df(df, seed):
    df.index = df["tweetid"]
    return by_text(df, seed)


def labels_in_place(df, seed):
    df["sentiment"] += 1
    return tuple(part.assign(sentiment=part["sentiment"] - 1) for part in by_text(df, seed))


def second_split_of_everything(df, seed):
    """val comes from df again, not from what train left over."""
    train, _, _ = by_text(df, seed)
    _, val, test = by_text(df, seed + 1)
    return train, val, test


def balanced(df, seed):
    """Small classes filled up with copies of their rows."""
    train, val, test = by_text(df, seed)
    largest = train["sentiment"].value_counts().max()
    train = train.groupby("sentiment").sample(largest, replace=True, random_state=seed)
    return train, val, test


def same_rows_measured(df, seed):
    train, val, _ = by_text(df, seed, held_out=(0.1, 0.01), stratify=(True, False))
    return train, val, val


def unseeded_second_half(df, seed):
    train, *held = by_text(df, seed)
    held = pd.concat(held)
    _, *halves = by_text(held, None, held_out=(0.98, 0.5), stratify=(False, False))
    return train, halves[0], held.drop(halves[0].index)


python_strings()  # as in a notebook, where the tweets were loaded before
COURSE = pd.DataFrame({"sentiment": [0, 1] * 50, "message": [f"text {n}" for n in range(100)], "tweetid": range(100)})


def parts_of(df, seed, change):
    return tuple(change(part) for part in by_text(df, seed))


WRONG = {
    "nothing but dots": ("returns-nothing", lambda df, seed: ...),
    "only two parts": ("not-three-parts", old_tutorial),
    "X and y of each part": ("not-three-parts", lambda df, seed: [p for p in by_text(df, seed) for _ in range(2)]),
    "one part after the other": ("wrong-type", lambda df, seed: (part for part in by_text(df, seed))),
    "row numbers": ("wrong-type", lambda df, seed: parts_of(df, seed, lambda part: part.index)),
    "messages alone": ("wrong-type", lambda df, seed: parts_of(df, seed, lambda part: part["message"])),
    "a dict of parts": ("wrong-type", lambda df, seed: dict(zip(("train", "val", "test"), by_text(df, seed)))),
    "without tweetid": ("columns-lost", lambda df, seed: parts_of(df, seed, lambda p: p[["sentiment", "message"]])),
    "tweetid as index": ("columns-lost", lambda df, seed: parts_of(df, seed, lambda p: p.set_index("tweetid"))),
    "rows of another table": ("rows-not-in-df", lambda df, seed: by_text(COURSE, seed)),
    "texts replaced": ("rows-not-as-they-were", text_replaced),
    "classes renumbered": (
        "rows-not-as-they-were",
        lambda df, seed: parts_of(df, seed, lambda part: part.assign(sentiment=part["sentiment"] + 1)),
    ),
    "messages shuffled": (
        "rows-not-as-they-were",
        lambda df, seed: parts_of(df, seed, lambda p: p.assign(message=p["message"].tolist()[::-1])),
    ),
    "val is test": ("row-twice", same_rows_measured),
    "val from df again": ("row-twice", second_split_of_everything),
    "classes filled up": ("row-twice", balanced),
    "copies dropped": ("rows-left-out", copies_dropped),
    "one row lost": ("rows-left-out", lambda df, seed: parts_of(df, seed, lambda part: part.iloc[1:])),
    "adds a column to df": ("input-changed", adds_a_column),
    "gives df an index": ("input-changed", tweetid_as_index_of_df),
    "shifts the classes of df": ("input-changed", labels_in_place),
    "a constant seed": ("seed-without-effect", lambda df, seed: by_text(df, 1234)),
    "first rows, last rows": (
        "seed-without-effect",
        lambda df, seed: (
            df[: int(0.8 * len(df))],
            df[int(0.8 * len(df)) : int(0.9 * len(df))],
            df[int(0.9 * len(df)) :],
        ),
    ),
    "no seed": ("split-not-repeatable", lambda df, seed: by_text(df, None)),
    "seed 0 is no seed": ("split-not-repeatable", lambda df, seed: by_text(df, seed or None)),
    "the second half without seed": ("split-not-repeatable", unseeded_second_half),
    "rows, not texts": ("same-text-apart", by_row),
    "groups of one row": ("same-text-apart", ids_in_groups),
    "the first call's sets": ("rows-not-in-df", remembers),
    "every column twice": (
        "columns-lost",
        lambda df, seed: [pd.concat([part, part], axis=1) for part in by_text(df, seed)],
    ),
    "texts as they stand": ("retweets-and-links-apart", lambda df, seed: by_text(df, seed, df["message"])),
    "spaces count": ("spaces-apart", lambda df, seed: by_text(df, seed, plain(df, strip=False))),
    "retweets forgotten": ("retweets-apart", lambda df, seed: by_text(df, seed, plain(df, retweets="never"))),
    "who retweets counts": ("retweets-apart", lambda df, seed: by_text(df, seed, plain(df, retweets="^RT "))),
    "one RT stripped": (
        "retweeted-retweets-apart",
        lambda df, seed: by_text(df, seed, plain(df, retweets=r"^RT @\w+: ")),
    ),
    "links forgotten": ("links-apart", lambda df, seed: by_text(df, seed, plain(df, links="never"))),
    "links of Twitter only": ("links-apart", lambda df, seed: by_text(df, seed, plain(df, links=r"https://t\.co/\w+"))),
    "links without s": ("links-apart", lambda df, seed: by_text(df, seed, plain(df, links=r"http://\S+"))),
    "case counts": ("case-apart", lambda df, seed: by_text(df, seed, plain(df, lower=False))),
    "class by class": ("other-classes-apart", class_by_class),
    "groups by text and class": ("other-classes-apart", grouped_by_class_too),
    "test first": ("parts-in-another-order", lambda df, seed: by_text(df, seed)[::-1]),
    "60/20/20": ("part-sizes", lambda df, seed: by_text(df, seed, held_out=(0.4, 0.5))),
    "90/5/5": ("part-sizes", lambda df, seed: by_text(df, seed, held_out=(0.1, 0.5))),
    "80/16/4": ("part-sizes", lambda df, seed: by_text(df, seed, held_out=(0.2, 0.2))),
    "a fifth, then a fifth of the rest": ("part-sizes", lambda df, seed: by_text(df, seed, held_out=(0.36, 0.55))),
    "thirds": ("part-sizes", lambda df, seed: by_text(df, seed, held_out=(0.66, 0.5))),
    "texts by chance": ("classes-out-of-proportion", chance_alone),
    "texts by chance, train_test_split": (
        "classes-out-of-proportion",
        lambda df, seed: by_text(df, seed, stratify=(False, False)),
    ),
    "not stratified the second time": (
        "classes-out-of-proportion",
        lambda df, seed: by_text(df, seed, stratify=(True, False)),
    ),
    "by hash": ("classes-out-of-proportion", hashed),
    "sorted by class": ("classes-out-of-proportion", sorted_by_class),
}
