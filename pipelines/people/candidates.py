"""Which questions go in front of people, and the pictures that go with them."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from annotation.journal import Candidate
from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.parts import write_atomically
from pipelines.publish_images import embed
from pipelines.store import Dataset
from schemas.annotation import Purpose
from schemas.drop import Drop
from schemas.image import Image

GOLD_MOST = 200
"""Gold questions taken from a dataset of scenes; an annotator sees few of them."""


def find_candidates(dataset: Dataset, audit: float, seed: int) -> Iterator[Candidate]:
    """Yields the questions that routing sends to people, and the audited share of those that it accepts.

    Whether a question is audited is a function of the seed and its id: a larger share keeps those of a smaller one.
    """
    with connect(dataset) as connection:
        rows = connection.execute(
            """
            SELECT question_id, q.image_id, question, answer, program, route
            FROM questions q JOIN decisions USING (question_id) WHERE route IN ('accept', 'people') ORDER BY question_id
            """
        )
        while batch := rows.fetchmany(1_000):
            for question_id, image_id, question, answer, _, route in batch:
                if route == "people":
                    purpose = Purpose.PEOPLE
                elif share_of(seed, "audit", str(question_id)) < audit:
                    purpose = Purpose.AUDIT
                else:
                    continue
                own = None if answer is None else int(answer)
                yield Candidate(
                    str(question_id),
                    str(image_id),
                    str(question),
                    str(image_id),
                    own,
                    purpose.value,
                    _priority(purpose),
                )


def find_gold(folder: Path, seed: int) -> Iterator[Candidate]:
    """Yields questions about rendered scenes, whose masks and therefore answers are exact.

    Raises:
        UserError: the folder holds no dataset of rendered scenes with accepted questions.
    """
    dataset = Dataset.open(folder)
    if dataset.info.scene_count is None:
        raise UserError(f"{folder} is no dataset of rendered scenes; gold needs answers that are exact")
    with connect(dataset) as connection:
        rows = connection.execute(
            """
            SELECT question_id, q.image_id, question, answer FROM questions q JOIN decisions USING (question_id)
            WHERE route = 'accept' ORDER BY hash(question_id || ?), question_id LIMIT ?
            """,
            [str(seed), GOLD_MOST],
        ).fetchall()
    if not rows:
        raise UserError(f"{folder} has no accepted questions to take gold from")
    for question_id, image_id, question, answer in rows:
        yield Candidate(
            str(question_id), str(image_id), str(question), str(image_id), int(answer), Purpose.GOLD.value, 0.0
        )


def write_pictures(dataset: Dataset, image_ids: Iterable[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Writes the pictures of images under names that are hashes; returns names by image id, and what went wrong.

    They are the pictures that are published: without metadata, so that nothing in them tells where they come from.
    """
    wanted = set(image_ids)
    names, problems = {}, {}
    there = {path.stem: path.name for path in folder.iterdir()}
    source = dataset.root / dataset.info.source
    for image in dataset.records("images", Image):
        if image.image_id not in wanted:
            continue
        if image.image_id in there:
            names[image.image_id] = there[image.image_id]
            continue
        try:
            picture = embed((source / image.uri).read_bytes(), image)
        except OSError as error:
            problems[image.image_id] = f"{image.uri} cannot be read: {error.strerror or error}"
            continue
        if isinstance(picture, Drop) or picture.bytes is None:
            problems[image.image_id] = picture.detail if isinstance(picture, Drop) else "the picture is empty"
            continue
        name = f"{image.image_id}{Path(picture.path).suffix}"
        write_atomically(folder / name, picture.bytes)
        names[image.image_id] = name
    return names, problems


def share_of(seed: int, *names: str) -> float:
    """Returns a fixed random number in [0, 1) for a name."""
    digest = hashlib.sha256(f"{seed}:{':'.join(names)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _priority(purpose: Purpose) -> float:
    """Questions that wait for people come before audits."""
    return 1.0 if purpose is Purpose.PEOPLE else 0.5
