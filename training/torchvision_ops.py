"""Makes segment_anything importable beside a torch that the installed torchvision's compiled operators do not fit.

segment_anything needs torchvision for box NMS and for resizing, both of which work without compiled operators once
`torchvision::nms` is declared. Its parts are imported from here, so that the declaration always comes first.
"""

import sys

import torch
from torch import Tensor

_KEPT: list[torch.library.Library] = []
"""A library is undone when it is collected."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Returns the indices of the boxes ``(N, 4)`` xyxy that remain, best score first."""
    order = torch.argsort(scores, descending=True, stable=True)
    kept: list[int] = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while order.numel():
        first = order[0]
        kept.append(int(first))
        rest = order[1:]
        low, high = torch.maximum(boxes[first, :2], boxes[rest, :2]), torch.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        order = rest[shared <= iou_threshold * (area[first] + area[rest] - shared)]
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)


def declare() -> None:
    """Declares the operators unless the installed torchvision brings them."""
    if "torchvision" in sys.modules or _KEPT or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CompositeExplicitAutograd")
    _KEPT.append(library)
    import torchvision.extension as extension

    if not extension._has_ops():
        extension._has_ops = lambda: True


declare()

from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer  # noqa: E402

__all__ = ["MaskDecoder", "PromptEncoder", "Sam", "TwoWayTransformer", "declare", "nms"]
