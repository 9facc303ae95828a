"""The page: one HTML file that needs nothing else, under a policy that lets only its own script and style work."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from pipelines.report.gallery import Shown
from pipelines.report.html import section_html
from pipelines.report.section import Section


class Page(NamedTuple):
    """Everything that is on it."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    pictures: Sequence[Shown]
    total_questions: int


def page_html(page: Page) -> str:
    """Returns the text of the file."""
    style, script = _asset("report.css"), _asset("gallery.js")
    links = [(section.key, section.title) for section in page.sections] + [("gallery", "Gallery")] * bool(page.pictures)
    navigation = "".join(f'<li><a href="#{escape(key)}">{escape(title)}</a></li>' for key, title in links)
    body = "\n".join(section_html(section) for section in page.sections)
    gallery = _gallery(page) if page.pictures else ""
    head = (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(page.title)}</title>\n<style>{style}</style>"
    )
    header = (
        f"<header>\n<h1>{escape(page.title)}</h1>\n<p>{escape(page.subtitle)}</p>\n"
        f'<nav aria-label="Sections"><ul>{navigation}</ul></nav>\n</header>'
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n'
        f'<a class="skip" href="#main">To the content</a>\n{header}\n<main id="main" tabindex="-1">\n{body}\n'
        f"{gallery}\n</main>\n{_data(page)}\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _policy(style: str, script: str) -> str:
    """Nothing but this script and this style, pictures from the file itself, and no way to turn text into markup."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _gallery(page: Page) -> str:
    shown = sum(len(picture.questions) for picture in page.pictures)
    some = f"{shown:,} of {page.total_questions:,}" if shown < page.total_questions else f"All {shown:,}"
    lead = f"{some} questions. Point at a hop, or tab to it, and what it lands on lights up in the picture."
    return (
        '<section id="gallery" aria-labelledby="gallery-title">\n<h2 id="gallery-title">Gallery</h2>\n'
        f'<p class="lead">{escape(lead)}</p>\n'
        "<noscript><p>The gallery needs JavaScript; it loads nothing from anywhere.</p></noscript>\n"
        '<div id="filters" class="filters" role="group" aria-label="Filters"></div>\n'
        '<p id="found" class="found" role="status"></p>\n<div id="cards" class="cards"></div>\n'
        '<nav id="pager" class="pager" aria-label="Pages of the gallery"></nav>\n</section>'
    )


def _data(page: Page) -> str:
    """The gallery's data. In a script element the only way out is `<`, so none is left."""
    if not page.pictures:
        return ""
    questions = [question for picture in page.pictures for question in picture.questions]
    data = {"questions": questions, "pictures": [picture.meta for picture in page.pictures]}
    blocks = [
        f'<script type="text/plain" id="picture-{picture.number}">{picture.webp}</script>' for picture in page.pictures
    ]
    return "\n".join([*blocks, f'<script type="application/json" id="data">{_json(data)}</script>'])


def _json(data: Any) -> str:  # noqa: ANN401 - the JSON edge
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (files("pipelines.report.assets") / name).read_text(encoding="utf-8")
