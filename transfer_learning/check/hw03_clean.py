"""Homework 03: clean text, duplicates once, classes from 0 to 3."""

import difflib
import random
import unicodedata
from collections import Counter
from html import escape, unescape
from numbers import Integral
from types import SimpleNamespace

from ..tweets import python_strings
from ._engine import Mistake, NotYet, a_type, call, describe, explain, homework, require_callable, require_type, untimed

PLAIN = ["Warmer", "Hoax", "Sea rises", "Rain"]
NINO = "El Niño is back… https://t.co/a1B2c3D4e5"
LINES = "R&D at AT&T,  <3 for the reef 🔥 #climate\nSecond line\r\nThird,\twith a\xa0space"
QUOTES = "It's “cold” in SÃO PAULO – so much for warming! £5 says it’s a hoax"
CLEAN = [f"RT @sea_owl: {NINO}", " Cafe\u0301 ", LINES, QUOTES, "½ m² of ﬁre™, ＨＯＴ! 5%20m", "\ufeffÅ"]
CLEAN += [f"Wow! {QUOTES}. {QUOTES}!"]  # more than the 140 characters of a tweet
ALIKE = [NINO, f"RT @sea_owl: {NINO}", NINO.upper(), f" {NINO}  ", NINO[:-1]]  # and still five texts, as are these
ALIKE += [*map(NINO.replace, "ññ", ("n", "n\u0303")), QUOTES, QUOTES.translate(str.maketrans("“”’", '""\''))]
ENTITIES = [
    "Wind &amp; sun",
    "5 &lt; 9 &gt; 1",
    "&quot;Hoax&quot;: it&#39;s warm",
    "A caf&eacute; &#x2013; 5&nbsp;m &hellip;",
]
DAMAGED = ["Too hot for the café…", "It’s 30 € for a fan", "Fire season 🔥 in Málaga", "They call it “weather” — again"]
# in the last one the closing quote went through Windows-1252 twice and is lost for good, the opening one is not
MIXED = ["It’s hot in MÃ¡laga 🔥", "“Hot”, itâ€™s hot", "Ã¢â‚¬Å“HoaxÃ¢â‚¬ï¿½, says a man with an egg for a face"]
LIKE = 0.6  # how similar two messages are, at least, when one is taken for a changed form of the other
WORDS = 'sea ice R&D <3 it\'s "so-called" Zürich Niño façade naïve 30€ hot… – fire🔥 SUMMER #heat @owl £5 ’tis'.split()


