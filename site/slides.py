"""Slides and a handout for each lesson, made from the lesson, the glossary and the teachers' page.

A lesson's slides are its question, its outcomes, each question in bold with what the next cell shows, the pictures, the
key points and the quiz. reveal.js shows them; without it they are a page to scroll through.
"""

import html
import re
import shutil

from markdown_it import MarkdownIt

import pages

_markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
render, inline = _markdown.render, _markdown.renderInline
MOST_LINES = 12  # of code, or of printed output, on a slide
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="../_static/favicon.svg">
{head}
</head>
<body class="{kind}">
{body}
</body>
</html>
"""
REVEAL = """<script type="module">
import Reveal from "./reveal/reveal.mjs";
import Notes from "./reveal/notes.mjs";

// on a phone, slides are a page to scroll through; they stay what they are when the window changes
const wide = matchMedia("(min-width: 600px)").matches;
document.querySelector("link[media]").media = wide ? "all" : "not all";
const options = { hash: true, width: 1280, height: 720, margin: 0.04, transition: "none", controlsLayout: "edges" };
if (wide) new Reveal({ plugins: [Notes], scrollActivationWidth: null, ...options }).initialize();
</script>
<noscript><style>.reveal .slides section { display: block !important; position: static !important; }</style></noscript>"""


def no_links(text):
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def section(body, notes=""):
    notes = f'<aside class="notes">{notes}</aside>' if notes else ""
    return f"<section>{body}{notes}</section>"


def questions_of(source):
    """What a cell asks in bold before the next output: each with the sentences of its paragraph."""
    text = re.sub(r"<details>.*?</details>", "", source, flags=re.S)
    for paragraph in text.split("\n\n"):
        if re.search(r"\*\*[^*\n]+\?\*\*", paragraph) and not re.match(r"[-|#]|\*\*The question:", paragraph):
            yield paragraph


def think_first(source):
    found = re.search(r"<details><summary>Think first</summary>(.*?)</details>", source, flags=re.S)
    return render(no_links(found[1].strip())) if found else ""


def shown(cell, lesson, images):
    """A slide's body for what a code cell shows; "" if it shows nothing that fits on a slide."""
    found = []
    for n, (image, alt) in enumerate(pages.pictures(cell)):
        name = f"{lesson}-{cell.id}-{n}.png"
        images[name] = image
        found.append(f'<img src="images/{name}" alt="{html.escape(alt)}">')
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            continue
        if "text/html" in data:
            page = pages.clean_html(data["text/html"])
            if page.count("<tr") <= 9 and len(re.sub(r"<[^>]*>", "", page)) < 900:
                found.append(f'<div class="output" tabindex="0">{page}</div>')
        else:
            text = output.get("text") or data.get("text/plain", "")
            if 0 < len(text.strip().splitlines()) <= MOST_LINES and not text.startswith("bert-base-uncased: "):
                found.append(f'<pre class="printed" tabindex="0">{html.escape(text.rstrip())}</pre>')
    if not found:
        return ""
    code, lines = "", cell.source.strip().count("\n") + "".join(found).count("\n")
    if "<img" not in "".join(found) and lines <= MOST_LINES + 4 and len(found) == 1:
        code = f'<pre class="code" tabindex="0"><code>{html.escape(cell.source.strip())}</code></pre>'
    return code + "".join(found)


def teacher_notes(number):
    """What the teachers' page says of a lesson: (general notes as HTML, question -> expected answer)."""
    text = (pages.ROOT / "teaching.md").read_text(encoding="utf-8")
    found = re.search(rf"^### \[?{number} · .*?\n(.*?)(?=^#|\Z)", text, flags=re.M | re.S)
    told = re.sub(r"<!--.*?-->|^\[Lesson\].*$", "", found[1], flags=re.S | re.M) if found else ""
    asked = re.findall(r"^  - \*(.+?)\* ((?:.+\n?)(?:    .+\n?)*)", told, flags=re.M)
    general = re.sub(r"^- \*\*Ask.*\n(?:  .*\n)+", "", told, flags=re.M)
    return render(no_links(general)), {" ".join(question.split()): answer for question, answer in asked}


class Lesson:
    """What slides and handout take from a lesson's notebook."""

    def __init__(self, path):
        self.path, self.cells = path, list(pages.page_cells(path))
        self.number, self.title = path.name[:2], pages.title_of(path)
        self.name, _, self.promise = self.title.partition(" · ")[2].partition(": ")
        text = "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")
        self.question = re.search(r"\*\*The question:\*\* (.+)", text)[1]
        self.minutes = re.search(r"\*(\d+ minutes)\.", text)[1]
        self.outcomes = re.search(r"After this lesson you can\n+((?:- .*\n?|  .*\n?)+)", text)[1]
        self.key_points = re.search(r"^## Key points\n+((?:- .*\n?|  .*\n?)+)", text, flags=re.M)[1]
        self.quiz = [
            q for cell in self.cells if "## Check yourself" in cell.source for q in pages.questions(cell.source)
        ]
        # on the slides and the handout, a link leads nowhere that helps
        self.outcomes, self.key_points = no_links(self.outcomes), no_links(self.key_points)


