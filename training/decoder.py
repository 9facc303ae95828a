"""The mask decoder: segment_anything's, with pixel features on the way up and a quality head that sees its mask."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.encoder import EMBED, SKIPS
from training.prompts import FINE
from training.sam_modules import MaskDecoder, TwoWayTransformer

MASKS = 4
"""Masks per prompt: one for a clear prompt, three to choose from."""
MASK_SIZE = 128
"""Side of the masks."""
_STATISTICS = 4


class SkipMaskDecoder(MaskDecoder):  # type: ignore[misc]
    """Embeddings to mask logits ``(B, 4, 128, 128)`` and a predicted IoU ``(B, 4)``.

    The picture's four feature maps arrive as one "image embedding" at stride 16: `fold` makes it, `unfold` undoes it.
    """

    def __init__(self) -> None:
        """Builds segment_anything's decoder and replaces its upscaling and quality head."""
        transformer = TwoWayTransformer(depth=2, embedding_dim=EMBED, num_heads=8, mlp_dim=384)
        super().__init__(transformer_dim=EMBED, transformer=transformer, num_multimask_outputs=MASKS - 1)
        del self.output_upscaling, self.iou_prediction_head
        self.up8, self.up4, self.up2 = (
            nn.ConvTranspose2d(before, after, 2, stride=2)
            for before, after in ((EMBED, SKIPS[8]), (SKIPS[8], SKIPS[4]), (SKIPS[4], SKIPS[2]))
        )
        self.norm8, self.norm4 = nn.GroupNorm(1, SKIPS[8]), nn.GroupNorm(1, SKIPS[4])
        self.paint4 = nn.Conv2d(FINE, SKIPS[4], 1)
        self.output_hypernetworks_mlps = nn.ModuleList(_mlp(EMBED, EMBED, SKIPS[2]) for _ in range(MASKS))
        self.quality = _mlp(2 * EMBED + SKIPS[4] + _STATISTICS, EMBED, 1)
        self._align_attention()

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Returns mask logits and predicted IoU of every prompt of one folded picture."""
        maps = unfold(image_embeddings)
        return self.decode(maps, image_pe, sparse_prompt_embeddings, dense_prompt_embeddings)

    def decode(
        self, maps: tuple[Tensor, ...], position: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns mask logits and predicted IoU: pictures ``n`` in the maps, ``n * p`` prompts in their order."""
        coarse, fine = dense[:, :EMBED], dense[:, EMBED:]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        output = own[None] + sparse[:, :1]  # a mask token knows its prompt from the start
        tokens = torch.cat([output, sparse], dim=1)
        source = _add(coarse, maps[0])
        states, source = self.transformer(source, position.expand_as(source), tokens)
        source = source.transpose(1, 2).reshape(coarse.shape)
        y8 = functional.relu(self.norm8(_add(self.up8(source), maps[1])))
        painted = self.paint4(functional.pixel_shuffle(fine, 4))
        y4 = functional.relu(self.norm4(_add(self.up4(y8) + painted, maps[2])))
        y2 = functional.relu(_add(self.up2(y4), maps[3]))
        weights = [mlp(states[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        masks = (torch.stack(weights, dim=1) @ y2.flatten(2)).reshape(-1, MASKS, MASK_SIZE, MASK_SIZE)
        return masks, self._predict_quality(states, masks.detach(), y4)

    def _predict_quality(self, states: Tensor, masks: Tensor, pixels: Tensor) -> Tensor:
        small = functional.avg_pool2d(masks, 2).flatten(2)
        flat = torch.sigmoid(small)
        area = flat.sum(2)
        pooled = (flat @ pixels.flatten(2).transpose(1, 2)) / (area[..., None] + 1)
        sure = (flat * flat).sum(2) / (area + 1)
        stable = torch.sigmoid(small - 1).sum(2) / (torch.sigmoid(small + 1).sum(2) + 1)
        statistics = torch.stack([torch.log1p(area) / 8, sure, stable, flat.amax(2)], dim=-1)
        token = states[:, :1].expand(-1, MASKS, -1)
        seen = torch.cat([states[:, 1 : 1 + MASKS], token, pooled, statistics], dim=-1)
        return torch.sigmoid(self.quality(seen))[..., 0]

    def _align_attention(self) -> None:
        """Lets tokens attend to their own place from the first step: equal, orthogonal query and key projections."""
        layers = self.transformer.layers
        crossing = [layer.cross_attn_token_to_image for layer in layers]
        crossing += [layer.cross_attn_image_to_token for layer in layers]
        for attention in [*crossing, self.transformer.final_attn_token_to_image]:
            nn.init.orthogonal_(attention.q_proj.weight, gain=1.6)
            attention.k_proj.weight.data.copy_(attention.q_proj.weight.data)
            nn.init.zeros_(attention.q_proj.bias)
            nn.init.zeros_(attention.k_proj.bias)


def fold(maps: tuple[Tensor, ...]) -> Tensor:
    """Returns the embedding and the pixel features of strides 8, 4, 2 as one map at stride 16."""
    factors = (1, 2, 4, 8)
    return torch.cat([functional.pixel_unshuffle(m, f) for m, f in zip(maps, factors, strict=True)], dim=1)


def unfold(folded: Tensor) -> tuple[Tensor, ...]:
    """Returns the four maps of a folded picture."""
    channels = [EMBED, *(SKIPS[stride] * (16 // stride) ** 2 for stride in (8, 4, 2))]
    parts = torch.split(folded, channels, dim=1)
    return tuple(functional.pixel_shuffle(part, 2**i) if i else part for i, part in enumerate(parts))


def _add(own: Tensor, shared: Tensor) -> Tensor:
    """Adds to each prompt's map ``(n * p, ...)`` that of its picture ``(n, ...)``."""
    n = shared.shape[0]
    return own + shared if n == 1 else (own.unflatten(0, (n, -1)) + shared[:, None]).flatten(0, 1)


def _mlp(before: int, hidden: int, after: int) -> nn.Sequential:
    layers = nn.Sequential(
        nn.Linear(before, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, after)
    )
    nn.init.normal_(layers[-1].weight, std=1 / math.sqrt(hidden))
    return layers