@homework("03_loading_your_own_dataset")
def clean(clean):
    """Check homework 03: entities decoded, mojibake repaired, each text once, the classes as 0 to 3.

    The right text is what `html.unescape` and then `ftfy.fix_encoding` give. Columns beside `message` and `label` may be
    there or not. No message holds a literal ``<`` beside an entity, or an entity escaped twice: there order would matter.

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
    with untimed():
        frames = _frames(random.SystemRandom())
    given = [(frame, _call(clean, frame)) for frame in frames]
    with untimed():
        for frame, out in given:
            _right_texts(frame, out["message"])
        _right_rows([(frame, list(out["message"])) for frame, out in given])
        _right_labels([(frame, list(out["label"])) for frame, out in given])
        for frame, out in given:
            for name in [name for name in ("sentiment", "tweetid") if list(out.columns).count(name) == 1]:
                for text, value, was in zip(frame.wanted, out[name], _once(frame.texts, frame.df[name])):
                    if not isinstance(value, Integral) or value != was:
                        raise NotYet(
                            "column-changed", f"beside {text!r}, {name} was {was} and is now {describe(value)}."
                        )
            if list(out.index) != list(range(len(out))):
                raise NotYet("index-gaps", f"your {len(out)} rows have the index {describe(list(out.index))}.")
    return f"{len(frames)} DataFrames: entities decoded, mojibake repaired, each text once, in order, classes 0 to 3."


def _frames(chance):
    """The simplest first; the last ones come twice, because the second call must not remember the first."""
    once, twice = ([_damage(text, times) for text in DAMAGED] for times in (1, 2))
    copies = [ENTITIES[0], PLAIN[1], ENTITIES[0], PLAIN[2], ENTITIES[0], PLAIN[1]]
    dirtier = [*once[:2], *twice[:2], ENTITIES[0], "Wind & sun", *CLEAN[:2]]
    frames = [_frame(PLAIN, [1, -1, 2, 0]), _frame(PLAIN[::2], [1, 2], [7, 3])]  # two rows of a larger frame
    frames += [_frame(raws, [1] * len(raws)) for raws in (CLEAN, ENTITIES, once, twice, MIXED, ALIKE)]
    frames += [_frame(copies, [1, -1, 1, 2, 2, 0]), _frame(dirtier, [1, 0, -1, 1, 2, -1, 0, 2])]
    for classes in (-1, 0, 1, 2), (0, 2), (-1, 1, 2):
        raws = []
        for number in range(25):  # texts nobody has seen, each up to four times in different noise
            text = " ".join([*chance.sample(WORDS, 6), f"{number}x{chance.randrange(10**6)}"])
            spellings = text, escape(text)
            raws += [_damage(chance.choice(spellings), chance.randrange(3)) for _ in range(chance.randint(1, 4))]
        chance.shuffle(raws)
        frames += [_frame(raws, chance.choices(classes, k=len(raws)), chance.sample(range(10**6), len(raws)))] * 2
    return frames


def _frame(raws, sentiments, index=None):
    """A df, what each of its rows holds, the right texts, and of the rows that stay: `wanted` texts, `kept` sentiments."""
    import ftfy
    import pandas as pd

    python_strings()
    tweetids = random.SystemRandom().sample(range(10**5, 10**6), len(raws))
    df = pd.DataFrame({"sentiment": sentiments, "message": raws, "tweetid": tweetids}, index=index)
    texts = [ftfy.fix_encoding(unescape(raw)) for raw in raws]
    rows = {"raws": raws, "texts": texts, "sentiments": sentiments, "mend": ftfy.fix_encoding}
    return SimpleNamespace(df=df, **rows, wanted=_once(texts, texts), kept=_once(texts, sentiments))


def _damage(text, times):
    """Read UTF-8 as Windows-1252, the way browsers do."""
    for _ in range(times):
        text = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())
    return text


def _once(keys, values, keep="first"):
    """The values of the rows that stay when only the first (or last) of those with the same key is kept."""
    import pandas as pd

    return [value for value, again in zip(values, pd.Series(keys).duplicated(keep)) if not again]


def _call(clean, frame):
    """Return what `clean` makes of a frame, once that has the columns it needs."""
    df = frame.df.copy()
    out = require_type(call(clean, df), type(df), "clean(df)", "a DataFrame")
    if not df.equals(frame.df):
        saw = f"columns are now {describe(list(df.columns))}"
        if list(df.columns) == list(frame.df):
            same = df.index.equals(frame.df.index)
            saw = "values or dtypes are no longer the same" if same else f"index is now {describe(list(df.index))}"
        raise NotYet("input-changed", f"df itself was changed; its {saw}.")
    if wrong := [name for name in ("message", "label") if (columns := list(out.columns)).count(name) != 1]:
        raise NotYet(
            "column-missing", f"of your columns {columns}, {columns.count(wrong[0]) or 'none'} are called {wrong[0]!r}."
        )
    return out


def _right_texts(frame, messages):
    for message in [message for message in messages if not isinstance(message, str) or message not in frame.texts]:
        if not isinstance(message, str):
            raise NotYet("wrong-type", f"one message is {describe(message)}, {a_type(message)}.")
        for slug, mend in ("entities-left", unescape), ("mojibake-left", frame.mend):
            if frame.raws != frame.texts and mend(message) != message:
                raise NotYet(slug, f"one of your messages is not clean yet: {message!r:.160}.")
        like, raw = max((_like(message, raw, text), raw) for raw, text in zip(frame.raws, frame.texts))
        same = unicodedata.normalize("NFC", raw) == unicodedata.normalize("NFC", message)
        held, got = map(ascii if same else repr, (raw, message))
        slug = "text-changed" if like > LIKE else "text-not-in-df"
        raise NotYet(slug, f"one of your messages is {got:.160}; the most similar one in df is {held:.160}.")


def _like(message, *texts):
    """How similar a message is to the most similar of these texts, case aside: from 0 to 1."""
    message = message[:200].casefold()
    return max(difflib.SequenceMatcher(None, text.casefold(), message).ratio() for text in texts)


ROWS = [
    Mistake("last-copy-kept", lambda frame: _once(frame.texts, frame.texts, "last")),
    Mistake("copies-before-cleaning", lambda frame: _once(frame.raws, frame.texts)),
    Mistake("copies-before-cleaning", lambda frame: _once([*map(unescape, frame.raws)], frame.texts)),
]


def _right_rows(seen):
    """Every text once, in the order of the first copies."""
    mistake = explain(seen, ROWS)
    for frame, got in [pair for pair in seen if pair[1] != pair[0].wanted]:
        lost = [text for text in frame.wanted if text not in got]
        (most, count), *_ = Counter(got).most_common(1) or [("", 0)]
        if count > 1:
            copies = [raw for raw, text in zip(frame.raws, frame.texts) if text == most]
            slug, saw = "copies-kept", f"{most!r} is in {count} of your rows; in df they were {describe(copies, 160)}."
        elif lost:
            slug, saw = "rows-lost", f"{len(lost)} of {len(frame.wanted)} texts are missing, such as {lost[0]!r}."
        else:
            row, first = next(pair for pair in zip(got, frame.wanted) if pair[0] != pair[1])
            slug, saw = (
                "order-changed",
                f"{row!r} comes before {first!r} in your rows; in df, its first copy comes after that one.",
            )
        raise NotYet(mistake.slug if mistake else slug, saw)


SEEN = "sentiments", "kept"  # the classes of all rows, those of the rows that stay
LABELS = [
    Mistake("labels-from-minus-1", lambda frame: frame.kept),
    *(Mistake("classes-seen-alone", lambda f, k=k: [sorted({*vars(f)[k]}).index(n) for n in f.kept]) for k in SEEN),
    *(Mistake("classes-seen-alone", lambda f, k=k: [n - min(vars(f)[k]) for n in f.kept]) for k in SEEN),
    Mistake("last-copy-kept", lambda frame: [n + 1 for n in dict(zip(frame.texts, frame.sentiments)).values()]),
    Mistake("last-copy-kept", lambda frame: lambda labels: {*zip(frame.wanted, labels)} <= _of_copies(frame)),
    Mistake("label-of-another-row", lambda frame: [n + 1 for n in frame.sentiments[: len(frame.kept)]]),
]


def _of_copies(frame):
    """Every text with the label of any of its copies."""
    return {(text, sentiment + 1) for text, sentiment in zip(frame.texts, frame.sentiments)}


def _right_labels(seen):
    mistake = explain(seen, LABELS)
    for frame, labels in seen:
        if bad := [label for label in labels if not isinstance(label, Integral) or isinstance(label, bool)]:
            raise NotYet("label-not-whole", f"one label is {describe(bad[0])}, {a_type(bad[0])}.")
        if labels != [sentiment + 1 for sentiment in frame.kept]:
            pairs = [f"{sentiment} → {label}" for sentiment, label in sorted({*zip(frame.kept, map(int, labels))})]
            saw = f"sentiment → label: {', '.join(pairs[:9])}; df held the sentiments {sorted(set(frame.sentiments))}."
            raise NotYet(mistake.slug if mistake else "classes-mixed-up", saw)
