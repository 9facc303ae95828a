"""The pixels of an ingested image, read again from its source."""

from pipelines.job import Job
from schemas.drop import Drop
from schemas.image import Image
from stages.ingest import read_image
from stages.segmenters.protocol import Pixels


def read_pixels(job: Job, image: Image) -> Pixels:
    """Returns the upright ``(H, W, 3)`` pixels.

    Raises:
        ValueError: the file does not hold the picture any more that was ingested.
    """
    decoded = read_image((job.source / image.uri).read_bytes(), image.uri, image.licence, job.config.ingest)
    if isinstance(decoded, Drop) or decoded.image.image_id != image.image_id:
        raise ValueError(f"{image.uri} is no longer the picture that was ingested")
    return decoded.pixels
