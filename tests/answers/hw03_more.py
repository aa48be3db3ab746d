"""Fresh learner answers to homework 03: RIGHT and WRONG `clean`."""

import functools
import html
import re
import unicodedata

import ftfy
import numpy as np
import pandas as pd


def mend(text):
    return ftfy.fix_encoding(html.unescape(text))


# ---------------------------------------------------------------- right


def r_hints(df):
    message = df["message"].map(html.unescape).map(ftfy.fix_encoding)
    out = df.assign(message=message, label=df["sentiment"] + 1)
    return out.drop_duplicates("message", ignore_index=True)


def r_copy_steps(df):
    data = df.copy()
    data["message"] = data["message"].apply(html.unescape)
    data["message"] = data["message"].apply(ftfy.fix_encoding)
    data["label"] = data["sentiment"] + 1
    data = data.drop_duplicates(subset=["message"], keep="first")
    data = data.reset_index(drop=True)
    return data[["message", "label"]]


def r_dict(df):
    """A dict keeps the first, and the order."""
    seen = {}
    for text, sentiment in zip(df["message"], df["sentiment"]):
        seen.setdefault(mend(text), sentiment + 1)
    return pd.DataFrame({"message": list(seen.keys()), "label": list(seen.values())})


def r_loop(df):
    messages = []
    labels = []
    for i in range(len(df)):
        text = df["message"].iloc[i]
        text = html.unescape(text)
        text = ftfy.fix_encoding(text)
        if text not in messages:
            messages.append(text)
            labels.append(int(df["sentiment"].iloc[i]) + 1)
    result = pd.DataFrame()
    result["message"] = messages
    result["label"] = labels
    return result


def r_itertuples(df):
    seen, rows = set(), []
    for row in df.itertuples(index=False):
        text = mend(row.message)
        if text in seen:
            continue
        seen.add(text)
        rows.append((text, row.sentiment + 1))
    return pd.DataFrame(rows, columns=["message", "label"])


def r_mapping(df):
    classes = {-1: 0, 0: 1, 1: 2, 2: 3}
    return (
        df.assign(
            message=lambda d: d["message"].map(mend),
            label=lambda d: d["sentiment"].map(classes),
        )
        .loc[lambda d: ~d["message"].duplicated()]
        .reset_index(drop=True)
        .drop(columns=["sentiment"])
    )


def r_numpy(df):
    texts = np.array([mend(t) for t in df["message"]], dtype=object)
    labels = df["sentiment"].to_numpy() + 1
    first = pd.Series(texts, dtype=object).drop_duplicates().index.to_numpy()
    return pd.DataFrame({"message": texts[first], "label": labels[first]})


def r_np_unique(df):
    texts = [mend(t) for t in df["message"]]
    _, places = np.unique(np.array(texts, dtype=object), return_index=True)
    kept = df.iloc[np.sort(places)].reset_index(drop=True)
    kept["message"] = [texts[p] for p in np.sort(places)]
    kept["label"] = np.searchsorted([-1, 0, 1, 2], kept["sentiment"])
    return kept


def r_groupby(df):
    tidy = pd.DataFrame({"message": df["message"].map(mend), "label": df["sentiment"].add(1)})
    return tidy.groupby("message", sort=False, as_index=False).first()


def r_groupby_head(df):
    d = df.reset_index(drop=True)
    d["message"] = d["message"].map(mend)
    d["label"] = d.pop("sentiment") - (-1)
    return d.groupby("message").head(1).reset_index(drop=True)


def one_liner(df):
    return pd.DataFrame(
        {"message": [mend(m) for m in df["message"]], "label": [s + 1 for s in df["sentiment"]]}
    ).drop_duplicates("message", ignore_index=True)


class Cleaner:
    steps = (html.unescape, ftfy.fix_encoding)

    def __init__(self, lowest=-1):
        self.lowest = lowest

    def text(self, message):
        return functools.reduce(lambda t, step: step(t), self.steps, message)

    def __call__(self, df):
        out = df.copy(deep=True)
        out["message"] = out["message"].map(self.text)
        out["label"] = out["sentiment"] - self.lowest
        out.drop_duplicates(subset="message", inplace=True)
        out.index = range(len(out))
        return out