def slides(lesson, images):
    """The lesson's slides: a list of HTML sections, one for each column of slides."""
    general, expected = teacher_notes(lesson.number)
    columns = [
        [
            section(
                f"<h1>{html.escape(lesson.name)}</h1><p class='question'>{render(lesson.question)}</p>"
                f"<p class='small'>Lesson {lesson.number} · {lesson.minutes}</p>",
                general,
            )
        ],
        [section(f"<h2>After this lesson you can</h2>{render(lesson.outcomes)}")],
    ]
    heading, column, asked = lesson.name, [], ""
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            for part in re.split(r"(?=^## )", cell.source, flags=re.M):
                if found := re.match(r"## (.+)", part):
                    columns.append(column)
                    heading, column = found[1], []
                if heading in ("Check yourself", "Key points", "Then and now"):
                    continue
                for question in questions_of(part):
                    asked = question
                    body = f"<h2>{inline(heading)}</h2><div class='asked'>{render(no_links(question))}</div>"
                    bold = re.findall(r"\*\*([^*]+\?)\*\*", question)
                    answers = [expected[one] for one in bold if one in expected]
                    column.append(section(body, "".join(map(render, answers)) or think_first(part)))
        elif heading != "Then and now" and not cell.metadata.get("jupyter", {}).get("source_hidden"):
            body = shown(cell, lesson.number, images)
            if body and (asked or "<img" in body):
                column.append(section(f"<h2>{inline(heading)}</h2>{body}"))
                asked = ""
    columns.append(column)
    columns.append([section(f"<h2>Key points</h2>{render(lesson.key_points)}")])
    quiz = []
    for question in lesson.quiz:
        answers = "".join(f"<li>{answer}</li>" for answer, _ in question.answers)
        why = "".join(f"<p><b>{answer}</b>: {why}</p>" for answer, why in question.answers)
        right, reason = question.answers[question.right]
        body = f"<h2>{inline(question.text)}</h2><ul class='answers'>{answers}</ul>"
        body += f"<p class='fragment answer'><b>{right}.</b> {reason.removeprefix('Yes. ').removeprefix('Yes, ')}</p>"
        quiz.append(section(body, why))
    columns.append(quiz)
    return [
        "".join(column) if len(column) == 1 else f"<section>{''.join(column)}</section>" for column in columns if column
    ]


def back(lesson):
    return f'<header class="back"><a href="../notebooks/{lesson.path.stem}.html">The lesson</a></header>'


def deck(lesson, images, reveal):
    head = '<link rel="stylesheet" href="slides.css">'
    if reveal:
        head = f'<link rel="stylesheet" href="reveal/reveal.css" media="(min-width: 600px)">\n{head}\n{REVEAL}'
    body = f'{back(lesson)}<main><div class="reveal"><div class="slides">{"".join(slides(lesson, images))}</div></div></main>'
    return PAGE.format(title=f"Slides {html.escape(lesson.title)}", head=head, kind="deck", body=body)


def terms_of(lesson):
    """The glossary's terms that the lesson introduces."""
    text = (pages.ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    return re.findall(rf"^\*\*(.+)\*\*\n: (.+) \[{lesson.number}\]", text, flags=re.M)


def handout(lesson):
    """One page to print: the question, outcomes, key points, terms, and the quiz with room to tick."""
    terms = "".join(f"<dt>{term}</dt><dd>{inline(no_links(means))}</dd>" for term, means in terms_of(lesson))
    quiz = "".join(
        f"<li>{inline(question.text)}<ul>{''.join(f'<li>{answer}</li>' for answer, _ in question.answers)}</ul></li>"
        for question in lesson.quiz
    )
    right = ", ".join(f"{question.number}{'abcdef'[question.right]}" for question in lesson.quiz)
    body = f"""{back(lesson)}
<main>
<p class="course">{html.escape(pages.title_of(pages.ROOT / "README.md"))} · lesson {lesson.number}</p>
<h1>{html.escape(lesson.name)}</h1>
<p class="question">{inline(lesson.question)}</p>
<h2>What you can do now</h2>
{render(lesson.outcomes)}
<h2>Key points</h2>
{render(lesson.key_points)}
{f"<h2>Words</h2><dl>{terms}</dl>" if terms else ""}
{f"<h2>Check yourself</h2><ol>{quiz}</ol>" if quiz else ""}
{f'<p class="right">{right}</p>' if quiz else ""}
</main>"""
    head = '<link rel="stylesheet" href="handout.css">'
    return PAGE.format(title=f"Handout {html.escape(lesson.title)}", head=head, kind="handout", body=body)


def write(out, modules):
    """Write all slides and handouts; with npm's packages in `modules`, reveal.js shows the slides."""
    images = {}
    for folder in ("slides", "handouts"):
        shutil.rmtree(out / folder, ignore_errors=True)
        (out / folder).mkdir(parents=True)
    reveal = modules and modules / "reveal.js"
    if reveal:
        (out / "slides" / "reveal").mkdir()
        for target, source in {
            "reveal.css": "dist/reveal.css",
            "reveal.mjs": "dist/reveal.mjs",
            "notes.mjs": "dist/plugin/notes.mjs",
        }.items():
            shutil.copy(reveal / source, out / "slides" / "reveal" / target)
    for path in pages.course.lessons():
        lesson = Lesson(path)
        (out / "slides" / f"{path.stem}.html").write_text(deck(lesson, images, reveal), encoding="utf-8")
        (out / "handouts" / f"{path.stem}.html").write_text(handout(lesson), encoding="utf-8")
    (out / "slides" / "images").mkdir()
    for name, image in images.items():
        (out / "slides" / "images" / name).write_bytes(image)
    for name, folder in (("slides.css", "slides"), ("handout.css", "handouts")):
        shutil.copy(pages.HERE / name, out / folder / name)
