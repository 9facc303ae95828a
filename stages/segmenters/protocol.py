"""What every segmenter gives: masks on a small grid, with how good it thinks they are.

A mask stays on the back-end's own grid (128 or 256 cells a side) until somebody needs it in pixels: comparing masks,
which is most of the work, costs a sixteenth there. Coordinates going in are pixels of the picture, x right, y down.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.masks import BoolMask

Pixels = NDArray[np.uint8]
"""A picture ``(H, W, 3)``, RGB."""
Floats = NDArray[np.float32]


class SegmenterError(Exception):
    """A back-end cannot be opened. The message is one line: what is missing and how to get it."""


class Found(NamedTuple):
    """One mask."""

    logits: Floats
    """``(h, w)``; above 0 is mask."""
    reach_xy: tuple[float, float]
    """Columns and rows of the grid that the picture covers; the rest is padding."""
    quality: float
    """Predicted IoU with the true mask, in [0, 1]; for a text prompt its score."""
    stability: float
    """IoU of the mask with itself when its threshold moves one step up and down, in [0, 1]."""
    noun: str = ""
    """The text prompt it answers."""

    @property
    def cells(self) -> BoolMask:
        """The mask on its own grid, without the padding."""
        columns, rows = (int(np.ceil(reach)) for reach in self.reach_xy)
        return self.logits[:rows, :columns] > 0


class Evidence(NamedTuple):
    """What each cell of a picture shows, whatever masks are found: ``h`` x ``w`` cells that cover it."""

    thing: Floats
    """``(h, w)``: probability of a thing."""
    way: Floats
    """``(2, h, w)``: way from the cell to the centre of its thing, x and y, in cells."""


class Prompts(NamedTuple):
    """What to look for in one picture: everything where nothing is named. One kind at a time."""

    points: NDArray[np.float64] | None = None
    """``(n, 2)`` xy, one thing each."""
    boxes: NDArray[np.float64] | None = None
    """``(n, 4)`` xyxy, half-open, one thing each."""
    nouns: tuple[str, ...] = ()
    """Singular nouns, any number of things each."""
    names: tuple[str, ...] = ()
    """Of points or boxes: the category of each, where it is known. No segmenter looks at it."""

    @property
    def kind(self) -> str:
        """everything, points, boxes or nouns."""
        given = [name for name in ("points", "boxes") if getattr(self, name) is not None]
        given += ["nouns"] if self.nouns else []
        if len(given) > 1:
            raise ValueError(f"prompts are of one kind, got {' and '.join(given)}")
        return given[0] if given else "everything"


EVERYTHING = Prompts()


class Segmenter(Protocol):
    """An open back-end."""

    @property
    def name(self) -> str:
        """Back-end, model and version, as instances name their source."""

    @property
    def understands(self) -> frozenset[str]:
        """The kinds of prompts it takes."""

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture. Points and boxes give one mask each, in their order.

        Raises:
            ValueError: a kind of prompt that it does not understand.
        """


def check_prompts(name: str, understands: frozenset[str], prompts: Sequence[Prompts]) -> None:
    """Raises ValueError where a back-end is asked in a way it does not understand."""
    for prompt in prompts:
        if prompt.kind not in understands:
            raise ValueError(f"{name} does not take {prompt.kind}; it takes {', '.join(sorted(understands))}")


def stability_of(logits: Floats, offset: float = 1.0) -> NDArray[np.float64]:
    """Returns ``(...)`` the IoU of masks ``(..., h, w)`` cut at +offset and at -offset; 0 where both are empty."""
    high = np.count_nonzero(logits > offset, axis=(-2, -1))
    low = np.count_nonzero(logits > -offset, axis=(-2, -1))
    shares: NDArray[np.float64] = high / np.maximum(low, 1)
    return shares


def to_pixels(found: Found, height: int, width: int) -> BoolMask:
    """Returns the ``(H, W)`` mask: logits interpolated linearly between the centres of their cells, then cut at 0."""
    rows = _interpolation(height, found.logits.shape[0], found.reach_xy[1])
    columns = _interpolation(width, found.logits.shape[1], found.reach_xy[0])
    return (rows @ found.logits @ columns.T) > 0


def _interpolation(pixels: int, cells: int, reach: float) -> Floats:
    """Returns ``(pixels, cells)``: how much each cell counts for the centre of each pixel.

    The last cells of the picture extend to its border: what the padding beyond them holds does not come in.
    """
    last = min(cells, int(np.ceil(reach))) - 1
    at = np.clip((np.arange(pixels) + 0.5) * (reach / pixels) - 0.5, 0, last)
    low = np.minimum(at.astype(np.int64), max(cells - 2, 0))
    share = (at - low).astype(np.float32)
    weights = np.zeros((pixels, cells), dtype=np.float32)
    weights[np.arange(pixels), low] = 1 - share
    if cells > 1:
        weights[np.arange(pixels), low + 1] = share
    return weights
