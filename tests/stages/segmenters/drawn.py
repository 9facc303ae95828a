"""Masks drawn as text grids, as a segmenter would give them: 5 inside, -5 outside."""

import numpy as np

from stages.segmenters.protocol import Found


def drawn(*rows: str, quality: float = 0.9, stability: float = 1.0) -> Found:
    """Returns the mask whose cells are not dots."""
    inside = np.array([[cell != "." for cell in row] for row in rows])
    logits = np.where(inside, 5, -5).astype(np.float32)
    return Found(logits, (float(logits.shape[1]), float(logits.shape[0])), quality, stability)


def boxed(x0: int, y0: int, x1: int, y1: int, quality: float = 0.9, side: int = 64) -> Found:
    """Returns a mask that fills a half-open box of a square grid."""
    logits = np.full((side, side), -5, dtype=np.float32)
    logits[y0:y1, x0:x1] = 5
    return Found(logits, (float(side), float(side)), quality, 1.0)
