"""SQL: the usual statements over a million questions, against bare DuckDB reading the same Parquet files."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.plan import Plan
from benchmarks.rendered import painted_options
from benchmarks.table import Table
from benchmarks.timing import cpu_seconds, wall_seconds
from pipelines.catalog import connect
from pipelines.catalog_file import write_catalog
from pipelines.parts import ROWS_PER_GROUP, file_sha256
from pipelines.produce import produce_plain
from pipelines.store import Dataset, ShardWriter
from pipelines.tables import TABLES
from schemas.manifest import Part, ShardManifest

QUESTIONS = 1_000_000
_QUICK = 20_000
_PER_SHARD = 25_000
_FOLLOWING = ("decisions", "verdicts")

STATEMENTS = {
    "how questions ended": "SELECT ended, drop_reason, count(*) FROM outcomes GROUP BY ALL ORDER BY ALL",
    "accepted by hops and variant": """
        SELECT variant, hop_count, count(*) FROM questions JOIN decisions USING (question_id)
        WHERE route = 'accept' GROUP BY ALL ORDER BY ALL""",
    "which operators carry hops": """
        SELECT hop.operator, count(*) FROM (SELECT unnest(hops) AS hop FROM questions) GROUP BY ALL ORDER BY ALL""",
    "verdicts by judge": "SELECT judge, outcome, count(*) FROM verdicts GROUP BY ALL ORDER BY ALL",
    "hardest families": "FROM hardest_families(most := 20)",
    "what one category became": "FROM category_story('ball')",
    "one question by its id": "SELECT question, answer FROM questions WHERE question_id = '{some}'",
}


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of statements."""
    seed = Dataset(plan.dataset or produce_plain(painted_options(plan, plan.scratch / "seed")).root)
    wanted = _QUICK if plan.quick else QUESTIONS
    dataset = multiply(seed, plan.scratch / "many", wanted)
    write_catalog(dataset)
    yield _statements(plan, dataset)


def multiply(seed: Dataset, root: Path, wanted: int) -> Dataset:
    """Returns a dataset with so many questions: those of a small one over and over, each time under other ids.

    Copies of a copy are only renamed, so parts are written as Arrow has them; no record is made.
    """
    root.mkdir(parents=True)
    (root / "dataset.json").write_text(seed.info.to_json())
    dataset = Dataset(root)
    tables = {name: seed.read(name).combine_chunks() for name in ("questions", *_FOLLOWING, "drops")}
    tables = {
        name: rows.sort_by([(column, "ascending") for column in TABLES[name].order]) for name, rows in tables.items()
    }
    count = tables["questions"].num_rows
    copies = max(1, _PER_SHARD // count)
    shards = -(-wanted // (copies * count))
    for shard in range(shards):
        parts = tuple(_multiplied(dataset, name, rows, (shard, copies)) for name, rows in tables.items())
        _commit(dataset, parts, shard)
    for number, name in enumerate(("images", "instances", "categories"), shards):
        writer = ShardWriter(dataset, f"{name:0>64}")
        writer.add_rows(name, seed.read(name), number)
        _commit(dataset, writer.parts, number)
    return dataset


def _multiplied(dataset: Dataset, table: str, rows: pa.Table, which: tuple[int, int]) -> Part:
    """Writes one part of a table: so many copies, in the order of their new ids."""
    shard, copies = which
    path = dataset.root / TABLES[table].folder(table) / f"{shard:06d}.parquet"
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for copy in range(copies):
            writer.write_table(_renamed(rows, f"{shard:04d}{copy:04d}"), row_group_size=ROWS_PER_GROUP)
    return Part(
        table=table,
        shard=shard,
        path=path.relative_to(dataset.root).as_posix(),
        rows=rows.num_rows * copies,
        file_bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )


def _renamed(rows: pa.Table, prefix: str) -> pa.Table:
    for column in ("question_id", "family_id", "id"):
        if column in rows.column_names:
            place = rows.column_names.index(column)
            named = pc.binary_join_element_wise(prefix, pc.utf8_slice_codeunits(rows[column], 8), "")
            rows = rows.set_column(place, column, named)
    return rows


def _commit(dataset: Dataset, parts: tuple[Part, ...], shard: int) -> None:
    zeros = {"config_hash": "0" * 16, "input_digest": "0" * 64}
    dataset.commit(
        ShardManifest(
            stage="bench", shard=shard, key=f"{shard:064d}", version=1, counts=(), parts=parts, seconds=0.0, **zeros
        )
    )


def _statements(plan: Plan, dataset: Dataset) -> Table:
    repeats = 1 if plan.quick else 3
    lines = []
    with connect(dataset) as ours, duckdb.connect(dataset.root / "catalog.duckdb", read_only=True) as bare:
        bare.execute("SET file_search_path = $folder", {"folder": str(dataset.root)})
        ((total,),) = ours.execute("SELECT count(*) FROM questions").fetchall()
        ((some,),) = ours.execute("SELECT min(question_id) FROM questions").fetchall()
        for name, sql in STATEMENTS.items():
            statement = sql.format(some=some)
            times: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
            answers = {}
            for _ in range(repeats):
                for way, connection in (("ours", ours), ("bare", bare)):
                    ask = partial(_ask, connection, statement)
                    wall, (cpu, rows) = wall_seconds(lambda ask=ask: cpu_seconds(ask))
                    times[way].append((wall, cpu))
                    answers[way] = rows
            same = "yes" if sorted(map(repr, answers["ours"])) == sorted(map(repr, answers["bare"])) else "NO"
            medians = [f"{median(one[kind] for one in times[way]):.2f}" for way in times for kind in (0, 1)]
            lines.append((name, *medians, same))
    size = sum(path.stat().st_size for path in dataset.root.rglob("*.parquet")) / 1e6
    notes = (
        f"{total:,} questions with hops, traces and certificates, {size:,.0f} MB of Parquet; median of {repeats}.",
        "Ours: `hopyard query`, whose views read the parts through a file system that cannot write. Bare: "
        "catalog.duckdb, whose views are DuckDB's own read_parquet, over the same files.",
    )
    headings = ("statement", "seconds, wall", "processor", "bare, wall", "processor", "same rows")
    return Table("SQL over many questions", headings, lines, notes)


def _ask(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement).fetchall()
