"""The step that finds copies among the images: turned, cropped, compressed or otherwise changed a little."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from schemas.thumbnail import AlikeImages
from stages.alike import find_alike
from stages.likeness import SIDE, is_flat

COMPARE = "compare"


def compare(job: Job) -> Outcome:
    """Thumbnails to pairs of like images, over the whole dataset. Nothing is dropped here: a release selects."""
    ledger = Ledger(job.stage)
    admitted = set(job.rows("admit/images", ["image_id"])["image_id"].to_pylist())
    parts = (job.dataset.read("thumbnails", [part]) for part in job.inputs["ingest/thumbnails"])
    ids, thumbnails = thumbnails_of(parts, admitted)
    ledger.take("images", len(admitted))
    ledger.keep("images", len(ids))
    return job.finish(ledger, {"alike": pairs_of(ids, thumbnails)})


def thumbnails_of(parts: Iterable[pa.Table], wanted: Iterable[str]) -> tuple[list[str], NDArray[np.uint8]]:
    """Returns the wanted ids that have a thumbnail, ascending, and ``(N, SIDE, SIDE)`` thumbnails in that order.

    One part is in memory beside them. Flat ones are left black, which is as flat: their memory is never touched.
    """
    ids = sorted(wanted)
    places = {image_id: place for place, image_id in enumerate(ids)}
    thumbnails = np.zeros((len(ids), SIDE, SIDE), dtype=np.uint8)
    held = np.zeros(len(ids), dtype=np.bool_)
    for part in parts:
        for image_id, grey in zip(part["image_id"].to_pylist(), part["grey"], strict=True):
            place = places.get(image_id)
            if place is not None:
                held[place] = True
                thumbnail = np.frombuffer(grey.as_buffer(), dtype=np.uint8).reshape(SIDE, SIDE)
                if not is_flat(thumbnail):
                    thumbnails[place] = thumbnail
    if held.all():
        return ids, thumbnails
    return [image_id for image_id, has in zip(ids, held, strict=True) if has], thumbnails[held]


def pairs_of(ids: list[str], thumbnails: NDArray[np.uint8]) -> list[AlikeImages]:
    """Returns the like pairs among images with their thumbnails."""
    return [
        AlikeImages(image_id=ids[pair.first], other_id=ids[pair.second], likeness=round(min(pair.likeness, 1.0), 6))
        for pair in find_alike(thumbnails)
    ]
