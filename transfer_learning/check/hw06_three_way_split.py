"""Homework 06: training, validation and test sets, with all duplicates of a tweet in the same one."""

import random
import re
import string
import time

from ..tweets import RETWEET_OR_LINK, python_strings
from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type, untimed

RETWEETS, LINKS = RETWEET_OR_LINK.split("|")
PARTS, COLUMNS = ("train", "val", "test"), ["sentiment", "message", "tweetid"]  # as in the file
WORDS = "ice sea coal wind storm flood river forest summer winter carbon ocean science report city farmer".split()
SITES = "https://t.co/", "http://bit.ly/", "https://www.example.org/2017/03/a-b.html?id="
#: How a copy may differ from its text, the plainest first; a copy in the last form has another class.
FORMS = "{text}|{text} |  {text}|RT @{0}: {text}|RT @{0}: RT @{1}: {text}|{text} {2}|{3} {text} {2}".split("|")
FORMS += ["{upper}", "RT @{0}: {lower} {2}", "{text}"]
#: How many texts of each class come once, twice …: always in the same shares, so that every way can keep them.
COUNTS = {1: (29, 42, 85, 53), 2: (6, 9, 19, 11), 3: (2, 2, 5, 3), 4: (1,), 5: (0, 1), 6: (0, 0, 0, 1), 9: (0, 0, 1)}
FEWEST, MOST, PATIENCE = 4, 60, 3  # splits that are looked at; seconds after which no further one is asked for
UNEVEN = 0.6  # of what `_distances` gives: about 0.8 for a split by chance, 0.1 to 0.4 for stratified ones
DOUBT = 0.7  # how far from that one split leaves no doubt; n splits are surer by the root of n
OFF = 0.03  # how far val and test may be from a tenth


