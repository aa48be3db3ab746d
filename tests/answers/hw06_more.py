"""More answers to homework 06, by somebody who knew its text only."""

import functools
import hashlib
import itertools
import random
import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split


def text_of(df, rt=r"^(RT @\w+:\s*)+", link=r"http\S*"):
    plain = df["message"].str.strip().str.replace(rt, "", regex=True).str.replace(link, "", regex=True)
    return plain.str.lower().str.strip()


def tenths_of(df, seed, groups, n=10, shuffle=True):
    folds = StratifiedGroupKFold(n_splits=n, shuffle=shuffle, random_state=seed)
    return [rows for _, rows in folds.split(df, df["sentiment"], groups=groups)]


def from_tenths(df, tenths):
    return df.iloc[np.concatenate(tenths[2:])], df.iloc[tenths[1]], df.iloc[tenths[0]]


def with_groups(df, groups, seed):
    return from_tenths(df, tenths_of(df, seed, groups))


# ---------------------------------------------------------------- right


def hint_by_hint(df, seed):
    plain = df["message"].str.replace(r"^(RT @\w+: )+", "", regex=True)
    plain = plain.str.replace(r"http\S*", "", regex=True).str.lower().str.strip()
    folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=seed)
    tenths = [rows for _, rows in folds.split(df, df["sentiment"], groups=plain)]
    return df.iloc[np.concatenate(tenths[2:])], df.iloc[tenths[1]], df.iloc[tenths[0]]


def lesson_text(df, seed):
    plain = (
        df["message"]
        .str.replace(r"^(RT @\w+:\s*)+", "", regex=True)
        .str.replace(r"http\S*", "", regex=True)
        .str.lower()
        .str.replace(r"\W+", " ", regex=True)
        .str.strip()
    )
    *most, val, test = tenths_of(df, seed, plain.to_numpy())
    return df.iloc[[row for tenth in most for row in tenth]], df.iloc[val], df.iloc[test]


def plain_python(df, seed):
    def clean(text):
        words = [word for word in text.split() if not word.startswith("http")]
        while len(words) > 1 and words[0] == "RT" and words[1].startswith("@") and words[1].endswith(":"):
            words = words[2:]
        return re.sub(r"http\S*", "", " ".join(words)).lower().strip()

    numbers = {}
    groups = [numbers.setdefault(clean(text), len(numbers)) for text in df["message"]]
    return with_groups(df, groups, seed)


def two_steps(df, seed):
    groups = text_of(df).to_numpy()
    y = df["sentiment"].to_numpy()
    rest, test = next(StratifiedGroupKFold(10, shuffle=True, random_state=seed).split(y, y, groups))
    again = StratifiedGroupKFold(9, shuffle=True, random_state=seed)
    train, val = next(again.split(rest, y[rest], groups[rest]))
    return df.iloc[rest[train]], df.iloc[rest[val]], df.iloc[test]


def parts_column(df, seed):
    ids = df.groupby(text_of(df).to_numpy(), sort=True).ngroup().to_numpy()
    part = np.full(len(df), "train", dtype=object)
    for name, rows in zip(("val", "test"), tenths_of(df, seed, ids)):
        part[rows] = name
    return tuple(df[part == name] for name in ("train", "val", "test"))


def greedy_numpy(df, seed):
    """Largest groups first, each to the part that lacks most of its classes."""
    _, group = np.unique(text_of(df).to_numpy().astype(object), return_inverse=True)
    _, label = np.unique(df["sentiment"].to_numpy(), return_inverse=True)
    counts = np.zeros((group.max() + 1, label.max() + 1))
    np.add.at(counts, (group, label), 1)
    total = counts.sum(axis=0)
    want = np.outer([0.8, 0.1, 0.1], total)
    have = np.zeros_like(want)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    where = np.empty(len(counts), dtype=int)
    for g in order:
        need = ((want - have) / want * counts[g]).sum(axis=1)
        where[g] = need.argmax()
        have[where[g]] += counts[g]
    return tuple(df.iloc[np.flatnonzero(where[group] == part)] for part in range(3))


