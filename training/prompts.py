"""The prompt encoder: segment_anything's point and box tokens, and the prompt painted on the grid.

A token alone has to learn by attention where its place is; painted, a prompt says it at once. Two paintings: a coarse
one at stride 16 that is added to the embedding, and a fine one at stride 4 for the upscaling, folded into 16 times as
many channels at stride 16 so that it travels as one dense embedding through segment_anything's interface.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.encoder import EMBED, GRID, IMAGE_SIZE
from training.sam_modules import PromptEncoder

FINE = 5
"""Channels painted at stride 4: wide and narrow spot, inside of the box, x and y relative to the prompt."""
COARSE = 4
"""Channels painted at stride 16: spot, negative spot, inside of the box, edge of the box."""
_POINT_REACH = 64.0
"""Pixels to which a point's relative coordinates are scaled."""
DENSE = EMBED + FINE * 16


class PaintedPromptEncoder(PromptEncoder):  # type: ignore[misc]
    """Points or boxes, in pixels of the 256 x 256 picture, to sparse tokens and a dense embedding."""

    def __init__(self) -> None:
        """Builds segment_anything's encoder without its part for mask prompts, and the painter."""
        super().__init__(EMBED, (GRID, GRID), (IMAGE_SIZE, IMAGE_SIZE), 4)
        del self.mask_downscaling
        self.paint = nn.Conv2d(COARSE, EMBED, 1)

    def forward(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Returns sparse ``(B, N, 96)`` and dense ``(B, 176, 16, 16)`` embeddings.

        Raises:
            ValueError: a mask prompt is given, points and boxes are given together, or nothing is.
        """
        if masks is not None or (points is None) == (boxes is None):
            raise ValueError("this model takes either points or boxes, and no mask prompts")
        if boxes is not None:
            boxes = boxes.reshape(-1, 4).float()
            return self._embed_boxes(boxes), self.dense(boxes[:, None, :2], boxes.new_zeros(len(boxes), 1), boxes)
        assert points is not None  # by the check above
        where, labels = points[0].float(), points[1]
        sparse = self._embed_points(where, labels, pad=True)
        return sparse, self.dense(where, _sign(labels), None)

    def embed_mixed(self, points: Tensor, boxes: Tensor, is_box: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of prompts of which each is one point or one box: ``(n, 2)``, ``(n, 4)``, ``(n,)``."""
        chosen = is_box[:, None, None]
        pad = self.not_a_point_embed.weight.expand(points.shape[0], 1, -1)
        point = torch.cat([self._place(points[:, None]) + self.point_embeddings[1].weight, pad], dim=1)
        kinds = torch.cat([self.point_embeddings[2].weight, self.point_embeddings[3].weight])
        box = self._place(boxes.reshape(-1, 2, 2)) + kinds
        return chosen * box + (1 - chosen) * point, self.dense(points[:, None], (1 - is_box)[:, None], boxes, is_box)

    def _place(self, xy: Tensor) -> Tensor:
        """Returns the position encoding ``(n, k, 96)`` of pixels; segment_anything's, without its writing in place."""
        encoded: Tensor = self.pe_layer._pe_encoding((xy + 0.5) / IMAGE_SIZE)
        return encoded

    def dense(self, points: Tensor, signs: Tensor, boxes: Tensor | None, is_box: Tensor | None = None) -> Tensor:
        """Returns the painted prompts. A point counts by its sign (1, 0, -1), a box by ``is_box`` (default: all)."""
        if boxes is None:
            boxes, is_box = points.new_zeros(len(points), 4), points.new_zeros(len(points))
        elif is_box is None:
            is_box = points.new_ones(len(points))
        coarse = self.paint(_paint_coarse(points, signs, boxes, is_box)) + self.no_mask_embed.weight[:, :, None, None]
        fine = functional.pixel_unshuffle(_paint_fine(points, signs, boxes, is_box), 4)
        return torch.cat([coarse, fine], dim=1)


def _sign(labels: Tensor) -> Tensor:
    return (labels == 1).float() - (labels == 0).float()


def _centres(side: int, like: Tensor) -> Tensor:
    return (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) * (IMAGE_SIZE / side)


def _spots(points: Tensor, side: int, sigma: float) -> Tensor:
    """Returns Gaussians ``(B, N, side, side)`` about points ``(B, N, 2)``."""
    at = _centres(side, points)
    x = torch.exp(-((at - points[..., :1]) ** 2) / (2 * sigma**2))
    y = torch.exp(-((at - points[..., 1:]) ** 2) / (2 * sigma**2))
    return y[..., :, None] * x[..., None, :]


def _inside(low: Tensor, high: Tensor, side: int) -> Tensor:
    """Returns ``(B, side)``: the share of each cell of an axis between two ends ``(B, 1)``."""
    cell = IMAGE_SIZE / side
    first = _centres(side, low) - cell / 2
    return ((torch.minimum(high, first + cell) - torch.maximum(low, first)) / cell).clamp(0, 1)


def _boxes(boxes: Tensor, side: int) -> Tensor:
    x, y = _inside(boxes[:, :1], boxes[:, 2:3], side), _inside(boxes[:, 1:2], boxes[:, 3:4], side)
    return y[:, :, None] * x[:, None, :]


def _paint_coarse(points: Tensor, signs: Tensor, boxes: Tensor, is_box: Tensor) -> Tensor:
    spots = _spots(points, GRID, 12.0)
    positive = (spots * signs.clamp(min=0)[..., None, None]).sum(1)
    negative = (spots * (-signs).clamp(min=0)[..., None, None]).sum(1)
    filled = _boxes(boxes, GRID) * is_box[:, None, None]
    edge = 4 * filled * (1 - filled)
    return torch.stack([positive, negative, filled, edge], dim=1)


def _paint_fine(points: Tensor, signs: Tensor, boxes: Tensor, is_box: Tensor) -> Tensor:
    side = GRID * 4
    chosen = is_box[:, None]
    wide, narrow = ((_spots(points, side, sigma) * signs[..., None, None]).sum(1) for sigma in (16.0, 4.0))
    filled = _boxes(boxes, side) * chosen[..., None]
    first = points[:, 0]
    middle = chosen * (boxes[:, :2] + boxes[:, 2:]) / 2 + (1 - chosen) * first
    reach = chosen * ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=4.0) + (1 - chosen) * _POINT_REACH
    at = _centres(side, points)
    x = ((at - middle[:, :1]) / reach[:, :1]).clamp(-2, 2)[:, None, :].expand(-1, side, -1)
    y = ((at - middle[:, 1:]) / reach[:, 1:]).clamp(-2, 2)[:, :, None].expand(-1, -1, side)
    return torch.stack([wide, narrow, filled, x, y], dim=1)
