"""How much each sign of a merged mask counts: a logistic model, fitted on the masks found in calibration scenes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.perceive import CATEGORY, Eyes, name_things
from stages.rendering.config import RenderConfig
from stages.segmenters.embedded import Embedded, EmbeddedConfig, open_embedded
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.protocol import EVERYTHING
from stages.segmenters.singles import SIGNS, signs_of
from training.card import update_card
from training.pool import PoolScene, draw_scene

MERGED = 0.4
"""From this share of a second thing on, a mask holds two."""
_RIDGE = 3.0
"""Pull of the weights to zero, in units of a sign's spread."""


def calibrate_signs(weights: Path, scenes: int) -> None:
    """Fits the weights of the signs and writes them into the card's section ``signs``."""
    segmenter = open_embedded(EmbeddedConfig(weights=str(weights)))
    eyes = Eyes(segmenter, segmenter.graphs, strict=True)
    rows = [row for number in range(scenes) for row in _signs_in(draw_scene("calibrate", number, RenderConfig()), eyes)]
    write_signs(weights, rows, scenes)


def write_signs(weights: Path, rows: list[tuple[float, ...]], scenes: int) -> None:
    """Fits rows of signs, each with the share of a second thing at its end, and writes the card's section."""
    signs = np.array([row[:-1] for row in rows])
    single = np.array([row[-1] < MERGED for row in rows])
    weighted, bias = fit_logistic(signs, single)
    about: dict[str, Any] = {"scenes": scenes, "masks": len(single), "mergers": int(np.count_nonzero(~single))}
    about |= {"weights": {name: round(float(value), 5) for name, value in zip(SIGNS, weighted, strict=True)}}
    update_card(weights, "signs", about | {"bias": round(bias, 5)})
    print(f"signs: {about}, bias {bias:.3f}", flush=True)


def fit_logistic(signs: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Returns weights and bias of the log odds of `truth`, by Newton's method with a ridge on the scaled weights."""
    mean, spread = signs.mean(axis=0), signs.std(axis=0) + 1e-9
    columns = np.column_stack([(signs - mean) / spread, np.ones(len(signs))])
    ridge = np.diag([_RIDGE] * signs.shape[1] + [0.0])
    solved = np.zeros(columns.shape[1])
    for _ in range(50):
        share = 1 / (1 + np.exp(-columns @ solved))
        slope = columns.T @ (truth - share) - ridge @ solved
        bend = (columns * (share * (1 - share))[:, None]).T @ columns + ridge + 1e-9 * np.eye(len(solved))
        step = np.linalg.solve(bend, slope)
        solved = solved + step
        if np.abs(step).max() < 1e-8:
            break
    weighted: NDArray[np.float64] = solved[:-1] / spread
    return weighted, float(solved[-1] - weighted @ mean)


def second_share(mask: NDArray[np.bool_], ids: NDArray[np.uint8]) -> float:
    """Returns the second largest share of any thing that lies under a mask; ids are 0 on the ground."""
    sizes = np.bincount(ids.ravel(), minlength=3)[1:]
    under = np.bincount(ids[mask], minlength=len(sizes) + 1)[1 : len(sizes) + 1]
    return float(np.sort(under / np.maximum(sizes, 1))[-2])


def _signs_in(scene: PoolScene, eyes: Eyes) -> list[tuple[float, ...]]:
    """Returns per mask found in a scene its signs, then the share of a second thing that it holds."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    assert isinstance(eyes.segmenter, Embedded) and eyes.namer is not None  # as opened above
    things, _ = things_of(eyes.segmenter.find([picture], [EVERYTHING])[0], *ids.shape, OneMaskConfig())
    evidence = eyes.segmenter.evidence(picture)
    if evidence is None:
        raise ValueError("these weights do not say what cells show: there are no signs to fit")
    return [
        (
            *signs_of(one.thing.mask, evidence, one.head, one.thing.found.quality, one.readings[CATEGORY].confidence),
            second_share(one.thing.mask, ids),
        )
        for one in name_things(picture, things, eyes.namer)
    ]