def sha_order(df, seed):
    """As greedy, but the order comes from a hash that is the same in every process."""
    members = defaultdict(list)
    for row, text in enumerate(text_of(df)):
        members[text].append(row)
    classes = df["sentiment"].tolist()
    total = Counter(classes)

    def key(text):
        return -len(members[text]), hashlib.sha256(f"{seed}|{text}".encode()).hexdigest()

    parts = ([], [], [])
    have = [Counter(), Counter(), Counter()]
    for text in sorted(members, key=key):
        mine = Counter(classes[row] for row in members[text])
        fill = [sum(n * have[i][c] / total[c] for c, n in mine.items()) / share for i, share in enumerate((8, 1, 1))]
        best = fill.index(min(fill))
        parts[best].extend(members[text])
        have[best] += mine
    return [df.iloc[sorted(rows)] for rows in parts]


class ThreeWaySplit:
    def __init__(self, n_splits=10):
        self.n_splits = n_splits

    def groups(self, messages):
        return [self.normalise(message) for message in messages]

    @staticmethod
    def normalise(message):
        message = re.sub(r"http\S*", "", message.strip())
        message = message.strip()
        while (found := re.match(r"RT @\w+:\s*", message)) is not None:
            message = message[found.end() :]
        return message.casefold().strip()

    def __call__(self, df, seed):
        tenths = tenths_of(df, seed, self.groups(df["message"]), self.n_splits)
        return df.take(np.hstack(tenths[2:])), df.take(tenths[1]), df.take(tenths[0])


def general(df, seed, shares, groups_of):
    """shares: how many of the folds each part gets."""
    tenths = iter(tenths_of(df, seed, groups_of(df), sum(shares)))
    rows = [np.sort(np.concatenate(list(itertools.islice(tenths, share)))) for share in shares]
    return tuple(map(df.iloc.__getitem__, rows))


def checked(function):
    @functools.wraps(function)
    def wrapper(df, seed):
        parts = function(df.copy(), seed)
        assert sum(map(len, parts)) == len(df)
        return parts

    return wrapper


@checked
def decorated(df, seed):
    """ChatGPT style: a helper column on a copy, dropped at the end."""
    df = df.copy()
    original_index = df.index
    df = df.reset_index(drop=True)
    df["_group"] = text_of(df)
    sgkf = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=seed)
    df["_fold"] = -1
    for fold, (_, idx) in enumerate(sgkf.split(df, df["sentiment"], df["_group"])):
        df.loc[idx, "_fold"] = fold
    fold = df["_fold"].to_numpy()
    df = df.drop(columns=["_group", "_fold"]).set_axis(original_index, axis=0)
    return df[fold > 1].copy(), df[fold == 1].copy(), df[fold == 0].copy()


def sorted_and_dealt(df, seed):
    """Sort, itertools.groupby, shuffle with random.Random, deal to whichever part is furthest behind."""
    rows = sorted(zip(text_of(df), range(len(df)), df["sentiment"]))
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row[0])]
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)
    share, dealt, parts = (0.8, 0.1, 0.1), [Counter(), Counter(), Counter()], ([], [], [])
    for group in groups:
        label = Counter(c for _, _, c in group).most_common(1)[0][0]
        i = min(range(3), key=lambda i: dealt[i][label] / share[i])
        dealt[i].update(c for _, _, c in group)
        parts[i].extend(row for _, row, _ in group)
    return tuple(df.iloc[part] for part in parts)


def mean_of_scores_seeded(df, seed):
    """Which tenths are val and test is drawn as well."""
    tenths = tenths_of(df, seed, text_of(df).to_numpy())
    order = np.random.default_rng(seed).permutation(10)
    return from_tenths(df, [tenths[i] for i in order])


def sorted_set(df, seed):
    """A set is fine where its order does not matter."""
    plain = text_of(df).to_numpy()
    texts = sorted(set(plain))
    random.Random(seed).shuffle(texts)
    number = {text: n for n, text in enumerate(texts)}
    seen = set()
    seen.update(texts)
    return with_groups(df, [number[text] for text in plain if text in seen], seed)


