"""Reading texts and labels from a file, whichever program wrote it."""

import contextlib
import csv
import functools
import gzip
import io
import itertools
import json
import re
import sys
import warnings
import zipfile
from numbers import Integral
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
FORMATS = (".csv", ".tsv", ".txt", ".xlsx", ".jsonl", ".json", ".parquet")
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}
TEXT_NAMES = "text message tweet sentence content review comment body post document utterance headline".split()
LABEL_NAMES = "label labels sentiment class category target accept intent emotion topic stance polarity rating".split()
KNOWN = {*TEXT_NAMES, *LABEL_NAMES, "id", "tweetid", "title", "date", "answer"}
NUMBER = re.compile(r"\s*[+-]?[.,]?\d[\d.,:/ -]*([eE][+-]?\d+)?\s*")  # dates and times as well
WHOLE = re.compile(r"(-?(?:0|[1-9]\d{0,18}))([.,]0+)?")
LIMIT = 2**29  # bytes; an archive with more in it is an attack, or too much for a laptop
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
PACKED = {".xlsx": "an Excel workbook", ".parquet": "a Parquet file", ".zip": "a zip file", ".gz": "a gzip file"}
EMPTY = "Download it again; the first line must name the columns."
UNEVEN = "a different number of fields from the header"
NO_HEADER = "no header line, columns are numbered from 0"
#: How files begin that are no plain text: what they are, and the one thing to do.
KINDS = {
    rb"version https://git-lfs": ("a Git LFS pointer, not the data itself", "Run: git lfs pull"),
    rb"(?i)\s*<(!doctype|html)": ("a web page, such as a sign-in page", "Sign in, and download the file itself."),
    rb"\s*<\?xml": ("XML, such as a server's error message", "Download the data as CSV."),
    rb"%PDF": ("a PDF", "Ask for the table as CSV, or copy it into a spreadsheet and save that as CSV."),
    rb"\xd0\xcf\x11\xe0": ("an old .xls workbook, or one with a password", "Save it as .xlsx without a password."),
    rb"(?s)PK.*opendocument\.spreadsheet": ("an OpenDocument spreadsheet", "Open it, and save it as .xlsx."),
    rb"(?s)PK\x03\x04.*xl/workbook\.xml": (PACKED[".xlsx"], "Change the end of its name to .xlsx."),
    rb"PK\x03\x04|PK\x05\x06": (PACKED[".zip"], "Change the end of its name to .zip."),
    rb"\x1f\x8b": (PACKED[".gz"], "Change the end of its name to .gz."),
    rb"PAR1": (PACKED[".parquet"], "Change the end of its name to .parquet."),
    rb"7z\xbc\xaf|Rar!\x1a|BZh\d1AY|\xfd7zXZ|\x28\xb5\x2f\xfd": (
        "a compressed file",
        "Unpack it, and pass the file in it.",
    ),
    rb"SQLite format 3\0|\x89PNG|\xff\xd8\xff|\{\\rtf": (
        "a database, picture or document",
        "Save its table as CSV, and pass that.",
    ),
}


class TextFileError(ValueError):
    """A file of texts that cannot be used; the message says which file, what is wrong, and what to do."""


