"""The image encoder: convolutions down to stride 16, a few transformer blocks there, and a way back up.

In: pictures ``(N, 3, 256, 256)``, normalised. Out: an embedding at stride 16 and pixel features at strides 8, 4 and 2,
all computed once per picture and shared by its prompts, as SAM 2 does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE_SIZE = 256
"""Side of the pictures the model sees, pixels."""
GRID = 16
"""Side of the embedding."""
EMBED = 96
"""Channels of the embedding."""
SKIPS = {2: 8, 4: 16, 8: 24}
"""Channels of the pixel features by stride."""
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


class ImageEncoder(nn.Module):
    """Pictures to ``(embedding, f8, f4, f2)``."""

    def __init__(self, width: int = 128, depth: int = 2) -> None:
        """Takes the channels and the number of the transformer blocks."""
        super().__init__()
        self.img_size = IMAGE_SIZE
        self.down2 = _conv(3, 16, 2)
        self.down4 = nn.Sequential(_conv(16, 32, 2), Residual(32))
        self.down8 = nn.Sequential(_conv(32, 64, 2), Residual(64))
        self.down16 = _conv(64, width, 2)
        self.position = nn.Parameter(torch.randn(1, GRID * GRID, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.neck = nn.Conv2d(width, EMBED, 1)
        self.up8, self.lateral8, self.mix8 = nn.Conv2d(width, 48, 1), nn.Conv2d(64, 48, 1), _conv(48, 48)
        self.up4, self.lateral4, self.mix4 = nn.Conv2d(48, 32, 1), nn.Conv2d(32, 32, 1), _conv(32, 32)
        self.up2, self.lateral2 = nn.Conv2d(32, 16, 1), nn.Conv2d(16, 16, 1)
        self.out8, self.out4, self.out2 = nn.Conv2d(48, 24, 1), nn.Conv2d(32, 16, 1), nn.Conv2d(16, 8, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Returns the embedding, the pixel features of strides 8, 4 and 2, and the wide features of stride 4."""
        x2 = self.down2(pictures)
        x4 = self.down4(x2)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        n, width, rows, columns = x16.shape
        tokens = x16.flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        top = self.norm(tokens).transpose(1, 2).reshape(n, width, rows, columns)
        y8 = self.mix8(_twice(self.up8(top)) + self.lateral8(x8))
        y4 = self.mix4(_twice(self.up4(y8)) + self.lateral4(x4))
        y2 = functional.relu(_twice(self.up2(y4)) + self.lateral2(x2))
        return self.neck(top), self.out8(y8), self.out4(y4), self.out2(y2), y4


class Residual(nn.Module):
    """Two 3 x 3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        """Keeps the number of channels."""
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Returns features of the same shape."""
        return functional.relu(x + self.second(self.first(x)))


class Block(nn.Module):
    """A pre-norm transformer block with attention over the whole grid."""

    def __init__(self, width: int, heads: int) -> None:
        """Takes the channels and the number of heads."""
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Returns tokens ``(N, L, width)``."""
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, width)
        x = x + self.project(mixed)
        return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))


def normalise(pictures: Tensor) -> Tensor:
    """Returns pictures ``(N, 3, H, W)`` 0..255 as the encoder wants them."""
    mean = pictures.new_tensor(PIXEL_MEAN)[:, None, None]
    return (pictures - mean) / pictures.new_tensor(PIXEL_STD)[:, None, None]


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
