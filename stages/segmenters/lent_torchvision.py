"""segment_anything imported without torchvision: the four functions it names are lent to it and taken back.

`segment_anything` asks torchvision for box NMS (which the automatic generator of that package uses, not ours), a box
area, and resizing. A torchvision that does not fit torch cannot even be imported, and then takes every model of
transformers with it, so nothing here depends on one. The stand-ins are in `sys.modules` only while the import runs.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stages.segmenters.protocol import SegmenterError

_LENT = ("torchvision", "torchvision.ops", "torchvision.ops.boxes", "torchvision.transforms")
_LENT_LEAF = "torchvision.transforms.functional"


def import_segment_anything() -> Any:  # noqa: ANN401 - a module without types
    """Returns the module `segment_anything`.

    Raises:
        SegmenterError: it or torch is not installed.
    """
    for name, package in (("torch", "torch"), ("segment_anything", "segment-anything")):
        if importlib.util.find_spec(name) is None:
            raise SegmenterError(f"the segmenter segment-anything needs {package}: pip install 'hopyard[sam]'")
    if "segment_anything" in sys.modules:
        return sys.modules["segment_anything"]
    with _lent():
        return importlib.import_module("segment_anything")


@contextmanager
def _lent() -> Iterator[None]:
    """Puts the stand-ins in place of torchvision, whether it is installed, broken or absent, and takes them away."""
    before = {name: sys.modules.get(name) for name in (*_LENT, _LENT_LEAF)}
    modules = {name: types.ModuleType(name) for name in before}
    modules["torchvision.ops.boxes"].__dict__.update(batched_nms=batched_nms, box_area=box_area)
    modules[_LENT_LEAF].__dict__.update(resize=resize, to_pil_image=to_pil_image)
    for name, module in modules.items():
        parent, _, leaf = name.rpartition(".")
        module.__path__ = []
        if parent:
            setattr(modules[parent], leaf, module)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, there in before.items():
            if there is None:
                del sys.modules[name]
            else:
                sys.modules[name] = there


def box_area(boxes: Any) -> Any:  # noqa: ANN401 - tensors
    """Returns the areas of boxes ``(n, 4)`` xyxy."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:  # noqa: ANN401 - tensors
    """Returns the indices of the boxes kept, best first; boxes of different groups do not suppress each other."""
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    sorted_boxes, groups = boxes[order].float(), idxs[order]
    low = torch.maximum(sorted_boxes[:, None, :2], sorted_boxes[None, :, :2])
    high = torch.minimum(sorted_boxes[:, None, 2:], sorted_boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    areas = box_area(sorted_boxes)
    iou = shared / (areas[:, None] + areas[None, :] - shared)
    rivals = (iou > iou_threshold) & (groups[:, None] == groups[None, :])
    alive = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~rivals[i, i + 1 :]
    return order[alive]


def to_pil_image(array: Any) -> Any:  # noqa: ANN401 - as torchvision's
    """Returns the Pillow image of a ``(H, W, 3)`` uint8 array."""
    import PIL.Image

    return PIL.Image.fromarray(array)


def resize(image: Any, size: list[int]) -> Any:  # noqa: ANN401 - as torchvision's
    """Returns a Pillow image at the size (height, width), interpolated linearly."""
    import PIL.Image

    return image.resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR)
