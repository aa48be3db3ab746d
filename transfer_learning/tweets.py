"""Reading the tweets: the course's own file, or the real one that Kaggle hands out."""

import os

from .texts import NO_HEADER, ROOT, TextFileError, fail, fail_rows, python_strings, read_table

DEFAULT = ROOT / "data" / "climate_tweets.csv"

#: What the classes mean. Source: the description of the Twitter Climate Change Sentiment Dataset on Kaggle.
LABELS = {-1: "Anti", 0: "Neutral", 1: "Pro", 2: "News"}
COLUMNS = ("sentiment", "message", "tweetid")
#: What retweets add to a text, and links: without these, a tweet and its retweets are the same text.
RETWEET_OR_LINK = r"^(RT @\w+:\s*)+|http\S*"
#: The end of a row and the start of the next: in a message, they come from a quote that is not closed.
SEAM = r"[,;\t|]\d+\r?\n[+-]?[012][,;\t|]"


class TweetFileError(TextFileError):
    """A file of tweets that cannot be used; the message names the file, what is wrong, and what to do."""


def load_tweets(path=None):
    """Read a file of tweets into a DataFrame, without printing anything.

    Parameters
    ----------
    path : str or Path, optional
        Any file that `load_texts` reads. Default: ``$TWEETS_CSV``, else the course's own ``data/climate_tweets.csv``.
        A relative path that is not found from the working directory is looked for in the course's folder.

    Returns
    -------
    pandas.DataFrame
        ``sentiment`` int64 in {-1, 0, 1, 2}, ``message`` str, ``tweetid`` int64; rows in file order with index 0 to
        n-1, messages exactly as in the file. Further columns are left out.

    Raises
    ------
    TweetFileError
        The file cannot be read as a table, lacks a column, or has an unknown class, an empty message, a tweetid that
        is no whole number … Rows are numbered from 0, as in the DataFrame.
    """
    import pandas as pd

    python_strings()
    path = path or os.environ.get("TWEETS_CSV") or DEFAULT
    missing = "Check the spelling, or leave the path out to use the course's own tweets."
    try:
        names, columns, said, _ = read_table(path, COLUMNS, missing)
        if NO_HEADER in said:
            fail(path, "it has no header line", f"Add the line {','.join(COLUMNS)} at the top.")
        if absent := [name for name in COLUMNS if name not in names]:
            what = f"no column {', '.join(map(repr, absent))}; it has: {', '.join(names[:8])}"
            fail(path, what, f"Rename its columns to {', '.join(COLUMNS)}.")
        cells = [["" if cell is None else str(cell) for cell in columns[names.index(name)]] for name in COLUMNS]
        df = pd.DataFrame(dict(zip(COLUMNS, cells)), dtype=str)
        number = df["sentiment"].str.strip().str.replace(r"[.,]0+$", "", regex=True)  # Excel's 1.0
        ids = df["tweetid"].str.strip().str.replace(r"\.0+$", "", regex=True)
        whole = ids.str.fullmatch(r"[+-]?\d+")
        large = whole & ids.map(lambda x: len(x) > 18 and (len(x) > 99 or not -(2**63) <= int(x) < 2**63))
        rounded = ids.str.fullmatch(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d+")

        def refuse(wrong, column, what, remedy):
            fail_rows(path, [*df[column][wrong.astype(bool)].items()], what, remedy)

        known = number.isin([*map(str, LABELS), "+0", "+1", "+2"])
        classes = ", ".join(f"{number} {name}" for number, name in LABELS.items())
        refuse(df["message"].str.contains(SEAM), "message", "several rows in one", "Close the quotes.")
        refuse(~known, "sentiment", "a class that is not known", f"The classes are {classes}.")
        refuse(df["message"].str.strip() == "", "message", "an empty message", "Remove these rows.")
        refuse(
            rounded, "tweetid", "a tweetid that Excel has rounded", "Use the original file: the last digits are lost."
        )
        refuse(~whole, "tweetid", "a tweetid that is no whole number", "Correct them.")
        refuse(large, "tweetid", "a tweetid that is too large for 64 bits", "Correct them.")
        return df.assign(sentiment=number.astype("int64"), tweetid=ids.map(int).astype("int64"))
    except TextFileError as error:
        raise TweetFileError(*error.args) from None
