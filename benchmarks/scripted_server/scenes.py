"""The scenes behind pictures: what lets the stand-in answer rightly, or wrongly on purpose."""

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import Image

from pipelines.models.pictures import encode_picture
from schemas.scene import Scene

Box = tuple[float, float, float, float]


class Seen(NamedTuple):
    """A picture of a request, recognised."""

    scene: Scene
    box_xyxy: Box | None
    """The region of the scene that the picture shows; None for all of it."""


class SceneBook:
    """Scenes by the pixels of their pictures. A picture that was never added is not recognised."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._bodies: dict[str, str] = {}

    def add(
        self, scene: Scene, data: bytes, boxes_xyxy: Iterable[Box] = (), max_pixels: Iterable[int] = (1_003_520,)
    ) -> None:
        """Adds a scene with the file bytes of its picture, also as it looks cut to boxes and made smaller.

        Args:
            scene: what the picture shows.
            data: the picture's file.
            boxes_xyxy: regions that may be sent by themselves, e.g. those of the instances.
            max_pixels: pixel budgets with which clients may send it.
        """
        for budget in max_pixels:
            for box in (None, *boxes_xyxy):
                self._seen.setdefault(_pixels_of(encode_picture(data, box, budget).data), Seen(scene, box))

    def find(self, data_uri: str) -> Seen | None:
        """Returns the scene of a data URI; None for a picture that was never added, or none at all."""
        if not self._seen:
            return None
        digest = hashlib.sha256(data_uri.encode()).hexdigest()
        if digest not in self._bodies:
            try:
                self._bodies[digest] = _pixels_of(base64.b64decode(data_uri.partition(",")[2]))
            except (OSError, ValueError):
                self._bodies[digest] = ""
        return self._seen.get(self._bodies[digest])

    def scenes(self) -> Iterator[Scene]:
        """Yields each scene once."""
        yield from {seen.scene.image.image_id: seen.scene for seen in self._seen.values()}.values()


def _pixels_of(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as picture:
        pixels = picture.convert("RGB")
        return hashlib.sha256(f"{pixels.width}x{pixels.height}:".encode() + pixels.tobytes()).hexdigest()
