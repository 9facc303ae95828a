"""The tiny segmenter: encoder, prompt encoder and mask decoder, and how segment_anything's `Sam` is made of them."""

from torch import Tensor, nn

from training.decoder import SkipMaskDecoder, fold
from training.encoder import PIXEL_MEAN, PIXEL_STD, ImageEncoder, normalise
from training.prompts import PaintedPromptEncoder
from training.sam_modules import Sam

AUXILIARY = 4
"""Dense outputs learnt beside the masks: thing or ground, edge, and the way to the thing's centre (x, y)."""


class TinySam(nn.Module):
    """The model as it is trained: pictures and mixed prompts to masks."""

    def __init__(self) -> None:
        """Builds it with fresh weights."""
        super().__init__()
        self.image_encoder = ImageEncoder()
        self.prompt_encoder = PaintedPromptEncoder()
        self.mask_decoder = SkipMaskDecoder()
        self.auxiliary = nn.Conv2d(32, AUXILIARY, 1)

    def forward(self, pictures: Tensor, points: Tensor, boxes: Tensor, is_box: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns logits ``(n * p, 4, 128, 128)``, IoU ``(n * p, 4)`` and dense outputs ``(n, 4, 64, 64)``.

        Pictures are ``(n, 3, 256, 256)`` 0..255; prompts ``(n, p, 2)``, ``(n, p, 4)`` pixels and ``(n, p)`` 0 or 1.
        """
        *maps, wide = self.image_encoder(normalise(pictures))
        sparse, dense = self.prompt_encoder.embed_mixed(points.flatten(0, 1), boxes.flatten(0, 1), is_box.flatten())
        masks, iou = self.mask_decoder.decode(tuple(maps), self.prompt_encoder.get_dense_pe(), sparse, dense)
        return masks, iou, self.auxiliary(wide)


class FoldedEncoder(nn.Module):
    """The encoder as `Sam` wants it: one map at stride 16, and the side of the picture as `img_size`."""

    def __init__(self, encoder: ImageEncoder) -> None:
        """Wraps an encoder."""
        super().__init__()
        self.encoder = encoder
        self.img_size = encoder.img_size

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns the folded maps of normalised pictures."""
        return fold(self.encoder(pictures)[:4])


def to_sam(model: TinySam) -> Sam:
    """Returns the model as `segment_anything.modeling.Sam`, for its predictor and its automatic mask generator."""
    encoder = FoldedEncoder(model.image_encoder)
    return Sam(encoder, model.prompt_encoder, model.mask_decoder, list(PIXEL_MEAN), list(PIXEL_STD)).eval()


def parameters_of(model: nn.Module) -> int:
    """Returns the number of weights."""
    return sum(weight.numel() for weight in model.parameters())