def set_of_numbers(df, seed):
    """The order of a set of numbers is the same in every process."""
    codes = pd.factorize(text_of(df))[0]
    order = list(set(codes.tolist()) | set(df["sentiment"]) - {-1})
    order = [code for code in set(order) if code in set(codes.tolist())]
    random.Random(seed).shuffle(order)
    number = {code: n for n, code in enumerate(order)}
    return with_groups(df, [number[code] for code in codes], seed)


def drop_by_label(df, seed):
    tenths = tenths_of(df, seed, text_of(df).to_numpy())
    val, test = df.iloc[tenths[1]], df.iloc[tenths[0]]
    return df.drop(val.index).drop(test.index), val, test


class Splits:
    def three_way(self, df, seed):
        return with_groups(df, text_of(df), seed)


RIGHT = {
    "hint by hint": hint_by_hint,
    "the lesson's text, star unpacking": lesson_text,
    "plain python words, dict of ids": plain_python,
    "two StratifiedGroupKFold in a row": two_steps,
    "ngroup and a part per row": parts_column,
    "greedy in numpy": greedy_numpy,
    "sha256 order, Counters": sha_order,
    "class with __call__": ThreeWaySplit(),
    "partial, shares": functools.partial(general, shares=(8, 1, 1), groups_of=text_of),
    "decorated, helper columns on a copy": decorated,
    "sorted set, shuffled": sorted_set,
    "a set of numbers, in its own order": set_of_numbers,
    "rows left over by label": drop_by_label,
    "a new index": lambda df, seed: [part.reset_index(drop=True) for part in with_groups(df, text_of(df), seed)],
    "whole links only": lambda df, seed: with_groups(df, text_of(df, link=r"https?://\S+"), seed),
    "a method": Splits().three_way,
    "sorted, groupby, dealt": sorted_and_dealt,
    "tenths drawn too": mean_of_scores_seeded,
}


# --- wrong


def loc(df, seed):
    tenths = tenths_of(df, seed, text_of(df).to_numpy())
    return df.loc[np.concatenate(tenths[2:])], df.loc[tenths[1]], df.loc[tenths[0]]


def strip_early(df):
    plain = df["message"].str.replace(r"^(RT @\w+:\s*)+", "", regex=True).str.strip().str.lower()
    return plain.str.replace(r"http\S*", "", regex=True)


def rstrip_only(df):
    plain = df["message"].str.replace(r"^\s*(RT @\w+: )+", "", regex=True)
    return plain.str.replace(r"http\S*", "", regex=True).str.lower().str.rstrip()


def train_kept_clean(df, seed):
    tenths = tenths_of(df, seed, text_of(df))
    held = np.concatenate(tenths[:2])
    val, test = train_test_split(held, test_size=0.5, random_state=seed, stratify=df["sentiment"].to_numpy()[held])
    return df.iloc[np.concatenate(tenths[2:])], df.iloc[val], df.iloc[test]


def unstratified(df, seed):
    groups = text_of(df).to_numpy()
    rest, test = next(GroupShuffleSplit(1, test_size=0.1, random_state=seed).split(df, groups=groups))
    inner = GroupShuffleSplit(1, test_size=1 / 9, random_state=seed)
    train, val = next(inner.split(rest, groups=groups[rest]))
    return df.iloc[rest[train]], df.iloc[rest[val]], df.iloc[test]


def no_shuffle(df, seed):
    tenths = tenths_of(df, None, text_of(df), shuffle=False)
    return df.iloc[np.concatenate(tenths[2:])], df.iloc[tenths[1]], df.iloc[tenths[0]]


def lower_first(df):
    plain = df["message"].str.lower().str.replace(r"^(RT @\w+: )+", "", regex=True)
    return plain.str.replace(r"http\S*", "", regex=True).str.strip()


def no_regex(df):
    plain = df["message"].str.replace(r"^(RT @\w+: )+", "").str.replace(r"http\S*", "")
    return plain.str.lower().str.strip()


