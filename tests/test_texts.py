"""What `load_texts` reads, what it says about it, and how it refuses; every file here is written by the tests."""

import gzip
import io
import json
import re
import subprocess
import sys
import time
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from transfer_learning import TextFileError, TweetFileError, load_texts, load_tweets, texts

ROWS = [("the kettle broke, again", "bad"), ("lovely: it “sings” at €5", "good"), ("two\nlines, one ¼ cup", "bad")]
CSV = 'text,label\n"the kettle broke, again",bad\nlovely: it “sings” at €5,good\n"two\nlines, one ¼ cup",bad\n'


@pytest.fixture
def read(tmp_path, capsys):
    """Write a file, load it; return the rows and what was printed."""

    def run(content, name="a.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        df = load_texts(path, **options)
        assert list(df.columns) == ["text", "label"] and list(df.index) == list(range(len(df)))
        printed = capsys.readouterr().out
        assert printed.count("\n") == 1 and printed.startswith(f"{name}: ")
        return list(df.itertuples(index=False, name=None)), printed

    return run


@pytest.fixture
def refusal(tmp_path):
    """Write a file that cannot be read; return the message."""

    def run(content, name="a.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(TextFileError) as caught:
            load_texts(path, **options)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and message[-1] != ":"
        return message.removeprefix(f"{path}: ")

    return run


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return buffer.getvalue()


FORMS = {
    "commas": ("a.csv", CSV, "CSV in UTF-8 with commas; 3 rows; text: 'text', label: 'label'"),
    "semicolons": ("a.csv", pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(sep=";", index=False), "semicolons"),
    "bars": ("a.csv", pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(sep="|", index=False), "vertical bars"),
    "tabs": ("a.tsv", pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(sep="\t", index=False), "tabs"),
    "tabs in txt": ("a.txt", pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(sep="\t", index=False), "tabs"),
    "capitals": ("A.CSV", CSV, "UTF-8"),
    "a sep line": ("a.csv", "\ufeffsep=,\r\n" + CSV, "commas"),
    "another sep": ("a.csv", "sep=^\n" + pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(sep="^", index=False), "^"),
    "byte order mark": ("a.csv", ("\ufeff" + CSV).encode(), "UTF-8 with a byte order mark"),
    "utf-16": ("a.csv", CSV.encode("utf-16"), "UTF-16 with commas"),
    "big-endian": ("a.csv", ("\ufeff" + CSV).encode("utf-16-be"), "UTF-16"),
    "utf-16, no mark": ("a.csv", CSV.encode("utf-16-le"), "UTF-16 (a guess"),
    "utf-16-be, no mark": ("a.csv", CSV.encode("utf-16-be"), "UTF-16 (a guess"),
    "cp1252": ("a.csv", CSV.encode("cp1252"), "Windows-1252 (a guess"),
    "Windows line ends": ("a.csv", CSV.replace("bad\n", "bad\r\n").replace("good\n", "good\r\n"), "commas"),
    "blank lines": ("a.csv", "\n" + CSV.replace("bad\nlovely", "bad\n\nlovely") + "\n\n", "3 rows"),
    "more columns": ("a.csv", 'id,label,text,x\n1,bad,"the kettle broke, again",\n2,good,lovely: it “sings” at €5,\n3,bad,"two\nlines, one ¼ cup",\n', "label"),
    "gz": ("a.csv.gz", gzip.compress(CSV.encode()), "CSV"),
    "zip": ("a.zip", zipped(**{"d/a.csv": CSV, "d/": "", "__MACOSX/d/._a.csv": "x", "d/._a.csv": "x", "README.txt": "x"}), "CSV"),
    "gz in a zip": ("a.zip", zipped(**{"a.tsv.gz": gzip.compress(CSV.replace(",", "\t").replace("\t ", ", ").encode())}), "TSV"),
    "jsonl": ("a.jsonl", "".join(json.dumps({"id": 1, "text": a, "label": b}) + "\n\n" for a, b in ROWS), "JSONL in UTF-8"),
    "doccano": ("a.jsonl", "".join(json.dumps({"text": a, "label": [b]}) + "\r\n" for a, b in ROWS), "JSONL"),
    "Prodigy": (
        "a.jsonl",
        "".join(json.dumps({"text": a, "options": [{"id": "bad"}], "accept": [b], "answer": "accept"}) + "\n" for a, b in ROWS),
        "label: 'accept'",
    ),
    "json": ("a.json", json.dumps([{"text": a, "label": b} for a, b in ROWS]), "JSON"),
    "json in jsonl": ("a.jsonl", json.dumps([{"text": a, "label": b} for a, b in ROWS], indent=1), "JSONL"),
    "jsonl in json": ("a.json", "".join(json.dumps({"text": a, "label": b}) + "\n" for a, b in ROWS), "JSON"),
    "json in an object": ("a.json", json.dumps({"version": 1, "data": [{"text": a, "label": b} for a, b in ROWS]}), "JSON"),
    "json in an object, another name": ("a.json", json.dumps({"id": 1, "tags": ["x"], "reviews": [{"text": a, "label": b} for a, b in ROWS]}), "JSON"),
    "json lists": ("a.json", json.dumps(dict(zip(("text", "label"), zip(*ROWS)))), "JSON"),
    **{
        f"json as pandas' {orient}": ("a.json", pd.DataFrame(ROWS, columns=["text", "label"]).to_json(orient=orient), "JSON")
        for orient in ("records", "columns", "table")
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_from_every_form(form, read):
    name, content, said = FORMS[form]
    rows, printed = read(content, name)
    assert rows == ROWS and said in printed


@pytest.mark.parametrize("ending", [".xlsx", ".parquet"])
def test_excel_and_parquet(ending, tmp_path, capsys):
    df = pd.DataFrame([*ROWS, ("", ""), ("1+1=", "NA"), ("", "")], columns=["text", "label"])
    path = tmp_path / f"a{ending}"
    df.to_excel(path, index=False) if ending == ".xlsx" else df.to_parquet(path)
    pd.testing.assert_frame_equal(load_texts(path), df, check_dtype=False)
    assert "2 empty texts" in capsys.readouterr().out


def test_excel_as_people_have_it(tmp_path, capsys):
    book = pytest.importorskip("openpyxl").Workbook()
    book.active.title = "notes"
    sheet = book.create_sheet("data")
    for row in ([], [None, "Class", "Feedback text", None], [None, 1.0, "fine"], [], [None, 2, 12], [None, 1, None]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    df = load_texts(tmp_path / "a.xlsx")
    assert df["text"].tolist() == ["fine", "12", ""] and df["label"].tolist() == [1, 2, 1]
    assert "only sheet 'data' of 2; " in capsys.readouterr().out


LABELS = {
    "ints": ("1 -1 0", [1, -1, 0]),
    "floats": ("1.0 -1.0 0.0", [1, -1, 0]),
    "a decimal comma": ('"1,0" "2,0" "0,0"', [1, 2, 0]),
    "not whole": ("1.5 2.0 1", ["1.5", "2.0", "1"]),
    "one is missing": ('1 "" 2', ["1", "", "2"]),
    "zeros in front": ("01 02 03", ["01", "02", "03"]),
    "booleans": ("True False True", ["True", "False", "True"]),
    "words as they stand": ("NA null Late ", ["NA", "null", "Late"]),
    "too large": (f"{2**63} 1 2", [str(2**63), "1", "2"]),
    "large": (f"{10**18 - 1} 1 2", [10**18 - 1, 1, 2]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_have_their_natural_type(kind, read):
    cells, expected = LABELS[kind]
    rows, printed = read("text,label\n" + "".join(f"x,{cell}\n" for cell in cells.split()))
    assert [label for _, label in rows] == expected
    assert ("labels such as 1.0 are read as 1" in printed) == (kind in ("floats", "a decimal comma"))


def test_labels_of_formats_with_types(read):
    def jsonl(*labels, **more):
        return "".join(json.dumps({"text": "x", "label": label} | more) + "\n" for label in labels)

    for given_labels, expected in (
        ((1, 0, 1), [1, 0, 1]),
        ((1.0, 0, 1), [1, 0, 1]),
        (("1", "0"), ["1", "0"]),
        ((True, False), ["True", "False"]),
        ((1, None, 2.0), ["1", "", "2.0"]),
        ((["a"], [], None), ["a", "", ""]),
        ((10**30, 1), [str(10**30), "1"]),
    ):
        assert [label for _, label in read(jsonl(*given_labels), "a.jsonl")[0]] == expected
    answers = jsonl("a", answer="accept") + jsonl("a", answer="reject") + jsonl("a", answer="ignore")
    assert [label for _, label in read(answers, "a.jsonl")[0]] == ["a", "", ""]


GUESSES = {
    "names": ("Tweet ,x, CLASS\na,b,c\n", "'Tweet '", "' CLASS'"),
    "the longest": ("id,kind,what,when\n1,a,a long line of words,2020-01-02\n2,b,another\n3,a,short,2020-01-03\n".replace("other\n", "other,\n"), "'what'", "'kind'"),
    "no label": ("id,text\n1,a\n2,b\n3,c\n", "'text'", None),
    "no header": ("1;what a day\n0;and what a night\n1;and again\n", "'1'", "'0'"),
    "no header, a label again": ("good,nice one\nbad,nasty one\ngood,nice two\n", "'1'", "'0'"),
    "an index": (",text,label\n0,a,b\n1,c,d\n", "'text'", "'label'"),
    "words in the names": ("tweet_id,airline_sentiment,sentimentSource,reason,ReviewText\n1,good,a,,so nice to be here\n2,bad,b,x,it was the pits\n3,good,c,,nice once more\n4,so,d,,well well well\n", "'ReviewText'", "'airline_sentiment'"),
    "links are no texts": ("id,link,name,kind\n1,https://example.com/a-long-address,so nice,b\n2,https://example.com/another-address,so bad,t\n3,www.example.com/x/y,well,b\n", "'name'", "'kind'"),
    "the same in every row": ("consent,said,again\n" + "".join(f"I agree that my answers are stored for two years,{said}\n" for said in ("so nice to be here again,yes", "the worst day of my life,no", "well,yes")), "'said'", "'again'"),
    "mostly empty": ("id,gold,kind,text\n1,,a,so nice\n2,,b,so bad\n3,,c,fine\n4,y,a,well\n5,,d,hm\n6,n,b,ah\n", "'text'", "'kind'"),
    "a form's questions": ("Timestamp,What did you think of the course today?,Would you come again?\n2024-01-02 10:11,It was fine,yes\n2024-01-02 10:12,It was all right,no\n2024-01-03 8:00,It was long,yes\n", "'What did you think of the course today?'", "'Would you come again?'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", GUESSES)
def test_what_is_left_out_is_guessed_and_said(kind, read):
    content, text, label = GUESSES[kind]
    rows, printed = read(content)
    assert f"text: {text}, " in printed and "a guess" in printed
    assert (f"label: {label}" if label else "no column of labels") in printed
    assert ("no header line" in printed) == kind.startswith("no header")
    assert label or {label for _, label in rows} == {None}


def test_columns_by_name_or_number(read, refusal):
    content = "a,b,a,C d\n1,x,y,z\n"
    assert read(content, text="b", label="c D ")[0] == [("x", "z")]
    assert read(content, text=2, label=0)[0] == [("y", 1)]
    assert "guess" not in read(content, text=2, label=0)[1]
    assert "2 columns are named 'a'" in refusal(content, text="a") and "from 0 to 3" in refusal(content, text="a")
    assert "no column 'z'; its columns: a, b, a, C d" in refusal(content, text="z")
    assert "number from 0 to 3" in refusal(content, text=4)
    assert "number from 0 to 3" in refusal(content, label=-1)
    assert "no column ['b']" in refusal(content, text=["b"])
    assert "no column 'message'; its columns: 0, 1" in refusal("1,hello you\n0,hello me\n", text="message")
    assert read("x|y;z\n1|2;3\n", text="y;z", label="x")[0] == [("2;3", 1)]
    assert read("x|y;z\n1|2;3\n", text="z", label="x|y")[0] == [("3", "1|2")]


def test_a_text_on_each_line(read):
    rows, _ = read('Well, "this" is one\n\n  two; and more \nthree\u2028still three', "a.txt")
    assert rows == [('Well, "this" is one', None), ("  two; and more ", None), ("three\u2028still three", None)]
    assert read("text\none, two\nthree\n", "a.txt")[0] == [("one, two", None), ("three", None)]
    assert read("one\rtwo\r", "a.txt")[0] == [("one", None), ("two", None)]
    assert read("text;label\none;b\n", "a.txt")[0] == [("one", "b")]
    assert read('text\n"one, two"\nthree\n')[0] == [("one, two", None), ("three", None)]


def test_a_text_and_a_label_on_each_line_without_a_header(read):
    lines = [f"i feel {n}, or so;joy\ni feel {n} blues;sadness\n" for n in range(30)]
    rows, printed = read("".join(lines), "a.txt")
    assert rows[:2] == [("i feel 0, or so", "joy"), ("i feel 0 blues", "sadness")] and "semicolons" in printed
    lines[9] = "i feel 9;or so;joy\n"  # one more semicolon: then they are not to be trusted
    assert read("".join(lines), "a.txt")[0][0] == ("i feel 0, or so;joy", None)


@pytest.mark.parametrize("name", ["a", "a.data", "a.DAT"])
def test_text_without_an_ending_is_read_as_txt(name, read):
    assert read('ham\tsee you\nspam\t"win\nham\tbye\n', name)[0] == [
        ("see you", "ham"),
        ('"win', "spam"),
        ("bye", "ham"),
    ]


def test_quotes_that_are_part_of_the_texts(read):
    rows, printed = read('pos\t"Great" film\nneg\t"so bad\npos\tit was "fine\nneg\ta, b\n', "a.tsv")
    assert [text for text, _ in rows] == ['"Great" film', '"so bad', 'it was "fine', "a, b"]
    assert "quotes are part of the texts" in printed
    rows, printed = read('pos\t"so bad\nneg\ta, b\npos\tso "good"\nneg\tso on"\nneg\tfine\n', "a.tsv")  # not two rows
    assert [text for text, _ in rows] == ['"so bad', "a, b", 'so "good"', 'so on"', "fine"]
    assert "quotes are part of the texts" in printed
    assert read('pos\t"so\nbad"\nneg\t"a"\npos\tb\n', "a.tsv", text=1, label=0)[0][0] == ("so\nbad", "pos")
    assert read('text,label\nhe said "yes" to it,1\n')[0] == [('he said "yes" to it', 1)]


def test_delimiters_that_are_not_sure_are_said(read):
    assert "UNSURE: or with semicolons" in read("1,a;b\n2,c;d\n")[1]


REFUSED = {
    "empty": (b"", "a.csv", ["it is empty"]),
    "empty gz": (gzip.compress(b""), "a.csv.gz", ["it is empty"]),
    "blank": (b"\xef\xbb\xbf \r\n\n", "a.csv", ["it is empty"]),
    "header only": ("text,label\n", "a.csv", ["a header but no rows"]),
    "no object": ("[]", "a.json", ["it is empty"]),
    "open quote": ('text,label\na,1\n"b,2\nc,3\nd,4\n', "a.csv", ["in line 3", "not closed", "line 5", '""']),
    "undoubled quote": ('text,label\n"a",1\n"b" is c,2\n', "a.csv", ["in line 3", "doubled"]),
    "open quote, then another": ('text,label\n"b,2\n"c",3\n', "a.csv", ["in line 2"]),
    "ragged": ("label,text\n1,a\n2,b, c\n3\n" + "4,d,\n" * 5, "a.csv", ["7 lines", "line 3 (3), line 4 (1)", "line 7 (3) …", "quotes"]),
    "ragged, no header": ('1,"a\nb"\n\n2,b\n3,c, d\n', "a.csv", ["1 line with more or fewer fields than the first: line 5 (3)."]),
    "lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a.csv", ["Git LFS", "git lfs pull"]),
    "sign-in": ("\n<!DOCTYPE HTML><title>Sign in</title>", "a.csv", ["web page", "Sign in"]),
    "sign-in.zip": ("<html>", "a.zip", ["web page"]),
    "server's error": ("<?xml version='1.0'?><Error/>", "a.json", ["XML"]),
    "pdf": (b"%PDF-1.7\n\xff", "a.csv", ["PDF"]),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", [".xls", ".xlsx"]),
    "locked xlsx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xlsx", ["password"]),
    "ods": (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "a.ods", ["a binary file", "CSV"]),
    "xlsx named csv": (zipped(**{"xl/workbook.xml": "x"}), "a.csv", ["Excel workbook", ".xlsx"]),
    "zip named csv": (zipped(**{"a.csv": CSV}), "a.csv", ["zip file", ".zip"]),
    "gz named csv": (gzip.compress(b"x"), "a.csv", ["gzip file", ".gz"]),
    "parquet named csv": (b"PAR1abc", "a.csv", ["Parquet"]),
    "csv named xlsx": (CSV, "a.xlsx", ["cannot be read", "not a zip file", "ending"]),
    "csv named zip": (CSV, "a.zip", ["cannot be read", "not a zip file", "ending"]),
    "csv named gz": (CSV, "a.csv.gz", ["cannot be read", "Not a gzipped file", "ending"]),
    "csv named parquet": (CSV, "a.parquet", ["cannot be read", "not a parquet file", "ending"]),
    "damaged xlsx": (zipped(**{"xl/workbook.xml": "x"}), "a.xlsx", ["cannot be read", "download"]),
    "damaged parquet": (b"PAR1" + bytes(40) + b"PAR1", "a.parquet", ["cannot be read", "download"]),
    "cut gz": (gzip.compress(CSV.encode())[:-12], "a.csv.gz", ["cannot be read", "ended", "download"]),
    "cut zip": (zipped(**{"a.csv": CSV})[:-20], "a.zip", ["cannot be read", "not a zip file", "download"]),
    "no data in zip": (zipped(**{"a.exe": "x"}), "a.zip", ["0 files"]),
    "two in a zip": (zipped(**{"a.csv": CSV, "b.tsv": CSV}), "a.zip", ["2 files of texts", "a.csv, b.tsv"]),
    "another ending": (CSV, "a.xyz", ["*.xyz", ".csv"]),
    "no ending, no text": (b"ab\0\1", "a", ["files like this", ".csv"]),
    "tar": (gzip.compress(b"x"), "a.tar.gz", ["*.tar"]),
    "some lines not UTF-8": (b"text\n" + "é\n".encode() * 9 + b"\xe9\n", "a.csv", ["1 line", "line 11", "UTF-8"]),
    "another code page": (b"text\n" + b"\x81\x8d\n" * 7, "a.csv", ["7 lines", "line 2 (", "line 6 (", ") …", "UTF-8"]),
    "Russian": ("text,label\nочень хорошо,а\nплохо,б\n".encode("cp1251"), "a.csv", ["2 lines", "UTF-8"]),
    "Chinese": ("text,label\n很好很好很好,1\n太差了太差了,0\n".encode("gb18030"), "a.csv", ["2 lines", "UTF-8"]),
    "bad utf-16": (b"\xff\xfea\x00\x00\xd8b\x00", "a.csv", ["UTF-16"]),
    "broken json": ('[{"text": "a"', "a.json", ["cannot be read", "line 1 column 14"]),
    "deep json": ("[" * 200_000, "a.json", ["cannot be read", "recursion"]),
    "a number": ("1", "a.json", ["no JSON object", "list of objects"]),
    "broken lines": ('{"text": "a"}\n{"text": ]\n', "a.jsonl", ["cannot be read", "line 2 column 10"]),
    "json of lists": ('[["text"], ["a"]]', "a.json", ["2 rows", "list of objects"]),
    "json as pandas' index": ('{"0": {"text": "a", "label": "b"}}', "a.json", ["no column has texts"]),
    "json as pandas' split": ('{"columns": ["text"], "data": [["a"]]}', "a.json", ["row 0", "list of objects"]),
    "lines of numbers": ('{"text": "a"}\n1\n', "a.jsonl", ["1 row", "row 1 (1)"]),
    "two labels": ('{"text": "a", "label": ["x", "y"]}\n', "a.jsonl", ["row 0", "one label"]),
    "spans": ('{"text": "a", "label": [[0, 1, "x"]]}\n', "a.jsonl", ["row 0", "one label"]),
    "objects for texts": ('{"text": {"a": 1}, "label": "x"}\n', "a.jsonl", ["row 0"]),
    "two tables": (json.dumps({"train": [{"text": "a", "label": "b"}], "test": [{"text": "c", "label": "d"}]}), "a.json", ["train, test", "one flat table"]),
    "lists of other lengths": ('{"text": ["a", "b"], "label": ["c"]}', "a.json", ["something other than a string", "row 0"]),
    "numbers only": ("a,b\n1,2\n3,4\n", "a.csv", ["no column has texts", "text="]),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_named_with_a_remedy(kind, refusal):
    content, name, words = REFUSED[kind]
    message = refusal(content, name)
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("load", [load_texts, load_tweets])
@pytest.mark.parametrize(
    "path",
    [
        "~nosuch/a.csv",
        "a\0b.csv",
        "nothing.csv",
        ".",
        "x" * 5000,
        "https://a.b/c.csv",
        5,
        "/dev/null",
        b"a",
        "\ud800.csv",
    ],
)
def test_paths_that_lead_to_no_file(load, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TextFileError) as caught:
        load(path)
    assert isinstance(caught.value, TweetFileError) == (load is load_tweets)


def test_a_locked_zip(refusal):
    data = bytearray(zipped(**{"a.csv": CSV}))
    for start in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[start] |= 1
    assert "password" in refusal(bytes(data), "a.zip")


def test_an_archive_that_would_fill_the_memory(refusal, monkeypatch):
    monkeypatch.setattr(texts, "LIMIT", 2**20)
    bomb = CSV.encode() + b"x" * 2**21
    for name, content in ("a.csv.gz", gzip.compress(bomb)), ("a.zip", zipped(**{"a.csv": bomb})):
        assert "holds more than 1 MB" in refusal(content, name)


def test_a_path_in_the_courses_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(load_texts("data/climate_tweets.csv")) == 2000


def test_a_console_that_cannot_print_a_name(tmp_path):
    (tmp_path / "a.csv").write_text("текст,label\nпривет,1\n", encoding="utf-8")
    code = f"from transfer_learning import load_texts; load_texts({str(tmp_path / 'a.csv')!r}, text=0)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )
    assert rb"\u0442" in done.stdout


def test_large_files_are_read_fast(tmp_path, capsys):
    message = "words, and “more” words " * 6
    df = pd.DataFrame(
        {"label": [n % 4 - 1 for n in range(44_000)], "text": [f"{n} {message}"[:140] for n in range(44_000)]}
    )
    df.to_csv(tmp_path / "a.csv", index=False)
    took = []
    for _ in range(3):
        start = time.process_time()  # other processes' time does not count
        found = load_texts(tmp_path / "a.csv")
        took.append(time.process_time() - start)
    assert min(took) < 1
    pd.testing.assert_frame_equal(found, df[["text", "label"]], check_dtype=False, check_column_type=False)


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.text(st.sampled_from("\n,;\t|'\" a1é€\0=_#"), max_size=8)
CELLS |= st.sampled_from(["NA", "", "nan", "1", "1.0", "True", "text", "a\r\nb"])
CELLS = CELLS.filter(lambda text: not re.search("\r(?!\n)", text))
FORM = ["csv", "tsv", "json", "json records", "jsonl", "parquet", "xlsx"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5),
    names=st.permutations(["text", "label", "c"])
    | st.lists(CELLS, min_size=3, max_size=3, unique_by=lambda x: x.strip().casefold()),
    form=st.sampled_from(FORM),
    sep=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    packed=st.sampled_from(["", ".gz", ".zip"]),
)
@example([("a\n\tb", "\n\t", "")], ["text", "label", "c"], "csv", "\t", "utf-8", "")
@example([("", "", "")], ["text", "label", "c"], "xlsx", ",", "utf-8", "")
def test_what_pandas_writes_comes_back(tmp_path_factory, capsys, rows, names, form, sep, encoding, packed):
    assume(all(names) and "\0" not in "".join(names))  # named columns; pandas writes JSON keys up to a NUL only
    df = pd.DataFrame(rows, columns=names)
    path = tmp_path_factory.mktemp("a") / f"a.{form.split()[0]}{packed}"
    text, label = ("text", "label") if {*names} == {"text", "label", "c"} else names[:2]
    if form in ("csv", "tsv"):
        try:
            data = df.to_csv(index=False, sep=sep).encode(encoding)
        except UnicodeEncodeError:
            assume(False)
        if encoding == "cp1252":  # bytes that are also UTF-8 can only be taken for that
            assume(any(byte > 127 for byte in data) is False or not is_utf8(data))
    elif form == "parquet":
        data = df.to_parquet()
    elif form == "xlsx":
        assume(
            not any(cell.startswith("=") for cell in [*names, *(cell for row in rows for cell in row)])
            and not re.search(
                r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|x[0-9A-Fa-f]{4}_", "".join(map("".join, [*rows, names]))
            )
        )
        buffer = io.BytesIO()
        df.to_excel(buffer, index=False)
        data = buffer.getvalue()
    else:
        data = df.to_json(orient="records" if form != "json" else None, lines=form == "jsonl").encode()
    if packed:
        data = gzip.compress(data) if packed == ".gz" else zipped(**{path.stem: data})
    path.write_bytes(data)
    found = load_texts(path, text=text, label=label)
    assert found["text"].tolist() == df[text].tolist()
    same = found["label"].map(str).tolist() == df[label].tolist()
    assert same or (form in ("csv", "tsv") and found["label"].dtype == "int64")  # 1.0 is 1 there
    assert capsys.readouterr().out.count("\n") == 1


def is_utf8(data):
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


NAMES = [f"a{ending}{packed}" for ending in (*texts.FORMATS, ".x", "") for packed in ("", ".gz", ".zip")]
STARTS = [
    b"",
    b"text,label\n",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"PK\x03\x04",
    b"PAR1",
    b"\x1f\x8b\x08\0",
    b"[",
    b'{"text": ',
    b'{"text": "a"}\n',
    b"sep=;\n",
]
SEEDS = [b"", zipped(**{"a.csv": CSV}), gzip.compress(CSV.encode()), json.dumps([{"text": "a"}]).encode(), CSV.encode()]


@settings(max_examples=200, deadline=5000, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(NAMES),
    start=st.sampled_from(STARTS),
    data=st.binary(max_size=200) | st.text('{}[]":,01tn\n\t;"\'e-\\u', max_size=80).map(str.encode),
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    load=st.sampled_from([load_texts, load_tweets]),
)
def test_any_bytes_are_a_table_or_an_error(tmp_path_factory, capsys, name, start, data, seed, flips, load):
    path = tmp_path_factory.mktemp("a") / name
    content = bytearray(seed if seed and flips else start + data)
    for at, value in flips if seed else ():
        content[at % len(content)] = value
    path.write_bytes(content)
    try:
        assert len(load(path))
    except TextFileError as error:
        assert str(path) in str(error)
        cause = error.__context__.__context__ if load is load_tweets else error.__context__
        assert not isinstance(cause, (LookupError, TypeError, AttributeError)) or name[:6] in (
            "a.xlsx",
            "a.parq",
            "a.zip",
        )
