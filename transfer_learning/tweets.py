"""Reading the tweets: the course's own file, or the real one that Kaggle hands out."""

import os

from .texts import ROOT, TextFileError, cell_text, fail, fail_rows, python_strings, read_table

DEFAULT = ROOT / "data" / "climate_tweets.csv"

#: What the classes mean. Source: the description of the Twitter Climate Change Sentiment Dataset on Kaggle.
LABELS = {-1: "Anti", 0: "Neutral", 1: "Pro", 2: "News"}
CLASSES = ", ".join(f"{number} {name}" for number, name in LABELS.items())
COLUMNS = ("sentiment", "message", "tweetid")
#: What retweets add to a text, and links: without these, a tweet and its retweets are the same text.
RETWEET_OR_LINK = r"^(RT @\w+:\s*)+|http\S*"
#: The end of a row and the start of the next: in a message, they come from a quote that is not closed.
SEAM = r"[,;\t|]\d+\r?\n[+-]?[012][,;\t|]|[,;\t|][+-]?[012]\r?\n\d{9,}[,;\t|]"


class TweetFileError(TextFileError):
    """A file of tweets that cannot be used; the message names the file, what is wrong, and what to do."""


def load_tweets(path=None):
    """Read a file of tweets into a DataFrame, without printing anything.

    Parameters
    ----------
    path : str or Path, optional
        Any file that `load_texts` reads. Default: ``$TWEETS_CSV``, else the course's own ``data/climate_tweets.csv``.

    Returns
    -------
    pandas.DataFrame
        ``sentiment`` int64 in {-1, 0, 1, 2}, ``message`` str, ``tweetid`` int64; rows in file order with index 0 to
        n-1, messages exactly as in the file. Further columns are left out.

    Raises
    ------
    TweetFileError
        No table, a column is missing, an unknown class, an empty message … Rows are numbered from 0.
    """
    import pandas as pd

    python_strings()
    path = path or os.environ.get("TWEETS_CSV") or DEFAULT
    missing = "Check the spelling, or leave the path out to use the course's own tweets."
    try:
        table = read_table(path, COLUMNS, missing)
        if not table.has_header:
            fail(path, "it has no header line", f"Add the line {','.join(COLUMNS)} at the top.")
        if absent := [name for name in COLUMNS if name not in table.names]:
            what = f"no column {', '.join(map(repr, absent))}; its columns: {', '.join(table.names[:8])}"
            fail(path, what, f"Rename its columns to {', '.join(COLUMNS)}.")
        columns = dict(zip(table.names, table.columns))
        df = pd.DataFrame({name: [cell_text(cell) or "" for cell in columns[name]] for name in COLUMNS}, dtype=str)
        classes = df["sentiment"].str.strip().str.replace(r"^\+|[.,]0+$", "", regex=True)  # Excel's 1.0
        ids = df["tweetid"].str.strip().str.replace(r"\.0+$", "", regex=True)
        lost = ids.str.fullmatch(r"[+-]?\d([.,]\d+)?[eE]\+\d+")
        whole = ids.str.fullmatch(r"[+-]?[0-9]{1,19}")
        whole &= ids.where(whole, "0").map(int).abs() < 2**63
        for wrong, column, what, remedy in (
            (
                df["message"].str.contains(SEAM),
                "message",
                "several rows run together in one message",
                "Close the quotes.",
            ),
            (~classes.isin(map(str, LABELS)), "sentiment", "an unknown class", f"The classes are {CLASSES}."),
            (df["message"].str.strip() == "", "message", "an empty message", "Remove these rows."),
            (lost, "tweetid", "a tweetid that Excel has rounded", "Use the original file: the last digits are lost."),
            (~whole, "tweetid", "a tweetid that is not a whole number of at most 64 bits", "Correct it."),
        ):
            fail_rows(path, list(df[column][wrong].items()), what, remedy)
        return df.assign(sentiment=classes.astype("int64"), tweetid=ids.map(int).astype("int64"))
    except TextFileError as error:
        raise TweetFileError(*error.args) from None
