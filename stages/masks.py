"""Binary masks and their COCO run-length encoding.

A mask is a ``(H, W)`` bool array, row 0 at the top. Encoded it is a `schemas.mask.Rle`: column-major run lengths
starting with background, written in COCO's 6-bit delta string (the format of ``pycocotools``, byte for byte).
"""

import numpy as np
from numpy.typing import NDArray

from schemas.mask import Rle

BoolMask = NDArray[np.bool_]


def mask_to_rle(mask: BoolMask) -> Rle:
    """Returns the COCO RLE of a ``(H, W)`` bool mask."""
    if mask.ndim != 2:
        raise ValueError(f"a mask has two axes (H, W), got shape {mask.shape}")
    flat = np.asarray(mask, dtype=np.bool_).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    runs = np.diff(edges) if flat.size else np.zeros(0, dtype=np.int64)
    if flat.size and flat[0]:
        runs = np.concatenate(([0], runs))
    height, width = mask.shape
    return Rle(height=height, width=width, counts=runs_to_counts(runs.tolist()))


def rle_to_mask(rle: Rle) -> BoolMask:
    """Returns the ``(H, W)`` bool mask of an RLE.

    Raises:
        ValueError: the runs do not add up to height x width, or the string is malformed.
    """
    runs = counts_to_runs(rle.counts)
    total = sum(runs)
    if total != rle.height * rle.width:
        raise ValueError(f"RLE runs cover {total} pixels, the mask has {rle.height}x{rle.width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((rle.height, rle.width), order="F")


def runs_to_counts(runs: list[int]) -> str:
    """Returns COCO's compressed string of run lengths (each from the fourth on is a delta to the one two before)."""
    out: list[str] = []
    for index, run in enumerate(runs):
        value = int(run) - (int(runs[index - 2]) if index > 2 else 0)
        more = True
        while more:
            chunk = value & 0x1F
            value >>= 5
            more = value != -1 if chunk & 0x10 else value != 0
            out.append(chr((chunk | 0x20 if more else chunk) + 48))
    return "".join(out)


def counts_to_runs(counts: str) -> list[int]:
    """Returns the run lengths of COCO's compressed string.

    Raises:
        ValueError: a character is outside the alphabet, the string ends inside a number, or a run is negative.
    """
    runs: list[int] = []
    position = 0
    while position < len(counts):
        value = shift = 0
        more = True
        while more:
            if position >= len(counts):
                raise ValueError("RLE string ends inside a number")
            code = ord(counts[position]) - 48
            if not 0 <= code < 64 or shift > 60:
                raise ValueError(f"RLE string has an invalid character at {position}")
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            position += 1
            shift += 5
            if not more and code & 0x10:
                value |= -1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise ValueError(f"RLE run {len(runs)} is negative ({value})")
        runs.append(value)
    return runs


def box_xyxy_of(mask: BoolMask) -> tuple[int, int, int, int]:
    """Returns the tight half-open box ``(x0, y0, x1, y1)`` in pixels; ``(0, 0, 0, 0)`` for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return (0, 0, 0, 0)
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def centroid_xy_of(mask: BoolMask) -> tuple[float, float]:
    """Returns the mean pixel centre ``(x, y)``, x to the right and y down; raises ValueError for an empty mask."""
    columns = mask.sum(axis=0)
    rows = mask.sum(axis=1)
    area = int(rows.sum())
    if area == 0:
        raise ValueError("an empty mask has no centroid")
    x = float((columns * (np.arange(mask.shape[1]) + 0.5)).sum() / area)
    y = float((rows * (np.arange(mask.shape[0]) + 0.5)).sum() / area)
    return (x, y)
