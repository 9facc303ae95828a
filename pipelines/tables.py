"""The tables of a dataset: schema, row order and place of each."""

from typing import NamedTuple

import pyarrow as pa

from schemas import (
    annotation,
    audit,
    calibration,
    category,
    decision,
    drop,
    image,
    instance,
    look,
    model_reply,
    named_category,
    question,
    rollout,
    sample,
    screening,
    source_annotation,
    stability,
    thumbnail,
    trace,
    verdict,
    view_instance,
)

INTERNAL_FOLDER = "_internal"

SOURCE_SCHEMA = pa.schema([("uri", pa.string()), ("file_bytes", pa.int64())])
"""One row per file of the source folder; its shard is the part it lies in."""


class TableSpec(NamedTuple):
    """What is needed to write and read one table."""

    schema: pa.Schema
    order: tuple[str, ...]
    """Columns that rows are sorted by inside a part: with them a part is a function of its input."""
    version: int = 1
    internal: bool = False
    """Not shown as a view."""

    def folder(self, name: str) -> str:
        """Returns the folder of the table below the dataset."""
        return f"{INTERNAL_FOLDER}/{name}" if self.internal else name


TABLES: dict[str, TableSpec] = {
    "images": TableSpec(image.IMAGE_SCHEMA, ("image_id",), image.SCHEMA_VERSION),
    "alike": TableSpec(thumbnail.ALIKE_SCHEMA, ("image_id", "other_id"), thumbnail.SCHEMA_VERSION),
    "categories": TableSpec(category.CATEGORY_SCHEMA, ("image_id", "category"), category.SCHEMA_VERSION),
    "instances": TableSpec(instance.INSTANCE_SCHEMA, ("instance_id",), instance.SCHEMA_VERSION),
    "questions": TableSpec(question.QUESTION_SCHEMA, ("question_id",), question.SCHEMA_VERSION),
    "views": TableSpec(
        view_instance.VIEW_INSTANCE_SCHEMA, ("image_id", "view", "instance_id"), view_instance.SCHEMA_VERSION
    ),
    "stabilities": TableSpec(stability.STABILITY_SCHEMA, ("question_id",), stability.SCHEMA_VERSION),
    "verdicts": TableSpec(verdict.VERDICT_SCHEMA, ("question_id", "judge"), verdict.SCHEMA_VERSION),
    "replies": TableSpec(model_reply.MODEL_REPLY_SCHEMA, ("request_key",), model_reply.SCHEMA_VERSION),
    "rollouts": TableSpec(rollout.ROLLOUT_SCHEMA, ("question_id", "view", "model", "attempt"), rollout.SCHEMA_VERSION),
    "calibration": TableSpec(calibration.CALIBRATION_SCHEMA, ("batch", "case_id"), calibration.SCHEMA_VERSION),
    "traces": TableSpec(trace.TRACE_SCHEMA, ("question_id", "path"), trace.SCHEMA_VERSION),
    "audits": TableSpec(audit.AUDIT_SCHEMA, ("style", "hop_count", "view"), audit.SCHEMA_VERSION),
    "screenings": TableSpec(screening.SCREENING_SCHEMA, ("image_id",), screening.SCHEMA_VERSION),
    "named": TableSpec(named_category.NAMED_CATEGORY_SCHEMA, ("image_id", "category"), named_category.SCHEMA_VERSION),
    "looks": TableSpec(look.LOOK_SCHEMA, ("instance_id", "key"), look.SCHEMA_VERSION),
    "decisions": TableSpec(decision.DECISION_SCHEMA, ("question_id",), decision.SCHEMA_VERSION),
    "annotations": TableSpec(annotation.ANNOTATION_SCHEMA, ("question_id", "annotator"), annotation.SCHEMA_VERSION),
    "annotation_history": TableSpec(
        annotation.ANNOTATION_SCHEMA, ("annotation_id", "version"), annotation.SCHEMA_VERSION
    ),
    "people": TableSpec(annotation.PEOPLE_SCHEMA, ("question_id",), annotation.SCHEMA_VERSION),
    "samples": TableSpec(sample.SAMPLE_SCHEMA, ("image_id", "id"), sample.SCHEMA_VERSION),
    "drops": TableSpec(drop.DROP_SCHEMA, ("stage", "id", "reason", "detail"), drop.SCHEMA_VERSION),
    "sources": TableSpec(SOURCE_SCHEMA, ("uri",), internal=True),
    "source_annotations": TableSpec(
        source_annotation.IMAGE_ANNOTATIONS_SCHEMA, ("uri",), source_annotation.SCHEMA_VERSION, internal=True
    ),
    "files": TableSpec(image.IMAGE_SCHEMA, ("uri",), image.SCHEMA_VERSION, internal=True),
    "rich": TableSpec(image.IMAGE_SCHEMA, ("image_id",), image.SCHEMA_VERSION, internal=True),
    "drafts": TableSpec(question.QUESTION_SCHEMA, ("question_id",), question.SCHEMA_VERSION, internal=True),
    "thumbnails": TableSpec(thumbnail.THUMBNAIL_SCHEMA, ("image_id",), thumbnail.SCHEMA_VERSION, internal=True),
    "segments": TableSpec(instance.INSTANCE_SCHEMA, ("instance_id",), instance.SCHEMA_VERSION, internal=True),
}

VIEWS = tuple(name for name, spec in TABLES.items() if not spec.internal)
"""Tables that users see, in the order of the data flow."""

STAGE_ORDER = (
    "render", "list", "annotate-import", "ingest", "admit", "compare", "screen", "identify", "segment", "perceive",
    "describe", "look", "synthesize", "draft", "paraphrase", "compose", "judge", "check", "blind", "solve", "rubric",
    "route", "people", "trace", "audit", "publish",
)  # fmt: skip
"""Stages in the order of the data flow, for tables and reports; a stage that is not here comes last."""
