"""Changes to rendered scenes that keep their ids exact: other arrangements, grounds, windows, colours and damage.

Everything is drawn from the generator it is given. Pictures are ``(H, W, 3)`` uint8, ids ``(H, W)`` uint8.
"""

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.encoder import IMAGE_SIZE, PIXEL_MEAN

Pixels = NDArray[np.uint8]
Generator = np.random.Generator
MEAN = np.rint(np.array(PIXEL_MEAN)).astype(np.uint8)


class View(NamedTuple):
    """A window of a scene that is stretched over the whole picture of the model; it may reach beyond the scene."""

    left: int
    top: int
    width: int
    height: int
    flip: bool

    def to_model(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns points ``(..., 2)`` of the scene in pixels of the model's picture."""
        x = (xy[..., 0] - self.left) * (IMAGE_SIZE / self.width)
        y = (xy[..., 1] - self.top) * (IMAGE_SIZE / self.height)
        return np.stack([IMAGE_SIZE - x if self.flip else x, y], axis=-1)


def draw_view(rng: Generator, height: int, width: int) -> View:
    """Returns the whole scene squeezed into a square, sometimes padded below instead, sometimes a window of it."""
    flip = bool(rng.random() < 0.5)
    kind = rng.random()
    if kind < 0.6:
        return View(0, 0, width, height, flip)
    if kind < 0.72:
        side = max(width, height)
        return View(0, 0, side, side, flip)
    share = rng.uniform(0.45, 1.0)
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    w, h = min(width, int(width * share * stretch)), min(height, int(height * share / stretch))
    return View(int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h, flip)


def cut(array: Pixels, view: View, fill: Pixels | int) -> Pixels:
    """Returns the window of a picture or of ids, padded with `fill` beyond the scene, flipped where the view is."""
    height, width = array.shape[:2]
    window = array[view.top : min(view.top + view.height, height), view.left : min(view.left + view.width, width)]
    if window.shape[:2] != (view.height, view.width):
        padded = np.empty((view.height, view.width, *array.shape[2:]), dtype=np.uint8)
        padded[...] = fill
        padded[: window.shape[0], : window.shape[1]] = window
        window = padded
    return window[:, ::-1] if view.flip else window


def to_model_size(window: Pixels) -> Pixels:
    """Returns a picture window as ``(256, 256, 3)``; shrinking averages."""
    image = Image.fromarray(np.ascontiguousarray(window))
    return np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR))


def paste_things(rng: Generator, image: Pixels, ids: Pixels, donor: tuple[Pixels, Pixels]) -> tuple[Pixels, Pixels]:
    """Returns the scene with a few whole things of another one on top, shifted; ids count on."""
    image, ids = image.copy(), ids.copy()
    height, width = ids.shape
    there = np.unique(donor[1])[1:]
    for number in rng.permutation(there)[: rng.integers(1, 5)]:
        rows, columns = np.nonzero(donor[1] == number)
        dy = int(rng.integers(-rows.min(), height - rows.max()))
        dx = int(rng.integers(-columns.min(), width - columns.max()))
        image[rows + dy, columns + dx] = donor[0][rows, columns]
        ids[rows + dy, columns + dx] = ids.max() + 1
    return image, ids


def swap_ground(rng: Generator, image: Pixels, ids: Pixels) -> Pixels:
    """Returns the picture with another ground: patches of noise of several sizes, or a gradient, in any colours."""
    height, width = ids.shape
    ground = np.zeros((height, width, 3), dtype=np.float32) + rng.uniform(20, 235, 3)
    for cells in (2, 6, 20, 70)[: rng.integers(1, 5)]:
        grid = rng.uniform(-1, 1, (cells, cells + 1, 3)) * rng.uniform(5, 60)
        small = np.clip(grid + 128, 0, 255).astype(np.uint8)
        method = Image.Resampling.NEAREST if rng.random() < 0.3 else Image.Resampling.BICUBIC
        ground += np.asarray(Image.fromarray(small).resize((width, height), method), dtype=np.float32) - 128
    shown = np.clip(ground, 0, 255).astype(np.uint8)
    return np.where(ids[..., None] == 0, shown, image)


def damage(rng: Generator, picture: Pixels) -> Pixels:
    """Returns the picture in other light and colours, sometimes blurred, noisy or compressed."""
    shown = picture.astype(np.float32)
    if rng.random() < 0.25:
        shown = shown[..., rng.permutation(3)]
    shown = (shown - 128) * rng.uniform(0.75, 1.2) + 128 + rng.uniform(-20, 20)
    shown = shown * rng.uniform(0.88, 1.12, 3).astype(np.float32)
    if rng.random() < 0.3:
        shown = shown + rng.normal(0, rng.uniform(1, 9), shown.shape).astype(np.float32)
    out = np.clip(shown, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        out = np.asarray(Image.fromarray(out).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3))))
    if rng.random() < 0.15:
        buffer = io.BytesIO()
        Image.fromarray(out).save(buffer, format="JPEG", quality=int(rng.integers(25, 92)))
        out = np.asarray(Image.open(buffer))
    return out
