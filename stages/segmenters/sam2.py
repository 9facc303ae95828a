"""SAM 2 by transformers: points and boxes; the picture is squeezed into a square."""

from typing import Literal

from pydantic import Field

from schemas.record import Record
from stages.segmenters.everything import GridConfig
from stages.segmenters.prompted import IMAGENET, Promptable, PromptedSegmenter
from stages.segmenters.torch_runtime import Device, from_pretrained, import_transformers, place_of

KIND = "sam2"


class Sam2Config(Record):
    """SAM 2 by transformers."""

    kind: Literal["sam2"] = "sam2"
    checkpoint: str = ""
    """Folder, or model id of the hub, e.g. facebook/sam2.1-hiera-large."""
    device: Device = "auto"
    half: bool = True
    grid: GridConfig = GridConfig(min_quality=0.8, min_stability=0.92)
    images_at_once: int = Field(default=4, ge=1)


def open_sam2(config: Sam2Config) -> PromptedSegmenter:
    """Returns SAM 2 of a folder or model id.

    Raises:
        SegmenterError: a package or the model is missing.
    """
    transformers = import_transformers(KIND)
    place = place_of(config.device, config.half)
    model = from_pretrained(transformers.Sam2Model, config.checkpoint, KIND, place)
    side = int(model.prompt_encoder.input_image_size)
    using = Promptable(model, place, side, IMAGENET, False, config.grid, config.images_at_once)
    return PromptedSegmenter(KIND, using, config.checkpoint)
