"""An image as the dataset knows it: identified by its pixels, not by its file."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Image(Record):
    """One admitted image."""

    image_id: str = Field(min_length=64, max_length=64)
    """sha256 over width, height and the RGB bytes after EXIF orientation: one picture in two files is one image."""
    uri: str
    """Path below the source folder, with forward slashes."""
    width: int = Field(gt=0)
    """Pixels, after EXIF orientation."""
    height: int = Field(gt=0)
    """Pixels, after EXIF orientation."""
    format: str
    """What the file really is, by its content: JPEG, PNG, WEBP, TIFF, BMP, GIF."""
    mode: str
    """Pillow mode before conversion to RGB."""
    file_sha256: str
    file_bytes: int = Field(ge=0)
    licence: str
    """Licence name or URL as the source states it; "unknown" where it states none."""
    split: str
    """train, validation or test: a function of image_id alone."""


IMAGE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("file_sha256", pa.string()),
        ("file_bytes", pa.int64()),
        ("licence", pa.string()),
        ("split", pa.string()),
    ]
)
