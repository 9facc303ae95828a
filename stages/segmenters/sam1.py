"""SAM by transformers: the same model as `segment-anything`, from a folder or model id of the hub's format."""

from typing import Literal

from pydantic import Field

from schemas.record import Record
from stages.segmenters.everything import GridConfig
from stages.segmenters.prompted import IMAGENET, Promptable, PromptedSegmenter
from stages.segmenters.torch_runtime import Device, from_pretrained, import_transformers, place_of

KIND = "sam1"


class Sam1Config(Record):
    """SAM by transformers."""

    kind: Literal["sam1"] = "sam1"
    checkpoint: str = ""
    """Folder, or model id of the hub, e.g. facebook/sam-vit-base."""
    device: Device = "auto"
    half: bool = True
    grid: GridConfig = GridConfig()
    images_at_once: int = Field(default=4, ge=1)


def open_sam1(config: Sam1Config) -> PromptedSegmenter:
    """Returns SAM of a folder or model id.

    Raises:
        SegmenterError: a package or the model is missing.
    """
    transformers = import_transformers(KIND)
    place = place_of(config.device, config.half)
    model = from_pretrained(transformers.SamModel, config.checkpoint, KIND, place)
    side = model.config.vision_config.image_size
    using = Promptable(model, place, side, IMAGENET, True, config.grid, config.images_at_once)
    return PromptedSegmenter(KIND, using, config.checkpoint)
