"""The factory as a straight list: what each step reads, what it calls, and what its outcome is a function of."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import stages.alike
import stages.describe
import stages.ingest
import stages.judge
import stages.route
import stages.segment
import stages.synthesize
from pipelines import admit, annotate, comparing, question_steps, shard_steps
from pipelines.bucket import place
from pipelines.config import RunConfig, hash_config
from pipelines.dataset_info import DatasetInfo
from pipelines.domains import domain_of
from pipelines.job import Job, Outcome
from pipelines.listing import LIST, LIST_VERSION
from pipelines.parts import digest_of
from schemas.manifest import WHOLE_DATASET, Part, ShardManifest
from stages.prompts import prompts_digest

SCENES_FOLDER = "scenes"
SCENES_SOURCE = f"{SCENES_FOLDER}/images"
"""Where rendered scenes lie below a dataset; also how `DatasetInfo.source` calls them."""


class Step(NamedTuple):
    """One step of the factory."""

    name: str
    version: int
    run: Callable[[Job], Outcome]
    reads: tuple[str, ...]
    """``stage/table``: whose rows of which table it needs."""
    section: str | None
    """Section of the configuration that it depends on; None for all of it."""
    whole: bool = False
    """Sees all shards at once."""
    loads_models: bool = False
    """Opens a model in the process that does it: runners with GPUs give it one."""
    asks: bool = False
    """Asks models, so that it runs where their client is: in the parent process."""


_FILES = f"{LIST}/sources"
_STATED = "annotate-import/source_annotations"
_IMAGES = "admit/images"
_SCENES = (_IMAGES, _STATED, "describe/instances", "describe/categories")

STEPS = (
    Step("annotate-import", 1, annotate.import_annotations, (_FILES,), "annotate", whole=True),
    Step("ingest", stages.ingest.VERSION, shard_steps.ingest, (_FILES, _STATED), "ingest"),
    Step("admit", 1, admit.admit, ("ingest/files", _STATED), "ingest", whole=True),
    Step("compare", stages.alike.VERSION, comparing.compare, ("ingest/thumbnails", _IMAGES), "ingest", whole=True),
    Step("segment", stages.segment.VERSION, shard_steps.segment, (_IMAGES, _STATED), "segment", loads_models=True),
    Step(
        "describe",
        stages.describe.VERSION,
        shard_steps.describe,
        (_IMAGES, _STATED, "segment/segments", "segment/drops"),
        "describe",
    ),
    Step("synthesize", stages.synthesize.VERSION, question_steps.synthesize, _SCENES, None),
    Step(
        "judge",
        stages.judge.VERSION,
        question_steps.judge,
        (*_SCENES, "synthesize/questions", "segment/views"),
        "judge",
    ),
    Step(
        "route",
        stages.route.VERSION,
        question_steps.route,
        ("synthesize/questions", "judge/verdicts"),
        "route",
        whole=True,
    ),
)
"""Synthesize depends on the whole configuration because its rows carry the hash of it."""


def steps_of(config: RunConfig) -> tuple[Step, ...]:
    """Returns the steps of a run: by code alone, or with the models of a style."""
    if config.style == "program":
        return STEPS
    from pipelines.model_plan import model_steps  # it is made of these steps

    return model_steps(config, STEPS)


def stage_versions(config: RunConfig) -> dict[str, int]:
    """Returns VERSION of every step."""
    return {LIST: LIST_VERSION, **{step.name: step.version for step in steps_of(config)}}


def step_named(name: str, config: RunConfig) -> Step:
    """Returns the step of that name."""
    return next(step for step in steps_of(config) if step.name == name)


def source_folder(root: Path, info: DatasetInfo) -> Path:
    """Returns the folder that the dataset's uris are relative to."""
    source = place(info.source)
    return source if source.is_absolute() else root / info.source


class Committed:
    """The manifests of a run so far, and what they offer to later steps."""

    def __init__(self) -> None:
        self.manifests: list[ShardManifest] = []
        self._parts: dict[str, dict[int, list[Part]]] = {}

    def add(self, manifests: Iterable[ShardManifest]) -> None:
        """Takes in more committed manifests."""
        for manifest in manifests:
            self.manifests.append(manifest)
            self.offer([manifest])

    def offer(self, manifests: Iterable[ShardManifest]) -> None:
        """Makes the parts of manifests known that are not of this run's steps: what people said."""
        for manifest in manifests:
            for part in manifest.parts:
                shards = self._parts.setdefault(f"{manifest.stage}/{part.table}", {})
                shards.setdefault(part.shard, []).append(part)

    def parts(self, name: str, shard: int) -> tuple[Part, ...]:
        """Returns the parts of an input (``stage/table``) for one shard, or for `WHOLE_DATASET` all, by shard."""
        by_shard = self._parts.get(name, {})
        if shard != WHOLE_DATASET:
            return tuple(by_shard.get(shard, ()))
        return tuple(part for number in sorted(by_shard) for part in by_shard[number])

    def shards(self) -> tuple[int, ...]:
        """Returns the numbers of all shards."""
        return tuple(sorted(self._parts.get(_FILES, {})))


def plan_jobs(step: Step, root: Path, info: DatasetInfo, config: RunConfig, committed: Committed) -> list[Job]:
    """Returns the jobs of a step, one per shard or one for all, with the keys of their outcomes."""
    config_hash = hash_config(config if step.section is None else getattr(config, step.section))
    annotations = None if info.annotations is None else place(info.annotations)
    outside = {"annotate-import": info.annotations_sha256, "segment": info.segmenter}.get(step.name)
    if step.asks:
        outside = digest_of(prompts_digest(), domain_of(config).model_dump_json())
    jobs = []
    for shard in (WHOLE_DATASET,) if step.whole else committed.shards():
        inputs = {name: committed.parts(name, shard) for name in step.reads}
        digests = (f"{name}:{part.shard}:{part.sha256}" for name, parts in inputs.items() for part in parts)
        input_digest = digest_of(outside, *digests)
        jobs.append(
            Job(
                root=root,
                source=source_folder(root, info),
                annotations=_resolved(annotations, root),
                stage=step.name,
                shard=shard,
                key=digest_of(step.name, step.version, config_hash, info.seed, input_digest, shard),
                version=step.version,
                config_hash=config_hash,
                input_digest=input_digest,
                inputs=inputs,
                config=config,
                seed=info.seed,
                limited=info.limit is not None,
                asks=step.asks,
            )
        )
    return jobs


def _resolved(annotations: Path | None, root: Path) -> Path | None:
    """Returns the annotation file; a relative one lies below the dataset, where rendered scenes have theirs."""
    return annotations if annotations is None or annotations.is_absolute() else root / annotations
