"""What else a run leans on: its profile and dataset, bucket, Prefect, model servers, Label Studio."""

import importlib.metadata
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.bucket import BucketPath, place
from pipelines.config import load_profile
from pipelines.dataset_info import FILE_NAME
from pipelines.doctor.check import Check, Patient, State
from pipelines.errors import UserError
from pipelines.models.redaction import with_plain_addresses
from pipelines.observers import redact
from pipelines.store import Dataset

_PATIENCE = 5.0


def _profile(patient: Patient) -> Iterator[Check]:
    try:
        load_profile(patient.profile)
    except UserError as error:
        yield Check("profile", State.BROKEN, str(error), "hopyard run --profile default, or mend the named option")
    else:
        yield Check("profile", State.OK, patient.profile)


def _dataset(patient: Patient) -> Iterator[Check]:
    root = place(patient.out)
    if not (root / FILE_NAME).is_file():
        return
    from pipelines.run_log import crash_text, next_step, read_runs, work_in_progress
    from schemas.run import RunState

    manifests = Dataset.open(root).manifests()
    failed = sum(manifest.failed for manifest in manifests)
    text = f"{len(manifests)} shards of work committed{work_in_progress(root)}"
    if failed:
        mend = "the `hopyard run` that made it, again: it tries them once more"
        yield Check("dataset", State.BROKEN, f"{text}, {failed} records failed", mend)
    else:
        yield Check("dataset", State.OK, text)
    last = next(iter(read_runs(root)[-1:]), None)
    if last is not None and last.state in (RunState.CRASHED, RunState.FAILED):
        told = crash_text(last) if last.state is RunState.CRASHED else f"it failed: {last.error}"
        yield Check("last run", State.BROKEN, told, next_step(last))


def _bucket(patient: Patient) -> Iterator[Check]:
    root = place(patient.out)
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not isinstance(root, BucketPath):
        yield Check("bucket", State.NOTE, "not asked for (--out s3://BUCKET/FOLDER)")
        return
    probe = root / "_doctor.probe"
    try:
        probe.write_bytes(b"hopyard")
        exclusive = not probe.create(b"other")
        probe.unlink()
    except (UserError, OSError) as error:
        mend = "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=... [AWS_ENDPOINT_URL=...]"
        yield Check("bucket", State.BROKEN, redact(" ".join(str(error).split())[:200]), mend)
        return
    where = f"{root}{f' at {endpoint}' if endpoint else ''}"
    if exclusive:
        yield Check("bucket", State.OK, f"{where} can be written, exclusively too")
    else:
        mend = "use storage that honours If-None-Match on PUT; without it two runs could overwrite each other"
        yield Check("bucket", State.BROKEN, f"{where} overwrote an object that was to be created", mend)


def _prefect(_: Patient) -> Iterator[Check]:
    version = importlib.metadata.version("prefect")
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        yield Check(
            "prefect", State.OK, f"{version}; PREFECT_API_URL is not set, so each run starts a server of its own"
        )
        return
    problem = _ask(f"{url.rstrip('/')}/health")
    if problem:
        mend = "hopyard schedule (or: prefect server start), or unset PREFECT_API_URL"
        yield Check("prefect", State.BROKEN, f"no server answers at {url}: {problem}", mend)
        return
    yield Check("prefect", State.OK, f"{version}, server at {url}")


def _models(patient: Patient) -> Iterator[Check]:
    """Asks every model server that the profile names for its list of models."""
    try:
        data = load_profile(patient.profile).model_dump(mode="json")
    except UserError:
        return  # told already
    servers = dict.fromkeys(_servers(data))
    if not servers:
        yield Check("models", State.NOTE, f"profile {patient.profile} asks no model server")
    for url, key_name in servers:
        key = os.environ.get(key_name, "")
        problem = _ask(f"{url.rstrip('/')}/models", {"Authorization": f"Bearer {key}"} if key else {})
        shown = with_plain_addresses(url)
        if not problem:
            yield Check(f"model server {shown}", State.OK, "answers")
        elif "401" in problem or "403" in problem:
            yield Check(f"model server {shown}", State.BROKEN, f"refuses the key: {problem}", f"export {key_name}=...")
        else:
            mend = f"start the server, or correct `urls` in the profile; then: curl {shown.rstrip('/')}/models"
            yield Check(f"model server {shown}", State.BROKEN, problem, mend)


def _servers(data: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yields the addresses below any ``urls`` of a configuration, each with the name of its key's variable."""
    if isinstance(data, Mapping):
        for url in data.get("urls") or ():
            yield str(url), str(data.get("api_key_env") or "HOPYARD_API_KEY")
        for value in data.values():
            yield from _servers(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _servers(value)


def _label_studio(patient: Patient) -> Iterator[Check]:
    url = patient.label_studio or os.environ.get("HOPYARD_LABEL_STUDIO_URL", "")
    if not url:
        yield Check("label studio", State.NOTE, "not asked for (--label-studio URL)")
        return
    problem = _ask(f"{url.rstrip('/')}/health")
    if problem:
        yield Check("label studio", State.BROKEN, f"{url}: {problem}", "hopyard annotate serve")
        return
    if not os.environ.get("HOPYARD_LABEL_STUDIO_TOKEN"):
        found = f"{url} answers; HOPYARD_LABEL_STUDIO_TOKEN is not set (not needed for a server that hopyard started)"
        yield Check("label studio", State.NOTE, found)
        return
    yield Check("label studio", State.OK, f"{url} answers")


def _ask(url: str, headers: Mapping[str, str] | None = None) -> str:
    """Returns what is wrong with the answer of an address; empty where nothing is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=_PATIENCE):
            return ""
    except urllib.error.HTTPError as error:
        return f"it answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return redact(" ".join(str(getattr(error, "reason", error)).split())[:150])


LOOKS: tuple[Callable[[Patient], Iterator[Check]], ...] = (
    _profile,
    _dataset,
    _bucket,
    _prefect,
    _models,
    _label_studio,
)
