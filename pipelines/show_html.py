"""One question as an HTML page: no script, no request, nothing that could run. Everything from outside is escaped."""

import base64
import hashlib
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from schemas.question import Certificate, Hop, HopKind, Question
from stages.drawing import (
    HOP_COLOURS,
    START,
    START_COLOUR,
    draw_picture,
    facts_of,
    program_lines,
    starts_of,
    unsaid_number,
)
from stages.masks import BoolMask

_STYLE = (
    """
:root { color-scheme: light dark; --ink: #16181d; --faint: #5b616d; --rule: #dfe2e8; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ebf0; --faint: #a3a9b5; --rule: #363b45; --paper: #15171c; }
}
body { font: 17px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto 1.25rem; border-radius: 6px; }
h1 { font-size: 1.5rem; line-height: 1.4; font-weight: 600; margin: 0 0 1rem; }
ol { list-style: none; padding: 1rem 0; margin: 0; border: solid var(--rule); border-width: 1px 0; }
li { display: flex; gap: .7rem; align-items: baseline; padding: .2rem 0; }
li b { flex: none; width: 1.7rem; height: 1.7rem; line-height: 1.7rem; border-radius: 50%; color: #fff;
  text-align: center; font-size: .9rem; }
li small { margin-left: auto; color: var(--faint); }
.answer { font-size: 1.9rem; font-weight: 700; }
.faint, pre, ul { color: var(--faint); font-size: .9rem; }
ul { padding: 0; }
pre { overflow-x: auto; line-height: 1.45; }
.failed { color: #c62828; font-weight: 700; }
"""
    + f".start b {{ background: {START_COLOUR}; }}\n"
    + "".join(f".hop{number} b {{ background: {colour}; }}\n" for number, colour in enumerate(HOP_COLOURS))
)


def render_html(question: Question, pixels: NDArray[np.uint8], masks: Mapping[str, BoolMask], blind: bool) -> str:
    """Returns the page; a blind one holds the picture and the question and nothing that leads to the answer."""
    title = escape(question.question)
    picture = _data_uri(question, pixels, masks, blind)
    body = f'<img src="{picture}" alt="The picture that the question is about">\n<h1>{title}</h1>'
    if not blind:
        body += _solution(question)
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _solution(question: Question) -> str:
    starts = [_item("start", START, step.content, "start") for step in starts_of(question)]
    hops = "\n".join(starts + [_hop(hop, position) for position, hop in enumerate(question.hops)])
    certificates = "\n".join(_certificate(certificate) for certificate in question.certificates)
    program = escape("\n".join(program_lines(question.program)))
    return (
        f'\n<ol>\n{hops}\n</ol>\n<p>Answer <span class="answer">{question.answer}</span></p>\n'
        f'<p class="faint">{escape(facts_of(question))}</p>\n<ul>\n{certificates}\n</ul>\n<pre>{program}</pre>\n'
        f'<p class="faint">question {escape(question.question_id)}<br>image {escape(question.image_id)}</p>'
    )


def _certificate(certificate: Certificate) -> str:
    style, verdict = ("", "passed") if certificate.passed else (' class="failed"', "FAILED")
    return f"<li><span{style}>{escape(certificate.name)}: {verdict}. {escape(certificate.detail)}</span></li>"


def _hop(hop: Hop, position: int) -> str:
    number = unsaid_number(hop)
    kind = "chain" if hop.kind is HopKind.INSTANCE_CHAIN else "perception"
    text = f"{hop.text} → {number}" if number else hop.text
    return _item(f"hop{position % len(HOP_COLOURS)}", str(position + 1), text, kind)


def _item(style: str, mark: str, text: str, kind: str) -> str:
    return f'<li class="{style}"><b>{mark}</b><span>{escape(text)}</span><small>{kind}</small></li>'


def _data_uri(question: Question, pixels: NDArray[np.uint8], masks: Mapping[str, BoolMask], blind: bool) -> str:
    buffer = io.BytesIO()
    draw_picture(pixels, question, masks, blind).save(buffer, "JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