def load_texts(path, text=None, label=None):
    """Read a file of texts and labels, and print in one line what it was taken for.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv``, ``.txt``, ``.xlsx``, ``.jsonl``, ``.json`` or ``.parquet``, or a ``.gz`` or ``.zip`` of one
        of these. A relative path that is not found from the working directory is looked for in the course's folder.
    text, label : str or int, optional
        The columns' names, or their numbers, counted from 0. Default: a usual name (``text``, ``message`` …; ``label``,
        ``class`` …), else the column with the longest texts, and the one with the fewest different values.

    Returns
    -------
    pandas.DataFrame
        Shape (n, 2), rows in file order, index 0 to n-1. ``text`` is str, exactly as in the file; in a ``.txt`` without
        tabs or a header line, each line is a text. ``label`` is int64 if every label is a whole number (Excel's 1.0
        counts as 1), else str as in the file: True is "True", a missing label "", a list of one label that label, and
        what was rejected or ignored in Prodigy "". If there is no column of labels, every label is None.

    Raises
    ------
    TextFileError
        No such file, not a table, a quote that is not closed, rows of different lengths, two labels for one text …
        Rows are numbered from 0, as in the DataFrame, and lines of the file from 1. In a file with tabs, quotes that
        do not work as quotes are no error but part of the texts.
    """
    import pandas as pd

    python_strings()
    names, columns, said, typed = read_table(path, [name for name in (text, label) if isinstance(name, str)])
    at, label_at = (None if given is None else _number(path, names, given) for given in (text, label))
    if at is None and (at := _guess(path, names, columns, TEXT_NAMES, label_at, _words_in)) is None:
        fail(path, f"no column has texts in it; it has: {', '.join(names[:8])}", "Pass the one you mean as text=.")
    if label_at is None:
        label_at = _guess(path, names, columns, LABEL_NAMES, at, _label_like)
    texts, labels = [_text(cell) for cell in columns[at]], None
    wrong = [(n, cell) for n, cell in enumerate(columns[at]) if texts[n] is None]
    fail_rows(path, wrong, "something other than a string as the text", "Pass the column of texts as text=.")
    shown = "no column of labels" if label_at is None else f"label: {names[label_at]!r}"
    guess = "" if text is not None and label is not None else " (a guess; choose with text= and label=)"
    said[1:] = [f"{len(texts)} row{'s' * (len(texts) > 1)}", *said[1:], f"text: {names[at]!r}, {shown}{guess}"]
    if label_at is not None:
        labels, remarks = _labels(path, names, columns, label_at, typed)
        seam = f"\n({'|'.join(map(re.escape, {*map(str, labels)} - {''}))})[,;\t|]"  # as if a row began there
        mixed = [n for n, text in enumerate(texts) if len(seam) < 999 and "\n" in text and re.search(seam, text)]
        said += [*remarks, *(f"UNSURE: row {n} may be several rows, look at its quotes" for n in mixed[:1])]
        labels = pd.Series(labels, dtype="int64" if isinstance(labels[0], int) else str)
    if empty := sum(not text.strip() for text in texts):
        said.append(f"{empty} empty text{'s' * (empty > 1)}")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(f"{Path(path).name}: {'; '.join(said)}".encode(encoding, "backslashreplace").decode(encoding))
    return pd.DataFrame({"text": pd.Series(texts, dtype=str), "label": labels})


def python_strings():
    """Let pandas keep texts as Python strings, from now on.

    Where pyarrow is installed it keeps them in Arrow instead, and scikit-learn 1.9 fails on what `unique()` gives of
    those: ``train_test_split`` raises a TypeError.
    """
    import pandas as pd

    pd.set_option("mode.string_storage", "python")


def fail(path, what, remedy):
    """Raise a TextFileError."""
    raise TextFileError(f"{path}: {what}. {remedy}")


def fail_rows(path, wrong, what, remedy, unit="row", show=repr):
    """Raise if any row is wrong; `wrong` lists (number, what is there). The first five are named."""
    if wrong:
        first = ", ".join(f"{unit} {n} ({show(found)[:32]})" for n, found in wrong[:5])
        count = f"{len(wrong)} {unit}{'s' * (len(wrong) > 1)}"
        fail(path, f"{count} with {what}: {first}{' …' * (len(wrong) > 5)}", remedy)


