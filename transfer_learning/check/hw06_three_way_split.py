"""Homework 06: training, validation and test set, with all copies of a tweet in one of them."""

import random
import re
import string
import time

from ..tweets import python_strings
from ._engine import NotYet, call, homework, require_callable, require_type

PARTS = ("train", "val", "test")
COLUMNS = ["tweetid", "sentiment", "message"]
WORDS = (
    "ice sea coal wind storm flood river forest summer winter carbon ocean science report city farmer senate energy "
    "solar future planet weather record heat drought glacier polar policy market vote children island nature money"
).split()
#: What may tell two copies of a tweet apart, the plainest first; each step comes on top of those before it.
STEPS = {
    "same-text-apart": str.strip,
    "retweets-apart": lambda text: re.sub(r"^RT @\w+: ", "", text),
    "retweeted-retweets-apart": lambda text: re.sub(r"^(RT @\w+: )+", "", text),
    "links-apart": lambda text: re.sub(r"https?://\S+", "", text).strip(),
    "case-apart": str.lower,
}
FEWEST, MOST = 4, 60  # splits that are looked at: few when these leave no doubt
UNEVEN = 0.6  # of what `_distances` gives: about 0.8 for a split by chance, 0.1 to 0.4 for stratified ones
DOUBT = 0.7  # how far from that one split leaves no doubt; the average over n splits is surer by the root of n
OFF = 0.03  # how far val and test may be from a tenth
PATIENCE = 3  # seconds, after which no further split is asked for


