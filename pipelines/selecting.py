"""Selecting at publishing: reads what is accepted, what is alike and what benchmarks hold; says who is refused."""

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from sys import intern
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import stages.alike
from pipelines.benchmark_files import read_benchmarks
from pipelines.comparing import COMPARE, pairs_of, thumbnails_of
from pipelines.errors import UserError
from pipelines.parts import digest_of
from pipelines.steps import source_folder
from pipelines.store import Dataset
from schemas.drop import Drop, DropReason
from stages.alike import find_alike
from stages.difficulty import Try, curriculum_of
from stages.ingest import DecodedImage, IngestConfig, read_image
from stages.likeness import SIDE, thumbnail_of
from stages.select import STAGE, Groups, Offer, SelectConfig, select
from stages.wordings import KnownTexts

_AT_ONCE = 2_000
_ANY_SIZE = IngestConfig(max_pixels=170_000_000, min_side=1)


class Selecting(NamedTuple):
    """How to select, and what is outside the dataset that selecting looks at."""

    config: SelectConfig = SelectConfig()
    benchmarks: tuple[Path, ...] = ()
    """Files and folders whose pictures and questions no row may have."""
    after: Path | None = None
    """An earlier release, whose rows stay whatever images have come since."""


class Selection(NamedTuple):
    """Who is refused, and the order to train the others in."""

    refused: Mapping[str, Drop]
    """By question id."""
    levels: Mapping[str, int]
    """Level of the curriculum, by question id, of all that are taken; counted within their split."""


def selecting_digest(selecting: Selecting) -> str:
    """Returns a digest of everything outside the dataset that a selection is a function of.

    Raises:
        UserError: a benchmark or the earlier release cannot be read.
    """
    outside = read_benchmarks(selecting.benchmarks).digest if selecting.benchmarks else ""
    settled = sorted(_settled(selecting.after)) if selecting.after else []
    return digest_of(stages.alike.VERSION, selecting.config.model_dump_json(), outside, json.dumps(settled))


def select_rows(dataset: Dataset, connection: duckdb.DuckDBPyConnection, selecting: Selecting) -> Selection:
    """Returns the selection among the accepted questions of a dataset.

    Raises:
        UserError: a benchmark or the earlier release cannot be read.
    """
    offers, tries = _offers(connection)
    images = sorted({offer.image_id for offer in offers})
    groups = Groups(_alike(dataset, connection, images))
    settled = _settled(selecting.after) if selecting.after else frozenset()
    known = _known(dataset, connection, offers, selecting.benchmarks) if selecting.benchmarks else {}
    left = [offer for offer in offers if offer.question_id not in known]
    refused = {**known, **select(left, groups, selecting.config, settled)}
    return Selection(refused, _levels(offers, tries, refused))


def _levels(offers: Sequence[Offer], tries: Mapping[str, Try], refused: Mapping[str, Drop]) -> dict[str, int]:
    levels: dict[str, int] = {}
    taken = [offer for offer in offers if offer.question_id not in refused]
    for split in sorted({offer.split for offer in taken}):
        levels |= curriculum_of([tries[offer.question_id] for offer in taken if offer.split == split])
    return levels


def _offers(connection: duckdb.DuckDBPyConnection) -> tuple[list[Offer], dict[str, Try]]:
    cursor = connection.execute(
        """
        SELECT q.question_id, q.image_id, q.family_id, q.variant, q.question, q.shape, q.categories, q.answer,
            q.hop_count, i.split, o.solve_rate, q.margin
        FROM questions q JOIN images i USING (image_id) JOIN outcomes o USING (question_id)
        WHERE o.route = 'accept' ORDER BY q.question_id
        """
    )
    offers: list[Offer] = []
    tries: dict[str, Try] = {}
    while rows := cursor.fetchmany(_AT_ONCE):
        # Shapes and categories repeat: a release of many rows holds each of them once.
        offers += [Offer._make((*row[:5], intern(row[5]), tuple(map(intern, row[6])), *row[7:10])) for row in rows]
        tries |= {row[0]: Try(row[0], row[10], row[8], row[11]) for row in rows}
    return offers, tries


def _alike(dataset: Dataset, connection: duckdb.DuckDBPyConnection, images: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the like pairs; they are looked for here where the dataset was made without that step."""
    if dataset.manifests(COMPARE):
        return [(one, other) for one, other in connection.execute("SELECT image_id, other_id FROM alike").fetchall()]
    ids, thumbnails = _thumbnails(dataset, connection, images)
    return [(pair.image_id, pair.other_id) for pair in pairs_of(ids, thumbnails)]


def _thumbnails(
    dataset: Dataset, connection: duckdb.DuckDBPyConnection, images: Sequence[str]
) -> tuple[list[str], NDArray[np.uint8]]:
    """Returns the stored thumbnails, or makes them from the pictures; a picture that is gone has none."""
    parts = (dataset.read("thumbnails", [part]) for part in dataset.parts("thumbnails"))
    stored = thumbnails_of(parts, images)
    if len(stored[0]) == len(images):
        return stored
    source = source_folder(dataset.root, dataset.info)
    uris = connection.execute("SELECT image_id, uri FROM images ORDER BY image_id").fetchall()
    found: dict[str, NDArray[np.uint8]] = dict(zip(*stored, strict=True))
    wanted = set(images)
    for image_id, uri in uris:
        if image_id in found or image_id not in wanted:
            continue
        try:
            decoded = read_image((source / uri).read_bytes(), uri, "", _ANY_SIZE)
        except OSError:  # publishing drops its questions, with the reason
            continue
        if isinstance(decoded, DecodedImage):
            found[image_id] = thumbnail_of(decoded.pixels)
    ids = sorted(found)
    stacked = [found[image_id] for image_id in ids]
    return ids, np.stack(stacked) if stacked else np.zeros((0, SIDE, SIDE), dtype=np.uint8)


def _known(
    dataset: Dataset, connection: duckdb.DuckDBPyConnection, offers: Sequence[Offer], paths: Sequence[Path]
) -> dict[str, Drop]:
    """Returns the questions that a benchmark has, by text or by picture."""
    benchmarks = read_benchmarks(paths)
    texts = KnownTexts(benchmarks.texts)
    ids, thumbnails = _thumbnails(dataset, connection, sorted({offer.image_id for offer in offers}))
    pairs = find_alike(np.concatenate([thumbnails, benchmarks.thumbnails]), among=len(ids))
    pictures = {ids[pair.first] for pair in pairs}
    refused = {}
    for offer in offers:
        what = "picture" if offer.image_id in pictures else "text" if texts.has(offer.question) else ""
        if what:
            refused[offer.question_id] = Drop(
                stage=STAGE,
                id=offer.question_id,
                parent_id=offer.image_id,
                reason=DropReason.BENCHMARK_OVERLAP,
                detail=f"its {what} is in a benchmark ({', '.join(path.name for path in paths)})",
            )
    return refused


def _settled(release: Path) -> Set[str]:
    """Returns the images of an earlier release."""
    files = sorted(release.glob("*.parquet"))
    if not files:
        raise UserError(f"{release} is no release: it has no Parquet file")
    try:
        return {image for file in files for image in pq.read_table(file, columns=["image_id"])["image_id"].to_pylist()}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the earlier release {release} cannot be read: {error}") from error
