"""The step that reads the annotation file: COCO entries to one row per listed image, in the shards of the listing.

The file's order has nothing to do with the shards', so entries are first written to temporary tables and then joined
and sorted by DuckDB, out of core. Dropped: entries of files that the source does not have, annotations of images
that the file does not have, annotations of unknown categories. The annotations of a dropped entry go with it.
"""

import errno
import json
from array import array
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.coco_file import Header, read_annotations, read_header, read_images
from pipelines.config import AnnotateConfig
from pipelines.engine import open_engine, parquet_source
from pipelines.errors import UserError
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.spool import Spool
from pipelines.store import ShardWriter
from schemas.drop import DROP_SCHEMA, Drop, DropReason
from schemas.source_annotation import IMAGE_ANNOTATIONS_SCHEMA
from stages.segmenters.annotations import to_source_annotation

_ENTRY_COLUMNS = pa.schema(
    [
        ("position", pa.int64()),
        ("key", pa.string()),
        ("uri", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("licence", pa.string()),
    ]
)
_ANNOTATION_COLUMNS = pa.schema(
    [
        ("position", pa.int64()),
        ("key", pa.string()),
        ("name", pa.string()),
        ("payload", pa.string()),
        ("facts", pa.list_(pa.string())),
        ("problem", pa.string()),
    ]
)
_BATCH_ROWS = 2_000
_BAND_ENTRIES = 10_000
"""Entries whose annotations are joined and sorted at a time; each time all annotations are read through."""


class _Row(NamedTuple):
    """One image with one of its annotations, which is missing in an image that has none."""

    shard: int
    uri: str
    width: int
    height: int
    licence: str
    payload: str | None
    facts: list[str] | None


def import_annotations(job: Job) -> Outcome:
    """Returns the outcome of reading the annotation file, if there is one, into the shards of the listing."""
    ledger, writer = Ledger(job.stage), job.writer()
    if job.annotations is None:
        _write_unannotated(job, writer)
    else:
        header = read_header(job.annotations)
        with open_engine(job.root, threads=1) as engine, Spool(job.root) as spool:
            may_repeat = _spool_entries(job.annotations, header, spool)
            _find_torn(engine, spool, may_repeat)
            _match_entries(job, engine)
            _spool_annotations(job.annotations, header, engine, spool)
            _count(job, engine, ledger)
            for shard, rows in groupby(_joined_rows(engine), key=lambda row: row.shard):
                writer.add_rows("source_annotations", _to_table(rows, header, job.config.annotate), shard)
            _write_drops(job, engine, ledger, writer)
    return Outcome(ledger.close(), (), writer.parts)


def _spool_entries(path: Path, header: Header, spool: Spool) -> bool:
    """Returns whether two entries may have the same id: their hashes, eight bytes each, say so."""
    hashes = array("q")
    with spool.writer("entries", _ENTRY_COLUMNS) as add:
        for position, entry in enumerate(read_images(path, header.licences)):
            key = entry.key or f"no id {position}"
            hashes.append(hash(key))
            add((position, key, *entry[1:]))
    ordered = np.sort(np.array(hashes, np.int64))
    return bool((ordered[1:] == ordered[:-1]).any())


def _spool_annotations(path: Path, header: Header, engine: duckdb.DuckDBPyConnection, spool: Spool) -> None:
    """Creates ``stated``; the annotations of entries that did not match are only counted."""
    wanted = _Hashes(engine.execute("select distinct key from matched"))
    with spool.writer("stated", _ANNOTATION_COLUMNS) as add:
        for position, (key, raw) in enumerate(read_annotations(path)):
            name = json.dumps(raw.get("id", f"number {position}"))
            if key not in wanted:
                add((position, key, name, None, [], ""))
                continue
            found = to_source_annotation(raw, header.category_names)
            if isinstance(found, Drop):
                add((position, key, name, None, [], found.detail))
                continue
            facts = [fact for fact, _ in found.attributes] + (["depth"] if found.depth is not None else [])
            add((position, key, name, json.dumps(found.model_dump(), separators=(",", ":")), facts, ""))
    engine.execute(f"create view stated as from {parquet_source(spool.paths('stated'))}")


class _Hashes:
    """Keys by their hashes alone, eight bytes each. A stranger that shares a hash is told apart by the join later."""

    def __init__(self, keys: duckdb.DuckDBPyConnection) -> None:
        found = array("q")
        while rows := keys.fetchmany(_BATCH_ROWS):
            found.extend(hash(key) for (key,) in rows)
        self._sorted = np.sort(np.frombuffer(found, np.int64)) if found else np.zeros(0, np.int64)

    def __contains__(self, key: str) -> bool:
        place = int(self._sorted.searchsorted(hash(key)))
        return place < len(self._sorted) and int(self._sorted[place]) == hash(key)


def _find_torn(engine: duckdb.DuckDBPyConnection, spool: Spool, may_repeat: bool) -> None:
    """Creates ``entries`` and ``torn``, the ids that name several files."""
    engine.execute(f"create view entries as from {parquet_source(spool.paths('entries'))}")
    some = "entries" if may_repeat else "entries limit 0"
    engine.execute(f"create table torn as select key from (from {some}) group by key having min(uri) <> max(uri)")


def _match_entries(job: Job, engine: duckdb.DuckDBPyConnection) -> None:
    """Creates ``matched`` (entries with the shard of their file) and ``unmatched``."""
    sources = job.paths("list/sources")
    shards = pa.table({"filename": sources, "shard": [part.shard for part in job.inputs["list/sources"]]})
    engine.register("shards", shards)
    listed = parquet_source(sources, filename=True)
    engine.execute(f"create table listed as select uri, shard from {listed} join shards using (filename)")
    engine.execute("create view sound as select * from entries anti join torn using (key)")
    engine.execute("create table matched as select * from sound join listed using (uri)")
    engine.execute("create table unmatched as select * from sound anti join listed using (uri)")
    engine.execute("drop table listed")
    if job.limited:
        beyond = [
            (position,)
            for position, uri in engine.execute("select position, uri from unmatched where uri <> ''").fetchall()
            if _is_there(job.source / uri)
        ]
        engine.register("beyond", pa.table({"position": pa.array([row[0] for row in beyond], pa.int64())}))
        engine.execute("create table outside as select * from unmatched semi join beyond using (position)")
        engine.execute("delete from unmatched where position in (select position from beyond)")
    else:
        engine.execute("create table outside as from unmatched where false")


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # then no folder can have it; anything else says nothing about the file
            raise
        return False


def _count(job: Job, engine: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    """Fills the ledger's balance of entries and annotations; refuses a file that names no file of the source."""
    matched, unmatched = _number(engine, "from matched"), _number(engine, "from unmatched")
    torn = _number(engine, "from entries semi join torn using (key)")
    if not matched and not _number(engine, "from outside"):
        named = engine.execute("select uri from unmatched where uri <> '' order by position limit 1").fetchone()
        example = f" (the first is {named[0]})" if named else ""
        raise UserError(
            f"none of the {unmatched} images that {job.annotations} names{example} is in {job.source}; "
            f"its file names must be paths below that folder"
        )
    ledger.take("entries", matched + unmatched + torn)
    ledger.keep("entries", matched)
    ledger.take("annotations", _number(engine, "from stated where key in (select key from matched)"))
    ledger.take("annotations", _number(engine, "from stated where key not in (select key from entries)"))
    ledger.keep("annotations", _number(engine, "from stated semi join matched using (key) where payload is not null"))


def _number(engine: duckdb.DuckDBPyConnection, source: str) -> int:
    row = engine.execute(f"select count(*) {source}").fetchone()
    return int(row[0]) if row else 0


def _joined_rows(engine: duckdb.DuckDBPyConnection) -> Iterator[_Row]:
    for band in _bands(engine):
        cursor = engine.execute(
            """
            select m.shard, m.uri, m.width, m.height, m.licence, s.payload, s.facts
            from (from matched where shard between ? and ?) m
            left join stated s on m.key = s.key and s.payload is not null
            order by m.shard, m.uri, m.position, s.position
            """,
            band,
        )
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield from (_Row(*row) for row in rows)


def _bands(engine: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """Yields first and last shard of runs of shards with about `_BAND_ENTRIES` matched entries each."""
    counted = engine.execute("select shard, count(*) from matched group by shard order by shard").fetchall()
    band: list[int] = []
    entries = 0
    for shard, count in counted:
        if band and entries + count > _BAND_ENTRIES:
            yield band[0], band[-1]
            band, entries = [], 0
        band.append(shard)
        entries += count
    if band:
        yield band[0], band[-1]


def _write_unannotated(job: Job, writer: ShardWriter) -> None:
    """Writes what perception will state of each listed file, where there is no annotation file."""
    for part in job.inputs["list/sources"]:
        uris = job.dataset.read("sources", [part], ["uri"])["uri"].to_pylist()
        facts = sorted(job.config.annotate.perceived or ())
        rows = [
            {"uri": uri, "width": 0, "height": 0, "licence": "", "supports": facts, "payload": "[]"} for uri in uris
        ]
        writer.add_rows("source_annotations", pa.Table.from_pylist(rows, IMAGE_ANNOTATIONS_SCHEMA), part.shard)


def _to_table(rows: Iterator[_Row], header: Header, config: AnnotateConfig) -> pa.Table:
    """Returns one row per image: entries that name the same file are one image, the first one's size counts."""
    columns: dict[str, list[Any]] = {name: [] for name in IMAGE_ANNOTATIONS_SCHEMA.names}
    for uri, members in groupby(rows, key=lambda row: row.uri):
        group = list(members)
        stated = [row for row in group if row.payload is not None]
        common = set.intersection(*(set(row.facts or ()) for row in stated)) if stated else set()
        columns["uri"].append(uri)
        columns["width"].append(group[0].width)
        columns["height"].append(group[0].height)
        columns["licence"].append(group[0].licence)
        stated_facts = {*header.supports, *config.measured, *common}
        columns["supports"].append(sorted(stated_facts if config.perceived is None else config.perceived))
        columns["payload"].append(f"[{','.join(row.payload or '' for row in stated)}]")
    return pa.table(columns, schema=IMAGE_ANNOTATIONS_SCHEMA)


def _write_drops(job: Job, engine: duckdb.DuckDBPyConnection, ledger: Ledger, writer: ShardWriter) -> None:
    """Writes the drops without ever holding them as records: a file for millions of images may be given for a few."""
    queries = {
        ("entries", DropReason.MISSING_IMAGE): """
            select case when uri = '' then 'entry ' || key else uri end id, id parent_id,
            case when uri = '' then 'the entry has no file_name below the source folder'
                 else 'the annotation file names it, the source folder does not have it' end detail from unmatched
            """,
        ("entries", DropReason.BAD_ANNOTATION): """
            select uri id, key parent_id, 'the annotation file gives the id ' || key || ' to several files' detail
            from entries semi join torn using (key)
            """,
        ("annotations", DropReason.MISSING_IMAGE): """
            select 'annotation ' || name id, key parent_id,
            'the annotation file has no image with the id ' || key detail
            from stated anti join entries using (key)
            """,
        ("annotations", DropReason.UNKNOWN_CATEGORY): """
            select 'annotation ' || name id, m.uri parent_id, problem detail
            from stated s join (select key, min(uri) uri from matched group by key) m using (key) where payload is null
            """,
    }
    tables = []
    for (unit, reason), query in queries.items():
        columns = f"'{job.stage}' as stage, id, parent_id, '{reason.value}' as reason, detail"
        rows = engine.sql(f"select {columns} from ({query})").to_arrow_table().cast(DROP_SCHEMA)
        ledger.count_drops(unit, reason, rows.num_rows)
        tables.append(rows)
    writer.add_rows("drops", pa.concat_tables(tables), job.shard)
