"""Reading texts and labels from a file, whichever program wrote it."""

import csv
import gzip
import io
import json
import re
import sys
import zipfile
from collections import namedtuple
from itertools import zip_longest
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
FORMATS = (".csv", ".tsv", ".txt", ".xlsx", ".jsonl", ".json", ".parquet")
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}
TEXT_NAMES = "text message tweet sentence content review comment body post document utterance headline".split()
LABEL_NAMES = "label labels sentiment class category target accept intent emotion topic stance polarity".split()
LABEL_NAMES += "rating score stars".split()
KNOWN_NAMES = {*TEXT_NAMES, *LABEL_NAMES, "id", "tweetid", "title", "date", "answer"}
NUMBER = re.compile(r"\s*([+-]?[.,]?\d[\d.,:/ -]*([eE][+-]?\d+)?|(https?://|www\.)\S+)\s*")  # dates and links as well
NO_HEADER = "no header line, columns are numbered from 0"
WHOLE_NUMBER = r"-?(0|[1-9]\d{0,17})([.,]0+)?"
#: Files of another kind than their name says: how they begin, what they are, and the one thing to do.
KINDS = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the data itself", "Run: git lfs pull"),
    (rb"(?i)\s*<(!doctype|html)", "a web page, such as a sign-in page", "Sign in, and download the file itself."),
    (rb"\s*<\?xml", "XML, such as a server's error message", "Download the data as CSV."),
    (rb"%PDF", "a PDF", "Ask for the table as CSV, or copy it into a spreadsheet and save that as CSV."),
    (rb"\xd0\xcf\x11\xe0", "an old .xls workbook, or one with a password", "Save it as .xlsx without a password."),
    (
        rb"(?s)PK\x03\x04.{26}mimetype|7z\xbc|Rar!|\xfd7zXZ|\x89PNG",
        "a binary file",
        "Unpack it, or save its table as CSV.",
    ),
)
LIMIT = 2**29  # bytes; an archive with more in it is an attack, or too much for a laptop
AS_TEXT = ("", ".data", ".dat", ".text", ".tab")  # read as .txt
PACKED = (".xlsx", ".zip", ".gz", ".parquet")
#: What these are when they are named as text.
MISNAMED = (
    (rb"(?s)PK\x03\x04.*xl/workbook\.xml", "an Excel workbook", "Rename it so that its name ends in .xlsx."),
    (rb"PK\x03\x04|PK\x05\x06", "a zip file", "Rename it so that its name ends in .zip."),
    (rb"\x1f\x8b", "a gzip file", "Rename it so that its name ends in .gz."),
    (rb"PAR1", "a Parquet file", "Rename it so that its name ends in .parquet."),
)
#: `columns` are tuples of cells, `remarks` say what the file was taken for, a format that `has_types` tells 1 from "1".
Table = namedtuple("Table", "names columns remarks has_header has_types")


class TextFileError(ValueError):
    """A file of texts that cannot be used; the message says which file, what is wrong, and what to do."""


