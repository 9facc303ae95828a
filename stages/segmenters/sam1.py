"""SAM by transformers: the same model as `segment-anything`, from a folder or model id of the hub's format."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.record import Record
from stages.segmenters.everything import GridConfig
from stages.segmenters.prompted import IMAGENET, Promptable, find_prompted
from stages.segmenters.protocol import Found, Pixels, Prompts, check_prompts
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


class Sam1(NamedTuple):
    """The open back-end."""

    using: Promptable
    label: str

    @property
    def name(self) -> str:
        return f"{KIND}/1@{self.label}"

    @property
    def understands(self) -> frozenset[str]:
        return frozenset({"everything", "points", "boxes"})

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture; see `Segmenter`."""
        check_prompts(KIND, self.understands, prompts)
        return find_prompted(self.using, pictures, prompts)


def open_sam1(config: Sam1Config) -> Sam1:
    """Returns SAM of a folder or model id.

    Raises:
        SegmenterError: a package or the model is missing.
    """
    transformers = import_transformers(KIND)
    place = place_of(config.device, config.half)
    model = from_pretrained(transformers.SamModel, config.checkpoint, KIND, place)
    side = model.config.vision_config.image_size
    using = Promptable(model, place, side, IMAGENET, True, config.grid, config.images_at_once)
    return Sam1(using, config.checkpoint.rstrip("/").rpartition("/")[2])