def same_name_rt(df):
    plain = df["message"].str.replace(r"^(RT @[a-z]+: )+", "", regex=True)
    return plain.str.replace(r"http\S*", "", regex=True).str.lower().str.strip()


def link_at_end_only(df):
    plain = df["message"].str.replace(r"^(RT @\w+: )+", "", regex=True)
    return plain.str.replace(r"http\S*$", "", regex=True).str.lower().str.strip()


def with_case(df):
    plain = df["message"].str.replace(r"^(RT @\w+: )+", "", regex=True)
    return plain.str.replace(r"http\S*", "", regex=True).str.strip()


def inplace_index(df, seed):
    df.reset_index(drop=True, inplace=True)
    return with_groups(df, text_of(df), seed)


def lost_tenth(df, seed):
    tenths = tenths_of(df, seed, text_of(df))
    return df.iloc[np.concatenate(tenths[2:9])], df.iloc[tenths[1]], df.iloc[tenths[0]]


def shuffled_then_iloc(df, seed):
    shuffled = df.sample(frac=1, random_state=seed)
    return with_groups(shuffled, text_of(df).to_numpy(), seed)


def set_order(df, seed):
    plain = text_of(df).to_numpy()
    texts = list(set(plain))
    random.Random(seed).shuffle(texts)
    number = {text: n for n, text in enumerate(texts)}
    return with_groups(df, [number[text] for text in plain], seed)


def empty_is_nan(df, seed):
    plain = text_of(df).replace("", np.nan)
    keep = plain.notna().to_numpy()
    return with_groups(df[keep], plain[keep].to_numpy(), seed)


def cut_sorted(df, seed):
    """Stratified only by luck of a stable interleaving; the copies at a cut are torn apart."""
    plain = text_of(df).to_numpy()
    rng = np.random.default_rng(seed)
    parts = ([], [], [])
    y = df["sentiment"].to_numpy()
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        key = dict(zip(np.unique(plain[rows]), rng.random(len(rows))))
        rows = rows[np.argsort([key[text] for text in plain[rows]], kind="stable")]
        a, b = int(0.8 * len(rows)), int(0.9 * len(rows))
        for part, piece in zip(parts, (rows[:a], rows[a:b], rows[b:])):
            part.extend(piece)
    return tuple(df.iloc[part] for part in parts)


def two_mistakes(df, seed):
    tenths = tenths_of(df, seed, with_case(df).to_numpy())
    return df.loc[np.concatenate(tenths[2:])], df.loc[tenths[1]], df.loc[tenths[0]]


def numbers(df, seed):
    tenths = tenths_of(df, seed, text_of(df))
    return np.concatenate(tenths[2:]), tenths[1], tenths[0]


def aligned_by_index(df, seed):
    """A Series without df's index, used as a mask: pandas aligns it."""
    part = pd.Series("train", index=range(len(df)))
    for name, rows in zip(("val", "test"), tenths_of(df, seed, text_of(df).to_numpy())):
        part[rows] = name
    return tuple(df[part.reindex(df.index) == name] for name in ("train", "val", "test"))


def by(groups_of):
    return lambda df, seed: with_groups(df, groups_of(df), seed)


def hash_of_pair(df, seed):
    return with_groups(df, [hash((seed, text)) for text in text_of(df)], seed)


def walks_through_a_set(df, seed):
    number = {}
    for text in set(text_of(df)):
        number[text] = len(number)
    return with_groups(df, text_of(df).map(number), seed)


def labels_to_iloc(df, seed):
    train, val, test = with_groups(df, text_of(df), seed)
    return df.iloc[train.index], df.iloc[val.index], df.iloc[test.index]


def links_and_case(df):
    return df["message"].str.replace(r"^(RT @\w+: )+", "", regex=True).str.strip()


def no_strip(df):
    plain = df["message"].str.replace(r"^(RT @\w+: )+", "", regex=True)
    return plain.str.replace(r"http\S*", "", regex=True).str.lower()


def sets_index(df, seed):
    df.index = range(len(df))
    return with_groups(df, text_of(df), seed)


