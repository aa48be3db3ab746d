"""Good files load, bad files are named, with row numbers and a remedy."""

import zipfile

import pandas as pd
import pytest

from transfer_learning import LABELS, TweetFileError, load_tweets
from transfer_learning.tweets import DEFAULT, RETWEET_OR_LINK

GOOD = 'sentiment,message,tweetid\n1,"A, with a comma",11\n-1,"two\nlines",12\n2,NA,13\n'


def write(folder, content, name="tweets.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(folder, **files):
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def test_a_good_file_keeps_its_order_and_messages(tmp_path):
    df = load_tweets(write(tmp_path, GOOD))
    assert list(df.columns) == ["sentiment", "message", "tweetid"]
    assert df["sentiment"].tolist() == [1, -1, 2] and df["sentiment"].dtype == "int64"
    assert df["message"].tolist() == ["A, with a comma", "two\nlines", "NA"]
    assert df["tweetid"].tolist() == [11, 12, 13] and df["tweetid"].dtype == "int64"


def test_other_column_order_further_columns_and_a_byte_order_mark(tmp_path):
    df = load_tweets(write(tmp_path, "\ufeffid,tweetid,message,sentiment\n0,5,hello,+1\n"))
    assert df.to_dict("records") == [{"sentiment": 1, "message": "hello", "tweetid": 5}]


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(",", ";"),
        GOOD.replace("1,", "1.0,", 1),
        "sep=,\r\n" + GOOD.replace("\n2,", "\r\n2,"),
        GOOD.encode("utf-16"),
        GOOD.encode("cp1252"),
    ],
)
def test_as_other_programs_save_it(content, tmp_path, capsys):
    df = load_tweets(write(tmp_path, content))
    assert df["message"].tolist() == [
        "A; with a comma" if ";" in str(content) else "A, with a comma",
        "two\nlines",
        "NA",
    ]
    assert df["sentiment"].tolist() == [1, -1, 2] and df["tweetid"].tolist() == [11, 12, 13]
    assert capsys.readouterr().out == ""


def test_excel_and_parquet(tmp_path):
    df = load_tweets(write(tmp_path, GOOD))
    df.to_parquet(tmp_path / "a.parquet")
    df.to_excel(tmp_path / "a.xlsx", index=False)
    for name in ("a.parquet", "a.xlsx"):
        pd.testing.assert_frame_equal(load_tweets(tmp_path / name), df)


def test_ids_of_19_digits(tmp_path):
    ids = [1790000000000000001, 2**63 - 1]
    content = "sentiment,message,tweetid\n" + "".join(f"1,é,{n}\n" for n in ids)
    df = load_tweets(write(tmp_path, content.encode("cp1252")))
    assert df["tweetid"].tolist() == ids and df["message"].tolist() == ["é", "é"]


