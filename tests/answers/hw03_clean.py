"""Answers to homework 03: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import html
import re
import unicodedata
from urllib.parse import unquote

import ftfy
import numpy as np
import pandas as pd

from transfer_learning import check

CLASSES = {-1: 0, 0: 1, 1: 2, 2: 3}


def judge(clean):
    return check.clean(clean)


def mended(text):
    return ftfy.fix_encoding(html.unescape(text))


#: ftfy.fix_text with all but the encoding and the entities switched off.
ALL_OFF = dict.fromkeys(
    "remove_terminal_escapes fix_latin_ligatures fix_character_width uncurl_quotes fix_line_breaks fix_surrogates "
    "remove_control_chars".split(),
    False,
)


# --- right


def in_a_chain(df):
    return (
        df.assign(message=df["message"].map(mended), label=df["sentiment"] + 1)
        .drop_duplicates("message")
        .reset_index(drop=True)
    )


def in_a_loop(df):
    seen, rows = set(), []
    for row in df.itertuples():
        text = html.unescape(ftfy.fix_encoding(row.message))
        if text not in seen:
            seen.add(text)
            rows.append({"message": text, "label": CLASSES[row.sentiment], "tweetid": row.tweetid})
    return pd.DataFrame(rows)


def fix_text_alone(df, **options):
    """ftfy decodes entities too, as long as no < appears in the text."""
    out = df.copy()
    out["message"] = [ftfy.fix_text(text, **options) for text in out["message"]]
    out["label"] = out["sentiment"].replace({-1: 0, 0: 1, 1: 2, 2: 3})
    return out[~out["message"].duplicated()].reset_index(drop=True)


def texts_first(df):
    """Two columns and nothing else; small integers."""
    texts = df["message"].apply(html.unescape).apply(ftfy.fix_encoding).to_numpy()
    kept = [n for n, text in enumerate(texts) if text not in set(texts[:n])]
    labels = np.searchsorted([-1, 0, 1, 2], df["sentiment"].to_numpy()[kept])
    return pd.DataFrame({"label": labels.astype("uint8"), "message": texts[kept]})


def with_a_dict(df):
    first = {}
    for text, label in zip(df["message"].map(mended), df["sentiment"] + 1):
        first.setdefault(text, label)
    return pd.DataFrame({"message": list(first), "label": list(first.values())})


def grouped(df):
    out = df.assign(message=df["message"].map(mended), label=df["sentiment"].map(CLASSES))
    return out.groupby("message", sort=False, as_index=False).first()


def with_a_categorical(df):
    out = df.assign(message=list(map(mended, df["message"])))
    out["label"] = pd.Categorical(out["sentiment"], categories=[-1, 0, 1, 2]).codes
    return out.drop_duplicates(subset=["message"], ignore_index=True)


def with_unique(df):
    texts = df["message"].map(mended).to_numpy()
    _, rows = np.unique(texts, return_index=True)
    rows.sort()
    return df.iloc[rows].assign(message=texts[rows], label=lambda d: d["sentiment"].add(1)).reset_index(drop=True)


def row_by_row(df):
    def one(row):
        return pd.Series({**row, "message": mended(row["message"]), "label": int(row["sentiment"]) + 1})

    out = df.apply(one, axis=1).drop_duplicates("message").reset_index()  # keeps the old index as a column
    return out.astype({"label": "Int64"})


def mended_by_hand(text):
    """Windows-1252 as browsers read it, undone; runs of damage one by one where the whole does not decode."""

    def back(match):
        signs = match[0]
        data = b"".join(sign.encode("cp1252") if undone(sign) else bytes([ord(sign)]) for sign in signs)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return signs

    def undone(sign):
        try:
            return bool(sign.encode("cp1252"))
        except UnicodeEncodeError:
            return False

    some = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xC0))
    for _ in range(3):
        text = re.sub(f"[Â-ß][{some}]|[à-ï][{some}]{{2}}|[ð-ô][{some}]{{3}}", back, text)
    return re.sub("â€\ufffd", "\ufffd", text)  # what is left of a quote that is lost


def by_hand(df):
    out = df.assign(message=[mended_by_hand(html.unescape(text)) for text in df["message"]])
    out = out.loc[~out.duplicated("message", keep="first")]
    out.index = range(len(out))
    return out.assign(label=[{-1: 0, 0: 1, 1: 2, 2: 3}[s] for s in out["sentiment"]]).drop(columns="sentiment")


def recursively(df):
    texts = df["message"].map(mended).tolist()

    def kept(rows, seen=frozenset()):
        if not rows:
            return []
        row, *others = rows
        return ([] if texts[row] in seen else [row]) + kept(others, seen | {texts[row]})

    rows = kept(list(range(len(df))))
    labels = pd.Series(df["sentiment"].to_numpy()[rows] + 1, dtype=object)
    return pd.DataFrame({"message": pd.array([texts[row] for row in rows], dtype="string"), "label": labels})


class Cleaner:
    def __init__(self, repair):
        self.repair = repair

    def __call__(self, df):
        return in_a_chain(df.assign(message=df["message"].map(self.repair)))


def with_options(df, keep, config):
    out = df.assign(message=[ftfy.fix_text(text, config) for text in df["message"]], label=1 + df.sentiment)
    return out.drop_duplicates("message", keep=keep).reset_index(drop=True)


def from_a_generator(df):
    texts = (ftfy.fix_encoding_and_explain(html.unescape(text)).text for text in df["message"])
    return pd.DataFrame(
        {text: {"label": label} for text, label in reversed([*zip(texts, df["sentiment"] + 1)])}.items(),
        columns=["message", "label"],
    ).pipe(lambda d: ordered(d, df))


def ordered(out, df):
    """Back in the order of the first copies."""
    place = {}
    for text in df["message"].map(mended):
        place.setdefault(text, len(place))
    out = out.assign(place=out["message"].map(place), label=[entry["label"] for entry in out["label"]])
    return out.sort_values("place", ignore_index=True)


RIGHT = {
    "a chain": in_a_chain,
    "a loop": in_a_loop,
    "ftfy.fix_text, all else off": functools.partial(fix_text_alone, **ALL_OFF, normalization=None),
    "two columns, small integers": texts_first,
    "a dict": with_a_dict,
    "groupby": grouped,
    "a categorical": with_a_categorical,
    "np.unique": with_unique,
    "row by row, old index as a column": row_by_row,
    "by hand": by_hand,
    "recursion": recursively,
    "an object that can be called": Cleaner(mended),
    "a partial": functools.partial(
        with_options, keep="first", config=ftfy.TextFixerConfig(unescape_html=True, normalization=None, **ALL_OFF)
    ),
    "a generator, backwards": from_a_generator,
}

# --- wrong


def chain(df, mend=mended, label=lambda df: df["sentiment"] + 1, once=lambda df: df.drop_duplicates("message")):
    """The right chain, for an answer that swaps one link."""
    out = df.assign(message=df["message"].map(mend), label=label(df))
    return once(out).reset_index(drop=True)


def swapped(**links):
    return functools.partial(chain, **links)


def in_place(df):
    df["message"] = df["message"].map(mended)
    df["label"] = df["sentiment"] + 1
    return df.drop_duplicates("message").reset_index(drop=True)


def pops_a_column(df):
    df.pop("tweetid")
    return in_a_chain(df)


def numbers_the_input(df):
    out = in_a_chain(df)
    df.insert(0, "number", range(len(df)))
    return out


def copies_first(df):
    out = df.drop_duplicates("message").reset_index(drop=True)
    return out.assign(message=out["message"].map(mended), label=out["sentiment"] + 1)


def whole_text(text, encoding):
    """All of it or nothing: one sign that is lost, or that Python's cp1252 lacks, and the rest stays damaged."""
    for _ in range(2):
        try:
            text = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            break
    return html.unescape(text)


