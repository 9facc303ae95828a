"""One variant of automatic masks on stored scenes: ``python -m benchmarks.segmenters_child NAME FILE`` prints JSON.

Runs in the environment of the model tests.
"""

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stages.segmenters.embedded import EmbeddedConfig, open_embedded
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.onnx_graphs import WEIGHTS
from stages.segmenters.protocol import EVERYTHING, Pixels, Segmenter

Masks = list[NDArray[np.bool_]]
Look = Callable[[Pixels], Masks]


def main() -> None:
    """Measures the variant of the command line."""
    name, path = sys.argv[1:]
    with np.load(path, allow_pickle=False) as stored:
        pictures, ids = stored["images"], stored["ids"]
    asked = [0]
    looking = _open(name, asked)
    looking(pictures[0])
    asked[0] = 0
    started, begun = time.perf_counter(), time.process_time()
    found = [looking(picture) for picture in pictures]
    cpu_seconds, seconds = time.process_time() - begun, time.perf_counter() - started
    things = [[one == number for number in range(1, int(one.max()) + 1)] for one in ids]
    told = {
        "pictures": len(pictures),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "points": asked[0],
        "masks": sum(len(masks) for masks in found),
        "hits": sum(_hits(true, masks) for true, masks in zip(things, found, strict=True)),
        "things": sum(len(true) for true in things),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


def _open(name: str, asked: list[int]) -> Look:
    """Returns the function that finds the masks of a picture, and counts the points it asks about."""
    embedded = open_embedded(EmbeddedConfig())
    if name == "embedded":
        decode = type(embedded)._decode
        type(embedded)._decode = lambda self, maps, points, boxes: (  # type: ignore[method-assign]
            asked.__setitem__(0, asked[0] + len(points)),
            decode(self, maps, points, boxes),
        )[1]
        return lambda picture: _things(embedded, picture)

    import torch

    from stages.segmenters.sam import Sam, SamConfig, to_segmenter
    from training.model import to_sam
    from training.weights import open_model

    torch.set_num_threads(1)
    model = to_sam(open_model(WEIGHTS))
    forward = model.prompt_encoder.forward

    def counted(points: object, boxes: object, masks: object) -> object:
        asked[0] += len(points[0]) if isinstance(points, tuple) else 0
        return forward(points, boxes, masks)

    model.prompt_encoder.forward = counted
    if name == "segment-anything":
        segmenter: Sam = to_segmenter(model, "own", SamConfig(grid=embedded.grid, device="cpu"))
        return lambda picture: _things(segmenter, picture)

    from segment_anything import SamAutomaticMaskGenerator

    generator = SamAutomaticMaskGenerator(
        model,
        points_per_side=int(name.split()[1]),
        pred_iou_thresh=embedded.grid.min_quality,
        stability_score_thresh=embedded.grid.min_stability,
    )
    return lambda picture: [one["segmentation"] for one in generator.generate(picture)]


def _things(segmenter: Segmenter, picture: Pixels) -> Masks:
    height, width = picture.shape[:2]
    found = segmenter.find([picture], [EVERYTHING])[0]
    return [thing.mask for thing in things_of(found, height, width, OneMaskConfig())[0]]


def _hits(true: Masks, found: Masks) -> int:
    """Returns how many things have a mask with an IoU of at least one half."""
    return sum(any(_iou(thing, mask) >= 0.5 for mask in found) for thing in true)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)


if __name__ == "__main__":
    main()
