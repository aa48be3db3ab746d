"""Writes the teacher's two files: grades.csv, and class.html with a bar chart of the class's misconceptions."""

import csv
import io
import os
import re
import stat
import tempfile
import time
from collections import Counter

from jinja2 import Environment

COLUMNS = ("student", "homework", "points", "max_points", "misconceptions", "note", "seconds")
FILES = ("grades.csv", "class.html")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
BAR, LABEL, ROW = 360, 300, 30  # pixels: longest bar, width of the names, height of a row

PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; max-width: 60em; margin: 2em auto;
  padding: 0 1em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ccc }
td.n, th.n { text-align: right; white-space: nowrap }
svg { max-width: 100%; height: auto }
.note { color: #555 }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ summary }}</p>
{% for lesson in lessons %}
<h2>{{ lesson.name }}: what is not clear yet</h2>
{% if lesson.bars %}
<svg role="img" aria-labelledby="t{{ loop.index }} d{{ loop.index }}" viewBox="0 0 {{ width }} {{ lesson.height }}"
 width="{{ width }}" height="{{ lesson.height }}" font-size="15" fill="#1c1c1c">
<title id="t{{ loop.index }}">Misconceptions in {{ lesson.name }}, most common first</title>
<desc id="d{{ loop.index }}">{% for bar in lesson.bars %}{{ bar.name }}: {{ bar.count }} of {{ lesson.of }}. {% endfor %}</desc>
{% for bar in lesson.bars %}
<text x="{{ label - 10 }}" y="{{ loop.index0 * row + 20 }}" text-anchor="end">{{ bar.name }}</text>
<rect x="{{ label }}" y="{{ loop.index0 * row + 5 }}" width="{{ bar.width }}" height="{{ row - 10 }}" fill="#0072b2"/>
<text x="{{ label + bar.width + 8 }}" y="{{ loop.index0 * row + 20 }}">{{ bar.count }}</text>
{% endfor %}
</svg>
<ul>
{% for bar in lesson.bars %}
<li><b>{{ bar.name }}</b> ({{ bar.count }} of {{ lesson.of }}): {{ bar.why }}
{%- if bar.where %} Lesson {{ bar.where }}.{% endif %}</li>
{% endfor %}
</ul>
{% else %}
<p>Nothing: no check named a misconception.</p>
{% endif %}
{% endfor %}
<h2>Points</h2>
<table>
<thead><tr><th>student</th><th>homework</th><th class="n">points</th><th>what to look at</th></tr></thead>
<tbody>
{% for r in rows %}
<tr><td>{{ r.student }}</td><td>{{ r.homework or "" }}</td>
<td class="n">{{ r.shown }}</td>
<td>{{ r.names }}{% if r.names and r.note %}. {% endif %}<span class="note">{{ r.note }}</span></td></tr>
{% endfor %}
</tbody>
</table>
</body>
</html>
""")


class NotWritable(Exception):
    """Says in one line why a result could not be written."""


def assert_writable(folder):
    """Raise `NotWritable` unless grades.csv and class.html can be written into the folder."""
    for name in FILES:
        path = folder / name
        try:
            for lock in (folder / f".~lock.{name}#", folder / f"~${name}"):
                if lock.exists():
                    raise OSError(f"it is open in another program; close it there, or delete {lock.name}")
            if path.exists() and not path.stat().st_mode & stat.S_IWUSR:  # root could write it all the same
                raise OSError("it is read-only")
            if path.exists():
                with open(path, "ab"):
                    pass
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".grading-"):
                pass
        except OSError as error:
            why = (
                "it is open in another program, or read-only" if isinstance(error, PermissionError) else error.strerror
            )
            raise NotWritable(f"Nothing graded yet: {path} cannot be written: {why or error}.") from None


def _write(path, text, encoding):
    """Write a file at once: when there is no space left, the old one stays."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".grading-")
    try:
        with open(handle, "w", newline="", encoding=encoding, errors="backslashreplace") as file:
            file.write(text)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def write_csv(path, rows):
    """Write grades.csv: in UTF-8 with a byte order mark, without which Excel takes it for Windows-1252."""
    file = io.StringIO()
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
    table.writeheader()
    for row in rows:
        table.writerow({key: _cell(row.get(key)) for key in COLUMNS})
    _write(path, file.getvalue(), "utf-8-sig")


def _cell(value):
    """Return the text of a cell; a spreadsheet would run text that begins like a formula."""
    value = _visible(" ".join(value) if isinstance(value, list) else value)
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def _visible(value):
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def write_page(path, rows, misconception):
    """Write one page, without links to the network.

    Parameters
    ----------
    path : Path
    rows : list of dict
        As `grade.grade` returns them.
    misconception : function
        As `grade.misconception`.
    """
    lessons = []
    for name in sorted({row["homework"] for row in rows if row["homework"]}):
        of = [row for row in rows if row["homework"] == name and row["points"] is not None]
        counts = Counter(slug for row in of for slug in set(row["misconceptions"]))
        bars = []
        for slug, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            entry = misconception(slug, name)
            section = f", “{entry['section']}”" if "section" in entry else ""
            bars.append(
                {
                    "name": entry["name"],
                    "count": count,
                    "width": round(BAR * count / max(counts.values())),
                    "why": entry["why"],
                    "where": f"{entry.get('lesson', name)[:2]}{section}",
                }
            )
        lessons.append({"name": name, "bars": bars, "of": len(of), "height": ROW * len(bars)})
    shown = [
        row
        | {
            "names": ", ".join(misconception(slug, row["homework"])["name"] for slug in row["misconceptions"]),
            "shown": "–" if row["points"] is None else f"{row['points']:g} of {row['max_points']:g}",
        }
        for row in rows
    ]
    page = PAGE.render(
        title="Homework of the class",
        summary=f"{summary(rows)} Graded {time.strftime('%Y-%m-%d %H:%M')}.",
        lessons=lessons,
        rows=shown,
        width=LABEL + BAR + 50,
        label=LABEL,
        row=ROW,
    )
    _write(path, _visible(page), "utf-8")


def summary(rows):
    graded = [row for row in rows if row["points"] is not None]
    full = sum(row["points"] == row["max_points"] for row in graded)
    return (
        f"{len(rows)} submission{'s' * (len(rows) != 1)}: {full} with full points, {len(graded) - full} with fewer, "
        f"{len(rows) - len(graded)} that could not be graded."
    )
