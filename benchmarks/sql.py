"""SQL: the usual statements over a million questions, against bare DuckDB reading the same Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.plan import Plan
from benchmarks.rendered import painted_options
from benchmarks.table import Table
from benchmarks.timing import wall_seconds
from pipelines.catalog import connect
from pipelines.catalog_file import write_catalog
from pipelines.produce import produce_plain
from pipelines.store import Dataset, ShardWriter
from schemas.manifest import ShardManifest

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
    seed = Dataset(produce_plain(painted_options(plan, plan.scratch / "seed")).root)
    wanted = _QUICK if plan.quick else QUESTIONS
    dataset = multiply(seed, plan.scratch / "many", wanted)
    write_catalog(dataset)
    yield _statements(plan, dataset)


def multiply(seed: Dataset, root: Path, wanted: int) -> Dataset:
    """Returns a dataset with so many questions: those of a small one over and over, each time under other ids."""
    root.mkdir(parents=True)
    (root / "dataset.json").write_text(seed.info.to_json())
    dataset = Dataset(root)
    tables = {name: seed.read(name) for name in ("questions", *_FOLLOWING, "drops")}
    count, made, shard = tables["questions"].num_rows, 0, 0
    while made < wanted:
        copies = min(-(-(wanted - made) // count), max(1, _PER_SHARD // count))
        writer = ShardWriter(dataset, f"{shard:064d}")
        for name, rows in tables.items():
            renamed = [_renamed(rows, f"{shard:04d}{copy:04d}") for copy in range(copies)]
            writer.add_rows(name, pa.concat_tables(renamed), shard)
        _commit(dataset, writer, shard)
        made, shard = made + copies * count, shard + 1
    for name in ("images", "instances", "categories"):
        writer = ShardWriter(dataset, f"{name:0>64}")
        writer.add_rows(name, seed.read(name), shard)
        _commit(dataset, writer, shard)
        shard += 1
    return dataset


def _renamed(rows: pa.Table, prefix: str) -> pa.Table:
    for column in ("question_id", "family_id", "id"):
        if column in rows.column_names:
            place = rows.column_names.index(column)
            named = pc.binary_join_element_wise(prefix, pc.utf8_slice_codeunits(rows[column], 8), "")
            rows = rows.set_column(place, column, named)
    return rows


def _commit(dataset: Dataset, writer: ShardWriter, shard: int) -> None:
    zeros = {"config_hash": "0" * 16, "input_digest": "0" * 64}
    dataset.commit(
        ShardManifest(
            stage="bench",
            shard=shard,
            key=f"{shard:064d}",
            version=1,
            counts=(),
            parts=writer.parts,
            seconds=0.0,
            **zeros,
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
            times: dict[str, list[float]] = {"ours": [], "bare": []}
            answers = {}
            for _ in range(repeats):
                for way, connection in (("ours", ours), ("bare", bare)):
                    wall, rows = wall_seconds(lambda c=connection, s=statement: c.execute(s).fetchall())
                    times[way].append(wall)
                    answers[way] = rows
            same = "yes" if sorted(map(repr, answers["ours"])) == sorted(map(repr, answers["bare"])) else "NO"
            mine, theirs = median(times["ours"]), median(times["bare"])
            lines.append((name, f"{mine:.2f}", f"{theirs:.2f}", f"{theirs / mine:.2f}", same))
    size = sum(path.stat().st_size for path in dataset.root.rglob("*.parquet")) / 1e6
    notes = (
        f"{total:,} questions with hops, traces and certificates, {size:,.0f} MB of Parquet; median of {repeats}.",
        "Ours: `hopyard query`, whose views are Arrow datasets because DuckDB then gets no file to write to. Bare: "
        "catalog.duckdb, whose views are DuckDB's own read_parquet, over the same files.",
    )
    return Table(
        "SQL over many questions", ("statement", "seconds", "bare DuckDB", "speed to bare", "same rows"), lines, notes
    )
