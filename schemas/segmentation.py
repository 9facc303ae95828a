"""What segmenting one image yields: instances, and what was rejected with the category it was said to be."""

from collections import Counter
from typing import NamedTuple

from schemas.drop import Drop, DropReason
from schemas.instance import Instance


class Segmentation(NamedTuple):
    """Instances and drops of one image; together as many as the source has annotations."""

    instances: tuple[Instance, ...]
    """Sorted by instance_id."""
    drops: tuple[Drop, ...]
    """In the order of the source."""


def annotation_drop_id(image_id: str, category: str | None, annotation_key: str) -> str:
    """Returns the id of a dropped annotation. It names the category: one whose instance was lost cannot be counted."""
    return f"{image_id}:{category or ''}:{annotation_key}"


def lost_categories(drops: tuple[Drop, ...]) -> dict[str, Counter[DropReason]]:
    """Returns, by category, why annotations of it were dropped; a duplicate is no loss and not among them."""
    lost: dict[str, Counter[DropReason]] = {}
    for drop in drops:
        category = drop.id.removeprefix(f"{drop.parent_id}:").rpartition(":")[0]
        if category and drop.reason is not DropReason.DUPLICATE_INSTANCE:
            lost.setdefault(category, Counter())[drop.reason] += 1
    return lost