def halves_by_set(df, seed):
    train, val, test = with_groups(df, text_of(df), seed)
    held = pd.concat([val, test])
    texts = list(set(text_of(held)))
    in_val = text_of(held).isin(texts[: len(texts) // 2])
    return train, held[in_val.to_numpy()], held[~in_val.to_numpy()]


WRONG = {
    # Row numbers go to .loc: other rows, or a KeyError, once the index is not 0 to n-1 in order.
    "df.loc": ("depends-on-the-index", loc),
    # Python salts hash() of a str: other group order, so another split in every new process.
    "hash(text)": (
        "split-not-repeatable",
        by(lambda df: [hash(text) for text in text_of(df)]),
    ),
    # The order of a set of str differs per process: the same seed, another split.
    "set order": ("split-not-repeatable", set_order),
    # A space stays where a link stood: a copy with a link and one without are two groups.
    "strip before links": ("spaces-apart", by(strip_early)),
    # A link or a space in front leaves a space there: only copies that begin so are torn.
    "rstrip only": ("spaces-apart", by(rstrip_only)),
    # The held-out fifth is halved by row: copies in val and test, none in train.
    "train kept clean": ("val-and-test-share-texts", train_kept_clean),
    # Nothing stratifies: a rare class is off by several points with some seeds.
    "GroupShuffleSplit": ("classes-out-of-proportion", unstratified),
    # Without shuffle the seed has no effect: all seeds give one split.
    "no shuffle": ("seed-without-effect", no_shuffle),
    # Lower case first, so the upper-case pattern RT never matches: retweets leave their tweet.
    "lower before RT": ("retweets-apart", by(lower_first)),
    # pandas takes the patterns literally: neither RT nor links are removed.
    "regex=True forgotten": ("retweets-and-links-apart", by(no_regex)),
    # [a-z]+ misses names with digits, capitals or _ : some retweets leave their tweet.
    "names of letters": ("retweets-apart", by(same_name_rt)),
    # Only a last link is removed: shows with two links, or with one inside the text.
    "links at the end only": ("links-apart", by(link_at_end_only)),
    # reset_index(inplace=True) changes df itself: shows if its index was not 0 to n-1.
    "inplace index": ("input-changed", inplace_index),
    # tenths[2:9]: the last tenth is in no part.
    "a tenth lost": ("rows-left-out", lost_tenth),
    # Groups in df's order, rows in shuffled order: copies are torn.
    "shuffled, groups not": ("same-text-apart", shuffled_then_iloc),
    # Tweets that are only a link become NaN and are dropped: shows only if there are any.
    "empty text lost": ("rows-left-out", empty_is_nan),
    # Sorted by group and cut at 80 and 90 %: the group at the cut is torn.
    "cut through groups": ("copies-apart", cut_sorted),
    # Two mistakes: .loc with row numbers, and no lower case.
    "loc and case": ("case-apart", two_mistakes),
    # Mask by label instead of row: wrong rows once the index is shuffled.
    "mask aligned": ("depends-on-the-index", aligned_by_index),
    # hash() of a tuple with a text in it: another one in a new process.
    "hash of a pair": ("split-not-repeatable", hash_of_pair),
    # Goes through a set of texts: in another order in a new process.
    "walks through a set": ("split-not-repeatable", walks_through_a_set),
    # df.index is split, and its labels go to iloc.
    "labels taken for numbers": ("depends-on-the-index", labels_to_iloc),
    # Neither links nor case.
    "links and case stay": ("copies-apart", by(links_and_case)),
    # Only the word RT goes, @who: stays.
    "RT without who": ("retweets-apart", by(lambda df: text_of(df, rt=r"^(RT )+"))),
    # Spaces at the ends stay.
    "no strip at all": ("spaces-apart", by(no_strip)),
    # df.index is set to 0 to n-1 in df itself.
    "index replaced in df": ("input-changed", sets_index),
    # The seed is hashed: in a new process another.
    "seed as text": ("split-not-repeatable", lambda df, seed: with_groups(df, text_of(df), hash(str(seed)) % 1000)),
    # val and test are told apart by the order of a set.
    "halves by set": ("split-not-repeatable", halves_by_set),
}
