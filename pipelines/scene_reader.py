"""Scenes from tables: what a shard's rows say of each image, put together again."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from pipelines.job import Job
from schemas.category import Category
from schemas.image import Image
from schemas.instance import Instance
from schemas.scene import Scene


class _OfImage(Protocol):
    @property
    def image_id(self) -> str: ...


OfImage = TypeVar("OfImage", bound=_OfImage)


def read_scenes(job: Job) -> Iterator[Scene]:
    """Yields the scenes of a shard in the order of its images; images without instances have none."""
    stated = job.rows("annotate-import/source_annotations", ["uri", "supports"]).to_pylist()
    supports = {row["uri"]: frozenset(row["supports"]) for row in stated}
    images = job.records("admit/images", Image)
    instances = job.records("describe/instances", Instance)
    categories = job.records("describe/categories", Category)
    return build_scenes(images, instances, categories, supports)


def build_scenes(
    images: Iterable[Image],
    instances: Iterable[Instance],
    categories: Iterable[Category],
    supports: dict[str, frozenset[str]],
) -> Iterator[Scene]:
    """Yields a scene for each image that has instances; ``supports`` is by uri."""
    members, named = by_image(instances), by_image(categories)
    for image in images:
        if image.image_id in members:
            yield Scene(
                image=image,
                instances=tuple(sorted(members[image.image_id], key=lambda instance: instance.instance_id)),
                categories=tuple(sorted(named.get(image.image_id, []), key=lambda category: category.category)),
                supports=supports.get(image.uri, frozenset()),
            )


def by_image(records: Iterable[OfImage]) -> dict[str, list[OfImage]]:
    """Returns records by image id, images in the order met."""
    grouped: dict[str, list[OfImage]] = {}
    for record in records:
        grouped.setdefault(record.image_id, []).append(record)
    return grouped