def test_the_zip_of_kaggle(tmp_path):
    path = zipped(tmp_path, **{"twitter_sentiment_data.csv": GOOD, "MACOSX/x": ""})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._twitter_sentiment_data.csv", "what macOS adds")
    assert len(load_tweets(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_the_default_and_the_environment_variable(tmp_path, monkeypatch, no_tweets_csv):
    assert len(load_tweets()) == 2000
    monkeypatch.setenv("TWEETS_CSV", str(write(tmp_path, GOOD)))
    assert len(load_tweets()) == 3
    assert len(load_tweets(DEFAULT)) == 2000
    monkeypatch.chdir(tmp_path)
    assert len(load_tweets("data/climate_tweets.csv")) == 2000


ROW = "1,hello,{}\n"
BAD = {
    "missing column": ("sentiment,message\n1,hi\n", ["'tweetid'", "its columns: sentiment, message", "Rename"]),
    "unknown class": (
        "sentiment,message,tweetid\n" + ROW.format(1) + "".join(f"{n},x,1\n" for n in range(3, 10)),
        [
            "7 rows",
            "row 1 ('3'), row 2 ('4'), row 3 ('5'), row 4 ('6'), row 5 ('7') …",
            "-1 Anti, 0 Neutral, 1 Pro, 2 News",
        ],
    ),
    "a class that is no number": ("sentiment,message,tweetid\nPro,x,1\n", ["1 row with", "row 0 ('Pro')"]),
    "empty class": ("sentiment,message,tweetid\n,x,1\n", ["row 0 ('')"]),
    "empty message": ("sentiment,message,tweetid\n1,ok,1\n1,  ,2\n", ["1 row with an empty message", "row 1"]),
    "tweetid": ("sentiment,message,tweetid\n1,ok,1.5e3\n", ["not a whole number", "row 0"]),
    "a comma without quotes": (
        "sentiment,message,tweetid\n1,ok,1\n1,oh, no,2\n",
        ["1 line with", "line 3 (4)", "quotes"],
    ),
    "no header": ("1,hello there,11\n0,hello again,12\n", ["no header line", "sentiment,message,tweetid"]),
    "an open quote": (
        'sentiment,message,tweetid\n1,"hello,1\n0,x,2\n2,y,3\n',
        ["in line 2, a quote", "noticed in line 4", '""'],
    ),
    "a quote that closes later": (
        'sentiment,message,tweetid\n1,"hello,1\n0,x,2\n2,bye",3\n',
        ["1 row with several rows run together in one message: row 0", "Close"],
    ),
    "a quote that closes later, other order": (
        'tweetid,message,sentiment\n700000001,"hello,1\n700000002,x,2\n700000003,bye",0\n',
        ["1 row with several rows run together in one message: row 0", "Close"],
    ),
    "what Excel rounds": (
        "sentiment,message,tweetid\n" + "1,x,7.9E+17\n" * 2,
        ["2 rows with a tweetid that Excel has rounded: row 0 ('7.9E+17'), row 1", "original"],
    ),
    "too large": (f"sentiment,message,tweetid\n1,x,{2**63}\n", ["at most 64 bits", "row 0"]),
    "far too large": (f"sentiment,message,tweetid\n1,x,{'9' * 5000}\n", ["at most 64 bits", "row 0"]),
    "undecodable": (b"sentiment,message,tweetid\n1,caf\x81,1\n", ["line 2", "UTF-8"]),
    "empty file": ("", ["it is empty", "Download"]),
    "blank file": ("\n\n", ["it is empty"]),
    "header only": ("sentiment,message,tweetid\n", ["no rows"]),
    "not a csv": (bytes(range(1, 128)), ["tweets.csv"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_with_rows_and_remedy(kind, tmp_path):
    content, words = BAD[kind]
    path = write(tmp_path, content)
    with pytest.raises(TweetFileError) as caught:
        load_tweets(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_file_and_a_folder(tmp_path):
    with pytest.raises(TweetFileError, match="no such file"):
        load_tweets(tmp_path / "nothing.csv")
    with pytest.raises(TweetFileError, match="folder"):
        load_tweets(tmp_path)


def test_bad_zips(tmp_path):
    with pytest.raises(TweetFileError, match="2 files of texts"):
        load_tweets(zipped(tmp_path, **{"a.csv": GOOD, "b.csv": GOOD}))
    with pytest.raises(TweetFileError, match="0 files of texts"):
        load_tweets(zipped(tmp_path, **{"a.exe": GOOD}))
    assert len(load_tweets(zipped(tmp_path, **{"..__evil.csv": GOOD}))) == 3  # read, and nothing is unpacked
    assert not (tmp_path.parent / "evil.csv").exists()
    with pytest.raises(TweetFileError, match="not a zip file"):
        load_tweets(write(tmp_path, "no zip", "x.zip"))


def test_the_courses_own_file_is_what_the_builder_makes(no_tweets_csv, root):
    import make_tweets

    df = load_tweets()
    built = pd.DataFrame(make_tweets.build(), columns=df.columns)
    pd.testing.assert_frame_equal(df, built, check_dtype=False)


def test_the_courses_tweets_are_like_the_real_ones(no_tweets_csv):
    df = load_tweets()
    shares = df["sentiment"].value_counts(normalize=True)
    for sentiment, share in {1: 0.52, 2: 0.22, 0: 0.17, -1: 0.09}.items():
        assert shares[sentiment] == pytest.approx(share, abs=0.001)
    message = df["message"]
    for pattern, low, high in (
        ("^RT @", 0.56, 0.66),
        ("https?:", 0.48, 0.58),
        ("…|Â¦", 0.24, 0.34),
        ("&(?:amp|lt|gt);", 0.03, 0.08),
        ("Ã|â€", 0.12, 0.22),
    ):
        assert low < message.str.contains(pattern).mean() < high, pattern
    assert 0.04 < message.duplicated().mean() < 0.1
    text = message.str.replace(RETWEET_OR_LINK, "", regex=True).str.lower().str.strip()
    assert text.nunique() >= 1200
    assert df["tweetid"].is_unique and set(df["sentiment"]) == set(LABELS)


def test_row_0_is_the_old_tutorials(no_tweets_csv):
    row = load_tweets().iloc[0]
    assert row["sentiment"] == -1 and row["message"].startswith("@tiniebeany climate change is an interesting hustle")
