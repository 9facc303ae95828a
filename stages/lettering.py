"""Lines of text on a page, with the one font that Pillow carries: measured, wrapped, and drawn with marks around them.

The font knows ASCII and little more. Whatever else a text holds is written in the nearest ASCII, or as "?".
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
Point = tuple[float, float]

_NEAREST = str.maketrans(
    {"→": "->", "–": "-", "—": "-", "−": "-", "×": "x", "≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"'}
    | {"…": "...", "ß": "ss", "æ": "ae", "ø": "o", "\t": " ", "\n": " ", "\u00a0": " ", "\u202f": " "}
)


class Run(NamedTuple):
    """A piece of text in one size and colour."""

    text: str
    size: int
    colour: str
    bold: bool = False
    at: int | None = None
    """Pixels from the line's start, for columns; else it follows the run before."""


class Disc(NamedTuple):
    """A filled circle with a short text in it, ahead of a line or on a picture."""

    text: str
    colour: str

    def draw(self, page: Image.Image, centre: Point, radius: int = 13) -> None:
        """Draws the disc with a white rim."""
        corner = (round(centre[0]) - radius - 2, round(centre[1]) - radius - 2)
        for colour, inset in (("#ffffff", 0), (self.colour, 2)):
            page.paste(Image.new("RGB", _round(radius, inset).size, colour), corner, _round(radius, inset))
        font = font_of(round(radius * (1.25 if len(self.text) == 1 else 1.0)))
        middle = (corner[0] + radius + 2, corner[1] + radius + 2)
        ImageDraw.Draw(page).text(middle, self.text, fill="#ffffff", font=font, anchor="mm", stroke_width=0.4)


class Line(NamedTuple):
    """One line of a page."""

    runs: tuple[Run, ...] = ()
    height: int = 0
    disc: Disc | None = None
    """At the left end; the runs are set to its right whether or not it is there, if `indent` says so."""
    indent: int = 0
    right: Run | None = None
    """Set flush right."""
    rule: str = ""
    """Colour of a hairline across the page instead of text."""


@lru_cache
def font_of(size: int) -> Font:
    """Returns the font at a size in pixels."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; pages need scalable text")
    return font


@lru_cache
def _round(radius: int, inset: int) -> Image.Image:
    """A disc with soft edges, smaller by ``inset`` than its square, as an alpha channel."""
    side, fine = 2 * radius + 5, 8
    large = Image.new("L", (side * fine, side * fine))
    edge = (inset * fine, inset * fine, (side - inset) * fine - 1, (side - inset) * fine - 1)
    ImageDraw.Draw(large).ellipse(edge, fill=255)
    return large.resize((side, side), Image.Resampling.BOX)


def plain(text: str) -> str:
    """Returns the text in characters that the font has."""
    near = unicodedata.normalize("NFKD", text.translate(_NEAREST))
    kept = (character for character in near if not unicodedata.combining(character))
    return "".join(character if " " <= character <= "~" or character == "·" else "?" for character in kept)


def width_of(run: Run) -> float:
    """Returns the advance of a run, in pixels."""
    return font_of(run.size).getlength(plain(run.text))


def wrap(runs: Sequence[Run], width: float) -> Iterator[tuple[Run, ...]]:
    """Yields the runs of each line: broken at spaces, and inside a word only where the word is wider than the line."""
    line: list[Run] = []
    used = 0.0
    for word in _words(runs, width):
        advance = width_of(word)
        gap = width_of(Run(" ", word.size, word.colour)) if line else 0.0
        if line and used + gap + advance > width:
            yield _joined(line)
            line, used, gap = [], 0.0, 0.0
        line.append(word)
        used += gap + advance
    if line:
        yield _joined(line)


def letter(page: Image.Image, lines: Sequence[Line], corner: Point, width: int) -> None:
    """Draws lines under each other from the top left corner."""
    x, y = corner
    draw = ImageDraw.Draw(page)
    for line in lines:
        middle = y + line.height / 2
        if line.rule:
            draw.line((x, middle, x + width, middle), fill=line.rule, width=1)
        if line.disc:
            line.disc.draw(page, (x + 13, middle))
        _write(draw, line.runs, (x + line.indent, middle))
        if line.right:
            _write(draw, (line.right,), (x + width - width_of(line.right), middle))
        y += line.height


def _write(draw: ImageDraw.ImageDraw, runs: Sequence[Run], start: Point) -> None:
    x, y = start
    for run in runs:
        x = x if run.at is None else start[0] + run.at
        stroke = 0.45 if run.bold else 0
        draw.text((x, y), plain(run.text), fill=run.colour, font=font_of(run.size), anchor="lm", stroke_width=stroke)
        x += width_of(run)


def _words(runs: Sequence[Run], width: float) -> Iterator[Run]:
    for run in runs:
        for word in plain(run.text).split():
            rest = word
            while width_of(run._replace(text=rest)) > width and len(rest) > 1:
                cut = _fitting(run._replace(text=rest), width)
                yield run._replace(text=rest[:cut])
                rest = rest[cut:]
            yield run._replace(text=rest)


def _fitting(run: Run, width: float) -> int:
    """Returns how many characters of the run fit, at least 1."""
    fitting = (n for n in range(len(run.text) - 1, 1, -1) if width_of(run._replace(text=run.text[:n])) <= width)
    return next(fitting, 1)


def _joined(words: Sequence[Run]) -> tuple[Run, ...]:
    """Neighbours of one look become one run; every run but the last ends in the space before the next."""
    joined: list[Run] = []
    for word in words:
        if joined and joined[-1]._replace(text="") == word._replace(text=""):
            joined[-1] = word._replace(text=f"{joined[-1].text} {word.text}")
        else:
            if joined:
                joined[-1] = joined[-1]._replace(text=joined[-1].text + " ")
            joined.append(word)
    return tuple(joined)
