"""A question as a page: the image with each hop's instances outlined, beneath it question, hops, answer, program.

Pure: pixels, the question and its instances' masks in, a page out. A blind page shows image and question only.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.program import Program
from schemas.question import Hop, HopKind, Question, TraceStep
from stages.lettering import Disc, Line, Run, letter, width_of, wrap
from stages.masks import BoolMask
from stages.outlines import Outline, badge_places, draw_outlines

PAGE_WIDTH = 1040
EDGE = 40
"""Pixels of empty border around everything."""
PICTURE_SIDE = 960
"""Pixels of the picture's longer side on the page, where that enlarges it at most `MOST_ZOOM` times."""
MOST_ZOOM = 6.0
PAPER, TEXT, FAINT, RULE, GOOD, BAD = "#ffffff", "#16181d", "#676d7a", "#dfe2e8", "#1d7a3e", "#b3261e"
START, START_COLOUR = "S", "#3d4350"
"""Mark of the instances that a chain sets out from without having hopped there."""
HOP_COLOURS = ("#d81b4a", "#0b6bcb", "#0a8f4d", "#d95f02", "#7b3fc4", "#00838f", "#a3155f", "#6d4c2f")
"""Told apart on white and on pictures; a ninth hop starts over."""

Box = tuple[float, float, float, float]


