"""All facts about one image: what a program runs on."""

from schemas.category import Category
from schemas.image import Image
from schemas.instance import Instance
from schemas.record import Record


class Scene(Record):
    """One image with its instances and categories. Built from the tables, never stored itself."""

    image: Image
    instances: tuple[Instance, ...]
    """Sorted by instance_id, so that nothing depends on the order of a source."""
    categories: tuple[Category, ...]
    supports: frozenset[str]
    """Facts the source can state here: attribute keys, and "depth". What is missing is never asked about."""