def read_table(path, wanted=(), missing="Check the spelling and the folder."):
    """Read any of the formats.

    `wanted` are names the columns should have, `missing` is the remedy if there is no such file. Returns the columns'
    names, the columns (as tuples of cells), remarks on what the file was taken for, and whether its format tells 1
    from "1".
    """
    what, remedy = "a file", "Check the path, and that you may read it."
    try:
        file = Path(path).expanduser()
        file = file if file.exists() else ROOT / file
        if file.exists() and not file.is_file():
            fail(path, "this is a folder or a device, not a file", "Name the file inside it.")
        data, name, ending, remedy = file.read_bytes(), file.name, file.suffix.lower(), "Download it again."
        while (what := _kind(path, ending, data)) in (PACKED[".gz"], PACKED[".zip"]):
            name, packed = (name[:-3], gzip.open(io.BytesIO(data))) if ending == ".gz" else _in_zip(path, data)
            data, ending = packed.read(LIMIT + 1), PurePosixPath(name).suffix.lower() or ".csv"
            if len(data) > LIMIT:
                fail(path, f"it holds more than {LIMIT >> 20} MB", "Unpack it yourself, and pass a part of it.")
        if ending not in FORMATS:
            fail(path, f"files named *{ending} are not read", f"Save it as one of {', '.join(FORMATS)}.")
        if ending in (".xlsx", ".parquet"):
            rows, header, *said = (_excel if ending == ".xlsx" else _parquet)(data)
        else:
            text, encoding = _decode(path, data)
            read = _json if ending in (".json", ".jsonl") else _delimited
            rows, header, *said = (
                read(path, text.removesuffix("\x1a"), ending, wanted) if text.strip() else ([], None, "")
            )
            said[0] = f"{ending[1:].upper()} in {encoding}{said[0]}"
    except FileNotFoundError:
        fail(path, "no such file", "Download it, and pass the path of the copy." if "://" in str(path) else missing)
    except TextFileError:
        raise
    except ImportError as error:
        package = (error.name or "pyarrow").split(".")[0]
        fail(path, f"{ending} needs the package {package}, which is not installed", f"Run: pip install {package}")
    except Exception as error:  # on damaged files, zipfile, openpyxl and pyarrow raise anything
        fail(path, f"it cannot be read as {what} ({' '.join((str(error) or repr(error)).split()):.99})", remedy)
    if not rows or not rows[0]:
        fail(path, "it is empty", EMPTY)
    if header is None:
        header, *remarks = _has_header(rows, wanted)
        said += remarks
    if not rows[header:]:
        fail(path, "it has a header but no rows", "Download it again.")
    names = ["" if name is None else str(name) for name in (rows[0] if header else range(len(rows[0])))]
    return names, list(zip(*rows[header:])), said, ending not in (".csv", ".tsv", ".txt")


def _kind(path, ending, data):
    """Return what the name says the file is, or raise if its content is something else."""
    says = PACKED.get(ending)
    found, remedy = next((KINDS[start] for start in KINDS if re.match(start, data)), (None, ""))
    if data[:2] == b"PK" and (ending == ".zip" or (ending == ".xlsx" and found == PACKED[".zip"])):
        found = says
    if not data:
        fail(path, "it is empty", EMPTY)
    if found != says:
        what = f"this is {found}" if found else f"this is not {says}"
        fail(path, f"{what}, though its name ends in {ending}", remedy or "Download it again, or correct its name.")
    return says or ending[1:].upper()


