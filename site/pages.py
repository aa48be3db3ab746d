"""Write the pages' source: the course's notebooks and texts as Sphinx reads them, in the folders they have here.

Nothing is decided here that a notebook decides: a lesson's page, slides and handout, the front page and the glossary are
made from the lessons, the README, notebooks/glossary.md and live.toml.
"""

import base64
import json
import posixpath
import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import nbformat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tools"))
import course  # noqa: E402

#: what a reader finds under a lesson, in this order
KINDS = {"exercises": "Homework", "mistakes": "Mistakes", "solutions": "Solution"}
#: the README's sections that belong on the front page
FRONT = ["The lessons", "Start", "Colab", "What you will be able to do", "The embedded stand-ins", "Data", "Licence"]
QUESTION = re.compile(r"^\*\*(\d+)\. (.+?)\*\*$", flags=re.M)
ANSWER = re.compile(r"<details><summary>(.+?)</summary>(.+?)</details>", flags=re.S)


class Question(NamedTuple):
    """A question at a lesson's end; answers are (answer, explanation), both HTML, and `right` is the index of one."""

    number: str
    text: str
    answers: list
    right: int


def live_parts():
    """The table in live.toml: a list of dicts with name, lesson, cell, title, text."""
    return tomllib.loads((HERE / "live.toml").read_text(encoding="utf-8"))["part"]


def number_of(path):
    """ "05" for lesson 05, its homework and whatever else belongs to it; "" for the rest."""
    found = re.match(r"\d\d(?=_)", path.parent.name if path.parent.name[:1].isdigit() else path.name)
    return found[0] if found else ""


def title_of(path):
    """The text of the first heading of a notebook or a Markdown file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = nbformat.reads(text, as_version=4).cells[0].source
    return re.search(r"^# (.+)$", text, flags=re.M)[1]


def questions(source):
    """The questions of a cell "Check yourself"; a ValueError says which has no right answer, or several."""
    found = []
    parts = QUESTION.split(source)[1:]
    for number, text, rest in zip(parts[::3], parts[1::3], parts[2::3]):
        answers = [(answer.strip(), why.strip()) for answer, why in ANSWER.findall(rest)]
        right = [n for n, (_, why) in enumerate(answers) if why.startswith("Yes")]
        if len(right) != 1:
            raise ValueError(f"question {number}, {text!r}: {len(right)} of its answers begin with Yes, expected one")
        found.append(Question(number, text, answers, right[0]))
    return found


def quiz(source, lesson):
    """The same cell with a box around each question, in which quiz.js makes buttons of the answers."""

    def box(match):
        return f'</div>\n\n<div class="quiz" data-question="{lesson}-{match[1]}">\n\n{match[0]}'

    boxed = QUESTION.sub(box, source)
    return boxed.replace("</div>\n\n", "", 1) + "\n\n</div>"


def markdown_cell(source):
    return nbformat.v4.new_markdown_cell(source)


def live_cell(part):
    """The place that a live part fills, with what is read there without it."""
    return markdown_cell(
        f'**{part["title"]}**\n\n<div class="live" data-live="{part["name"]}">\n\n{part["text"]}\n\n</div>'
    )


def clean_html(page):
    """An output's HTML, with cells in place of empty headings, which name nothing, and white or black on blue, whichever is easy to read."""
    page = re.sub(r"<th([^>]*)>\s*</th>", r"<td\1></td>", page)

    def readable(match):
        linear = [
            (int(c) / 255 + 0.055) ** 2.4 / 1.055**2.4 if int(c) > 10 else int(c) / 255 / 12.92
            for c in match.groups()[:3]
        ]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # as WCAG defines it
        return match[0].replace(match[4], "#fff" if 1.05 / (luminance + 0.05) >= 4.5 else "#000")

    return re.sub(r"background:rgb\((\d+),\s*(\d+),\s*(\d+)\);\s*color:(#\w+)", readable, page)


