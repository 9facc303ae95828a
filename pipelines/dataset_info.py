"""`dataset.json`: what a dataset was made from and with, written once when its folder is created."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from pipelines.errors import UserError
from pipelines.tables import TABLES
from schemas.record import Record

FILE_NAME = "dataset.json"
FORMAT_VERSION = 1


def _table_versions() -> dict[str, int]:
    return {name: spec.version for name, spec in TABLES.items()}


class DatasetInfo(Record):
    """Everything the rows are a function of. A dataset never changes it: other options need another folder."""

    format_version: int = FORMAT_VERSION
    source: str
    """Absolute folder of the images; "scenes" for rendered ones inside the dataset folder."""
    annotations: str | None = None
    """Absolute path of the annotation file."""
    annotations_sha256: str | None = None
    segmenter: str | None = None
    """What looks at the pictures, with a digest of its weights; None where instances are annotated."""
    seed: int = 0
    limit: int | None = None
    """Only the first so many uris in sorted order."""
    follows: bool = False
    """Whether the source may change between runs: then what is new or other is worked on, and the rest stands."""
    scene_count: int | None = None
    """Rendered scenes; None for images that were there already."""
    shard_size: int = Field(default=64, gt=0)
    """Images per shard. It moves rows between parts and changes none."""
    config: Mapping[str, Any] = {}
    """The run's configuration as JSON data."""
    config_hash: str = ""
    versions: Mapping[str, int] = {}
    """VERSION of every stage."""
    tables: Mapping[str, int] = Field(default_factory=_table_versions)
    """Schema version of every table."""

    def to_json(self) -> str:
        """Returns the text of `dataset.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "DatasetInfo":
        """Returns the info of a `dataset.json` text.

        Raises:
            UserError: the text is not a `dataset.json` of this version.
        """
        try:
            data = json.loads(text)
            version = data["format_version"]
            if version != FORMAT_VERSION:
                raise UserError(f"{where} has format {version}, this version of hopyard reads format {FORMAT_VERSION}")
            return cls.model_validate(data)
        except (ValueError, ValidationError, KeyError, TypeError) as error:
            raise UserError(f"{where}/{FILE_NAME} is damaged ({type(error).__name__}); use another --out") from error


def other_tables(info: DatasetInfo) -> list[str]:
    """Returns one text per table whose columns are others than this program's, e.g. ``questions (1 there, 2 here)``."""
    versions = _table_versions()
    return [
        f"{name} ({found} there, {versions[name]} here)"
        for name, found in sorted(info.tables.items())
        if name in versions and versions[name] != found
    ]


def differences(old: DatasetInfo, new: DatasetInfo) -> list[str]:
    """Returns one text per differing key, e.g. ``seed (7 there, 8 now)``, in key order."""
    old_flat = dict(_flat(old.model_dump(mode="json", exclude={"config_hash"})))
    new_flat = dict(_flat(new.model_dump(mode="json", exclude={"config_hash"})))
    keys = sorted(old_flat.keys() | new_flat.keys())
    return [
        f"{key} ({_shown(old_flat.get(key))} there, {_shown(new_flat.get(key))} now)"
        for key in keys
        if old_flat.get(key) != new_flat.get(key)
    ]


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"