def _in_zip(path, data):
    """Return the name of the one file of texts in a zip, and that file, open; nothing is unpacked to disk."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    paths = {name: PurePosixPath(name.replace("\\", "/")) for name in archive.namelist() if name[-1] != "/"}
    paths = {name: at for name, at in paths.items() if at.suffix.lower() in (*FORMATS, ".gz") and at.name[0] != "."}
    paths = {name: at for name, at in paths.items() if "__MACOSX" not in at.parts}
    paths = {name: at for name, at in paths.items() if at.suffix.lower() != ".txt"} or paths  # a README beside the data
    if len(paths) != 1:
        what = f"the zip holds {len(paths)} files of texts, expected one"
        fail(path, what + ": " * bool(paths) + ", ".join([*paths][:5]), "Unzip it, and pass the file you mean.")
    ((name, at),) = paths.items()
    if at.is_absolute() or ".." in at.parts or ":" in at.parts[0]:
        fail(path, f"the zip holds a path that leads out of it, {name!r}", "Do not trust it; download it again.")
    if archive.getinfo(name).flag_bits & 1:
        fail(path, "the zip is locked with a password", "Unzip it, and pass the file inside it.")
    return at.name, archive.open(name)


def _decode(path, data):
    """Return the text, and what its encoding was taken for."""
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding), encoding.upper().replace("-SIG", " with a byte order mark")
    (few, _), (many, odd) = sorted((data[odd : 2**16 : 2].count(0), odd) for odd in (0, 1))
    if many >= max(8, min(len(data), 2**16) / 40) and few * 10 <= many:  # in UTF-16, every second byte of English is 0
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-16-le" if odd else "utf-16-be"), "UTF-16 (a guess: look at the texts)"
    text, broken = data.decode("utf-8", "surrogateescape"), re.compile("[\udc80-\udcff]")
    if not broken.search(text):
        return text, "UTF-8"
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if not line.isascii()]
    wrong = [(n, line) for n, line in lines if broken.search(line)]
    if len(lines) > 2 * len(wrong):
        fail_rows(path, wrong, "bytes that are not UTF-8, unlike the rest", "Correct these lines.", "line")
    try:
        return data.decode("cp1252"), "Windows-1252 (a guess: look at the accented letters)"
    except UnicodeDecodeError:
        fail_rows(path, wrong, "bytes that are neither UTF-8 nor Windows-1252", "Save it again as UTF-8.", "line")


def _delimited(path, text, ending, wanted):
    """Return the rows, whether the first is the header (None if unknown), and remarks."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    known, tried = {*map(_plain, wanted or KNOWN)}, {}
    if told := re.match(r'"?sep=([^\r\n"])"?(\r?\n|\r)', text):
        text = text[told.end() :]
    for delimiter in told[1] if told else DELIMITERS:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        first = {*map(_plain, next(filter(None, lines), []))}
        score = (len(known & first), len(first) > 1)
        if ending != ".txt" or (score[1] and (score[0] or delimiter == "\t")):
            tried[delimiter] = score
    best = [delimiter for delimiter in tried if tried[delimiter] == max(tried.values())]
    parsed = {delimiter: _parse(text, delimiter) for delimiter in best}
    good = [delimiter for delimiter in best if not parsed[delimiter][1]]
    if ending == ".txt" and not good and not (best and tried[best[0]][0]):
        rows = [[line] for line in re.split("\r?\n" if "\n" in text else "\r", text) if line]
        return rows, _plain(rows[0][0]) in known, ", one text per line"
    delimiter = (good or sorted(best, key=",".__ne__))[0]
    rows, wrong, *remarks = parsed[delimiter]
    name = DELIMITERS.get(delimiter, repr(delimiter))
    if isinstance(wrong, str):
        fail(path, wrong, 'Close it, and write a quote inside a text as "".')
    fail_rows(
        path, wrong, UNEVEN, f"A text with {name}, quotes or line breaks in it must be in double quotes.", show=str
    )
    said = f" with {name}" * tried[delimiter][1]
    if said and good[1:]:
        said += f" (UNSURE: or with {DELIMITERS[good[1]]})"
    return rows, None, said, *remarks


def _parse(text, delimiter, quoting=csv.QUOTE_MINIMAL):
    """Return the rows and what is wrong: a broken quote, as str, or a list of (row, number of fields)."""
    rows, end = [], 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    try:
        for row in reader:
            rows.append(row)
            end = reader.line_num
        rows = [row for row in rows if row]
        wrong = _uneven(rows)
    except csv.Error:
        seen = f" (noticed in line {reader.line_num})" * (reader.line_num > end + 1)
        wrong = f"in line {end + 1}, a quote is not closed, or a quote inside a text is not doubled{seen}"
    if wrong and delimiter == "\t" and quoting == csv.QUOTE_MINIMAL:  # many programs write tabs and never quote
        literal, still_wrong = _parse(text, delimiter, csv.QUOTE_NONE)
        if not still_wrong:
            return literal, [], "quotes are part of the texts"
    return rows, wrong


