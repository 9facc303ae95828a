"""The gallery: questions with their pictures and outlines, as data that the page's script draws on demand.

Texts and outlines are one JSON object, pictures are one block of base64 each: a browser decodes a picture only when its
card is shown, and an outline only when its hop is looked at.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from pipelines.scene_reader import by_image
from schemas.decision import Decision
from schemas.image import Image
from schemas.instance import Instance
from schemas.question import Hop, Question, TraceStep
from schemas.verdict import Verdict
from stages.certificates import all_certificates
from stages.difficulty import band_of
from stages.drawing import starts_of, unsaid_number
from stages.ingest import DecodedImage, IngestConfig, read_image
from stages.masks import rle_to_mask
from stages.shapes import box_path, path_of

MOST_QUESTIONS = 5_000
_LOST_SHARE = 0.2
"""Of the gallery, for questions that were not accepted, where there are more than fit."""
_SIDES = ((150, 640), (500, 480), (1_200, 384), (2_500, 288))
"""Up to so many pictures, so many pixels of the longer side: what keeps the file near 30 MB."""
_LEAST_SIDE = 224
_QUALITY = 72
_ANY_SIZE = IngestConfig(max_pixels=170_000_000, min_side=1)


class Shown(NamedTuple):
    """One picture of the gallery, and everything said about it."""

    number: int
    webp: str
    """Base64; empty where the picture cannot be read any more."""
    meta: Mapping[str, Any]
    questions: Sequence[Mapping[str, Any]]


class Asked(NamedTuple):
    """A question as the tables have it."""

    question: Mapping[str, Any]
    outcome: Mapping[str, Any]
    verdicts: Sequence[Mapping[str, Any]]
    decision: Mapping[str, Any] | None


class Chosen(NamedTuple):
    """Which questions the gallery shows, of how many."""

    total: int
    rows: Sequence[Asked]
    """By image and question id."""


def choose_questions(connection: duckdb.DuckDBPyConnection, most: int = MOST_QUESTIONS) -> Chosen:
    """Returns all questions, or ``most`` of them: accepted ones first, with a share of those that were lost.

    Within each kind ids decide, and those are hashes: a fixed random choice.
    """
    ((total,),) = connection.execute("SELECT count(*) FROM questions").fetchall()
    rows = connection.execute(
        """
        WITH ranked AS (
            SELECT *, ended IN ('accepted', 'published', 'people') AS good,
                row_number() OVER (PARTITION BY good ORDER BY question_id) AS turn
            FROM outcomes
        ),
        chosen AS (
            SELECT * FROM ranked
            ORDER BY CASE WHEN good THEN 1 WHEN turn <= $lost THEN 0 ELSE 2 END, turn LIMIT $most
        )
        SELECT q, o, coalesce(v.said, []), d FROM chosen o JOIN questions q USING (question_id)
        LEFT JOIN (
            SELECT question_id, list(v) AS said FROM verdicts v SEMI JOIN chosen USING (question_id)
            GROUP BY question_id
        ) v USING (question_id)
        LEFT JOIN decisions_in_effect d USING (question_id)
        ORDER BY o.image_id, o.question_id
        """,
        {"most": most, "lost": round(most * _LOST_SHARE)},
    ).fetchall()
    return Chosen(total, [Asked(*row) for row in rows])


def draw_gallery(connection: duckdb.DuckDBPyConnection, chosen: Chosen, source: Path) -> Iterator[Shown]:
    """Yields the pictures of the chosen questions, one at a time in memory."""
    images = sorted({row.question["image_id"] for row in chosen.rows})
    side = next((pixels for limit, pixels in _SIDES if len(images) <= limit), _LEAST_SIDE)
    asked: dict[str, list[Asked]] = {image_id: [] for image_id in images}
    for row in chosen.rows:
        asked[row.question["image_id"]].append(row)
    number = 0
    for start in range(0, len(images), 100):
        for image, instances in _read_images(connection, images[start : start + 100]):
            yield _draw(number, image, _Scene(instances, asked[image.image_id], source), side)
            number += 1


class _Scene(NamedTuple):
    instances: Sequence[Instance]
    asked: Sequence[Asked]
    source: Path


def _read_images(
    connection: duckdb.DuckDBPyConnection, image_ids: Sequence[str]
) -> Iterator[tuple[Image, list[Instance]]]:
    images = connection.execute(
        "SELECT i FROM images i WHERE list_contains($1, image_id) ORDER BY image_id", [image_ids]
    )
    found = [Image.model_validate(row) for (row,) in images.fetchall()]
    rows = connection.execute("SELECT i FROM instances i WHERE list_contains($1, image_id)", [image_ids]).fetchall()
    members = by_image(Instance.model_validate(row) for (row,) in rows)
    for image in found:
        yield image, members.get(image.image_id, [])


def _draw(number: int, image: Image, scene: _Scene, side: int) -> Shown:
    scale = min(1.0, side / max(image.width, image.height))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    outlines = _Outlines(scene.instances, size, scale)
    questions = [_question(row, outlines) for row in scene.asked]
    pixels = _read_pixels(scene.source, image)
    meta = {"w": size[0], "h": size[1], "uri": image.uri, "id": image.image_id, "paths": outlines.paths}
    return Shown(number, "" if pixels is None else _webp(pixels, size), meta, [q | {"p": number} for q in questions])


class _Outlines:
    """The outlines that the questions of one picture need, each drawn once."""

    def __init__(self, instances: Sequence[Instance], size: tuple[int, int], scale: float) -> None:
        self.paths: list[str] = []
        self._masks = {instance.instance_id: instance.mask for instance in instances}
        self._size, self._scale = size, scale
        self._places: dict[str, int] = {}

    def places(self, landing: Hop | TraceStep) -> list[int]:
        """Returns where the outlines of a hop's instances stand in `paths`."""
        return [self._place(one, box) for one, box in zip(landing.instance_ids, landing.boxes_xyxy, strict=False)]

    def _place(self, instance_id: str, box: tuple[float, float, float, float]) -> int:
        if instance_id not in self._places:
            mask = self._masks.get(instance_id)
            drawn = "" if mask is None else path_of(rle_to_mask(mask), self._size)
            self._places[instance_id] = len(self.paths)
            self.paths.append(drawn or box_path(box, self._scale))
        return self._places[instance_id]


