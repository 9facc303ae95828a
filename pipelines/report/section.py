"""What a section of the report says, as data. How it looks is `html.py`'s; nothing here is escaped yet."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

Cell = str | int | float | None
"""Numbers are set to the right; None is an empty cell."""


class Figure(NamedTuple):
    """One number that matters, with its name."""

    label: str
    value: str
    note: str = ""


class Figures(NamedTuple):
    """Numbers side by side."""

    items: tuple[Figure, ...]


class Grid(NamedTuple):
    """A table."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""


class ChartKind(StrEnum):
    """How points are drawn."""

    BARS = "bars"
    """One bar per x, stacked where there are several series."""
    STRIPS = "strips"
    """The same lying down, for long names."""
    LINE = "line"
    """One line per series, both axes from 0 to 1, with the diagonal: what calibration curves need."""


class Point(NamedTuple):
    """One value of a chart."""

    x: str | int | float
    y: float
    series: str = ""


class Chart(NamedTuple):
    """A drawing of numbers, which the reader can also have as a table."""

    title: str
    x_title: str
    y_title: str
    points: Sequence[Point]
    kind: ChartKind = ChartKind.BARS
    note: str = ""


class Flow(NamedTuple):
    """One balance of the funnel: what went in, and where it went."""

    stage: str
    unit: str
    taken: int
    kept: int
    dropped: tuple[tuple[str, int], ...]
    """Reason and count, the most frequent first."""
    failed: int


class Funnel(NamedTuple):
    """All balances, in the order of the flow."""

    flows: Sequence[Flow]


Block = Figures | Grid | Chart | Funnel


class Section(NamedTuple):
    """One part of the report."""

    key: str
    """Its anchor: lower-case letters and dashes."""
    title: str
    lead: str
    """One or two sentences: what is shown and how it was measured."""
    blocks: tuple[Block, ...]