def clean_outputs(outputs):
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = clean_html(output.data["text/html"])
    return outputs


def pictures(cell):
    """(PNG bytes, text alternative) for each picture among a code cell's outputs."""
    for output in cell.get("outputs", []):
        if image := output.get("data", {}).get("image/png"):
            yield base64.b64decode(image), output.metadata.get("image/png", {}).get("alt", "")


def page_cells(path):
    """The cells of a notebook that a page shows."""
    for cell in nbformat.read(path, as_version=4).cells:
        if {"badge", "set-up"}.isdisjoint(cell.metadata.get("tags", [])):
            yield cell


def notebook(path, extra=""):
    """A notebook as its page shows it: no set-up, quizzes boxed, live parts in place; `extra` is put at the end."""
    number, cells = number_of(path), []
    parts = {part.get("cell"): part for part in live_parts() if part["lesson"] == path.stem}
    for cell in page_cells(path):
        if cell.cell_type == "markdown" and "## Check yourself" in cell.source:
            cell.source = quiz(cell.source, number)
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        clean_outputs(cell.get("outputs", []))
        cells.append(cell)
        if part := parts.pop(cell.id, None):
            cells.append(live_cell(part))
    if parts:
        raise ValueError(f"site/live.toml: {path.name} has no cell {', '.join(map(repr, parts))}")
    if extra:
        cells.append(markdown_cell(extra))
    return cells


def exercise(path, solved):
    """An exercise, with the outputs that the solved notebook has up to the place where the learner writes."""
    outputs = {cell.id: cell.get("outputs", []) for cell in nbformat.read(solved, as_version=4).cells}
    cells, shown = notebook(path), True
    for cell in cells:
        shown = shown and not cell.metadata.get("nbgrader", {}).get("solution")
        if shown and cell.cell_type == "code":
            cell.outputs = clean_outputs(outputs.get(cell.id, []))
    number = number_of(path)
    links = ["- [Mistakes in this homework](mistakes.md), each with an answer that makes it"]
    links += [f"- [The solution](../../{solved.relative_to(ROOT).as_posix()}), on a page of its own"]
    return [*cells, markdown_cell(f"## Homework {number} on this site\n\n" + "\n".join(links))]


def solution(path):
    """A solved notebook without nbgrader's marks and hidden tests."""
    cells = notebook(path)
    for cell in cells:
        source = re.sub(r"\n?### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", "", cell.source, flags=re.S)
        cell.source = re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", source).rstrip()
    cells[0].source = cells[0].source.replace("# Homework", "# Solution", 1)
    return cells


class Source:
    """The folder that Sphinx reads. Files that stay as they are keep their time, so that Sphinx leaves them alone."""

    def __init__(self, folder, pages):
        self.folder, self.pages, self.written = folder, pages, set()

    def write(self, name, text):
        path = self.folder / name
        self.written.add(path)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def write_notebook(self, name, cells):
        for n, cell in enumerate(cells):
            cell.id = f"c{n}"
            if cell.cell_type == "markdown":
                cell.source = self.links(cell.source, name)
        metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        }
        self.write(name, json.dumps(nbformat.v4.new_notebook(cells=cells, metadata=metadata), ensure_ascii=False))

    def write_markdown(self, name, text):
        self.write(name, self.links(text, name))

    def links(self, text, name):
        """Links to files that are no pages lead to GitHub, where the course's address is known; else they are text."""
        address = course.repository()

        def link(match):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[2]))
            path = {"README.md": "index.md"}.get(path, path)
            if path in self.pages:
                anchor = "#" + re.sub(r"[^\w-]", "", match[3].lower()) if match[3] else ""  # as Sphinx makes it
                return f"[{match[1]}]({posixpath.relpath(path, posixpath.dirname(name) or '.')}{anchor})"
            if not address:
                return match[1]
            return f"[{match[1]}](https://github.com/{address}/blob/main/{path})"

        return re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)", link, text)

    def remove_others(self):
        """Remove what an earlier build wrote; return whether there was anything."""
        others = [path for path in self.folder.rglob("*") if path.is_file() and path not in self.written]
        for path in others:
            path.unlink()
        return bool(others)