def draw_question(
    pixels: NDArray[np.uint8], question: Question, masks: Mapping[str, BoolMask], blind: bool = False
) -> Image.Image:
    """Returns the page of a question.

    Args:
        pixels: ``(H, W, 3)`` RGB of the question's image.
        question: What to draw.
        masks: ``(H, W)`` masks by instance id; an instance without one is shown by its box.
        blind: Leave out the answer and everything that leads to it.
    """
    lines = list(_blind_lines(question) if blind else _lines(question))
    picture = draw_picture(pixels, question, masks, blind)
    height = EDGE + picture.height + 28 + sum(line.height for line in lines) + EDGE
    page = Image.new("RGB", (PAGE_WIDTH, height), PAPER)
    page.paste(picture, ((PAGE_WIDTH - picture.width) // 2, EDGE))
    letter(page, lines, (EDGE, EDGE + picture.height + 28), PAGE_WIDTH - 2 * EDGE)
    return page


def draw_picture(
    pixels: NDArray[np.uint8], question: Question, masks: Mapping[str, BoolMask], blind: bool = False
) -> Image.Image:
    """Returns the image alone at a comfortable size, with the outlines and numbers of the hops unless blind."""
    height, width = pixels.shape[:2]
    zoom = min(PICTURE_SIDE / max(width, height), MOST_ZOOM)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    if blind:
        return picture
    outlines = outlines_of(question, masks, (height, width))
    picture = draw_outlines(picture, outlines)
    for place, outline in zip(badge_places(outlines, size), outlines, strict=True):
        Disc(outline.label, outline.colour).draw(picture, place)
    return picture


def hop_colour(position: int) -> str:
    """Returns the colour of the hop at that position, counted from 0."""
    return HOP_COLOURS[position % len(HOP_COLOURS)]


def starts_of(question: Question) -> list[TraceStep]:
    """Returns the trace's steps that name an instance which no hop lands on: where the chain sets out."""
    hopped = {instance_id for hop in question.hops for instance_id in hop.instance_ids}
    return [step for step in question.trace if step.instance_ids and not hopped.intersection(step.instance_ids)]


def outlines_of(question: Question, masks: Mapping[str, BoolMask], shape: tuple[int, int]) -> list[Outline]:
    """Returns one outline per hop and instance, in hop order; an instance in two hops has one around the other."""
    landings: list[tuple[str, str, TraceStep | Hop]] = [(START, START_COLOUR, step) for step in starts_of(question)]
    landings += [(str(position + 1), hop_colour(position), hop) for position, hop in enumerate(question.hops)]
    rings: Counter[str] = Counter()
    outlines = []
    for label, colour, landing in landings:
        for instance_id, box in zip(landing.instance_ids, landing.boxes_xyxy, strict=False):
            mask = masks.get(instance_id)
            shown = _box_mask(box, shape) if mask is None or mask.shape != shape else mask
            outlines.append(Outline(shown, colour, label, rings[instance_id]))
            rings[instance_id] += 1
    return outlines


def program_lines(program_json: str) -> list[str]:
    """Returns a program as numbered lines, one step each: ``4  related(3, 2)  right_of``."""
    lines = []
    for number, (operator, inputs, params) in enumerate(Program.from_json(program_json).steps):
        call = f"{operator}({', '.join(str(index) for index in inputs)})" if inputs else operator
        lines.append("  ".join([str(number), call, *(str(param) for param in params)]))
    return lines


def _blind_lines(question: Question) -> Iterator[Line]:
    yield from _paragraph(question.question, 28, TEXT, 40)


def _lines(question: Question) -> Iterator[Line]:
    yield from _paragraph(question.question, 28, TEXT, 40)
    yield Line(height=22, rule=RULE)
    for step in starts_of(question):
        yield from _marked_lines([Run(step.content, 21, START_COLOUR)], Disc(START, START_COLOUR), "start")
    for position, hop in enumerate(question.hops):
        yield from _hop_lines(hop, position)
    yield Line(height=8)
    yield Line((Run("Answer  ", 22, FAINT), Run(str(question.answer), 34, TEXT, bold=True)), 50)
    yield Line(height=22, rule=RULE)
    yield from _paragraph(facts_of(question), 17, FAINT, 26)
    yield from _certificate_lines(question)
    yield Line(height=10)
    yield from _program_lines(question.program)


def _paragraph(text: str, size: int, colour: str, height: int) -> Iterator[Line]:
    for runs in wrap([Run(text, size, colour)], PAGE_WIDTH - 2 * EDGE):
        yield Line(runs, height)


def _hop_lines(hop: Hop, position: int) -> Iterator[Line]:
    colour = hop_colour(position)
    runs = [Run(hop.text, 21, colour)]
    if unsaid_number(hop):
        runs.append(Run(f"->  {hop.value}", 21, colour, bold=True))
    kind = "chain" if hop.kind is HopKind.INSTANCE_CHAIN else "perception"
    yield from _marked_lines(runs, Disc(str(position + 1), colour), kind)


def _marked_lines(runs: list[Run], disc: Disc, kind: str) -> Iterator[Line]:
    """A sentence behind its mark, its kind at the right end."""
    for number, line in enumerate(wrap(runs, PAGE_WIDTH - 2 * EDGE - 150)):
        if number == 0:
            yield Line(line, 34, disc, 40, Run(kind, 15, FAINT))
        else:
            yield Line(line, 28, None, 40)


def _program_lines(program_json: str) -> Iterator[Line]:
    """The steps in columns, reading down each."""
    steps = [Run(text, 15, FAINT) for text in program_lines(program_json)]
    width = max(width_of(step) for step in steps) + 28
    columns = max(1, min(3, int((PAGE_WIDTH - 2 * EDGE) // width)))
    rows = -(-len(steps) // columns)
    for row in range(rows):
        cells = steps[row::rows]
        yield Line(tuple(cell._replace(at=round(column * width)) for column, cell in enumerate(cells)), 22)


def facts_of(question: Question) -> str:
    """Returns style, size, margin and luck in one line."""
    luck = "no lucky way to the answer" if question.strict else f"luck at most {question.luck:.2f}"
    return (
        f"{question.style}, {question.variant.value}, {question.hop_count} hops  ·  "
        f"margin {question.margin:.2f} ({question.weakest_fact.replace('_', ' ')})  ·  {luck}"
    )


def _certificate_lines(question: Question) -> Iterator[Line]:
    runs = [Run("certificates", 17, FAINT)]
    for certificate in question.certificates:
        colour = GOOD if certificate.passed else BAD
        runs.append(
            Run(certificate.name if certificate.passed else f"{certificate.name} FAILED", 17, colour, bold=True)
        )
        runs.append(Run("·", 17, FAINT))
    for line in wrap(runs[:-1], PAGE_WIDTH - 2 * EDGE):
        yield Line(line, 26)


def unsaid_number(hop: Hop) -> str:
    """Returns the number a hop yields where its sentence does not say it, else nothing."""
    is_number = hop.value.removeprefix("-").isdecimal() and len(hop.value) < 20
    return hop.value if is_number and hop.value not in re.findall(r"-?\d+", hop.text) else ""


def _box_mask(box_xyxy: Box, shape: tuple[int, int]) -> BoolMask:
    mask = np.zeros(shape, dtype=np.bool_)
    x0, y0, x1, y1 = (round(value) for value in box_xyxy)
    mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return mask
