"""`catalog.duckdb`: the views and macros of a dataset in a file that any DuckDB client opens.

The file holds statements, not rows: its views read the dataset's parts by paths relative to the dataset's folder, so a
dataset that is copied or moved takes a catalog along that works. Whoever opens it stands in that folder, or says
``SET file_search_path = 'DIR'``. It lists the parts that were committed when it was written.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.bucket import BucketPath
from pipelines.catalog import combined_views
from pipelines.engine import parquet_source
from pipelines.errors import UserError
from pipelines.manifest_tables import manifest_tables
from pipelines.parts import digest_of, write_atomically
from pipelines.store import Dataset
from pipelines.tables import TABLES, VIEWS

FILE_NAME = "catalog.duckdb"


def write_catalog(dataset: Dataset) -> Path:
    """Writes the catalog of what is committed and returns its path; one that says the same already is left alone.

    Raises:
        UserError: the dataset is in a bucket, or its folder cannot be written.
    """
    if isinstance(dataset.root, BucketPath):
        raise UserError(f"{dataset.root} is in a bucket; a catalog file needs a folder of this machine")
    path = dataset.root / FILE_NAME
    manifests = dataset.manifests()
    parts = {name: sorted(part.path for m in manifests for part in m.parts if part.table == name) for name in VIEWS}
    own = manifest_tables(manifests)
    digest = digest_of(duckdb.__version__, parts, combined_views(), *(table.to_pylist() for table in own.values()))
    if _digest_of(path) == digest:
        return path
    try:
        with _plainly_named(dataset.root) as (place, folder):
            _fill(place / FILE_NAME, folder, (parts, own), digest)
            write_atomically(path, (place / FILE_NAME).read_bytes())
    except (OSError, duckdb.IOException) as error:
        raise UserError(f"cannot write {path}: {error}") from error
    return path


def refresh_catalog(dataset: Dataset) -> None:
    """Brings the catalog up to what is committed, where the dataset has one: parts that it lists may be gone by now."""
    if not isinstance(dataset.root, BucketPath) and (dataset.root / FILE_NAME).is_file():
        write_catalog(dataset)


@contextmanager
def _plainly_named(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Gives an empty folder, and in it another name of the given one: to DuckDB `?` begins options and `,` a path."""
    with tempfile.TemporaryDirectory(prefix="hopyard-") as place:
        link = Path(place) / "dataset"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield Path(place), link


def _fill(
    path: Path, folder: Path, tables: tuple[Mapping[str, Sequence[str]], Mapping[str, pa.Table]], digest: str
) -> None:
    parts, own = tables
    with duckdb.connect(path) as connection:
        connection.execute("SET file_search_path = $folder", {"folder": str(folder)})
        for name, paths in parts.items():
            if paths:
                connection.execute(f"CREATE VIEW {name} AS FROM {parquet_source(paths)}")
            else:
                _store(connection, name, TABLES[name].schema.empty_table())
        for name, rows in own.items():
            _store(connection, name, rows)
        for statement in combined_views():
            connection.execute(statement)
        connection.execute("CREATE TABLE catalog_info AS SELECT $digest AS digest", {"digest": digest})


def _store(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("given", rows)
    connection.execute(f"CREATE TABLE {name} AS FROM given")
    connection.unregister("given")


def _digest_of(path: Path) -> str:
    """Returns what a catalog was written for; nothing where there is none, or none that can be read."""
    if not path.is_file():
        return ""
    try:
        with duckdb.connect(path, read_only=True) as connection:
            return str(connection.execute("SELECT digest FROM catalog_info").fetchall()[0][0])
    except (duckdb.Error, IndexError):
        return ""
