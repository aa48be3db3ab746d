"""Reading the tweets: the course's own file, or the real one that Kaggle hands out."""

import csv
import io
import os
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "data" / "climate_tweets.csv"

#: What the classes mean. Source: the description of the Twitter Climate Change Sentiment Dataset on Kaggle.
LABELS = {-1: "Anti", 0: "Neutral", 1: "Pro", 2: "News"}
COLUMNS = ("sentiment", "message", "tweetid")
INTEGER = r"[+-]?\d{1,18}"


class TweetFileError(ValueError):
    """A file of tweets that cannot be used; the message names the file, what is wrong, and what to do."""


def load_tweets(path=None):
    """Read a file of tweets into a DataFrame.

    Parameters
    ----------
    path : str or Path, optional
        A ``.csv``, or a ``.zip`` that holds exactly one. Default: ``$TWEETS_CSV``, else the
        course's own ``data/climate_tweets.csv``. A relative path that is not found from the working
        directory is looked for from the course's folder.

    Returns
    -------
    pandas.DataFrame
        ``sentiment`` int64 in {-1, 0, 1, 2}, ``message`` str, ``tweetid`` int64; rows in file order
        with index 0 to n-1, messages as they stand in the file. Further columns are left out.

    Raises
    ------
    TweetFileError
        No such file, not CSV, wrong encoding, a missing column, an unknown class, an empty message …
        Rows are numbered from 0, as in the DataFrame.
    """
    import pandas as pd

    python_strings()
    path = Path(path or os.environ.get("TWEETS_CSV") or DEFAULT).expanduser()
    if not path.is_absolute() and not path.exists() and (ROOT / path).exists():
        path = ROOT / path
    text = _decode(path, _read(path))
    _check_lines(path, text)
    try:
        df = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        _fail(path, "it is empty", "Download it again; the first line must name the columns.")
    except (pd.errors.ParserError, ValueError) as error:
        _fail(path, f"it is not a CSV file that pandas can read ({error})", "Download it again.")
    missing = [name for name in COLUMNS if name not in df]
    if missing:
        found = ", ".join(map(str, df.columns[:8]))
        _fail(
            path,
            f"no column {', '.join(map(repr, missing))}; it has: {found}",
            f"Rename its columns to {', '.join(COLUMNS)}.",
        )
    if df.empty:
        _fail(path, "it has a header but no rows", "Download it again.")
    df = df[list(COLUMNS)]
    sentiment = df["sentiment"].str.strip()
    known = [f"{sign}{abs(n)}" for n in LABELS for sign in (["-"] if n < 0 else ["", "+"])]
    classes = ", ".join(f"{number} {name}" for number, name in LABELS.items())
    _fail_rows(
        path, df["sentiment"], ~sentiment.isin(known), "a class that is not known", f"The classes are {classes}."
    )
    _fail_rows(path, df["message"], df["message"].str.strip() == "", "an empty message", "Remove these rows.")
    tweetid = df["tweetid"].str.strip()
    _fail_rows(path, df["tweetid"], ~tweetid.str.fullmatch(INTEGER), "a tweetid that is no whole number", "Mend them.")
    return df.assign(sentiment=sentiment.astype("int64"), tweetid=tweetid.astype("int64"))


def python_strings():
    """Let pandas keep texts as Python strings, from now on.

    Where pyarrow is installed it keeps them in Arrow instead, and scikit-learn 1.9 fails on what `unique()` gives of
    those: ``train_test_split`` raises a TypeError.
    """
    import pandas as pd

    pd.set_option("mode.string_storage", "python")


def _fail(path, what, remedy):
    raise TweetFileError(f"{path}: {what}. {remedy}")


def _fail_rows(path, values, wrong, what, remedy):
    """Raise if any row is wrong; name the first five by number, with what stands there."""
    if wrong.any():
        first = ", ".join(f"row {i} ({values[i][:30]!r})" for i in values.index[wrong][:5])
        count = int(wrong.sum())
        _fail(path, f"{count} row{'s' * (count > 1)} with {what}: {first}{' …' * (count > 5)}", remedy)


def _read(path):
    """Return the bytes of the CSV; a zip is read in memory, nothing is unpacked to disk."""
    try:
        if path.is_dir():
            _fail(path, "this is a folder, not a file", "Name the .csv or .zip file inside it.")
        if path.suffix.lower() != ".zip":
            return path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX/")]
            if len(names) != 1:
                found = f": {', '.join(names[:5])}" if names else ""
                _fail(
                    path,
                    f"the zip holds {len(names)} CSV files, expected one{found}",
                    "Unzip it and name the .csv you mean.",
                )
            inside = PurePosixPath(names[0].replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
                _fail(
                    path,
                    f"the zip holds a path that leads out of it, {names[0]!r}",
                    "Do not trust this file; download it again.",
                )
            return archive.read(names[0])
    except FileNotFoundError:
        _fail(path, "no such file", "Check the spelling, or leave the path out to use the course's own tweets.")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        _fail(path, f"not a zip file that can be read ({error})", "Download it again.")
    except OSError as error:
        _fail(path, f"it cannot be read ({error.strerror or error})", "Check the file and your rights to it.")


def _decode(path, data):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = data.split(b"\n")
        wrong = [n for n, line in enumerate(lines, 1) if not _is_utf8(line)]
        first = ", ".join(f"line {n}" for n in wrong[:5])
        _fail(
            path,
            f"it is not UTF-8 text; {len(wrong)} lines cannot be decoded: {first}{' …' * (len(wrong) > 5)}",
            "Save it again with the encoding UTF-8.",
        )


def _is_utf8(line):
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_lines(path, text):
    """Raise if rows differ in their number of fields: pandas would fill them up without a word."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, None)
        counts = [len(row) for row in rows if row]
    except csv.Error as error:
        _fail(path, f"it is not a CSV file ({error})", "Download it again.")
    if not text.strip():
        _fail(path, "it is empty", "Download it again; the first line must name the columns.")
    wrong = [n for n, count in enumerate(counts) if count != len(header)]
    if wrong and set(COLUMNS) <= set(header):
        first = ", ".join(f"row {n} ({counts[n]} fields)" for n in wrong[:5])
        _fail(
            path,
            f"{len(wrong)} rows with another number of fields than the header's {len(header)}: {first}{' …' * (len(wrong) > 5)}",
            "A message with a comma or a quote in it must stand in quotes.",
        )
