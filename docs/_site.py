"""What every page of the site has beside its text: a description, and images that keep their place.

Also writes the pages of the benchmarks before a build reads its sources.
"""

import html
import re
from pathlib import Path

import _benchmark_pages
import imagesize
from docutils import nodes

DESCRIPTION = "Diffusion models for tables, with the interface of scikit-learn."
MAX_DESCRIPTION = 160
IMAGE = re.compile(r"<img\b(?![^>]*\swidth=)[^>]*>")
# Icons of animations; the theme has them.
ELSEWHERE = re.compile(r'<link\b[^>]*href="https?://[^"]*font-awesome[^"]*"[^>]*>')
# Shown in place of pages of any folder, so that its links start from the root of the site.
BASE = '<base href="{}">'


def description_of(doctree):
    """The first sentences of a page, as search engines show them."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    told = next((text for p in paragraphs if len(text := p.astext()) > 40), DESCRIPTION)
    told = " ".join(told.split())
    if len(told) > MAX_DESCRIPTION:
        told = told[:MAX_DESCRIPTION].rsplit(" ", 1)[0] + " ..."
    return told


def add_tags(app, pagename, templatename, context, doctree):
    """Give a page its description, and the first page a title that says what this is."""
    tag = f'<meta name="description" content="{html.escape(description_of(doctree))}">'
    if pagename == "404":
        tag = BASE.format(html.escape(app.config.html_baseurl or "/")) + tag
    context["metatags"] = context.get("metatags", "") + tag
    context["sections"] = app.config.site_sections
    if pagename == app.config.root_doc:
        context["title"] = DESCRIPTION.rstrip(".").replace("Diffusion", "diffusion")


def sized(tag, folder):
    """An image's tag with its width and height, so that text does not jump when it comes."""
    if " alt=" not in tag:
        tag = tag.replace("<img", '<img alt="Animation"', 1)
    source = re.search(r'\ssrc="([^"]+)"', tag)
    if source is None or not (file := folder / source[1]).is_file():
        return tag
    width, height = imagesize.get(file)
    if width <= 0:
        return tag
    return tag.replace("<img", f'<img width="{width}" height="{height}"', 1)


def finish_pages(app, failure):
    """Write sizes into the pages that a build has written, and take out what needs a network."""
    if failure is not None or app.builder.name not in ("html", "dirhtml"):
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        new = IMAGE.sub(lambda tag, page=page: sized(tag[0], page.parent), text)
        new = ELSEWHERE.sub("", new)
        if new != text:
            page.write_text(new, encoding="utf-8")


def setup(app):
    app.add_config_value("site_sections", [], "html")
    app.connect("builder-inited", lambda app: _benchmark_pages.write())
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", finish_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