def _uneven(rows):
    return [(n, f"{len(row)} of {len(rows[0])}") for n, row in enumerate(rows, -1) if len(row) != len(rows[0])]


def _parquet(data):
    import pyarrow.parquet as parquet

    table = parquet.ParquetFile(io.BytesIO(data)).read()
    return [table.column_names, *zip(*(column.to_pylist() for column in table.columns))], True, "Parquet"


def _excel(data):
    """Return the rows of the first sheet with anything in it, and which that is."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        books = [openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=only) for only in (True, False)]
        for sheet, formulas in zip(*(book.worksheets for book in books)):
            sheet.reset_dimensions(), formulas.reset_dimensions()
            # pandas writes an empty text as an inlineStr without a value, and the text "=1" as a formula without one.
            rows = [["" if c.value is None and c.data_type == "inlineStr" else c.value for c in row] for row in sheet]
            if any(None in row for row in rows):
                pairs = zip(rows, formulas.iter_rows(values_only=True))
                rows = [[b if a is None else a for a, b in itertools.zip_longest(*pair)] for pair in pairs]
            columns = [column for column in itertools.zip_longest(*rows) if {*column} != {None}]
            if rows := [row for row in zip(*columns) if {*row} != {None}]:
                return rows, None, f"Excel, sheet {sheet.title!r}"
    return [], None, ""


def _json(path, text, ending, wanted):
    """Return the rows, whether the first is the header (None if unknown), and remarks."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if ending == ".json" and "Extra data" not in str(error):
            raise
        found, wrong = [], []
        for n, line in enumerate(text.split("\n"), 1):
            try:
                found += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError):
                wrong.append((n, line))
        fail_rows(path, wrong, "no JSON object", "Correct these lines.", "line")
    usual = KNOWN | {*map(_plain, wanted)}
    if isinstance(found, dict):
        values = [*found.values()]
        if "columns" in found and "data" in found:  # what pandas calls "split"
            found = [found["columns"], *found["data"]]
        elif usual.isdisjoint(map(_plain, found)):  # {"data": [{…}, …]}, or {"0": {"text": …}, …}
            found = next((value for value in values if isinstance(value, list)), values)
        elif all(isinstance(value, dict) for value in values):  # {"text": {"0": …}, …}
            keys = dict.fromkeys(itertools.chain(*values))
            found = [{name: found[name].get(key) for name in found} for key in keys]
        elif ending == ".json" and all(isinstance(value, list) for value in values):  # {"text": […], "label": […]}
            found = [dict(zip(found, row)) for row in zip(*values, strict=True)]
        else:
            found = [found]
    if not isinstance(found, list):
        fail(path, "it is JSON, but not a table", "It must be a list of objects, or one object per line.")
    if found and all(isinstance(row, list) for row in found):
        fail_rows(path, _uneven(found), UNEVEN, "Complete these rows.", show=str)
        return found, None, ""
    if found and all(isinstance(row, str) for row in found):
        return [[row] for row in found], False, ""
    fail_rows(path, [(n, row) for n, row in enumerate(found) if not isinstance(row, dict)], "no object", "Remove them.")
    names = [*dict.fromkeys(itertools.chain(*found))]
    return [names, *([row.get(name) for name in names] for row in found)], True, ""


def _plain(name):
    return str(name).strip().casefold()


