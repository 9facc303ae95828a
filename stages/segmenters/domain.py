"""Is a picture like the scenes that the embedded segmenter and the crop classifier were trained on?

Their own scores do not tell: on photos they are sure of nonsense. What tells is how a picture is made: rendered scenes
have smooth shading, thin edges and few hues; photos have texture at every scale. A picture is described by statistics
that no weights enter, and compared with those of rendered scenes, plain and under harmless changes: the distance from
their mean in units of their spread (Mahalanobis), cut at a stored limit. Photos took no part in fitting it.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from stages.colours import srgb_to_lab
from stages.segmenters.protocol import Pixels

MODEL = Path(__file__).parent / "domain.npz"
SIDE = 192
"""Height and width at which pictures are compared: squeezed, as the segmenter sees them."""
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)


class DomainModel(NamedTuple):
    """The statistics of rendered scenes."""

    mean: NDArray[np.float64]
    whiten: NDArray[np.float64]
    """``(features, kept)``: to uncorrelated directions of unit spread."""
    limit: float
    """Greatest distance of a picture that belongs."""


def features_of(picture: Pixels) -> NDArray[np.float64]:
    """Returns the statistics of a picture ``(H, W, 3)``: lightness, chroma, edges at four scales, flatness, hues."""
    image = PIL.Image.fromarray(picture).resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    lab = srgb_to_lab(np.asarray(image))
    parts: list[float] = []
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    for channel in (lab[..., 0], chroma):
        parts += [float(channel.mean()) / 20, float(channel.std()) / 10]
        parts += (np.quantile(channel, _QUANTILES) / 20).tolist()
    level = lab
    for _ in range(4):
        parts += _edges(level)
        level = (level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]) / 4
    parts += _flatness(lab)
    parts += _borders(lab)
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    counts, _ = np.histogram(hue, bins=12, range=(-np.pi, np.pi), weights=chroma)
    shares = np.sort(counts / max(float(counts.sum()), 1e-9))[::-1]
    parts += [float(shares[0]), float(shares[:3].sum()), float(-(shares * np.log(shares + 1e-9)).sum())]
    return np.array(parts)


def distance_of(picture: Pixels, model: DomainModel) -> float:
    """Returns how far a picture is from rendered scenes; `model.limit` is the line."""
    return float(distances_of(features_of(picture)[None], model)[0])


def distances_of(features: NDArray[np.float64], model: DomainModel) -> NDArray[np.float64]:
    """Returns the distances ``(n,)`` of pictures with these features ``(n, f)``."""
    centred = (features - model.mean) @ model.whiten
    away: NDArray[np.float64] = np.sqrt((centred**2).mean(axis=1))
    return away


def is_rendered(picture: Pixels, model: DomainModel | None = None) -> bool:
    """Returns whether a picture is like the rendered scenes."""
    model = model or open_domain()
    return distance_of(picture, model) <= model.limit


@functools.cache
def open_domain() -> DomainModel:
    """Returns the statistics that come with the package."""
    with np.load(MODEL, allow_pickle=False) as stored:
        return DomainModel(stored["mean"], stored["whiten"].astype(np.float64), float(stored["limit"]))


def fit_domain(features: NDArray[np.float64], limit: float) -> DomainModel:
    """Returns the model of rendered pictures' features ``(n, f)``; directions of next to no spread are shrunk."""
    mean = features.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    floor = 1e-3 * float(values.max())
    return DomainModel(mean, vectors / np.sqrt(np.maximum(values, floor)), limit)


def save_domain(model: DomainModel, path: Path) -> None:
    """Writes a model in the form that `open_domain` reads."""
    np.savez(path, mean=model.mean, whiten=model.whiten.astype(np.float32), limit=np.float64(model.limit))


def _edges(lab: NDArray[np.float64]) -> list[float]:
    """Returns statistics of the steps between neighbouring pixels: how strong, how many, how peaked."""
    steps = [np.sqrt((np.diff(lab, axis=axis) ** 2).sum(axis=-1)) for axis in (0, 1)]
    size = np.concatenate([step.ravel() for step in steps])
    spread = np.log(np.quantile(size, _QUANTILES) + 0.2)
    share = [float((size < limit).mean()) for limit in (1.0, 2.5, 6.0, 15.0)]
    return [
        *spread.tolist(),
        *share,
        float(np.log(size.mean() + 0.2)),
        float(np.log((steps[0].mean() + 0.1) / (steps[1].mean() + 0.1))),
    ]


def _flatness(lab: NDArray[np.float64]) -> list[float]:
    """Returns quantiles of how much lightness varies within squares of 8 and of 24 pixels."""
    parts: list[float] = []
    for side in (8, 24):
        blocks = lab[..., 0].reshape(SIDE // side, side, SIDE // side, side)
        parts += np.log(np.quantile(blocks.std(axis=(1, 3)), _QUANTILES) + 0.3).tolist()
    return parts


def _borders(lab: NDArray[np.float64]) -> list[float]:
    """Returns how much the four margins vary along themselves, and how they differ: things are never cut off there."""
    strips = (lab[:6], lab[-6:], lab[:, :6].swapaxes(0, 1), lab[:, -6:].swapaxes(0, 1))
    lines = [strip.mean(axis=0) for strip in strips]
    parts = []
    for line in lines:
        rough = np.sqrt((np.diff(line, axis=0) ** 2).sum(axis=-1))
        parts += [
            float(np.log(rough.mean() + 0.1)),
            float(np.log(rough.max() + 0.1)),
            float(np.log(line.std(axis=0).mean() + 0.3)),
        ]
    means = np.stack([line.mean(axis=0) for line in lines])
    return [
        *parts,
        float(np.log(means.std(axis=0).mean() + 0.3)),
        float(np.abs(lab[: SIDE // 2].mean() - lab[SIDE // 2 :].mean())),
    ]
