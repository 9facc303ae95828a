"""One stage on one shard, from job to committed manifest: in this process, in a pool or on another machine alike."""

import time

from pipelines.errors import UserError
from pipelines.job import Job
from pipelines.steps import step_named
from schemas.manifest import ShardManifest


def process_shard(job: Job) -> ShardManifest:
    """Returns the committed manifest of the job, doing the work unless it is committed already.

    The outcome is a function of the job alone, so doing it twice, also at the same time, commits it once.

    Raises:
        ConservationError: the stage lost or invented records; nothing is committed.
        UserError: the input as a whole cannot be used, or the dataset folder cannot be written.
    """
    committed = job.dataset.manifest(job.stage, job.shard, job.key)
    if committed is not None:
        return committed
    try:
        return _do(job)
    except OSError as error:  # of one record it would be a failure; this is the dataset folder
        raise UserError(f"{job.stage} cannot work in {job.root}: {error.strerror or error}") from error


def _do(job: Job) -> ShardManifest:
    started = time.perf_counter()
    outcome = step_named(job.stage, job.config).run(job)
    return job.dataset.commit(
        ShardManifest(
            stage=job.stage,
            shard=job.shard,
            key=job.key,
            version=job.version,
            config_hash=job.config_hash,
            input_digest=job.input_digest,
            counts=outcome.counts,
            failures=outcome.failures,
            parts=outcome.parts,
            seconds=time.perf_counter() - started,
        )
    )
