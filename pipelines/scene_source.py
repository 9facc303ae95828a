"""Rendered scenes as the source of a dataset: drawn once into its folder `scenes`, then read like any other images."""

import shutil
import time

from pipelines.config import RunConfig, hash_config
from pipelines.dataset_info import DatasetInfo
from pipelines.ledger import Ledger
from pipelines.parts import digest_of
from pipelines.progress import Watcher
from pipelines.scenes import write_scenes
from pipelines.steps import SCENES_FOLDER
from pipelines.store import Dataset
from schemas.manifest import WHOLE_DATASET, ShardManifest

STAGE = "render"


def render_once(dataset: Dataset, info: DatasetInfo, config: RunConfig, workers: int, watcher: Watcher) -> None:
    """Draws the scenes of the dataset unless that is done; half-drawn ones of a killed run are replaced."""
    key = digest_of(STAGE, hash_config(config.render), info.scene_count, info.seed)
    if info.scene_count is None or dataset.manifest(STAGE, WHOLE_DATASET, key) is not None:
        return
    folder = dataset.root / SCENES_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    watcher.say(f"rendering {info.scene_count} scenes")
    started = time.perf_counter()
    write_scenes(folder, info.scene_count, info.seed, config.render, workers)
    ledger = Ledger(STAGE)
    ledger.take("scenes", info.scene_count)
    ledger.keep("scenes", info.scene_count)
    dataset.commit(
        ShardManifest(
            stage=STAGE,
            shard=WHOLE_DATASET,
            key=key,
            version=1,
            config_hash=hash_config(config.render),
            input_digest=digest_of(info.scene_count, info.seed),
            counts=ledger.close(),
            seconds=time.perf_counter() - started,
        )
    )