def _has_header(rows, wanted):
    """Return whether the first row names the columns, and remarks on that."""
    first, *body = ([_text(cell) or "" for cell in row] for row in rows[:200])
    plain, columns = {*map(_plain, first)}, [[cell for cell in column if cell] for column in zip(*body)]
    numbers = [n for n, column in enumerate(columns) if column and all(map(NUMBER.fullmatch, column))]
    sentence = any(len(name.split()) > 4 for name in first)
    if (
        len(KNOWN & plain) > 1
        or {*map(_plain, wanted)} & plain
        or first == [str(n) for n in range(len(first))] != ["0"]
    ):
        return (True,)
    if (numbers and not NUMBER.fullmatch(first[numbers[0]])) or (not numbers and not sentence and KNOWN & plain):
        return (True,)
    if numbers or sentence or any(name in column for name, column in zip(first, columns)):
        return False, NO_HEADER
    return True, "the first row is taken for the header (UNSURE)"


def _number(path, names, wanted):
    """Return the number of the column with this name or number."""
    same = [wanted] if isinstance(wanted, Integral) and wanted in range(len(names)) else []
    if isinstance(wanted, str):
        same = [n for n, name in enumerate(names) if name == wanted]
        same = same or [n for n, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if len(same) != 1:
        what = f"{len(same)} columns are named {wanted!r}" if same else f"no column {wanted!r}"
        fail(path, f"{what}; it has: {', '.join(names[:8])}", f"Pass a name, or a number from 0 to {len(names) - 1}.")
    return same[0]


def _guess(path, names, columns, usual, other, score):
    """Return the number of the column with a usual name, else of the highest score above 0, else None."""
    free = [n for n in range(len(names)) if n != other]
    plain = [_plain(names[n]) for n in free]
    if named := [name for name in usual if name in plain]:
        return _number(path, names, named[0])
    scores = {n: score(columns[n]) for n in free}
    best = max(free, key=scores.get, default=None)
    return best if best is not None and (scores[best] or (len(names) == 1 and usual is TEXT_NAMES)) else None


def _words_in(column):
    return sum(len(cell) for cell in column if isinstance(cell, str) and not NUMBER.fullmatch(cell))


def _label_like(column):
    """Return more for a column with fewer values; 0 if it has only one, or numbers the rows."""
    kinds, whole = {*map(repr, column)}, [_whole(cell, False) for cell in column]
    rows = len(kinds) == len(column) and None not in whole and (max(whole) > 99 or whole == sorted(whole))
    return 1 / len(kinds) if 1 < len(kinds) <= max(20, len(column) / 2) and not rows else 0


def _text(cell):
    """Return a cell as str, "" if it is missing, None if it is no single value."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (list, tuple, dict, bytes)):
        return None
    return "" if cell is None or cell != cell else str(cell)


@functools.lru_cache(1000, typed=True)
def _whole(cell, typed):
    """Return a cell as int if it is a whole number of at most 64 bits, else None."""
    if isinstance(cell, str) and not typed and (match := WHOLE.fullmatch(cell)):
        cell = int(match[1])
    number = isinstance(cell, (int, float)) and not isinstance(cell, bool) and abs(cell) < 2**63
    return int(cell) if number and cell == int(cell) else None


def _labels(path, names, columns, at, typed):
    """Return the labels, all int or all str, and remarks."""
    cells = [(cell or [None])[0] if isinstance(cell, list) and len(cell) < 2 else cell for cell in columns[at]]
    answers = columns[names.index("answer")] if typed and "answer" in names else ()
    if "accept" in answers:  # Prodigy's
        cells = [None if answer in ("reject", "ignore") else cell for cell, answer in zip(cells, answers)]
    wrong = [(n, cell) for n, cell in enumerate(cells) if _text(cell) is None]
    fail_rows(path, wrong, "something other than one label", "Keep one label per text.")
    whole = [_whole(cell, typed) for cell in cells]
    if None not in whole:
        changed = any(str(cell) != str(number) for cell, number in {*zip(cells, whole)})
        return whole, ["labels such as 1.0 are read as 1"] * changed
    return [
        _text(number if isinstance(cell, float) and number is not None else cell) for cell, number in zip(cells, whole)
    ], []
