"""Opening object storage. Credentials, region and endpoint come from the environment (`AWS_...`) and go nowhere else.

`AWS_ENDPOINT_URL` names another S3-compatible server; plain http is used only where that variable says so.
"""

import os
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.errors import UserError

if TYPE_CHECKING:
    import pyarrow.fs
    from obstore.fsspec import FsspecStore
    from obstore.store import S3Store

CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 12
RETRY_SECONDS = 300


def open_store(bucket: str) -> "S3Store":
    """Returns the bucket, opened once per process.

    Raises:
        UserError: the library is not installed, or the environment says nothing usable.
    """
    return _open_store(bucket, os.getpid(), os.environ.get("AWS_ENDPOINT_URL", ""))


@lru_cache(maxsize=64)
def _open_store(bucket: str, process: int, endpoint: str) -> "S3Store":
    store_module = _library()
    try:
        return store_module.S3Store(bucket, **_options(endpoint))
    except ValueError as error:
        raise UserError(f"cannot use bucket {bucket}: {error}") from error


def open_filesystem() -> "FsspecStore":
    """Returns all buckets as a file system that DuckDB can register."""
    _library()
    from obstore.fsspec import FsspecStore

    return FsspecStore("s3", **_options(os.environ.get("AWS_ENDPOINT_URL", "")))


def arrow_filesystem() -> "pyarrow.fs.FileSystem":
    """Returns all buckets as a file system of Arrow; its paths are ``bucket/key``."""
    import pyarrow.fs

    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(open_filesystem()))


def _options(endpoint: str) -> dict[str, Any]:
    client = {"connect_timeout": f"{CONNECT_SECONDS}s", "timeout": f"{REQUEST_SECONDS}s"}
    if endpoint.startswith("http://"):
        client["allow_http"] = "true"
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=10), "base": 2}
    retry = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS), "backoff": backoff}
    return {"client_options": client, "retry_config": retry}


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import obstore.store
    except ImportError as error:
        raise UserError("places in buckets need the extra s3: pip install 'hopyard[s3]'") from error
    return obstore.store