def toctree(entries, *options):
    return "\n".join(["```{toctree}", *options, "", *entries, "```"])


def readme_sections():
    """The README's introduction, and heading -> text of its sections."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, *rest = re.split(r"^## (.+)$", text, flags=re.M)
    introduction = re.sub(r"^# .+\n|^!\[.*\]\(.*\)\n", "", first, flags=re.M).strip()
    return introduction, dict(zip(rest[::2], rest[1::2]))


def front_page():
    """The README's own words, with the [MASK] game on top."""
    introduction, sections = readme_sections()
    tagline, rest = introduction.split("\n\n", 1)
    part = next(part for part in live_parts() if part["lesson"] == "index")
    lesson = course.lessons()[0]
    example = "```{image} guesses.png\n:alt: " + guesses()[1] + "\n```"
    parts = [
        f"# {title_of(ROOT / 'README.md')}",
        tagline,
        "*The baker sells fresh \\[MASK\\].* Hide a word, and BERT, the course's network, guesses it:",
        example,
        live_cell(part).source,
        f"**Start:** [read the first lesson](notebooks/{lesson.name}) here; run it on [your laptop](#start) or in [Colab](#colab).",
        hours(),
        rest,
    ]
    parts += [f"## {heading}\n{sections[heading].rstrip()}" for heading in FRONT if heading in sections]
    for start, caption in course.PARTS.items():
        end = min((n for n in course.PARTS if n > start), default="99")
        some = [path for path in course.lessons() if start <= path.name[:2] < end]
        names = [f"{title_of(path).split(': ')[0]} <notebooks/{path.stem}>" for path in some]
        parts.append(toctree(names, ":hidden:", f":caption: '{caption}'"))
    more = ["notebooks/glossary", "mistakes", "progress", "slides", "teaching", "data/README"]
    more += [f"notebooks/{path.stem}" for path in course.appendices()]
    parts.append(toctree(more, ":hidden:", ":caption: More"))
    text = "\n\n".join(parts)
    # a page with no other host: badges and the like are pictures that GitHub shows
    return re.sub(r"!\[[^\]]*\]\(https?://[^)]*\)", "", text)


def hours():
    """The course's parts and the hours they take, from the table of lessons."""
    parts = re.findall(r"^\| \*\*Part \d: (.+?)\*\*: (.+?) \|", course.lesson_table(ROOT), flags=re.M)
    return "**Three parts:** " + "; ".join(f"*{name}*, {time}" for name, time in parts) + "."


def guesses():
    """The picture that the front page shows without JavaScript: the [MASK] game of lesson 01, (PNG, alt)."""
    part = next(part for part in live_parts() if part["name"] == "mask" and part.get("cell"))
    (path,) = [path for path in course.lessons() if path.stem == part["lesson"]]
    (cell,) = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id == part["cell"]]
    return next(pictures(cell))


