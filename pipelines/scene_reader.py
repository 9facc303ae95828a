"""Scenes from tables: what the rows say of each image, put together again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from pipelines.job import Job
from pipelines.store import Dataset
from schemas.category import Category
from schemas.image import Image
from schemas.instance import Instance
from schemas.look import Look
from schemas.manifest import Part
from schemas.scene import Scene
from stages.look import believed_keys, with_looks


class _OfImage(Protocol):
    @property
    def image_id(self) -> str: ...


OfImage = TypeVar("OfImage", bound=_OfImage)


class SceneParts(NamedTuple):
    """The parts that hold everything about the images of a shard."""

    images: Sequence[Part]
    instances: Sequence[Part]
    categories: Sequence[Part]
    source_annotations: Sequence[Part]
    looks: Sequence[Part] = ()
    """What a model said of the instances; those that are believed join their attributes."""
    images_table: str = "images"


def scenes_of(job: Job) -> Iterator[Scene]:
    """Yields the scenes of a job's shard in the order of its images; images without instances have none."""
    images = "screen/rich" if "screen/rich" in job.inputs else "admit/images"
    names = (images, "describe/instances", "describe/categories", "annotate-import/source_annotations")
    looks = job.inputs.get("look/looks", ())
    parts = [job.inputs[name] for name in names]
    return read_scenes(job.dataset, SceneParts(parts[0], parts[1], parts[2], parts[3], looks, images.split("/")[1]))


def read_scenes(dataset: Dataset, parts: SceneParts) -> Iterator[Scene]:
    """Yields the scenes of the parts in the order of the images; images without instances have none."""
    stated = dataset.read("source_annotations", parts.source_annotations, ["uri", "supports"]).to_pylist()
    supports = {row["uri"]: frozenset(row["supports"]) for row in stated}
    members = by_image(dataset.records("instances", Instance, parts.instances))
    named = by_image(dataset.records("categories", Category, parts.categories))
    looks = by_image(dataset.records("looks", Look, parts.looks))
    for image in dataset.records(parts.images_table, Image, parts.images):
        if image.image_id in members:
            seen = looks.get(image.image_id, [])
            instances = with_looks(members[image.image_id], seen)
            yield Scene(
                image=image,
                instances=tuple(sorted(instances, key=lambda instance: instance.instance_id)),
                categories=tuple(sorted(named.get(image.image_id, []), key=lambda category: category.category)),
                supports=supports.get(image.uri, frozenset()) | believed_keys(seen),
            )


def by_image(records: Iterable[OfImage]) -> dict[str, list[OfImage]]:
    """Returns records by image id, images in the order met."""
    grouped: dict[str, list[OfImage]] = {}
    for record in records:
        grouped.setdefault(record.image_id, []).append(record)
    return grouped