def load_texts(path, text=None, label=None):
    """Read a file of texts and labels, and print in one line what it was taken for.

    Parameters
    ----------
    path : str or Path
        Its ending is one of `FORMATS`, or ``.gz`` or ``.zip`` with one of these inside; a text file without an ending
        is read as ``.txt``. A relative path is sought from the working directory, then from the course's folder.
    text, label : str or int, optional
        The columns' names, or their numbers, counted from 0. Default: a usual name (``text``, ``message`` …; ``label``,
        ``class`` …) or one with such a word in it, else the column with the longest texts, and the one with the fewest
        different values.

    Returns
    -------
    pandas.DataFrame
        Shape (n, 2), rows in file order. ``text`` is str, as in the file; a ``.txt`` without tabs has a text on each
        line. ``label`` is int64 if all are whole numbers of at most 18 digits (1.0 counts as 1), else str: a missing
        label, or one rejected in Prodigy, is "", and a list of one label that label; None if there is no such column.

    Raises
    ------
    TextFileError
        No table, an open quote (with tabs, it is part of the text) … Rows are numbered from 0, lines from 1.
    """
    import pandas as pd

    python_strings()
    table = read_table(path, [name for name in (text, label) if isinstance(name, str)])
    label_at = None if label is None else _choose_column(path, table, label, LABEL_NAMES, _likeness_to_labels)
    text_at = _choose_column(path, table, text, TEXT_NAMES, _length_of_texts, label_at)
    if text_at is None:
        nested = any(cell_text(column[0]) is None for column in table.columns)
        remedy = "Save it as one flat table: a text and a label in each row." if nested else "Pass one as text=."
        fail(path, f"no column has texts in it; its columns: {', '.join(table.names[:8])}", remedy)
    if label is None:
        label_at = _choose_column(path, table, None, LABEL_NAMES, _likeness_to_labels, text_at)
    texts = _as_texts(path, table.columns[text_at], "a string as the text", "Pass the column of texts as text=.")
    labels, more = (None, []) if label_at is None else _labels(path, table, label_at)
    chosen = "no column of labels" if label_at is None else f"label: {table.names[label_at]!r}"
    guess = " (a guess; choose with text= and label=)" if text is None or label is None else ""
    remarks = [*table.remarks, f"text: {table.names[text_at]!r}, {chosen}{guess}", *more]
    if empty := int((texts.str.strip() == "").sum()):
        remarks.append(f"{empty} empty text{'s' * (empty > 1)}")
    line, console = f"{Path(path).name}: {'; '.join(remarks)}", getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(console, "backslashreplace").decode(console))  # it may lack letters of the columns' names
    return pd.DataFrame({"text": texts, "label": labels})


def python_strings():
    """Let pandas keep texts as Python strings, from now on: scikit-learn 1.9 fails on pyarrow's."""
    import pandas as pd

    pd.set_option("mode.string_storage", "python")


def read_table(path, wanted=(), missing="Check the spelling and the folder."):
    """Read any of the formats as a `Table`.

    `wanted` are names that the columns should have: they help to find the delimiter and the header line. `missing` is
    the remedy if there is no such file.
    """
    try:
        ending, data = _unpack(path, *_read_bytes(path, missing))
        rows, has_header, remarks = _read_rows(path, ending, data, wanted)
    except TextFileError:
        raise
    except Exception as error:  # on damaged files, zipfile, openpyxl and pyarrow raise anything
        why = " ".join((str(error) or repr(error)).split())
        remedy = "Check its path and its ending; if they are right, unpack it, or download it again."
        fail(path, f"it cannot be read ({why:.99})", remedy)
    if has_header is None and rows:
        has_header, more = _guess_header(rows, wanted)
        remarks += more
    if not rows[has_header:]:
        fail(
            path,
            "it is empty, or has a header but no rows",
            "Download it again; its first line should name the columns.",
        )
    remarks.insert(1, f"{len(rows) - has_header} row{'s' * (len(rows) - has_header > 1)}")
    names = [cell_text(name) or "" for name in (rows[0] if has_header else range(len(rows[0])))]
    has_types = ending not in (".csv", ".tsv", ".txt")
    return Table(names, list(zip(*rows[has_header:])), remarks, has_header, has_types)


def fail(path, what, remedy):
    """Raise a TextFileError."""
    raise TextFileError(f"{path}: {what}. {remedy}")


def fail_rows(path, wrong, what, remedy, unit="row"):
    """Raise if any row is wrong; `wrong` lists (number, what is there). The first five are named."""
    if wrong:
        first = ", ".join(f"{unit} {n} ({found!r:.32})" for n, found in wrong[:5])
        count = f"{len(wrong)} {unit}{'s' * (len(wrong) > 1)}"
        fail(path, f"{count} with {what}: {first}{' …' * (len(wrong) > 5)}", remedy)


def _read_bytes(path, missing):
    """Return the file's name and its bytes."""
    file = Path(path).expanduser()
    file = file if file.exists() else ROOT / file
    if not file.exists():
        fail(path, "no such file", "Download it, and pass the path of the copy." if "://" in str(path) else missing)
    if not file.is_file():
        fail(path, "this is a folder or a device, not a file", "Name the file inside it.")
    return file.name, file.read_bytes()


