"""The step that finds copies among the images: turned, cropped, compressed or otherwise changed a little."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from schemas.thumbnail import AlikeImages
from stages.alike import find_alike
from stages.likeness import SIDE

COMPARE = "compare"


def compare(job: Job) -> Outcome:
    """Thumbnails to pairs of like images, over the whole dataset. Nothing is dropped here: a release selects."""
    ledger = Ledger(job.stage)
    admitted = set(job.rows("admit/images", ["image_id"])["image_id"].to_pylist())
    ids, thumbnails = thumbnails_of(job.rows("ingest/thumbnails"), admitted)
    ledger.take("images", len(admitted))
    ledger.keep("images", len(ids))
    return job.finish(ledger, {"alike": pairs_of(ids, thumbnails)})


def thumbnails_of(rows: pa.Table, wanted: Iterable[str]) -> tuple[list[str], NDArray[np.uint8]]:
    """Returns the wanted ids that have a thumbnail, ascending, and ``(N, SIDE, SIDE)`` thumbnails in that order."""
    grey = dict(zip(rows["image_id"].to_pylist(), rows["grey"].to_pylist(), strict=True))
    ids = sorted(image_id for image_id in wanted if image_id in grey)
    joined = b"".join(grey[image_id] for image_id in ids)
    return ids, np.frombuffer(joined, dtype=np.uint8).reshape(len(ids), SIDE, SIDE)


def pairs_of(ids: list[str], thumbnails: NDArray[np.uint8]) -> list[AlikeImages]:
    """Returns the like pairs among images with their thumbnails."""
    return [
        AlikeImages(image_id=ids[pair.first], other_id=ids[pair.second], likeness=round(min(pair.likeness, 1.0), 6))
        for pair in find_alike(thumbnails)
    ]
