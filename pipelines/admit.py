"""Files to images: of the files that hold the same picture one is admitted, the others are duplicates.

The one with annotations wins, then the smallest uri, so that a copy without annotations never hides the annotated one.
"""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine import open_engine, parquet_source
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.tables import TABLES
from schemas.drop import Drop, DropReason


def admit(job: Job) -> Outcome:
    """Returns the outcome of finding duplicates over all shards; the images stay in the shards of their files."""
    ledger = Ledger(job.stage)
    writer = job.writer()
    with open_engine(job.root) as engine:
        _find_duplicates(job, engine)
        for part in job.inputs["ingest/files"]:
            files = job.dataset.read("files", [part])
            ledger.take("files", files.num_rows)
            losers = engine.execute(
                "select uri, image_id, winner from duplicates where filename = ? order by uri",
                [str(job.root / part.path)],
            ).fetchall()
            for uri, image_id, winner in losers:
                ledger.drop("files", [_duplicate(uri, image_id, winner)])
            kept = files.filter(pc.invert(pc.is_in(files["uri"], pa.array([row[0] for row in losers], pa.string()))))
            ledger.keep("files", kept.num_rows)
            writer.add_rows("images", kept, part.shard)
    counts = ledger.close()
    writer.add_records("drops", ledger.drops, job.shard)
    return Outcome(counts, (), writer.parts)


def _find_duplicates(job: Job, engine: duckdb.DuckDBPyConnection) -> None:
    """Creates the table ``duplicates(filename, uri, image_id, winner)``.

    Which ids there are twice is found first, so that nothing else of all the files is in memory.
    """
    files = job.paths("ingest/files")
    stated = job.paths("annotate-import/source_annotations")
    engine.register("no_files", TABLES["files"].schema.append(pa.field("filename", pa.string())).empty_table())
    engine.register("no_annotations", TABLES["source_annotations"].schema.empty_table())
    engine.execute(
        f"""
        create table same as select filename, uri, image_id from {parquet_source(files, filename=True) or "no_files"}
        where image_id in (
            select image_id from {parquet_source(files) or "no_files"} group by image_id having count(*) > 1
        )
        """
    )
    engine.execute(
        f"""
        create table duplicates as
        with stated as (
            select uri from {parquet_source(stated) or "no_annotations"} where uri in (select uri from same)
        ),
        known as (select filename, uri, image_id, uri in (from stated) stated from same),
        winners as (
            select image_id, arg_min(uri, struct_pack(unstated := not stated, uri := uri)) winner from known
            group by image_id having count(*) > 1
        )
        select filename, uri, image_id, winner from known join winners using (image_id) where uri <> winner
        """
    )


def _duplicate(uri: str, image_id: str, winner: str) -> Drop:
    detail = f"the same picture as {winner}, image {image_id}"
    return Drop(stage="admit", id=uri, parent_id=uri, reason=DropReason.DUPLICATE_IMAGE, detail=detail)
