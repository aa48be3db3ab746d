"""Homework 03: clean text, copies once, classes from 0 to 3."""

import difflib
import html
import random
import unicodedata
from collections import Counter
from numbers import Integral

from ..tweets import python_strings
from ._engine import NotYet, call, describe, homework, require_callable, require_type

# (message as it stands in the file, its clean text, sentiment)
PLAIN = [("Warmer", "Warmer", 1), ("Hoax", "Hoax", -1), ("Sea rises", "Sea rises", 2), ("Rain", "Rain", 0)]
GOOD = [
    (text, text, 1)
    for text in (
        "RT @sea_owl: El Niño is back… https://t.co/a1B2c3D4e5",
        "El Niño is back… https://t.co/a1B2c3D4e5",
        "EL NIÑO IS BACK… https://t.co/a1B2c3D4e5",
        "El Nino is back… https://t.co/a1B2c3D4e5",
        "El Niño is back… https://t.co/Zz9y8X7w6V",
        "R&D at AT&T,  <3 for the reef 🔥 #climate\nSecond line",
        "It's “cold” in SÃO PAULO – so much for warming! £5 says it’s a hoax",
    )
]
ENTITIES = [
    ("Wind &amp; sun", "Wind & sun", 1),
    ("15 &lt; 20, and 20 &gt; 15", "15 < 20, and 20 > 15", 0),
    ("&quot;Hoax&quot;, they say, but it&#39;s warm", '"Hoax", they say, but it\'s warm', 1),
    ("A caf&eacute; by the sea &#x2013; flooded &hellip;", "A café by the sea – flooded …", 2),
]
DAMAGED = ("Too hot for the café…", "It’s 30 € for a fan", "Fire season 🔥 in Málaga", "They call it “weather” — again")
# the closing quote went through Windows-1252 twice and is lost for good, the opening one is not
LOST = "Ã¢â‚¬Å“HoaxÃ¢â‚¬ï¿½, says a man with an egg for a face", "“Hoax\ufffd, says a man with an egg for a face", 1
LOST_SIGN = "\ufffd", '"', "â€\ufffd", "Ã¢â‚¬ï¿½"  # all may stand there
WORDS = (
    'sea ice R&D <3 it\'s "so-called" Zürich Niño façade naïve 30€ hot… – fire🔥 wave🌊 SUMMER #heat @owl £5 ’tis'
).split()


