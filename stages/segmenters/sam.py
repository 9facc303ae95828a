"""SAM by `segment_anything`: Meta's checkpoints (ViT-B, L, H), or any `Sam` module of that package.

The longer side of the picture becomes the encoder's, the rest is padding. Masks stay at the decoder's resolution.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.record import Record
from stages.segmenters.everything import GridConfig, Probe, best_answers, find_everything
from stages.segmenters.lent_torchvision import import_segment_anything
from stages.segmenters.protocol import Floats, Found, Pixels, Prompts, SegmenterError, check_prompts
from stages.segmenters.sam_shapes import build_for
from stages.segmenters.torch_runtime import Device, Place, load_state, normalised, place_of

KIND = "segment-anything"


class SamConfig(Record):
    """SAM by `segment_anything`."""

    kind: Literal["segment-anything"] = "segment-anything"
    checkpoint: str = ""
    """File of weights: Meta's .pth, or the same as .safetensors."""
    device: Device = "auto"
    half: bool = True
    """Half precision where there is an accelerator."""
    grid: GridConfig = GridConfig()


class Sam(NamedTuple):
    """The open back-end."""

    model: Any
    """A `segment_anything.modeling.Sam`."""
    label: str
    place: Place
    grid: GridConfig

    @property
    def name(self) -> str:
        return f"{KIND}/1@{self.label}"

    @property
    def understands(self) -> frozenset[str]:
        return frozenset({"everything", "points", "boxes"})

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture; see `Segmenter`. The encoder sees all pictures in one batch."""
        check_prompts(KIND, self.understands, prompts)
        if not pictures:
            return []
        with self.place.running():
            embeddings = self._encode(pictures)
            return [
                self._find_in((picture.shape[0], picture.shape[1]), embedding[None], asked)
                for picture, embedding, asked in zip(pictures, embeddings, prompts, strict=True)
            ]

    def _encode(self, pictures: Sequence[Pixels]) -> Any:  # noqa: ANN401 - a tensor
        side = self.model.image_encoder.img_size
        mean, std = (getattr(self.model, name).flatten().cpu().numpy() / 255 for name in ("pixel_mean", "pixel_std"))
        batch = np.zeros((len(pictures), 3, side, side), dtype=np.float32)
        for number, picture in enumerate(pictures):
            rows, columns = fitted((picture.shape[0], picture.shape[1]), side)
            batch[number, :, :rows, :columns] = normalised(picture, (rows, columns), mean, std)
        return self.model.image_encoder(self.place.cast(self.place.to_tensor(batch)))

    def _find_in(self, size: tuple[int, int], embedding: Any, asked: Prompts) -> list[Found]:  # noqa: ANN401
        side = self.model.image_encoder.img_size
        rows, columns = fitted(size, side)
        cover = (columns / side, rows / side)
        scale = np.array([columns, rows], dtype=np.float64)
        if asked.kind == "everything":
            probe = Probe(lambda points: self._decode(embedding, points * scale, None), cover_xy=cover)
            return find_everything(probe, self.grid)
        to_side = scale / np.array([size[1], size[0]], dtype=np.float64)
        if asked.points is not None:
            logits, quality = self._decode(embedding, asked.points * to_side, None)
        else:
            assert asked.boxes is not None  # the only kind left
            logits, quality = self._decode(embedding, None, asked.boxes * np.tile(to_side, 2))
        return best_answers(logits, quality, cover)

    def _decode(
        self,
        embedding: Any,  # noqa: ANN401 - a tensor
        points: NDArray[np.float64] | None,
        boxes: NDArray[np.float64] | None,
    ) -> tuple[Floats, Floats]:
        """Returns logits and predicted IoU, three per point ``(n, 2)`` or box ``(n, 4)``, encoder pixels."""
        if not len(points if points is not None else boxes if boxes is not None else ()):
            return np.zeros((0, 1, 1, 1), np.float32), np.zeros((0, 1), np.float32)
        prompts = self.model.prompt_encoder
        with_points = None
        if points is not None:
            import torch

            at = self.place.to_tensor(points[:, None, :].astype(np.float32))
            with_points = (at, torch.ones(at.shape[:2], dtype=torch.int64, device=at.device))
        with_boxes = None if boxes is None else self.place.to_tensor(boxes.astype(np.float32))
        sparse, dense = prompts(points=with_points, boxes=with_boxes, masks=None)
        logits, quality = self.model.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.place.cast(prompts.get_dense_pe()),
            sparse_prompt_embeddings=self.place.cast(sparse),
            dense_prompt_embeddings=self.place.cast(dense),
            multimask_output=True,
        )
        return logits.float().cpu().numpy(), quality.float().cpu().numpy()


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Returns the height and width at which the longer side of a picture is `side`."""
    scale = side / max(size)
    return int(size[0] * scale + 0.5), int(size[1] * scale + 0.5)


def open_sam(config: SamConfig) -> Sam:
    """Returns SAM with the weights of the checkpoint.

    Raises:
        SegmenterError: a package or the checkpoint is missing, or the checkpoint is of another architecture.
    """
    package = import_segment_anything()
    if not config.checkpoint:
        raise SegmenterError(
            f"the segmenter {KIND} needs weights: --checkpoint FILE (sam_vit_b_01ec64.pth or the like)"
        )
    path = Path(config.checkpoint)
    state = load_state(path, KIND)
    try:
        model = build_for(state, package.modeling)
        model.load_state_dict(state, strict=True)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())
        raise SegmenterError(f"{path} holds no weights of a SAM image encoder and decoder: {told:.120}") from None
    return to_segmenter(model, path.stem, config)


def to_segmenter(model: Any, label: str, config: SamConfig) -> Sam:  # noqa: ANN401 - a torch module
    """Returns any module of the shape of `segment_anything.modeling.Sam` as a segmenter."""
    place = place_of(config.device, config.half)
    model = model.eval().to(place.device, place.dtype)
    model.prompt_encoder.float()  # its position code is computed in single precision whatever it is given
    return Sam(model, label, place, config.grid)