@homework("06_splitting")
def three_way_split(three_way_split):
    """Check homework 06: about 80/10/10, each row once, classes in proportion, duplicates in the same set.

    Over several seeds, val and test have to be within 3 points of 10 % on average, and their classes clearly closer to
    proportion than chance brings them, counted in rows or in texts, whichever suits the answer. It may keep more together
    than it must. Parts may have any index, order and further columns. A new process is imitated where the answer's own
    code says `hash` or `set`. Not tried: an index with repeats, sets that are made otherwise.

    Parameters
    ----------
    three_way_split : callable
        The learner's answer, ``three_way_split(df, seed) -> (train, val, test)``; `df` is as `load_tweets` gives it.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    import pandas as pd

    require_callable(three_way_split, "three_way_split")
    with untimed():
        chance, started = random.SystemRandom(), time.monotonic()
        tweets = _tweets(chance)
        df, classes = tweets[COLUMNS], tweets.groupby("text")["sentiment"].agg(lambda group: group.mode()[0])
        units = df["sentiment"], classes  # of each row, and of each text
    splits, distances = pd.DataFrame(index=df.index), []
    for seed in [0, *chance.sample(range(1, 10_000), MOST - 1)]:
        splits[seed] = _split(three_way_split, df, seed)
        distances.append([distance for unit in units for distance in _distances(unit, splits[seed])])
        if splits.shape[1] == FEWEST:
            _repeatable(three_way_split, df, splits[0])
            if splits.eq(splits[0], axis=0).all(axis=None):
                raise NotYet(
                    "seed-without-effect", f"the seeds {', '.join(map(str, splits))} gave the same three sets."
                )
            _together(tweets, splits)
            _sizes(units, splits)
        mean = pd.DataFrame(distances).mean()
        uneven = min(mean[:2].max(), mean[2:].max())
        sure = abs(uneven - UNEVEN) > DOUBT / len(distances) ** 0.5 or time.monotonic() > started + PATIENCE
        if len(distances) >= FEWEST and sure:
            break
    _together(tweets, splits)
    if uneven > UNEVEN:
        seed = splits.columns[pd.DataFrame(distances).max(axis=1).argmax()]
        parts = [df["sentiment"][rows] for rows in (splits[seed] == 1, splits[seed] == 2, splits[seed] >= 0)]
        val, test, every = ([round(100 * (part == kind).mean()) for kind in range(-1, 3)] for part in parts)
        saw = f"with seed {seed}, the classes -1, 0, 1, 2 are {val} % of val, {test} % of test and {every} % of df."
        raise NotYet("classes-out-of-proportion", saw)
    _split(three_way_split, df[:-1], 0)  # it may not remember the rows of the first call
    _with_another_index(three_way_split, tweets, chance.sample(range(2 * len(df)), len(df)))
    return f"{len(df)} tweets, several seeds: each row in one set, about 80/10/10, classes in proportion, duplicates together."


def _tweets(chance):
    """Make tweets; two columns more are the `form` of a copy (-1: it is the text itself) and the row of its `text`."""
    import pandas as pd

    def written(form, text):
        names = [chance.choice(WORDS) + chance.choice(["", "_", "27"]) for _ in range(2)]
        links = [chance.choice(SITES) + "".join(chance.choices(string.ascii_letters, k=10)) for _ in range(2)]
        return FORMS[form].format(*names, *links, text=text, lower=text.lower(), upper=text.upper())

    texts = [(copies, k - 1) for copies, numbers in COUNTS.items() for k, n in enumerate(numbers) for _ in range(n)]
    rows, form = [(1, "https://t.co/a1B2c3D4e5", -1, -1)], 0  # one is nothing but a link
    for n, (copies, sentiment) in enumerate(texts):
        text = " ".join(chance.sample(WORDS, 9)).capitalize()
        rows.append((sentiment, text if copies > 1 else written(chance.randrange(len(FORMS)), text), -1, n))
        for copy in range(1, copies):
            other = chance.choice([other for _, other in texts if other != sentiment])
            rows.append((other if form == len(FORMS) - 1 else sentiment, written(form, text), form, n))
            form = (form + (copies != 3 or copy == 2)) % len(FORMS)  # of three, two have the same form
    chance.shuffle(rows)
    python_strings()
    df = pd.DataFrame(rows, columns=["sentiment", "message", "form", "text"])
    rows_of_texts = {text: row for row, (_, _, form, text) in enumerate(rows) if form < 0}
    return df.assign(text=df["text"].map(rows_of_texts), tweetid=chance.sample(range(10**17, 9 * 10**17), len(df)))


def _split(three_way_split, df, seed):
    """Return, for each row of df, the number of its part."""
    given, called = df.copy(), f"three_way_split(df, {seed})"
    parts = require_type(call(three_way_split, given, seed), (tuple, list), called, "train, val and test, DataFrames")
    if len(parts) != 3:
        raise NotYet("not-three-parts", f"{called} returned {len(parts)} things, expected train, val and test.")
    where, known = [-1] * len(df), {row[2]: (n, row) for n, row in enumerate(df.itertuples(index=False, name=None))}
    for k, (name, part) in enumerate(zip(PARTS, parts)):
        require_type(part, type(df), f"{called}, as {name},", "a DataFrame")
        if wrong := [column for column in COLUMNS if list(part).count(column) != 1]:
            saw = (
                f"{list(part).count(wrong[0]) or 'none'} of the columns {describe(list(part))} are called {wrong[0]!r}."
            )
            raise NotYet("columns-lost", f"{called}, as {name}: {saw}")
        for row in part[COLUMNS].itertuples(index=False, name=None):
            n, before = known.get(row[2], (None, None))
            if n is None:
                raise NotYet("rows-not-in-df", f"{name} has a row with tweetid {row[2]!r}, which df does not have.")
            if row != before:
                raise NotYet("rows-not-as-they-were", f"a row that is {before} in df is {row} in {name}.")
            if where[n] >= 0:
                raise NotYet("row-twice", f"{called} put tweet {row[2]} into {PARTS[where[n]]} and into {name}.")
            where[n] = k
    if not given.equals(df):
        what = "columns" if list(given) != list(df) else "values" if given.index.equals(df.index) else "index"
        raise NotYet("input-changed", f"{called} changed the {what} of df itself.")
    if left := where.count(-1):
        raise NotYet("rows-left-out", f"{called} left {left} of {len(df)} rows out of all three sets.")
    return where


def _together(tweets, splits):
    """No two copies in different parts; if there are, show the plainest."""
    where, text = splits.to_numpy(), tweets["text"]
    if not (apart := where != where[text]).any():
        return
    with untimed():
        mistake = explain([((tweets, where), True)], MISTAKES)
    slug = mistake.slug if mistake else "copies-apart"
    if (where[apart] * where[text][apart]).all():  # neither is in train, which is 0
        slug = "val-and-test-share-texts"
    shown = tweets["form"].where(tweets["message"].str.contains("RT @|http") | (slug != "retweets-and-links-apart"), 99)
    row, k = min(zip(*apart.nonzero()), key=lambda pair: shown[pair[0]])
    rows = [(tweets["message"][n], tweets["sentiment"][n], PARTS[where[n, k]]) for n in (text[row], row)]
    saw = ", ".join(f"{message!r} (class {sentiment}) is in {part}" for message, sentiment, part in rows)
    raise NotYet(slug, f"with seed {splits.columns[k]}, {saw}.")


def _torn_alike(tweets, where, also="text", early=str, rt=RETWEETS, link=LINKS, case=str.lower, ends=str.strip):
    """Are rows torn as by an answer that compares the messages after these steps, and the column `also`?"""
    texts = (ends(case(re.sub(link, "", re.sub(rt, "", early(message))))) for message in tweets["message"])
    rows, keys = {}, [*zip(texts, tweets[also])]
    first = [rows.setdefault(key, n) for n, key in enumerate(keys)]
    unlike = tweets["text"].map(lambda n: first[n]) != first
    torn = unlike & (where != where[tweets["text"]]).any(axis=1)
    # equal ones are never apart, and of every form that has unequal ones some are
    return bool((where == where[first]).all()) and {*tweets["form"][torn]} == {*tweets["form"][unlike]}


NEVER = "(?!)"
RAW = {"rt": NEVER, "link": NEVER}
#: From the coarsest to the finest: a finer one would explain as much.
COMPARED = {
    "other-classes-apart": [{"also": "sentiment"}],
    "spaces-apart": [{"ends": str.rstrip}, {"ends": str.lstrip}, {"ends": str, "early": str.strip}, {"ends": str}],
    "retweeted-retweets-apart": [{"rt": r"^RT @\w+:\s*"}],
    "retweets-apart": [{"rt": NEVER}],
    "links-apart": [{"link": r"http\S*$"}, {"link": NEVER}],
    "case-apart": [{"case": str}],
    "retweets-and-links-apart": [RAW, RAW | {"case": str}, RAW | {"case": str, "ends": str}],
    "same-text-apart": [{"also": "tweetid"}],
}
MISTAKES = [
    Mistake(slug, lambda case, how=how: _torn_alike(*case, **how)) for slug, hows in COMPARED.items() for how in hows
]


def _with_another_index(three_way_split, tweets, index):
    try:
        _together(tweets, tweets[[]].assign(**{"0": _split(three_way_split, tweets[COLUMNS].set_axis(index), 0)}))
    except NotYet as found:
        slug = "input-changed" if found.misconception == "input-changed" else "depends-on-the-index"
        raise NotYet(slug, f"with {index[:3]} … as df's index, not 0, 1, 2, …: {found.saw}") from None


def _hash(thing):
    return hash(f"{thing} in a new process" if "'" in repr(thing) else thing)  # as in that of every text


class _Set(set):
    def __iter__(self):
        return iter(sorted(super().__iter__(), key=lambda thing: "'" in repr(thing) and _hash(thing)))


def _repeatable(three_way_split, df, first):
    """Ask again with seed 0, and give the answer's own code the `hash` and `set` of another process: others for text."""
    names = getattr(three_way_split, "__globals__", {})
    ours = {name: value for name, value in {"hash": _hash, "set": _Set}.items() if name not in names}
    names.update(ours)
    try:
        moved = (first != _split(three_way_split, df, 0)).sum()
    except NotYet:
        moved = -1  # the imitation is not perfect
    finally:
        for name in ours:
            names.pop(name, None)
    if moved and (again := (first != _split(three_way_split, df, 0)).sum()):
        raise NotYet("split-not-repeatable", f"called with seed 0 again, it moved {again} of {len(df)} rows.")
    if moved > 0:
        saw = f"with hash() and the order of a set as in a new process, seed 0 moved {moved} of {len(df)} rows."
        raise NotYet("split-not-repeatable", saw)


def _sizes(units, splits):
    shares = [[splits.loc[unit.index].eq(part).mean() for part in range(3)] for unit in units]
    if min(max((share - 0.1).abs().mean() for share in parts[1:]) for parts in shares) > OFF:
        sizes = [share.mean() for share in shares[0]]
        saw = ", ".join(f"{name} has {size:.0%}" for name, size in zip(PARTS, sizes))
        slug = "parts-in-another-order" if max(sizes[1:]) > 0.5 else "part-sizes"
        raise NotYet(slug, f"on average over {splits.shape[1]} seeds, {saw} of the rows.")


def _distances(classes, where):
    """How far from proportion the held-out rows are, and val in them, in standard deviations of a draw by chance."""
    counts = [classes[where[classes.index] == part].value_counts() for part in range(3)]
    train, val, test = (count.reindex(range(-1, 3), fill_value=0) for count in counts)
    share = (train + val + test) / len(classes)
    for part, whole in (val + test, train + val + test), (val, val + test):
        n, of = part.sum(), max(whole.sum(), 1)
        deviation = (n * share * (1 - share) * (1 - n / of)) ** 0.5
        yield ((part - n * whole / of).abs() / deviation.clip(0.5)).mean()