def once(text):
    try:
        return html.unescape(text.encode("sloppy-windows-1252").decode("utf-8"))
    except UnicodeError:
        return html.unescape(text)


def table(text):
    for damaged, right in {"â€™": "’", "â€¦": "…", "â€œ": "“", "Ã©": "é"}.items():
        text = text.replace(damaged, right)
    return html.unescape(text)


def three_entities(text):
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return ftfy.fix_encoding(text)


def labels_by_position(df):
    """The label comes from the index, after the index is new."""
    out = df.assign(message=df["message"].map(mended)).drop_duplicates("message").reset_index(drop=True)
    return out.assign(label=pd.Series((df["sentiment"] + 1).to_numpy()[: len(out)]))


def label_of_the_last(df):
    labels = dict(zip(df["message"].map(mended), df["sentiment"] + 1))
    return pd.DataFrame({"message": list(labels), "label": list(labels.values())})


def label_by(choice):
    """One class for all copies of a text, chosen by something other than their order."""

    def clean(df):
        rows = pd.DataFrame({"message": df["message"].map(mended), "label": df["sentiment"] + 1})
        return rows.groupby("message", sort=False)["label"].agg(choice).reset_index()

    return clean


def first_result_again(df, kept=[]):  # noqa: B006
    kept[:] = kept or [in_a_chain(df)]
    return kept[0]


def casts_the_input(df):
    df["sentiment"] = df["sentiment"].astype("int8")
    return in_a_chain(df)