def _unpack(path, name, data):
    """Return the ending and the bytes of a file; of an archive, those of the one file of texts in it."""
    ending = PurePosixPath(name).suffix.lower()
    for start, what, remedy in KINDS if ending in PACKED else KINDS + MISNAMED:
        if re.match(start, data):
            fail(path, f"this is {what}, though its name ends in {ending}", remedy)
    if ending == ".gz":
        return _unpack(path, name[:-3], _read_packed(path, gzip.open(io.BytesIO(data))))
    if ending == ".zip":
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = [name for name in archive.namelist() if name.lower().endswith((*FORMATS, ".gz"))]
        names = [name for name in names if not re.search(r"__MACOSX|(^|/)\._", name)]  # what a Mac adds
        names = [name for name in names if not name.lower().endswith(".txt")] or names  # a README beside the data
        if len(names) != 1:
            what = f"the zip holds {len(names)} files of texts, expected one"
            fail(path, what + ": " * bool(names) + ", ".join(names[:5]), "Unzip it, and pass the file you mean.")
        return _unpack(path, names[0], _read_packed(path, archive.open(names[0])))
    if ending in AS_TEXT and 0 not in data:
        return ".txt", data
    if ending not in FORMATS:
        fail(
            path,
            f"{f'files named *{ending}' if ending else 'files like this'} cannot be read",
            f"Save it as one of {', '.join(FORMATS)}.",
        )
    return ending, data


def _read_packed(path, stream):
    data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        fail(path, f"it holds more than {LIMIT >> 20} MB", "Unpack it yourself, and pass a part of it.")
    return data


def _read_rows(path, ending, data, wanted):
    """Return the rows, whether the first is the header (None: not known), and a list of remarks."""
    if ending == ".xlsx":
        return _read_excel(data)
    if ending == ".parquet":
        import pyarrow.parquet as parquet  # pandas would make floats of integers with gaps

        table = parquet.ParquetFile(io.BytesIO(data)).read()
        return [table.column_names, *zip(*(column.to_pylist() for column in table.columns))], True, ["Parquet"]
    text, encoding = _decode(path, data)
    said = f"{ending[1:].upper()} in {encoding}"
    if ending in (".json", ".jsonl"):
        return _read_json(path, text), True, [said]
    rows, has_header, delimiter, *remarks = _read_delimited(path, text, ending, wanted)
    return rows, has_header, [said + delimiter, *remarks]


def _read_excel(data):
    """Read the first sheet with anything in it, without the rows and columns that are blank."""
    import openpyxl  # for pandas.read_excel, an empty text is no text: it would drop rows
    import pandas as pd

    sheets = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets
    for sheet in sheets:
        sheet.reset_dimensions()  # some programs write wrong ones
        # An empty text, as pandas writes it, is a string without a value.
        rows = [["" if (c.value, c.data_type) == (None, "inlineStr") else c.value for c in row] for row in sheet]
        cells = pd.DataFrame(zip_longest(*rows), dtype=object).T.dropna(how="all").dropna(how="all", axis=1)
        if not cells.empty:
            only, of = ("only ", f" of {len(sheets)}") if len(sheets) > 1 else ("", "")
            return cells.values.tolist(), None, [f"Excel, {only}sheet {sheet.title!r}{of}"]
    return [], None, []


def _decode(path, data):
    """Return the text, and what its encoding was taken for."""
    if data.startswith(b"\xef\xbb\xbf"):
        return data.decode("utf-8-sig"), "UTF-8 with a byte order mark"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16"), "UTF-16"
    if 0 in data[:2]:  # in UTF-16, one byte of an English letter is 0
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le"), "UTF-16 (a guess: look at the texts)"
    try:
        return data.decode(), "UTF-8"
    except UnicodeDecodeError:
        lines = [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if not line.isascii()]
    wrong = [(n, line) for n, line in lines if line.decode(errors="ignore").encode() != line]
    words, letters = (b"".join(re.findall(rb"[\xa1-\xff]{%d,}" % n, data)) for n in (4, 1))  # Russian, Chinese …
    western = 2 * len(words) <= len(letters) and not re.search(rb"[\x81\x8d\x8f\x90\x9d]", data)  # not in Windows-1252
    if 2 * len(wrong) >= len(lines) and western:
        return data.decode("cp1252"), "Windows-1252 (a guess: look at the accented letters)"
    fail_rows(path, wrong, "bytes that are not UTF-8", "Save it again as UTF-8.", "line")


