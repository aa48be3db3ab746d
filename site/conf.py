"""Sphinx's settings for the web edition. build.py runs it; pages.py writes the sources that it reads.

`setup` adds three things to Sphinx: the first time a page uses a word of the glossary, it is linked and explained on
hover; pictures get the text alternatives stored beside them; previous and next follow the lessons and their homework.
"""

import html
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
from docutils import nodes

import pages

project = pages.title_of(pages.ROOT / "README.md")
html_title = project
author = "the course's authors"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # pages show the outputs that are stored
nb_ipywidgets_js = {}  # would be fetched from another host
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_theme_options = {
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "show_toc_level": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_repository_button": False,
    "navigation_with_keys": False,
    "back_to_top_button": False,
    "logo": {"text": project},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "navbar_persistent": [],
    "footer_content_items": [],
}
html_context = {"default_mode": "auto"}
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["course.css"]
html_js_files = [("quiz.js", {"type": "module"})]
html_copy_source = False
html_use_index = False
html_show_sphinx = False

#: elements whose words are not linked to the glossary
UNLINKED = (nodes.literal, nodes.reference, nodes.title, nodes.raw, nodes.literal_block, nodes.term, nodes.table)


def plain(markdown):
    """A definition without its marks and links."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").replace("*", "").replace("\\", "")


def link_terms(app, doctree, docname):
    """Link a page's first use of each term to the glossary, with its meaning for the hover."""
    if not docname.startswith(("notebooks/", "exercises/", "teaching")) or docname == "notebooks/glossary":
        return
    terms = {term: plain(meaning) for term, meaning in pages.course.glossary().items()}
    spelling = {term.lower(): term for term in terms}
    longest_first = sorted(map(re.escape, terms), key=len, reverse=True)
    word = re.compile(rf"(?<![\w-])({'|'.join(longest_first)})(s?)(?![\w-])", flags=re.I)
    glossary, linked = app.builder.get_relative_uri(docname, "notebooks/glossary"), set()

    def replace(text):
        parts, end = [], 0
        for match in word.finditer(text):
            term = spelling[match[1].lower()]
            # BERT is a name, bert a file; of other words, the first letter may be a capital
            if term in linked or match[1][1:] != term[1:]:
                continue
            linked.add(term)
            anchor = "term-" + re.sub(r"[^\w]+", "-", term).strip("-")
            link = f'<a class="term" href="{glossary}#{anchor}" data-means="{html.escape(terms[term])}">{html.escape(match[0])}</a>'
            parts += [nodes.Text(text[end : match.start()]), nodes.raw("", link, format="html")]
            end = match.end()
        return [*parts, nodes.Text(text[end:])] if parts else None

    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        while above is not None and not isinstance(above, UNLINKED):
            above = above.parent
        if above is None and (new := replace(str(text))):
            text.parent.replace(text, new)


def add_text_alternatives(app, doctree):
    """A notebook stores its pictures' text alternatives beside them, in the order in which they are shown."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix == ".ipynb":
        cells = pages.nbformat.read(path, as_version=4).cells
        alternatives = [alt for cell in cells for _, alt in pages.pictures(cell)]
        shown = [image for image in doctree.findall(nodes.image) if "jupyter_execute" in image["uri"]]
        for image, alt in zip(shown, alternatives, strict=True):
            image["alt"] = alt


def reading_order(app):
    """The names of the pages that previous and next lead through: lessons, each followed by its homework."""
    order = ["index"]
    for path in pages.course.lessons():
        order += [f"notebooks/{path.stem}", f"exercises/{path.stem}/homework"]
    return [name for name in order if name in app.env.found_docs]


def complete_page(app, name, template, context, doctree):
    """Previous and next; the live parts' script where a page has one."""
    order = reading_order(app)

    def link(other):
        title = app.env.titles[other].astext()
        return {"link": app.builder.get_relative_uri(name, other), "title": html.escape(title)}

    at = order.index(name) if name in order else None
    context["prev"] = link(order[at - 1]) if at else None
    context["next"] = link(order[at + 1]) if at is not None and at + 1 < len(order) else None
    if number := re.match(r"(?:exercises|solutions)/(\d\d_\w+)/", name):
        if at is None:
            context["prev"] = link(f"exercises/{number[1]}/homework")
    if app.config.live and 'class="live"' in context.get("body", ""):
        app.add_js_file("../live/main.js", type="module")
        app.add_css_file("../live/live.css")


def setup(app):
    app.add_config_value("live", False, "html", bool)
    app.connect("doctree-read", add_text_alternatives)
    app.connect("doctree-resolved", link_terms)
    app.connect("html-page-context", complete_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