def _question(asked: Asked, outlines: _Outlines) -> dict[str, Any]:
    """Returns what the page shows of a question; short names, since there are thousands."""
    question, outcome = Question.model_validate(asked.question), asked.outcome
    decision = None if asked.decision is None else Decision.model_validate(asked.decision)
    proofs = all_certificates(question, [Verdict.model_validate(row) for row in asked.verdicts], decision)
    starts = [{"t": step.content, "s": outlines.places(step), "m": "S"} for step in starts_of(question)]
    hops = [
        {"t": hop.text, "n": unsaid_number(hop), "k": hop.kind.value, "s": outlines.places(hop), "m": str(number)}
        for number, hop in enumerate(question.hops, 1)
    ]
    return {
        "id": question.question_id,
        "q": question.question,
        "a": question.answer,
        "hops": starts + hops,
        "certificates": [[one.name, one.passed, one.detail] for one in proofs],
        "style": question.style,
        "variant": question.variant.value,
        "n": question.hop_count,
        "margin": round(question.margin, 2),
        "fact": question.weakest_fact.replace("_", " "),
        "luck": round(question.luck, 2),
        "ended": outcome["ended"],
        "tier": outcome["tier"] or "",
        "split": outcome["split"] or "",
        "stage": outcome["dropped_by"] or "",
        "reason": (outcome["drop_reason"] or "").replace("_", " "),
        "why": outcome["drop_detail"] or "",
        "band": band_of(outcome["solve_rate"]).value.replace("_", " "),
        "rate": outcome["solve_rate"],
        "tries": outcome["attempts"],
        "votes": outcome["votes"],
        "agree": outcome["agreeing"],
    }


def _read_pixels(source: Path, image: Image) -> NDArray[np.uint8] | None:
    """Returns the picture that was ingested; None where the file is gone or is another picture by now."""
    try:
        decoded = read_image((source / image.uri).read_bytes(), image.uri, image.licence, _ANY_SIZE)
    except OSError:
        return None
    if not isinstance(decoded, DecodedImage) or decoded.image.image_id != image.image_id:
        return None
    return decoded.pixels


def _webp(pixels: NDArray[np.uint8], size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    Pictures.fromarray(pixels).resize(size, Pictures.Resampling.LANCZOS).save(
        buffer, "WEBP", quality=_QUALITY, method=2
    )
    return base64.b64encode(buffer.getvalue()).decode()
