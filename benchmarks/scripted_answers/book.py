"""The scenes of a dataset as the stand-in knows them: whole pictures, and the crops that stages send."""

from pathlib import Path

from benchmarks.scripted_server.scenes import SceneBook
from pipelines.scene_reader import SceneParts, read_scenes
from pipelines.store import Dataset
from stages.asking import crop

_TABLES = ("images", "instances", "categories", "source_annotations")


def book_of_dataset(dataset: Dataset, images: Path) -> SceneBook:
    """Returns the scenes of a finished dataset whose pictures lie in a folder."""
    book = SceneBook()
    stored, instances, categories, stated = (dataset.parts(name) for name in _TABLES)
    for scene in read_scenes(dataset, SceneParts(stored, instances, categories, stated)):
        size = (scene.image.width, scene.image.height)
        boxes = [box for one in scene.instances if (box := crop(one, *size).box_xyxy) is not None]
        book.add(scene, (images / scene.image.uri).read_bytes(), boxes)
    return book