def r_fix_text_config(df):
    """ftfy with everything else switched off."""
    config = ftfy.TextFixerConfig(
        unescape_html=False, remove_terminal_escapes=False, fix_latin_ligatures=False,
        fix_character_width=False, uncurl_quotes=False, fix_line_breaks=False, fix_surrogates=False,
        remove_control_chars=False, normalization=None,
    )  # fmt: skip
    fix = functools.partial(ftfy.fix_encoding, config=config)
    d = df.assign(message=df.message.map(html.unescape).map(fix), label=df.sentiment + 1)
    return d.drop_duplicates(subset="message").reset_index(drop=True)


def _clean(df, text_steps, offset):
    messages = df["message"]
    for step in text_steps:
        messages = messages.map(step)
    keep = ~messages.duplicated(keep="first")
    return pd.DataFrame({"message": messages[keep], "label": df.loc[keep, "sentiment"] + offset}).reset_index(drop=True)


r_partial = functools.partial(_clean, text_steps=[html.unescape, ftfy.fix_encoding], offset=1)


def r_assistant(df: pd.DataFrame) -> pd.DataFrame:
    """Return a cleaned copy of the tweets.

    1. decode HTML entities, 2. repair mojibake, 3. map labels, 4. drop duplicates.
    """
    # Work on a copy so the original DataFrame is never modified
    cleaned = df.copy()

    def _clean_message(message: str) -> str:
        message = html.unescape(message)
        return ftfy.fix_encoding(message)

    cleaned["message"] = cleaned["message"].astype(str).map(_clean_message)
    label_map = {s: i for i, s in enumerate(sorted([-1, 0, 1, 2]))}
    cleaned["label"] = cleaned["sentiment"].replace(label_map) if False else cleaned["sentiment"].map(label_map)
    cleaned = cleaned.drop_duplicates(subset="message", keep="first").reset_index(drop=True)
    return cleaned[["message", "label", "tweetid"]] if "tweetid" in cleaned else cleaned[["message", "label"]]


def r_categorical(df):
    codes = pd.Categorical(df["sentiment"], categories=[-1, 0, 1, 2], ordered=True).codes.astype("int64")
    out = pd.DataFrame({"message": df["message"].map(mend).to_numpy(), "label": codes})
    return out[~out.duplicated(subset="message")].reset_index(drop=True)


RIGHT = {
    "as the hints say": r_hints,
    "copy, step by step": r_copy_steps,
    "dict of the first": r_dict,
    "beginner's loop over lists": r_loop,
    "itertuples and a set": r_itertuples,
    "method chain and a mapping": r_mapping,
    "numpy arrays": r_numpy,
    "np.unique, places sorted back": r_np_unique,
    "groupby first, unsorted": r_groupby,
    "groupby head": r_groupby_head,
    "one-liner": one_liner,
    "class with __call__": Cleaner(),
    "ftfy config": r_fix_text_config,
    "functools.partial": r_partial,
    "assistant style": r_assistant,
    "Categorical with all classes": r_categorical,
}

# ---------------------------------------------------------------- wrong


def _with(text, label=None, **drop):
    """An answer by the hints with one part exchanged; for the mistakes of one line."""

    def answer(df):
        labels = label(df) if label else df["sentiment"] + 1
        out = df.assign(message=df["message"].map(text), label=labels)
        return out.drop_duplicates("message", **{"ignore_index": True, **drop})

    return answer


def w_in_place(df):
    df["message"] = df["message"].map(mend)
    df["label"] = df["sentiment"] + 1
    return df.drop_duplicates("message", ignore_index=True)


def w_adds_column(df):
    df["label"] = df["sentiment"] + 1
    return df.assign(message=df["message"].map(mend)).drop_duplicates("message", ignore_index=True)


def w_duplicates_first(df):
    out = df.drop_duplicates("message", ignore_index=True)
    return out.assign(message=out["message"].map(mend), label=out["sentiment"] + 1)