@homework("03_loading_your_own_dataset")
def clean(clean):
    """Check homework 03: entities decoded, mojibake repaired, each text once, the classes as 0 to 3.

    Quotes may be curly or straight, and letters in any of Unicode's normal forms; white space at the ends of a message
    is not looked at. Columns other than `message` and `label` may be kept, added or left out. In no message does a
    literal ``<`` stand beside an entity, as in the tweets, and no entity is escaped twice.

    Parameters
    ----------
    clean : callable
        The learner's answer, clean(df) -> DataFrame. `df` is as `load_tweets` gives it, or some of its rows.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(clean, "clean")
    once, twice = ([(_damage(text, times), text, 1) for text in DAMAGED] for times in (1, 2))
    copies = [ENTITIES[0], PLAIN[1], ENTITIES[0], PLAIN[2], (*ENTITIES[0][:2], 2), PLAIN[1]]
    dirtier = [*once[:2], *twice[:2], ENTITIES[0], ("Wind & sun", "Wind & sun", -1), *GOOD[:2]]
    _judge(clean, PLAIN)
    _judge(clean, PLAIN[::2], index=[7, 3])  # two classes, out of a larger frame
    for rows in (ENTITIES, [GOOD[0], *GOOD[-2:]], GOOD, once, twice, [LOST], copies, dirtier):
        _judge(clean, rows)
    rng = random.SystemRandom()
    for classes in ((-1, 0, 1, 2), (0, 2), (-1, 1, 2)):
        rows = _fresh(rng, classes)
        index = rng.sample(range(10**6), len(rows))
        for _ in range(2):  # the second call must not remember the first
            _judge(clean, rows, index)
    return "13 frames: entities decoded, mojibake repaired, each text once and in its place, classes 0 to 3."


def _damage(text, times):
    """Read UTF-8 as Windows-1252, the way browsers do."""
    for _ in range(times):
        text = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())
    return text


def _fresh(rng, classes):
    """Texts nobody has seen, each up to four times in different dirt and with any class."""
    rows = []
    for number in range(25):
        text = " ".join([*rng.sample(WORDS, 6), f"{number}x{rng.randrange(10**6)}"])
        for _ in range(rng.randint(1, 4)):
            raw = _damage(rng.choice((text, html.escape(text))), rng.randrange(3))
            rows.append((raw, text, rng.choice(classes)))
    rng.shuffle(rows)
    return rows


def _plain(text):
    """What two right answers may differ in, taken away."""
    return unicodedata.normalize("NFKC", text.translate(str.maketrans("‘’“”", "''\"\"", "\ufffd"))).strip()


def _judge(clean, rows, index=None):
    """Raise `NotYet` if the frame of these rows does not come back clean."""
    import pandas as pd

    raws, texts, sentiments = map(list, zip(*rows))
    tweetids = random.SystemRandom().sample(range(10**5, 10**6), len(rows))
    python_strings()
    df = pd.DataFrame({"sentiment": sentiments, "message": raws, "tweetid": tweetids}, index=index)
    before = df.copy()
    out = require_type(call(clean, df), pd.DataFrame, "clean(df)", "a DataFrame")
    if not df.equals(before):
        raise NotYet("input-changed", f"df itself is changed after clean(df): {_change(before, df)}.")
    for name in ("message", "label"):
        columns = list(out.columns)
        if columns.count(name) != 1:
            raise NotYet("column-missing", f"{columns.count(name)} of your columns {columns} are called {name!r}.")
    first, last = {}, {}
    for row, text in enumerate(texts):
        for remains in LOST_SIGN:
            first.setdefault(_plain(text.replace("\ufffd", remains)), row)
        last[first[_plain(text)]] = row
    got = _right_texts(list(out["message"]), first, raws)
    _right_rows(got, last, raws, [first[_plain(text)] for text in texts])
    _right_labels(list(out["label"]), sentiments, got, last, raws)
    for name in ("sentiment", "tweetid"):
        kept = list(out[name]) if list(out.columns).count(name) == 1 else []
        for value, row in zip(kept, got):
            if value != df[name].iloc[row]:
                raise NotYet(
                    "column-changed",
                    f"beside {describe(raws[row])}, {name} was {df[name].iloc[row]} and is {describe(value)}.",
                )
    if list(out.index) != list(range(len(got))):
        raise NotYet("index-gaps", f"your {len(got)} rows have the index {describe(list(out.index))}.")


def _change(before, df):
    if list(df.columns) != list(before.columns):
        return f"its columns are {describe(list(df.columns))}"
    return f"it has {len(df)} rows, not {len(before)}" if len(df) != len(before) else "other values stand in it"


def _right_texts(messages, first, raws):
    """The number of the first row that has each text."""
    import ftfy

    for message in messages:
        if not isinstance(message, str):
            kind = type(message).__name__
            raise NotYet("wrong-type", f"{describe(message)}, a {kind}, stands in the column message, expected a str.")
        if _plain(message) in first:
            continue
        if html.unescape(message) != message:
            raise NotYet("entities-left", f"this message of yours still holds an entity: {describe(message, 160)}.")
        if ftfy.fix_encoding(message) != message:
            raise NotYet("mojibake-left", f"this message of yours is still damaged: {describe(message, 160)}.")
        nearest = difflib.get_close_matches(message[:200], raws, 1, cutoff=0)
        raise NotYet("text-changed", f"df held {nearest[0]!r}, and you made {describe(message, 160)} of it.")
    return [first[_plain(message)] for message in messages]


def _right_rows(got, last, raws, first_of):
    """Every text once, in the order of the first copies."""
    for row, count in Counter(got).items():
        if count > 1:
            copies = [raw for raw, at in zip(raws, first_of) if at == row]
            slug = "copies-kept" if count > len(set(copies)) else "copies-before-cleaning"
            raise NotYet(slug, f"one text stands in {count} of your rows; in df they were {describe(copies, 160)}.")
    lost = [row for row in last if row not in got]
    if lost:
        times = first_of.count(lost[0])
        raise NotYet(
            "rows-lost",
            f"{len(lost)} of {len(last)} texts are gone; the first of them stands {times}× in df: {raws[lost[0]]!r}.",
        )
    if got == sorted(last):
        return
    at = next(n for n, (a, b) in enumerate(zip(got, sorted(last))) if a != b)
    slug = "last-copy-kept" if got == sorted(last, key=last.get) else "order-changed"
    raise NotYet(slug, f"your row {at} is {raws[got[at]]!r}; other texts come before it in df.")


def _right_labels(labels, sentiments, got, last, raws):
    for label, row in zip(labels, got):
        if not isinstance(label, Integral) or isinstance(label, bool):
            raise NotYet(
                "label-not-whole",
                f"the label of {describe(raws[row])} is {describe(label)}, a {type(label).__name__}, not an int.",
            )
    of_rows = [sentiments[row] for row in got]
    if labels == [sentiment + 1 for sentiment in of_rows]:
        return
    pairs = sorted(set(zip(of_rows, map(int, labels))))
    saw = "sentiment → label: " + ", ".join(f"{sentiment} → {label}" for sentiment, label in pairs[:9])
    seen = sorted(set(sentiments))
    if labels == of_rows:
        raise NotYet("labels-from-minus-1", f"{saw}.")
    if labels in ([seen.index(s) for s in of_rows], [sorted(set(of_rows)).index(s) for s in of_rows]):
        raise NotYet("classes-seen-alone", f"{saw}; df held only the sentiments {seen}.")
    if labels == [sentiments[last[row]] + 1 for row in got]:
        raise NotYet("last-copy-kept", f"{saw}: where copies differ in their class, you took the last one's.")
    if len(pairs) > len(set(of_rows)) or labels == [sentiment + 1 for sentiment in sentiments[: len(got)]]:
        raise NotYet("label-of-another-row", f"{saw}; the sentiments of your rows are {describe(of_rows)}.")
    raise NotYet("classes-mixed-up", f"{saw}.")