@homework("06_splitting")
def three_way_split(three_way_split):
    """Check homework 06: about 80/10/10, each row once, classes in proportion, copies of a tweet in one part.

    The check makes tweets of its own: many that stand alone, some in two or three copies, a few in up to nine; some
    copies have another class, as in the real data. Over several seeds, val and test have to be within 3 points of 10 %
    on average, and their classes clearly closer to proportion than chance brings them; both counted in rows or in
    texts, whichever suits the answer better. An answer may keep more together than it must (shortened copies, say).
    The parts may have any index, any order of rows, and further columns.

    Parameters
    ----------
    three_way_split : callable
        The learner's answer, called as ``three_way_split(df, seed)`` with a DataFrame as `load_tweets` gives it and an
        int; it returns three DataFrames.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    import numpy as np

    require_callable(three_way_split, "three_way_split")
    chance, started = random.SystemRandom(), time.monotonic()
    df = _tweets(chance)
    copies = _copies(df["message"])
    units = [(df.index, df["sentiment"]), _texts(df, copies)]
    seeds = iter([0, *chance.sample(range(1, 10_000), MOST - 1)])
    splits = {seed: _split(three_way_split, df, seed) for _, seed in zip(range(FEWEST), seeds)}
    _seeded(three_way_split, df, splits)
    _together(df, copies, splits)
    _sizes(units, splits)
    distances = [_distances(units, where) for where in splits.values()]
    for seed in seeds:
        uneven = np.mean(distances, axis=0).max(axis=1).min()
        if abs(uneven - UNEVEN) > DOUBT / len(splits) ** 0.5 or time.monotonic() > started + PATIENCE:
            break
        splits[seed] = _split(three_way_split, df, seed)
        distances.append(_distances(units, splits[seed]))
    _together(df, copies, splits)
    if uneven > UNEVEN:
        _out_of_proportion(df["sentiment"].to_numpy(), splits)
    return f"{len(df)} tweets, several seeds: each row in one part, about 80/10/10, classes in proportion, copies together."


def _tweets(chance):
    """Make tweets: the copies of a text differ in what `STEPS` takes away, and sometimes in class."""
    import pandas as pd

    def name():
        return chance.choice(WORDS) + chance.choice(["", "_", str(chance.randrange(100))])

    def link():
        code = "".join(chance.choices(string.ascii_letters + string.digits, k=10))
        return chance.choice(["https://t.co/", "http://bit.ly/", "https://www.example.org/2017/03/a-b.html?id="]) + code

    forms = (
        lambda text: text,
        lambda text: chance.choice([f"  {text}", f"{text} "]),
        lambda text: f"RT @{name()}: {text}",
        lambda text: f"RT @{name()}: RT @{name()}: {text}",
        lambda text: f"{text} {link()}",
        lambda text: chance.choice([text.upper(), text.lower()]),
        lambda text: f"RT @{name()}: {text.lower()} {link()}",
    )
    # how many texts of each class come once, twice …: always in the same shares, so that every way can keep them
    counts = {
        1: (29, 42, 86, 53),
        2: (6, 9, 19, 11),
        3: (2, 2, 5, 3),
        4: (1,),
        5: (0, 1),
        6: (0, 0, 0, 1),
        9: (0, 0, 1),
    }
    texts = [(copies, k - 1) for copies, numbers in counts.items() for k, n in enumerate(numbers) for _ in range(n)]
    mixed = set(chance.sample([n for n, (copies, _) in enumerate(texts) if copies in (2, 3)], 12))
    rows = []
    for n, (copies, sentiment) in enumerate(texts):
        text = " ".join(chance.sample(WORDS, 9)).capitalize()
        rows.append((sentiment, chance.choice(forms)(text) if copies == 1 else text))
        rows += [(sentiment, chance.choice(forms)(text)) for _ in range(copies - 1)]
        if n in mixed:
            rows[-1] = chance.choice([other for _, other in texts if other != sentiment]), rows[-1][1]
    chance.shuffle(rows)
    python_strings()
    df = pd.DataFrame(rows, columns=["sentiment", "message"])
    return df.assign(tweetid=chance.sample(range(10**17, 9 * 10**17), len(df)))


def _copies(text):
    """Return, for each of `STEPS`, the first row that each row is a copy of."""
    found = {}
    for slug, step in STEPS.items():
        text, first = [step(message) for message in text], {}
        found[slug] = [first.setdefault(message, n) for n, message in enumerate(text)]
    return found


def _texts(df, copies):
    """Return the first row of each text, and the class that most of its copies have."""
    classes = df["sentiment"].groupby(copies["case-apart"]).agg(lambda group: group.mode()[0])
    return classes.index, classes


def _split(three_way_split, df, seed):
    """Return, for each row of df, the number of its part."""
    import numpy as np
    import pandas as pd

    given, called = df.copy(), f"three_way_split(df, {seed})"
    parts = require_type(call(three_way_split, given, seed), (tuple, list), called, "three DataFrames: train, val, test")
    if len(parts) != 3:
        raise NotYet("not-three-parts", f"{called} returned {len(parts)} things, expected train, val and test.")
    known = {row[0]: (n, row) for n, row in enumerate(_rows(df))}
    where = np.full(len(df), -1)
    for k, (name, part) in enumerate(zip(PARTS, parts)):
        require_type(part, pd.DataFrame, f"{called}, as {name},", "a DataFrame")
        if lost := [column for column in COLUMNS if column not in part]:
            raise NotYet("columns-lost", f"{called} gave {name} without the column {lost[0]!r}.")
        for row in _rows(part):
            if row[0] not in known:
                raise NotYet("rows-not-in-df", f"{name} has a row with tweetid {row[0]!r}, which df does not have.")
            n, before = known[row[0]]
            if row != before:
                raise NotYet("rows-not-as-they-were", f"in df a row reads {before}, and in {name} {row}.")
            if where[n] >= 0:
                raise NotYet(
                    "row-twice", f"{called} put the tweet {row[0]} into {PARTS[where[n]]}, and again into {name}."
                )
            where[n] = k
    if not given.equals(df):
        raise NotYet(
            "input-changed", f"after {called}, df was not as before; its columns: {', '.join(map(str, given))}."
        )
    if left := (where < 0).sum():
        raise NotYet("rows-left-out", f"{called} left {left} of {len(df)} rows out of all three parts.")
    return where


def _rows(df):
    return zip(*(df[column].tolist() for column in COLUMNS))


def _seeded(three_way_split, df, splits):
    """The same seed gives the same parts, and not all seeds give the same."""
    seed, first = next(iter(splits.items()))
    if moved := (_split(three_way_split, df, seed) != first).sum():
        saw = f"called with seed {seed} a second time, it put {moved} of {len(df)} rows into another part."
        raise NotYet("split-not-repeatable", saw)
    if all((where == first).all() for where in splits.values()):
        raise NotYet("seed-without-effect", f"the seeds {', '.join(map(str, splits))} gave the same three parts.")


def _together(df, copies, splits):
    """No two copies in different parts; if there are, name the plainest pair."""
    for slug, first in copies.items():
        for seed, where in splits.items():
            if (apart := where != where[first]).any():
                if not _same_class_apart(df["sentiment"], copies["case-apart"], splits):
                    slug = "other-classes-apart"
                pair = (first[apart.argmax()], apart.argmax())
                rows = (f"{df['message'][n]!r} (class {df['sentiment'][n]}) is in {PARTS[where[n]]}" for n in pair)
                raise NotYet(slug, f"with seed {seed}, {', '.join(rows)}.")


def _same_class_apart(sentiment, first, splits):
    """Are there copies of the same class, too, in different parts?"""
    rows = sentiment.groupby([first, sentiment]).transform(lambda group: group.index[0])
    return any((where != where[rows]).any() for where in splits.values())


def _sizes(units, splits):
    import numpy as np

    def share(part, rows):
        return np.array([(where[rows] == part).mean() for where in splits.values()])

    off = [np.mean([abs(share(part, rows) - 0.1) for part in (1, 2)], axis=1).max() for rows, _ in units]
    if min(off) > OFF:
        sizes = [share(part, units[0][0]).mean() for part in range(3)]
        slug = "parts-in-another-order" if max(sizes[1:]) > 0.5 else "part-sizes"
        saw = ", ".join(f"{name} has {size:.0%}" for name, size in zip(PARTS, sizes))
        raise NotYet(slug, f"on average over {len(splits)} seeds, {saw} of the rows.")


def _distances(units, where):
    """How far a split is from exact proportion: held-out rows against all, val against all that is held out.

    In units of the standard deviation that a draw by chance has, averaged over the classes; shape (units, 2).
    """
    import numpy as np

    found = []
    for rows, classes in units:
        counts = np.zeros((len(PARTS), 4))
        np.add.at(counts, (where[rows], classes.to_numpy() + 1), 1)
        total, held_out, val = counts.sum(axis=0), counts[1] + counts[2], counts[1]
        share = total / total.sum()
        for part, whole in ((held_out, total), (val, held_out)):
            n, of = part.sum(), max(whole.sum(), 1)
            deviation = np.sqrt(n * share * (1 - share) * (1 - n / of))
            found.append(np.mean(abs(part - n * whole / of) / np.maximum(deviation, 0.5)))
    return np.reshape(found, (len(units), 2))


def _out_of_proportion(classes, splits):
    """Show the class and the part that are furthest from it."""

    def share(kind, rows):
        return (classes[rows] == kind).sum() / max(rows.sum(), 1)

    everywhere = {kind: share(kind, classes > -2) for kind in sorted(set(classes))}
    off = [
        (abs(share(kind, where == part) - everywhere[kind]), seed, part, kind)
        for seed, where in splits.items()
        for part in (1, 2)
        for kind in everywhere
    ]
    _, seed, part, kind = max(off)
    shares = f"{share(kind, splits[seed] == part):.0%} of {PARTS[part]}, and {everywhere[kind]:.0%} of df"
    raise NotYet(
        "classes-out-of-proportion", f"class {kind} is {shares}, with seed {seed}; I tried {len(splits)} seeds."
    )
