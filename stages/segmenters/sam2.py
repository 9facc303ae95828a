"""SAM 2 by transformers: points and boxes; the picture is squeezed into a square."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.record import Record
from stages.segmenters.everything import GridConfig
from stages.segmenters.prompted import IMAGENET, Promptable, find_prompted
from stages.segmenters.protocol import Found, Pixels, Prompts, check_prompts
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


class Sam2(NamedTuple):
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


def open_sam2(config: Sam2Config) -> Sam2:
    """Returns SAM 2 of a folder or model id.

    Raises:
        SegmenterError: a package or the model is missing.
    """
    transformers = import_transformers(KIND)
    place = place_of(config.device, config.half)
    model = from_pretrained(transformers.Sam2Model, config.checkpoint, KIND, place)
    side = int(model.prompt_encoder.input_image_size)
    using = Promptable(model, place, side, IMAGENET, False, config.grid, config.images_at_once)
    return Sam2(using, config.checkpoint.rstrip("/").rpartition("/")[2])