def w_duplicates_between(df):
    out = df.assign(message=df["message"].map(html.unescape), label=df["sentiment"] + 1)
    out = out.drop_duplicates("message", ignore_index=True)
    return out.assign(message=out["message"].map(ftfy.fix_encoding))


def w_all_columns(df):
    return df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1).drop_duplicates(ignore_index=True)


def w_message_and_label(df):
    out = pd.DataFrame({"message": df["message"].map(mend), "label": df["sentiment"] + 1})
    return out.drop_duplicates(ignore_index=True)


def w_lower_key(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1)
    return out[~out["message"].str.lower().duplicated()].reset_index(drop=True)


def w_strip_rt_key(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1)
    key = out["message"].str.replace(r"^RT @\w+: ", "", regex=True)
    return out[~key.duplicated()].reset_index(drop=True)


def w_sort_by_label(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1).sort_values("label")
    return out.drop_duplicates("message", ignore_index=True)


def w_set(df):
    texts = list(dict.fromkeys(df["message"].map(mend)))
    labels = [int(df["sentiment"].iloc[i]) + 1 for i in range(len(texts))]
    return pd.DataFrame({"message": texts, "label": labels})


def w_loc_loop(df):
    seen, rows = set(), []
    for i in range(len(df)):
        text = mend(df["message"][i])
        if text not in seen:
            seen.add(text)
            rows.append({"message": text, "label": df["sentiment"][i] + 1})
    return pd.DataFrame(rows, columns=["message", "label"])


def w_alignment(df):
    out = pd.DataFrame({"message": [mend(m) for m in df["message"]]})
    out["label"] = df["sentiment"] + 1
    return out.drop_duplicates("message", ignore_index=True)


def w_neighbours(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1)
    return out[out["message"] != out["message"].shift()].reset_index(drop=True)


def w_lost_sign(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1)
    return out[~out["message"].str.contains("\ufffd")].drop_duplicates("message", ignore_index=True)


def w_latin1(text):
    text = html.unescape(text)
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def w_cp1252_once(text):
    text = html.unescape(text)
    try:
        return text.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def w_table(text):
    table = {"â€™": "’", "â€œ": "“", "â€¦": "…", "Ã¢â‚¬Â¦": "…", "Ã©": "é", "ÃƒÂ©": "é", "Ã¢â‚¬â„¢": "’"}
    text = html.unescape(text)
    for bad, good in table.items():
        text = text.replace(bad, good)
    return text