def _read_json(path, text):
    """Return the names and the rows of a list of objects, an object on each line, or columns of one length."""
    found, at, space = [], 0, re.compile(r"\s*")
    while (at := space.match(text, at).end()) < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    if len(found) == 1 and isinstance(found[0], dict):
        columns = list(found[0].values())
        tables = [rows for rows in columns if isinstance(rows, list) and any(isinstance(row, dict) for row in rows)]
        if isinstance(found[0].get("data"), list):
            found = found[0]["data"]
        elif len(tables) == 1 and not {*TEXT_NAMES} & {*found[0]}:  # {"version": 1, "reviews": [{"text": …
            found = tables[0]
        elif not tables and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            found = [dict(zip(found[0], row)) for row in zip(*columns)]  # {"text": ["a", …
        elif all(isinstance(column, dict) and all(map(str.isdigit, column)) for column in columns):  # {"text": {"0": …
            found = [dict(zip(found[0], row)) for row in zip(*(column.values() for column in columns), strict=True)]
    elif len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    wrong = [(n, row) for n, row in enumerate(found) if not isinstance(row, dict)]
    fail_rows(path, wrong, "no JSON object", "A table is a list of objects, or one object per line.")
    names = list(dict.fromkeys(name for row in found for name in row))
    return [names, *([row.get(name) for name in names] for row in found)]


def _read_delimited(path, text, ending, wanted):
    """Return the rows, whether the first is the header (None: not known), the delimiter in words, and remarks."""
    csv.field_size_limit(2**31 - 1)
    known, delimiters = {*map(_plain, wanted or KNOWN_NAMES)}, list(DELIMITERS)
    if told := re.match(r'"?sep=([^\r\n"])"?(\r?\n|\r)', text):
        delimiters, text = [told[1]], "\n" + text[told.end() :]  # a blank line, so that line numbers stay
    parsed = {delimiter: _parse(text, delimiter) for delimiter in delimiters}
    scores = {}
    for delimiter, (rows, problem, *_) in parsed.items():
        first = rows[0] if rows else []
        scores[delimiter] = (len(known & {*map(_plain, first)}), len(first) > 1, not problem)
    delimiter, *others = [delimiter for delimiter in delimiters if scores[delimiter] == max(scores.values())]
    known_names, many_columns, good = scores[delimiter]
    labelled = good and (delimiter == "\t" or _are_texts_and_labels(parsed[delimiter][0]))
    if ending == ".txt" and not (many_columns and (known_names or labelled)):
        rows = [[line] for line in re.split("\r?\n|\r", text) if line]
        return rows, bool(rows) and _plain(rows[0][0]) in KNOWN_NAMES, ", one text per line"
    rows, problem, *remarks = parsed[delimiter]
    name = DELIMITERS.get(delimiter, repr(delimiter))
    if isinstance(problem, str):
        fail(path, problem, 'Close it, and write a quote inside a text as "".')
    remedy = f"A text with {name}, quotes or line breaks in it must be in double quotes."
    fail_rows(path, problem, "more or fewer fields than the first", remedy, "line")
    unsure = f" (UNSURE: or with {DELIMITERS[others[0]]})" if others else ""
    return rows, None, f" with {name}{unsure}" if many_columns else "", *remarks


def _are_texts_and_labels(rows):
    """Whether each row has two fields, one of which holds few values, again and again."""
    columns = list(zip(*rows))
    return len(columns) == 2 and any(20 * len({*column}) < len(column) for column in columns)