def remembers(df, seen=set()):  # noqa: B006
    out = in_a_chain(df)
    out = out[[text not in seen for text in out["message"]]].reset_index(drop=True)
    seen.update(out["message"])
    return out


def tweetids_of_others(df):
    out = in_a_chain(df)
    return out.assign(tweetid=df["tweetid"].to_numpy()[: len(out)])


def unlike(key):
    """Takes texts for copies that are only alike."""
    return swapped(once=lambda df: df[~df["message"].map(key).duplicated()])


def tidied(df):
    """Ends stripped, normal form NFKC, columns renamed."""
    out = in_a_chain(df.assign(message=[unicodedata.normalize("NFKC", mended(text)).strip() for text in df["message"]]))
    return out.rename(columns={"sentiment": "class"})


WRONG = {
    "nothing written": ("nothing-yet", ...),
    "nothing returned": ("returns-nothing", lambda df: None),
    "a Series": ("wrong-type", lambda df: in_a_chain(df)["message"]),
    "a list of records": ("wrong-type", lambda df: in_a_chain(df).to_dict("records")),
    "messages as bytes": (
        "wrong-type",
        lambda df: in_a_chain(df).assign(message=lambda d: d["message"].str.encode("utf-8")),
    ),
    "messages as lists of words": (
        "wrong-type",
        lambda df: in_a_chain(df).assign(message=lambda d: d["message"].str.split()),
    ),
    "no label": ("column-missing", lambda df: in_a_chain(df).drop(columns="label")),
    "label under another name": ("column-missing", lambda df: in_a_chain(df).rename(columns={"label": "labels"})),
    "message as the index": ("column-missing", lambda df: in_a_chain(df).set_index("message")),
    "in place": ("input-changed", in_place),
    "a column popped": ("input-changed", pops_a_column),
    "numbers the input": ("input-changed", numbers_the_input),
    "another dtype in the input": ("input-changed", casts_the_input),
    "entities left": ("entities-left", swapped(mend=ftfy.fix_encoding)),
    "the one entity of the tweets": (
        "entities-left",
        swapped(mend=lambda text: ftfy.fix_encoding(text.replace("&amp;", "&"))),
    ),
    "three entities": ("entities-left", swapped(mend=three_entities)),
    "mojibake left": ("mojibake-left", swapped(mend=html.unescape)),
    "mojibake repaired once": ("mojibake-left", swapped(mend=once)),
    "mojibake by a table": ("mojibake-left", swapped(mend=table)),
    "all of a text or nothing": ("mojibake-left", swapped(mend=functools.partial(whole_text, encoding="cp1252"))),
    "all of a text or nothing, as browsers read it": (
        "mojibake-left",
        swapped(mend=functools.partial(whole_text, encoding="sloppy-windows-1252")),
    ),
    "all but ASCII thrown away": (
        "text-changed",
        swapped(mend=lambda text: html.unescape(text).encode("ascii", "ignore").decode()),
    ),
    "what does not decode thrown away": (
        "text-changed",
        swapped(mend=lambda text: html.unescape(text).encode("cp1252", "ignore").decode("utf-8", "ignore")),
    ),
    "entities deleted": ("text-changed", swapped(mend=lambda text: ftfy.fix_encoding(re.sub(r"&#?\w+;", "", text)))),
    "lower case": ("text-changed", swapped(mend=lambda text: mended(text).lower())),
    "links removed": ("text-changed", swapped(mend=lambda text: re.sub(r"https?:\S+", "", mended(text)))),
    "RT removed": ("text-changed", swapped(mend=lambda text: re.sub(r"^RT @\w+: ", "", mended(text)))),
    "white space joined": ("text-changed", swapped(mend=lambda text: " ".join(mended(text).split()))),
    "punctuation removed": ("text-changed", swapped(mend=lambda text: re.sub(r"[^\w\s]", "", mended(text)))),
    "ftfy.fix_text alone": ("text-changed", fix_text_alone),
    "cut at 140 characters": ("text-changed", swapped(mend=lambda text: mended(text)[:140])),
    "links decoded": ("text-changed", swapped(mend=lambda text: unquote(mended(text)))),
    "capitals": ("text-changed", swapped(mend=lambda text: mended(text).upper())),
    "tags removed": ("text-changed", swapped(mend=lambda text: re.sub(r"<[^>]*>", "", mended(text)))),
    "the result of the first call": ("text-not-in-df", first_result_again),
    "stripped and in another normal form": ("text-changed", tidied),
    "the course's own tweets": (
        "text-not-in-df",
        lambda df: in_a_chain(pd.DataFrame({"message": ["A"], "sentiment": [1]})),
    ),
    "copies kept": ("copies-kept", swapped(once=lambda df: df)),
    "copies by all columns": ("copies-kept", swapped(once=lambda df: df.drop_duplicates())),
    "copies by text and class": ("copies-kept", swapped(once=lambda df: df.drop_duplicates(["message", "label"]))),
    "only neighbours compared": (
        "copies-kept",
        swapped(once=lambda df: df[df["message"] != df["message"].shift()]),
    ),
    "copies before cleaning": ("copies-before-cleaning", copies_first),
    "all copies dropped": ("rows-lost", swapped(once=lambda df: df.drop_duplicates("message", keep=False))),
    "copies by class": ("rows-lost", swapped(once=lambda df: df.drop_duplicates("label"))),
    "copies whatever the case": ("rows-lost", unlike(str.lower)),
    "copies whatever the link": ("rows-lost", unlike(lambda text: re.sub(r"https?:\S+", "", text))),
    "copies whoever passed them on": ("rows-lost", unlike(lambda text: re.sub(r"^RT @\w+: ", "", text))),
    "copies whatever the accents": (
        "rows-lost",
        unlike(lambda text: unicodedata.normalize("NFKD", text).encode("ascii", "ignore")),
    ),
    "retweets dropped": (
        "rows-lost",
        swapped(once=lambda df: df[~df["message"].str.startswith("RT")].drop_duplicates("message")),
    ),
    "the first rows alone": ("rows-lost", lambda df: in_a_chain(df.head(3))),
    "remembers the last call": ("rows-lost", remembers),
    "the last copy kept": ("last-copy-kept", swapped(once=lambda df: df.drop_duplicates("message", keep="last"))),
    "the last copy's class": ("last-copy-kept", label_of_the_last),
    "the most frequent class": ("last-copy-kept", label_by(lambda group: group.mode()[0])),
    "the highest class": ("last-copy-kept", label_by("max")),
    "sorted by groupby": ("order-changed", swapped(once=lambda df: df.groupby("message", as_index=False).first())),
    "sorted by class": ("order-changed", swapped(once=lambda df: df.drop_duplicates("message").sort_values("label"))),
    "sorted back by the index": ("order-changed", swapped(once=lambda df: df.drop_duplicates("message").sort_index())),
    "index with gaps": (
        "index-gaps",
        lambda df: df.assign(message=df["message"].map(mended), label=df["sentiment"] + 1).drop_duplicates("message"),
    ),
    "index from 1": ("index-gaps", lambda df: in_a_chain(df).pipe(lambda out: out.set_index(out.index + 1))),
    "index is the tweetid": ("index-gaps", lambda df: in_a_chain(df).set_index("tweetid")),
    "sentiment as it is": ("labels-from-minus-1", swapped(label=lambda df: df["sentiment"])),
    "decimals": ("label-not-whole", swapped(label=lambda df: df["sentiment"] + 1.0)),
    "names": (
        "label-not-whole",
        swapped(label=lambda df: df["sentiment"].map({-1: "Anti", 0: "Neutral", 1: "Pro", 2: "News"})),
    ),
    "digits as text": ("label-not-whole", swapped(label=lambda df: (df["sentiment"] + 1).astype(str))),
    "one class forgotten": ("label-not-whole", swapped(label=lambda df: df["sentiment"].map({-1: 0, 0: 1, 1: 2}))),
    "yes or no": ("label-not-whole", swapped(label=lambda df: df["sentiment"] > 0)),
    "codes of the classes there are": (
        "classes-seen-alone",
        swapped(label=lambda df: df["sentiment"].astype("category").cat.codes),
    ),
    "dense rank": (
        "classes-seen-alone",
        swapped(label=lambda df: df["sentiment"].rank(method="dense").astype(int) - 1),
    ),
    "smallest subtracted": ("classes-seen-alone", swapped(label=lambda df: df["sentiment"] - df["sentiment"].min())),
    "numbered as they come": ("classes-mixed-up", swapped(label=lambda df: pd.factorize(df["sentiment"])[0])),
    "without the sign": ("classes-mixed-up", swapped(label=lambda df: df["sentiment"].abs())),
    "descending": ("classes-mixed-up", swapped(label=lambda df: 2 - df["sentiment"])),
    "modulo": ("classes-mixed-up", swapped(label=lambda df: df["sentiment"] % 4)),
    "1 to 4": ("classes-mixed-up", swapped(label=lambda df: df["sentiment"] + 2)),
    "labels counted through": ("label-of-another-row", labels_by_position),
    "tweetids counted through": ("column-changed", tweetids_of_others),
    "sentiment overwritten": ("column-changed", lambda df: in_a_chain(df).assign(sentiment=lambda d: d["label"])),
}
