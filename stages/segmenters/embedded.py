"""The embedded segmenter: a tiny SAM trained on rendered scenes, as two graphs that onnxruntime runs.

It knows rendered scenes, not the world: on a photo its masks are worse than an ellipse, and its own scores do not
say so.
`stages.segmenters.domain` decides whether a picture is one for it.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from schemas.record import Record
from stages.segmenters.everything import GridConfig, Probe, best_answers, find_everything
from stages.segmenters.onnx_graphs import WEIGHTS, Graphs, as_input, open_graphs
from stages.segmenters.protocol import Evidence, Floats, Found, Pixels, Prompts, check_prompts
from stages.segmenters.votes import agreement_of, thing_points

_WAY = 64
"""Pixels of the square that the model's unit of distance stands for."""
SIDE = 256
"""The picture is squeezed into a square of this side."""


class EmbeddedConfig(Record):
    """The embedded segmenter."""

    kind: Literal["embedded"] = "embedded"
    weights: str = ""
    """Folder of other weights of the same form; empty for those that come with the package."""
    grid: GridConfig | None = None
    """None: the thresholds that the weights' card was calibrated to."""


class Embedded(NamedTuple):
    """The open back-end."""

    graphs: Graphs
    grid: GridConfig

    @property
    def name(self) -> str:
        return f"embedded/1@{self.graphs.digest}"

    @property
    def understands(self) -> frozenset[str]:
        return frozenset({"everything", "points", "boxes"})

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture; see `Segmenter`."""
        check_prompts("the embedded segmenter", self.understands, prompts)
        return [self._find_in(picture, asked) for picture, asked in zip(pictures, prompts, strict=True)]

    def encode(self, picture: Pixels) -> dict[str, Floats]:
        """Returns what the encoder says of a picture, by name of its outputs."""
        square = PIL.Image.fromarray(picture).resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
        channels = np.asarray(square, dtype=np.float32).transpose(2, 0, 1)
        return self.graphs.encoder.run({self.graphs.encoder.inputs[0]: as_input(channels[None])})

    def evidence(self, picture: Pixels) -> Evidence | None:
        """Returns what every cell of the picture shows; None where these weights do not say."""
        return evidence_of(self.encode(picture))

    def probe(self, maps: Mapping[str, Floats]) -> Probe:
        """Returns a picture's maps ready to be asked about."""
        evidence = evidence_of(maps)
        decode = functools.partial(self._decode, maps, boxes=None)
        if evidence is None:
            return Probe(decode)

        def decode_and_doubt(points: NDArray[np.float64]) -> tuple[Floats, Floats]:
            logits, quality = decode(points)
            agreement = agreement_of(logits.reshape(-1, *logits.shape[2:]), evidence).reshape(quality.shape)
            return logits, (quality * agreement).astype(np.float32)

        return Probe(decode_and_doubt, evidence.thing, first=thing_points(evidence))

    def _find_in(self, picture: Pixels, asked: Prompts) -> list[Found]:
        height, width = picture.shape[:2]
        maps = self.encode(picture)
        if asked.kind == "everything":
            return find_everything(self.probe(maps), self.grid)
        size = np.array([width, height], dtype=np.float64)
        if asked.points is not None:
            logits, quality = self._decode(maps, asked.points / size, None)
        else:
            assert asked.boxes is not None  # the only kind left
            logits, quality = self._decode(maps, None, asked.boxes / np.tile(size, 2))
        return best_answers(logits[:, :1], quality[:, :1])  # the first mask is the one for a clear prompt

    def _decode(
        self, maps: Mapping[str, Floats], points: NDArray[np.float64] | None, boxes: NDArray[np.float64] | None
    ) -> tuple[Floats, Floats]:
        """Returns logits ``(n, k, h, w)`` and IoU ``(n, k)`` of points ``(n, 2)`` or boxes ``(n, 4)`` in [0, 1]."""
        n = len(points if points is not None else boxes if boxes is not None else ())
        asked = {
            "points": as_input(np.zeros((n, 2)) if points is None else points * SIDE),
            "boxes": as_input(np.zeros((n, 4)) if boxes is None else boxes * SIDE),
            "isbox": as_input(np.full(n, 0.0 if boxes is None else 1.0)),
        }
        if not n:
            return np.zeros((0, 1, 1, 1), np.float32), np.zeros((0, 1), np.float32)
        said = self.graphs.decoder.run({**maps, **asked})
        return said["masks"], said["iou"]


def open_embedded(config: EmbeddedConfig) -> Embedded:
    """Returns the embedded segmenter.

    Raises:
        SegmenterError: its weights are missing or damaged.
    """
    graphs = open_graphs(Path(config.weights) if config.weights else WEIGHTS)
    return Embedded(graphs, config.grid or grid_of(graphs.card))


def grid_of(card: Mapping[str, Any]) -> GridConfig:
    """Returns how densely to ask and what to believe, with the thresholds of a card.

    These weights were taught no parts of things, so of two masks that share most of the smaller one is wrong.
    """
    chosen = card.get("thresholds", {}).get("chosen", {})
    return GridConfig(
        sides=(12, 24),
        min_quality=chosen.get("min_quality", 0.5),
        min_stability=chosen.get("min_stability", 0.6),
        copy_iou=0.6,
        rival_share=0.6,
    )


def evidence_of(maps: Mapping[str, Floats]) -> Evidence | None:
    """Returns what the encoder's output `dense` says of every cell; None where these weights have none."""
    dense = maps.get("dense")
    if dense is None:
        return None
    thing = 1 / (1 + np.exp(-dense[0, 0]))
    return Evidence(thing, dense[0, 2:4] * (_WAY * thing.shape[0] / SIDE))
