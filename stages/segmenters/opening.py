"""Which back-end: the union of their configurations and the function that opens one. A new back-end adds two lines."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Record
from stages.segmenters.embedded import EmbeddedConfig, open_embedded
from stages.segmenters.protocol import Segmenter
from stages.segmenters.sam import SamConfig, open_sam
from stages.segmenters.sam1 import Sam1Config, open_sam1
from stages.segmenters.sam2 import Sam2Config, open_sam2
from stages.segmenters.sam3 import Sam3Config, open_sam3


class AnnotationsConfig(Record):
    """Masks of an annotation file: no segmenter at all."""

    kind: Literal["annotations"] = "annotations"


SegmenterConfig = Annotated[
    AnnotationsConfig | EmbeddedConfig | SamConfig | Sam1Config | Sam2Config | Sam3Config, Field(discriminator="kind")
]
PerceivingConfig = EmbeddedConfig | SamConfig | Sam1Config | Sam2Config | Sam3Config
KINDS = ("annotations", "embedded", "segment-anything", "sam1", "sam2", "sam3")


def open_segmenter(config: PerceivingConfig) -> Segmenter:
    """Returns the open back-end; its libraries are imported here and nowhere earlier.

    Raises:
        SegmenterError: a package, a model or a file is missing; the message says which and how to get it.
    """
    match config:
        case EmbeddedConfig():
            return open_embedded(config)
        case SamConfig():
            return open_sam(config)
        case Sam1Config():
            return open_sam1(config)
        case Sam2Config():
            return open_sam2(config)
        case Sam3Config():
            return open_sam3(config)
