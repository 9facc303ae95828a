"""Which models a run asks: from the profile and the command line, checked before anything is asked."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from pipelines.asking import Client, Models
from pipelines.bucket import BucketPath
from pipelines.cli_models import Flags
from pipelines.config import RunConfig
from pipelines.dataset_info import DatasetInfo
from pipelines.errors import UserError
from pipelines.models.budget import check_budget
from pipelines.models.client import ModelClient
from pipelines.models.redaction import with_plain_addresses
from pipelines.models.spec import ModelSpec
from pipelines.steps import source_folder
from pipelines.store import Dataset
from schemas.model_request import ModelRole
from stages.rubric import family_of

_PROBE_SECONDS = 10.0
_OPTION = {
    ModelRole.GENERATOR: "--vlm-url",
    ModelRole.JUDGE: "--judge-url",
    ModelRole.SOLVER: "--solver-url",
    ModelRole.PARSER: "--parser-url",
}
_INSTEAD = {ModelRole.SOLVER: ModelRole.GENERATOR, ModelRole.PARSER: ModelRole.JUDGE}
"""Whose model answers for a role that has none of its own."""


def with_models(config: RunConfig, flags: Flags) -> RunConfig:
    """Returns the configuration with the models of the command line in place of the profile's.

    Raises:
        UserError: a model that the style needs is missing or has no name, or the judge is of the generator's family.
    """
    if config.style == "program":
        if any(flags.urls.values()):
            raise UserError("this profile asks no models: choose another with --profile, or leave the URLs out")
        return config
    specs = _specs(config, flags)
    for role in needed_roles(config):
        if role not in specs:
            raise UserError(f"this profile asks a {role.value}: give {_OPTION[role]}")
    rubric = config.rubric
    if flags.allow_same_family:
        rubric = rubric.model_copy(update={"allow_same_family": True})
    changed = config.model_copy(update={"models": specs, "rubric": rubric})
    check_families(changed)
    return changed


def _specs(config: RunConfig, flags: Flags) -> dict[ModelRole, ModelSpec]:
    specs = dict(config.models)
    for role in ModelRole:
        urls, name = tuple(flags.urls.get(role, ())), flags.names.get(role)
        if urls or name:
            changes = {key: value for key, value in (("urls", urls), ("model", name)) if value}
            given = specs[role].model_dump() if role in specs else {"model": name or _only_model(urls)}
            specs[role] = ModelSpec.model_validate(given | changes)
    for role, other in _INSTEAD.items():
        stand_in = specs.get(other) or specs.get(ModelRole.GENERATOR)
        if role not in specs and stand_in is not None:
            specs[role] = stand_in
    return specs


def needed_roles(config: RunConfig) -> tuple[ModelRole, ...]:
    """Returns the roles that a profile asks, in the order of the command line."""
    wanted = [ModelRole.GENERATOR]
    if config.rubric.enabled or config.trace.enabled:
        wanted.append(ModelRole.JUDGE)
    if config.solve.enabled or (config.screen.enabled and config.screen.coarse):
        wanted.append(ModelRole.SOLVER)
    if config.paraphrase.enabled or config.compose.enabled:
        wanted.append(ModelRole.PARSER)
    return tuple(wanted)


def check_families(config: RunConfig) -> None:
    """Refuses a judge of the generator's family, unless the configuration allows it.

    Raises:
        UserError: they are of one family.
    """
    generator, judge = (config.models.get(role) for role in (ModelRole.GENERATOR, ModelRole.JUDGE))
    if generator is None or judge is None or config.rubric.allow_same_family:
        return
    families = [spec.family or family_of(spec.model) for spec in (generator, judge)]
    if families[0] == families[1]:
        raise UserError(
            f"the judge {judge.model} is of the same family as the generator {generator.model} ({families[0]}) and "
            "forgives its kin: give another --judge-url, or say --allow-same-family"
        )


def with_remote_images(config: RunConfig) -> RunConfig:
    """Returns the configuration with pictures allowed to leave this machine, whatever their domain says."""
    specs = {role: spec.model_copy(update={"allow_remote_images": True}) for role, spec in config.models.items()}
    return config.model_copy(update={"models": specs})


def open_models(dataset: Dataset, info: DatasetInfo, config: RunConfig, budget: float | None = None) -> Models | None:
    """Returns the models of a run, to be opened by the first step that asks; None where none does.

    Raises:
        UserError: the budget cannot bind.
    """
    if config.style == "program":
        return None
    check_budget(budget, list(config.models.values()))
    names = {role: spec.model for role, spec in config.models.items()}
    read = PictureReader(dataset, source_folder(dataset.root, info))

    def open_client() -> Client:
        return ModelClient(dataset.root, config.models, read, budget)

    return Models(names, open_client)


class PictureReader:
    """Reads the files behind image ids, as the dataset's table ``images`` knows them."""

    def __init__(self, dataset: Dataset, source: Path) -> None:
        self._dataset = dataset
        self._source = source
        self._uris: dict[str, str] = {}

    def __call__(self, image_id: str) -> bytes | Path:
        """Returns the picture's file, or its bytes where it lies in a bucket.

        Raises:
            KeyError: no image has that id.
            OSError: the file cannot be read.
        """
        if image_id not in self._uris:
            rows = self._dataset.read("images", columns=["image_id", "uri"]).to_pylist()
            self._uris = {row["image_id"]: row["uri"] for row in rows}
        file = self._source / self._uris[image_id]
        return file.read_bytes() if isinstance(file, BucketPath) else file


def _only_model(urls: Sequence[str]) -> str:
    """Returns the one model that a server offers.

    Raises:
        UserError: the server cannot be asked, or offers none or several.
    """
    url = f"{urls[0].rstrip('/')}/models"
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{urls[0]} is no address of a server: it begins with http:// or https://")
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_SECONDS) as response:
            data = json.loads(response.read(1 << 20))
            names = [str(row["id"]) for row in data["data"]]
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{with_plain_addresses(url)} does not say which model it serves ({error}): give its name, e.g. --vlm-model"
        ) from error
    if len(names) != 1:
        listed = ", ".join(names[:5]) or "none"
        shown = with_plain_addresses(url)
        raise UserError(f"{shown} serves {len(names)} models ({listed}): give one, e.g. --vlm-model")
    return names[0]
