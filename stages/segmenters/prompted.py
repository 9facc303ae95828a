"""Points and boxes to masks with the promptable models of transformers: SAM, SAM 2 and the tracker of SAM 3.

They differ in how a picture is laid into the square they see (padded or squeezed) and in whether the picture's features
are one map or several; the rest is the same here. The pictures of a call are encoded in batches, each once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.segmenters.everything import GridConfig, Probe, best_answers, find_everything
from stages.segmenters.protocol import Floats, Found, Pixels, Prompts, check_prompts
from stages.segmenters.sam import fitted
from stages.segmenters.torch_runtime import Place, normalised

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Promptable(NamedTuple):
    """A promptable model that is open."""

    model: Any
    place: Place
    side: int
    """Side of the square it sees, pixels."""
    mean_std: tuple[tuple[float, ...], tuple[float, ...]]
    padded: bool
    """The picture keeps its shape and the square is padded; else it is squeezed into the square."""
    grid: GridConfig
    images_at_once: int
    """Pictures encoded together: bounds the memory."""


class PromptedSegmenter(NamedTuple):
    """The open back-end around a promptable model."""

    kind: str
    using: Promptable
    checkpoint: str
    """Folder or model id."""

    @property
    def name(self) -> str:
        return f"{self.kind}/1@{self.checkpoint.rstrip('/').rpartition('/')[2]}"

    @property
    def understands(self) -> frozenset[str]:
        return frozenset({"everything", "points", "boxes"})

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture; see `Segmenter`."""
        check_prompts(self.kind, self.understands, prompts)
        return find_prompted(self.using, pictures, prompts)


def find_prompted(using: Promptable, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
    """Returns the masks of each picture for points, boxes or everything."""
    found: list[list[Found]] = []
    with using.place.running():
        for start in range(0, len(pictures), using.images_at_once):
            batch = pictures[start : start + using.images_at_once]
            maps = _encode(using, batch)
            for row, picture in enumerate(batch):
                own = [level[row : row + 1] for level in maps] if isinstance(maps, list) else maps[row : row + 1]
                found.append(_find_in(using, (picture.shape[0], picture.shape[1]), own, prompts[start + row]))
    return found


def _encode(using: Promptable, pictures: Sequence[Pixels]) -> Any:  # noqa: ANN401 - tensors
    batch = np.zeros((len(pictures), 3, using.side, using.side), dtype=np.float32)
    for number, picture in enumerate(pictures):
        rows, columns = _laid(using, (picture.shape[0], picture.shape[1]))
        batch[number, :, :rows, :columns] = normalised(picture, (rows, columns), *using.mean_std)
    maps = using.model.get_image_embeddings(using.place.cast(using.place.to_tensor(batch)))
    return list(maps) if isinstance(maps, (list, tuple)) else maps


def _laid(using: Promptable, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width that a picture takes in the square."""
    return fitted(size, using.side) if using.padded else (using.side, using.side)


def _find_in(using: Promptable, size: tuple[int, int], maps: Any, asked: Prompts) -> list[Found]:  # noqa: ANN401
    rows, columns = _laid(using, size)
    cover = (columns / using.side, rows / using.side)
    scale = np.array([columns, rows], dtype=np.float64)
    if asked.kind == "everything":
        probe = Probe(lambda points: _decode(using, maps, points * scale, None), cover_xy=cover)
        return find_everything(probe, using.grid)
    to_side = scale / np.array([size[1], size[0]], dtype=np.float64)
    if asked.points is not None:
        return best_answers(*_decode(using, maps, asked.points * to_side, None), cover)
    assert asked.boxes is not None  # the only kind left
    return best_answers(*_decode(using, maps, None, asked.boxes * np.tile(to_side, 2)), cover)


def _decode(
    using: Promptable,
    maps: Any,  # noqa: ANN401 - tensors
    points: NDArray[np.float64] | None,
    boxes: NDArray[np.float64] | None,
) -> tuple[Floats, Floats]:
    """Returns logits ``(n, k, h, w)`` and predicted IoU ``(n, k)`` of prompts in pixels of the square."""
    given = {}
    if points is not None:
        given["input_points"] = using.place.to_tensor(points[None, :, None, :].astype(np.float32))
    if boxes is not None:
        given["input_boxes"] = using.place.to_tensor(boxes[None].astype(np.float32))
    if not len(points if points is not None else boxes if boxes is not None else ()):
        return np.zeros((0, 1, 1, 1), np.float32), np.zeros((0, 1), np.float32)
    given = {name: using.place.cast(value) for name, value in given.items()}
    said = using.model(image_embeddings=maps, multimask_output=True, **given)
    return said.pred_masks[0].float().cpu().numpy(), said.iou_scores[0].float().cpu().numpy()