def w_three_entities(text):
    for entity, sign in (("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, sign)
    return ftfy.fix_encoding(text)


def w_no_html_when_lt(text):
    return ftfy.fix_encoding(ftfy.fix_text(text, fix_encoding=False, uncurl_quotes=False, normalization=None))


def w_old_escape(df):
    parser = html.parser.HTMLParser()
    return _with(lambda t: ftfy.fix_encoding(parser.unescape(t)))(df)


def w_append(df):
    out = pd.DataFrame(columns=["message", "label"])
    for _, row in df.iterrows():
        out = out.append({"message": mend(row["message"]), "label": row["sentiment"] + 1}, ignore_index=True)
    return out.drop_duplicates("message", ignore_index=True)


def w_two(df):
    out = df.assign(message=df["message"].map(ftfy.fix_text), label=df["sentiment"].abs())
    return out.drop_duplicates()


def w_drop_dirty(df):
    dirty = df["message"].map(mend) != df["message"]
    out = df[~dirty].assign(label=lambda d: d["sentiment"] + 1)
    return out.drop_duplicates("message", ignore_index=True)


def w_inplace_none(df):
    out = df.assign(message=df["message"].map(mend), label=df["sentiment"] + 1)
    return out.drop_duplicates("message", inplace=True, ignore_index=True)


def w_series_replace(df):
    out = df.assign(message=df["message"].replace("&amp;", "&").map(ftfy.fix_encoding), label=df["sentiment"] + 1)
    return out.drop_duplicates("message", ignore_index=True)


def _by_key(key):
    return lambda df: r_hints(df).pipe(lambda out: out[~out["message"].map(key).duplicated()].reset_index(drop=True))


def _then(step):
    return lambda text: step(mend(text))


WRONG = {
    # NFKC after the repair: ligatures, ², ½, ™, full-width signs become others
    "NFKC": ("text-changed", _with(_then(lambda t: unicodedata.normalize("NFKC", t)))),
    # NFKD after the repair: é becomes two signs; ligatures dissolve
    "NFKD": ("text-changed", _with(_then(lambda t: unicodedata.normalize("NFKD", t)))),
    # NFC after the repair: an e with a combining accent becomes é; only on such messages
    "NFC": ("text-changed", _with(_then(lambda t: unicodedata.normalize("NFC", t)))),
    # fix_text straightens curly quotes, ligatures, widths, line breaks
    "fix_text after unescape": ("text-changed", _with(lambda t: ftfy.fix_text(html.unescape(t)))),
    # as before, and leaves entities alone where a < stands in the message
    "fix_text alone": ("text-changed", _with(ftfy.fix_text)),
    # uncurl_quotes=False only: ligatures, full-width letters, decomposed letters, \r\n still change
    "fix_text, quotes kept": ("text-changed", _with(lambda t: ftfy.fix_text(html.unescape(t), uncurl_quotes=False))),
    # everything off but the ligatures: ﬁ becomes fi
    "fix_text, ligatures changed": ("text-changed", _with(_then(lambda t: t.replace("ﬁ", "fi").replace("ﬂ", "fl")))),
    # leaves entities where a < stands in the message, and ligatures, widths, line breaks change
    "ftfy's own entities": ("text-changed", _with(w_no_html_when_lt)),
    # \n becomes a space; messages of several lines
    "line break to space": ("text-changed", _with(_then(lambda t: t.replace("\n", " ")))),
    # white space at the ends is cut off; messages with such
    "strip": ("text-changed", _with(_then(str.strip))),
    # runs of white space become one space; nbsp and line breaks too
    "collapse spaces": ("text-changed", _with(_then(lambda t: " ".join(t.split())))),
    # the no-break space becomes a space; messages with &nbsp; or a repaired one
    "nbsp to space": ("text-changed", _with(_then(lambda t: t.replace("\xa0", " ")))),
    # the retweet mark is cut off, and more copies are found
    "RT removed": ("text-changed", _with(_then(lambda t: re.sub(r"^RT @\w+: ", "", t)))),
    # a right curly quote becomes a straight one; nothing else changes
    "typewriter apostrophe": ("text-changed", _with(_then(lambda t: t.replace("’", "'")))),
    # the sign � becomes a question mark; only in messages that hold it
    "lost sign to ?": ("text-changed", _with(_then(lambda t: t.replace("\ufffd", "?")))),
    # &amp; &lt; &gt; only; &quot; &#39; &nbsp; &eacute; stay
    "three entities": ("entities-left", _with(w_three_entities)),
    # Series.replace looks for whole cells, so no &amp; inside a message is decoded
    "series replace": ("entities-left", w_series_replace),
    # encode('latin-1').decode('utf-8') cannot do â€™ (cp1252), double damage, or mixed messages
    "latin-1 round trip": ("mojibake-left", _with(w_latin1)),
    # double damage is undone once only, and messages with any other sign are left
    "cp1252 round trip once": ("mojibake-left", _with(w_cp1252_once)),
    # only the seven damages in the table are undone
    "a table of repairs": ("mojibake-left", _with(w_table)),
    # copies are dropped before cleaning, so &amp; and & twins both stay
    "copies dropped first": ("copies-before-cleaning", w_duplicates_first),
    # copies are dropped after the entities but before the mojibake
    "copies dropped in between": ("copies-before-cleaning", w_duplicates_between),
    # drop_duplicates over all columns: the tweetid differs, so copies stay
    "all columns equal": ("copies-kept", w_all_columns),
    # a copy with another sentiment stays
    "message and label equal": ("copies-kept", w_message_and_label),
    # every message that has a copy goes altogether
    "keep none": ("rows-lost", _with(mend, keep=False)),
    # messages that differ only in case are taken as equal
    "case-blind copies": ("rows-lost", w_lower_key),
    # a retweet is taken as a copy of its original
    "retweets as copies": ("rows-lost", w_strip_rt_key),
    # compares with the row before only; copies further away stay
    "neighbouring copies only": ("copies-kept", w_neighbours),
    # no reset: the old index stays
    "index with gaps": ("index-gaps", _with(mend, ignore_index=False)),
    # rows are ordered by class, and another copy may be kept
    "sorted by label": ("order-changed", w_sort_by_label),
    # after copies are gone the labels are read by the old places; wrong behind the first copy
    "labels by place": ("label-of-another-row", w_set),
    # labels 0..n-1 are looked up in the index; raises or mixes up rows for part of a frame
    "df[...][i]": ("raises", w_loc_loop),
    # a column of lists and one of the frame are joined by index; NaN or wrong labels for part of a frame
    "index alignment": ("label-not-whole", w_alignment),
    # labels run from -1 to 2
    "label is sentiment": ("labels-from-minus-1", _with(mend, label=lambda d: d["sentiment"])),
    # labels run from 1 to 4
    "label + 2": ("classes-mixed-up", _with(mend, label=lambda d: d["sentiment"] + 2)),
    # message and label are written into df itself
    "changes df": ("input-changed", w_in_place),
    # df gets a column label; the rest is right
    "adds label to df": ("input-changed", w_adds_column),
    # rows with � go altogether; only where there are any
    "drops lost signs' rows": ("rows-lost", w_lost_sign),
    # dirty messages are thrown away instead of cleaned
    "drops dirty rows": ("rows-lost", w_drop_dirty),
    # gone since Python 3.9; raises
    "HTMLParser().unescape": ("raises", w_old_escape),
    # gone since pandas 2; raises
    "DataFrame.append": ("raises", w_append),
    # drop_duplicates(inplace=True) returns None
    "inplace returns None": ("returns-nothing", w_inplace_none),
    # gives the messages alone, as a list
    "returns a list": ("wrong-type", lambda df: list(dict.fromkeys(df["message"].map(mend)))),
    # fix_text, abs, copies by all columns with gaps in the index
    "three at once": ("text-changed", w_two),
    # --- more of the kind
    "white space at the end cut off": ("text-changed", _with(_then(str.rstrip))),
    "line breaks of Windows": ("text-changed", _with(_then(lambda t: t.replace("\r\n", "\n")))),
    "byte order mark": ("text-changed", _with(_then(lambda t: t.lstrip("\ufeff")))),
    "first line only": ("text-changed", _with(_then(lambda t: t.splitlines()[0]))),
    "escaped instead": ("text-changed", _with(_then(html.escape))),
    "lost sign removed": ("text-changed", _with(_then(lambda t: t.replace("\ufffd", "")))),
    "stripped texts compared": ("rows-lost", _by_key(str.strip)),
    "normal forms compared": ("rows-lost", _by_key(lambda t: unicodedata.normalize("NFC", t))),
    "straight quotes compared": ("rows-lost", _by_key(lambda t: ftfy.fix_text(t, normalization=None))),
    "no rows": ("rows-lost", lambda df: r_hints(df).head(0)),
    "shuffled": ("order-changed", lambda df: r_hints(df).sample(frac=1, random_state=1, ignore_index=True)),
    # the text of the first row, the place and class of the last
    "raw copies, keep last": ("order-changed", lambda df: r_hints(df.drop_duplicates("message", keep="last"))),
    "everything twice": ("copies-kept", lambda df: pd.concat([r_hints(df)] * 2, ignore_index=True)),
    "no message": ("wrong-type", lambda df: r_hints(df).assign(message=None)),
    "a missing label": ("label-not-whole", lambda df: r_hints(df).assign(label=pd.NA)),
    "classes sorted": ("classes-mixed-up", _with(mend, label=lambda d: np.sort(d["sentiment"].to_numpy()) + 1)),
    "two columns label": ("column-missing", lambda df: pd.concat([r_hints(df), r_hints(df)["label"]], axis=1)),
    "tweetid missing": ("column-changed", lambda df: r_hints(df).assign(tweetid=pd.NA)),
}
