"""Rendered scenes as the source of a dataset: drawn once into its folder `scenes`, then read like any other images."""

import os
import shutil
import time
from pathlib import Path

from pydantic import ValidationError

from pipelines.config import RunConfig
from pipelines.dataset_info import DatasetInfo
from pipelines.errors import UserError
from pipelines.ledger import Ledger
from pipelines.parts import digest_of
from pipelines.progress import Watcher
from pipelines.steps import SCENES_FOLDER
from pipelines.store import Dataset
from schemas.manifest import WHOLE_DATASET, ShardManifest

STAGE = "render"


def render_once(dataset: Dataset, info: DatasetInfo, config: RunConfig, workers: int, watcher: Watcher) -> None:
    """Draws the scenes of the dataset unless that is done; half-drawn ones of a killed run are replaced."""
    options = sorted(config.render.items())
    key = digest_of(STAGE, options, info.scene_count, info.seed)
    if info.scene_count is None or dataset.manifest(STAGE, WHOLE_DATASET, key) is not None:
        return
    folder = dataset.root / SCENES_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    watcher.say(f"rendering {info.scene_count} scenes")
    started = time.perf_counter()
    render_scenes(folder, info.scene_count, info.seed, config, workers)
    ledger = Ledger(STAGE)
    ledger.take("scenes", info.scene_count)
    ledger.keep("scenes", sum(1 for _ in folder.rglob("*.png")))
    dataset.commit(
        ShardManifest(
            stage=STAGE,
            shard=WHOLE_DATASET,
            key=key,
            version=1,
            config_hash=digest_of(options),
            input_digest=digest_of(info.scene_count, info.seed),
            counts=ledger.close(),
            seconds=time.perf_counter() - started,
        )
    )


def render_scenes(folder: Path, count: int, seed: int, config: RunConfig, workers: int | None) -> None:
    """Draws scenes and their COCO file into a folder.

    Raises:
        UserError: an option of the profile's section ``render`` is wrong, or the folder cannot be written.
    """
    from pipelines.scenes import RenderConfig, write_scenes  # drawing is needed by this one command only

    try:
        write_scenes(folder, count, seed, RenderConfig.model_validate(config.render), workers or os.cpu_count() or 1)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"profile: render.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