def _parse(text, delimiter, quoting=csv.QUOTE_MINIMAL):
    """Return the rows, what is wrong (a broken quote as str, or a list of uneven rows), and remarks."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    rows, lines, start, spans = [], [], 1, False
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            spans |= reader.line_num > start and len(rows[0]) > 1
            start = reader.line_num + 1
        problem = [(line, len(row)) for line, row in zip(lines, rows) if len(row) != len(rows[0])]
    except csv.Error:
        noticed = f" (noticed in line {reader.line_num})" if reader.line_num > start else ""
        problem = f"in line {start}, a quote is not closed, or a quote inside a text is not doubled{noticed}"
        rows = rows or [text.lstrip().partition("\n")[0].split(delimiter)]  # enough to see that it is the delimiter
    if (problem or spans) and delimiter == "\t" and quoting != csv.QUOTE_NONE:  # many programs never quote with tabs
        unquoted, still = _parse(text, delimiter, csv.QUOTE_NONE)
        return (rows, problem) if still else (unquoted, [], "quotes are part of the texts")
    return rows, problem


def _guess_header(rows, wanted):
    """Return whether the first row names the columns, and a remark if that is not plain to see."""
    first, *body = [[cell_text(cell) or "" for cell in row] for row in rows[:200]]
    plain, repeated = {*map(_plain, first)}, False
    if plain & {*map(_plain, wanted)} or len(plain & KNOWN_NAMES) > 1:
        return True, []
    for name, column in zip(first, zip(*body)):
        if any(column) and all(NUMBER.fullmatch(cell) for cell in column if cell):
            return (False, [NO_HEADER]) if NUMBER.fullmatch(name) else (True, [])
        repeated |= name != "" and name in column
    if plain & KNOWN_NAMES:
        return True, []
    return (False, [NO_HEADER]) if repeated else (True, ["the first row is taken for the header (UNSURE)"])


def _choose_column(path, table, wanted, usual_names, score, other=None):
    """Return the number of the column that is wanted, else has a usual name, else has the highest score above 0."""
    names = table.names
    for name in usual_names if wanted is None else [wanted]:
        same = [n for n in range(len(names)) if name in (n, names[n])]
        same = same or [n for n in range(len(names)) if _plain(name) == _plain(names[n])]
        if len(same) == 1 and (wanted is not None or same[0] != other):
            return same[0]
        if len(same) > 1 or wanted is not None:
            what = f"{len(same)} columns are named {name!r}" if same else f"no column {name!r}"
            remedy = f"Pass a name or a number from 0 to {len(names) - 1}."
            fail(path, f"{what}; its columns: {', '.join(names[:8])}", remedy)
    scores = {n: score(column) for n, column in enumerate(table.columns) if n != other}
    scores = {n: own for n, own in scores.items() if own}
    words = {n: {*re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", names[n]).lower())} for n in scores}
    named = [n for n in scores if words[n] & {*usual_names}]
    return max(named or scores, key=scores.get, default=None)


def _length_of_texts(column):
    """Return the letters of its different texts: a statement that a form repeats in every row counts once."""
    different = {cell for cell in column if isinstance(cell, str)}
    return sum(len(cell) for cell in different if not NUMBER.fullmatch(cell))


def _likeness_to_labels(column):
    """Return more for a column with fewer values; 0 if it has only one, or none of them twice, or is mostly empty."""
    filled = [repr(cell) for cell in column if cell_text(cell) != ""]
    different = len({*filled})
    few = 1 < different < len(filled) and different <= max(20, len(filled) / 2)
    return 1 / different if few and 2 * len(filled) >= len(column) else 0


def _labels(path, table, at):
    """Return the labels as a Series, all int64 or all str, and a list of remarks."""
    cells = [(cell or [None])[0] if isinstance(cell, list) and len(cell) < 2 else cell for cell in table.columns[at]]
    answers = dict(zip(table.names, table.columns)).get("answer", ())
    if table.has_types and "accept" in answers:  # Prodigy's
        cells = [None if answer in ("reject", "ignore") else cell for cell, answer in zip(cells, answers)]
    labels = _as_texts(path, cells, "one label", "Keep one label per text.")
    words = table.has_types and any(isinstance(cell, str) for cell in cells)
    if words or not labels.str.fullmatch(WHOLE_NUMBER).all():
        return labels, []
    whole = labels.str.replace(r"[.,]0+$", "", regex=True)
    return whole.astype("int64"), ["labels such as 1.0 are read as 1"] if (whole != labels).any() else []


def _as_texts(path, cells, what, remedy):
    """Return the cells as a Series of str; raise if there is something other than `what`."""
    import pandas as pd

    texts = [cell_text(cell) for cell in cells]
    wrong = [(n, cell) for n, cell in enumerate(cells) if texts[n] is None]
    fail_rows(path, wrong, f"something other than {what}", remedy)
    return pd.Series(texts, dtype=str)


def cell_text(cell):
    """Return a cell as str, "" if it is missing, None if it is no single value."""
    if isinstance(cell, (list, tuple, dict, bytes)):
        return None
    return "" if cell is None or cell != cell else str(cell)


def _plain(name):
    return str(name).strip().casefold()
