"""What the segmenter is asked to make small."""

import torch
from torch import Tensor
from torch.nn import functional

from training.batches import Batch


def loss_of(masks: Tensor, iou: Tensor, dense: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Returns the loss and its parts: masks ``(n * p, 4, 128, 128)``, IoU ``(n * p, 4)``, dense ``(n, 4, 64, 64)``.

    The first mask must be right, of the other three the best one; a prompt on the ground has no mask, and quality zero.
    """
    target = batch.masks.flatten(0, 1)
    is_thing = (target.flatten(1).amax(1) > 0).float()
    each = _mask_loss(masks, target[:, None])
    first, others = each[:, 0], each[:, 1:]
    chosen = others.amin(1) + 0.05 * others.mean(1)
    mask_loss = ((first + chosen) * is_thing).sum() / is_thing.sum().clamp(min=1)
    with torch.no_grad():
        real = _hard_iou(masks, target[:, None]) * is_thing[:, None]
    quality = functional.mse_loss(iou, real)
    side = _dense_loss(dense, batch.dense)
    told = {name: float(part.detach()) for name, part in (("mask", mask_loss), ("quality", quality), ("dense", side))}
    told["iou"] = float((real[:, 0] * is_thing).sum() / is_thing.sum().clamp(min=1))
    return mask_loss + 2 * quality + side, told


def _mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Returns 20 focal + dice + 0.5 cross-entropy of each mask; targets are shares, not bits."""
    target = target.expand_as(logits)
    share = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = ((share - target) ** 2 * entropy).mean((2, 3))
    shared = (share * target).sum((2, 3))
    dice = 1 - (2 * shared + 1) / ((share * share).sum((2, 3)) + (target * target).sum((2, 3)) + 1)
    return 20 * focal + dice + 0.5 * entropy.mean((2, 3))


def _hard_iou(logits: Tensor, target: Tensor) -> Tensor:
    found, true = logits > 0, target > 0.5
    shared, either = (found & true).sum((2, 3)), (found | true).sum((2, 3))
    return shared / either.clamp(min=1)


def _dense_loss(dense: Tensor, target: Tensor) -> Tensor:
    thing = target[:, :1]
    bits = functional.binary_cross_entropy_with_logits(dense[:, :2], target[:, :2])
    way = (functional.smooth_l1_loss(dense[:, 2:], target[:, 2:], beta=0.1, reduction="none") * thing).sum()
    return bits + way / (2 * thing.sum().clamp(min=1))