def glossary_page():
    """notebooks/glossary.md as a Sphinx glossary, which gives each term an address."""
    text = (ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\*\*(.+)\*\*\n: (.+)$", text, flags=re.M)
    body = "\n\n".join(f"{term}\n  {meaning}" for term, meaning in entries)
    return f"{text.split('**')[0].strip()}\n\n````{{glossary}}\n{body}\n````\n"


def progress_page():
    """The page on which quiz.js shows what a reader has answered."""
    rows = []
    for path in course.lessons():
        asked = sum(len(questions(c.source)) for c in page_cells(path) if "## Check yourself" in c.source)
        name = title_of(path)
        rows.append(f'<tr data-lesson="{path.name[:2]}" data-questions="{asked}">')
        rows.append(f'<td><a href="notebooks/{path.stem}.html#check-yourself">{name}</a></td><td>–</td></tr>')
    table = "\n".join(rows)
    return f"""# Your progress

The questions at the end of each lesson, and how many you have answered correctly. This is kept in your browser only: nothing is sent anywhere.

<div class="your-progress">
<table><thead><tr><th scope="col">lesson</th><th scope="col">right answers</th></tr></thead><tbody>
{table}
</tbody></table>
<p class="needs-script">Without JavaScript, no answers are kept.</p>
</div>
"""


def mistakes_page():
    """mistakes.md, the teachers' list, below links to the catalogue's pages."""
    heading, rest = (ROOT / "mistakes.md").read_text(encoding="utf-8").split("\n", 1)
    rows = [f"- [{title_of(path)}](exercises/{path.parent.name}/mistakes.md)" for path in catalogue()]
    rows.append("- [Mistakes in any homework](exercises/mistakes.md)")
    told = "With a wrong answer for each, and what the check says about it:"
    tree = toctree(["exercises/mistakes"], ":hidden:")
    return "\n\n".join([heading, told, "\n".join(rows), rest.strip(), tree]) + "\n"


def catalogue():
    return sorted((ROOT / "exercises").glob("*/mistakes.md"))


def slides_page():
    """Links to each lesson's slides and handout."""
    rows = ["| lesson | slides | handout |", "|---|---|---|"]
    for path in course.lessons():
        name = path.stem
        rows.append(
            f"| {title_of(path)} | <a href='slides/{name}.html'>slides</a> | <a href='handouts/{name}.html'>handout</a> |"
        )
    return (
        "# Slides and handouts\n\nMade from the lessons. In the slides, press S for the speaker's notes, F for full screen and Esc for an "
        "overview. A handout prints on one page, A4 or Letter.\n\n" + "\n".join(rows) + "\n"
    )


def write(folder):
    """Write all sources into `folder`; return whether pages of an earlier build are gone."""
    markdown = {"data/README.md", "data/guideline.md", "teaching.md"}
    names = {f"notebooks/{path.name}" for path in [*course.lessons(), *course.appendices()]}
    names |= {
        f"{kind}/{path.parent.name}/homework.ipynb" for kind in ("exercises", "solutions") for path in course.homework()
    }
    mistakes = [*catalogue(), ROOT / "exercises" / "mistakes.md"]
    names |= {path.relative_to(ROOT).as_posix() for path in mistakes}
    names |= markdown | {"index.md", "notebooks/glossary.md", "mistakes.md", "progress.md", "slides.md"}
    source = Source(folder, names)
    homework = {path.parent.name: path for path in course.homework()}
    for path in course.lessons():
        solved, extra = homework.get(path.stem), ""
        if solved:
            under = [
                f"../exercises/{path.stem}/homework",
                f"../exercises/{path.stem}/mistakes",
                f"../solutions/{path.stem}/homework",
            ]
            extra = toctree([f"{KINDS[kind]} <{name}>" for kind, name in zip(KINDS, under)], ":hidden:")
            place = ROOT / "exercises" / path.stem / "homework.ipynb"
            source.write_notebook(f"exercises/{path.stem}/homework.ipynb", exercise(place, solved))
            source.write_notebook(f"solutions/{path.stem}/homework.ipynb", solution(solved))
        source.write_notebook(f"notebooks/{path.name}", notebook(path, extra))
    for path in course.appendices():
        source.write_notebook(f"notebooks/{path.name}", notebook(path))
    for path in mistakes:
        source.write_markdown(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    for name in markdown:
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "data/README.md":
            text += "\n" + toctree(["guideline"], ":hidden:")
        source.write_markdown(name, text)
    source.write_markdown("index.md", front_page())
    source.write_markdown("notebooks/glossary.md", glossary_page())
    source.write_markdown("progress.md", progress_page())
    source.write_markdown("mistakes.md", mistakes_page())
    source.write_markdown("slides.md", slides_page())
    (folder / "guesses.png").write_bytes(guesses()[0])
    source.written.add(folder / "guesses.png")
    return source.remove_others()
