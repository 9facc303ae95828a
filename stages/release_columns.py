"""RL rows of many questions at once, as columns: what `stages.publish.publish` returns of each, without the picture.

A release is mostly copied from what the tables hold already, so columns are copied as columns, and Python looks only at
what it must: the words for placeholders, the votes, the attempts.
"""

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.question import CERTIFICATE_TYPE
from schemas.release_row import EXTRA_INFO_TYPE, MESSAGES_TYPE, RELEASE_COLUMNS, REWARD_MODEL_TYPE
from stages.publish import COPIED, IMAGE_TAG, JUDGED, Place, PublishConfig, Tried, difficulty_of, holds_tag, tier_named

PICTURE = "images"
COLUMNS = pa.schema([field for field in RELEASE_COLUMNS if field.name != PICTURE])
"""Of a release's rows, without their pictures."""


class AskedRows(NamedTuple):
    """Accepted questions as tables; row i of each is about the same question."""

    questions: pa.Table
    images: pa.Table
    decisions: pa.Table
    tried: Sequence[Tried]
    passed: Mapping[str, Set[str]]
    """Ids of the questions that a judge passed, by judge; perhaps of others too."""

    @property
    def total(self) -> int:
        """How many questions these are."""
        return int(self.questions.num_rows)

    def take(self, rows: Sequence[int]) -> "AskedRows":
        """Returns the rows at these positions."""
        if list(rows) == list(range(self.total)):
            return self
        places = pa.array(rows, pa.int64())
        questions, images, decisions = (table.take(places) for table in self[:3])
        return AskedRows(questions, images, decisions, [self.tried[row] for row in rows], self.passed)


def release_columns(asked: AskedRows, places: Sequence[Place], config: PublishConfig) -> pa.Table:
    """Returns the rows of questions that `suspects` has nothing to say about, each at its place.

    Raises:
        ValueError: a judge did not pass a question, nobody vouches for one, or a number is out of its range.
    """
    questions = {name: asked.questions[name].combine_chunks() for name in asked.questions.column_names}
    images = {name: asked.images[name].combine_chunks() for name in ("licence", "uri", "width", "height", "split")}
    _check_ranges(questions)
    count = asked.total
    text = pc.binary_join_element_wise(questions["question"], config.instruction, "\n\n")
    answer = questions["answer"].cast(pa.string())
    made: dict[str, Any] = {
        "id": questions["question_id"],
        "data_source": pc.binary_join_element_wise(config.data_source, questions["style"], "/"),
        "prompt": _messages(text),
        "prompt_tagged": _messages(_joined(IMAGE_TAG, text)),
        "problem": _joined(IMAGE_TAG, questions["question"]),
        "solution": answer,
        "answer": answer,
        "ability": pa.repeat(config.ability, count),
        "reward_model": pa.StructArray.from_arrays([pa.repeat("rule", count), answer], fields=list(REWARD_MODEL_TYPE)),
        "extra_info": _extra_info(questions, images["split"], answer, places),
        "domain": pa.array([place.domain for place in places], pa.string()),
        "hops": _hops(questions["hops"]),
        "tier": pa.array(tiers_of(asked), pa.string()),
        "votes": _dumped("votes", [tried.votes for tried in asked.tried]),
        "solve_rates": _dumped("solve_rates", [tried.solve_rates for tried in asked.tried]),
        "stability": pa.array([tried.stability for tried in asked.tried], pa.float64()),
        "difficulty": pa.array([difficulty_of(tried) for tried in asked.tried], pa.string()),
        "curriculum": pa.array([place.level for place in places], pa.int32()),
        "certificates": _certificates(asked, questions),
        "image_source": pa.array([place.image_source for place in places], pa.string()),
        "image_uri": images["uri"],
        **{name: images[name] for name in ("licence", "split", "width", "height")},
        **{name: questions[name] for name in COPIED},
    }
    return pa.Table.from_arrays([made[name] for name in COLUMNS.names], schema=COLUMNS)


def suspects(asked: AskedRows) -> list[int]:
    """Returns the rows that `stages.publish.unfit_of` may refuse: words that hold a tag, boxes outside the picture."""
    found = {row for row, text in enumerate(asked.questions["question"].to_pylist()) if holds_tag(text)}
    width, height = (asked.images[name].to_numpy() for name in ("width", "height"))
    for name in ("hops", "trace"):
        boxes, rows = _boxes(asked.questions[name].combine_chunks())
        x0, y0, x1, y1 = boxes.T
        inside = (x0 >= 0) & (x0 < x1) & (x1 <= width[rows]) & (y0 >= 0) & (y0 < y1) & (y1 <= height[rows])
        found |= set(rows[~inside].tolist())
    return sorted(found)


def tiers_of(asked: AskedRows) -> list[str]:
    """Returns who vouches for each answer, as `stages.publish.tier_of` does.

    Raises:
        ValueError: nobody does.
    """
    names, programs, answers = (asked.questions[name].to_pylist() for name in ("question_id", "program", "answer"))
    reasons = asked.decisions["reason"].to_pylist()
    rows = zip(names, programs, answers, reasons, asked.tried, strict=True)
    return [tier_named(name, program, str(answer), reason, tried) for name, program, answer, reason, tried in rows]


def _joined(first: str, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(first, texts, "")


def _messages(texts: pa.Array) -> pa.Array:
    """Returns one message of the user per row."""
    fields = list(MESSAGES_TYPE.value_type)
    messages = pa.StructArray.from_arrays([pa.repeat("user", len(texts)), texts], fields=fields)
    return pa.ListArray.from_arrays(np.arange(len(texts) + 1, dtype=np.int32), messages, type=MESSAGES_TYPE)


def _extra_info(
    questions: Mapping[str, pa.Array], split: pa.Array, answer: pa.Array, places: Sequence[Place]
) -> pa.Array:
    instances = _distinct_instances(questions["hops"])
    cells = questions["cell"].to_pylist()
    meta = [
        json.dumps({"cell": cell, "instances": number}, sort_keys=True)
        for cell, number in zip(cells, instances, strict=True)
    ]
    columns = {
        "split": split,
        "index": pa.array([place.row for place in places], pa.int64()),
        "question": questions["question"],
        "answer": answer,
        "n_hops": questions["hop_count"],
        "meta": pa.array(meta, pa.string()),
    }
    fields = list(EXTRA_INFO_TYPE)
    return pa.StructArray.from_arrays([columns[field.name] for field in fields], fields=fields)


def _distinct_instances(hops: pa.ListArray) -> list[int]:
    """Returns on how many different instances the hops of each question land."""
    ids = hops.flatten().field("instance_ids")
    names = ids.flatten().to_pylist()
    ends = np.concatenate([[0], np.cumsum(_lengths(ids))])[_offsets(hops)]
    return [len(set(names[start:end])) for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def _hops(hops: pa.ListArray) -> pa.Array:
    """Returns the hops with the columns that are published."""
    kind = COLUMNS.field("hops").type
    flat = hops.flatten()
    fields = list(kind.value_type)
    chosen = pa.StructArray.from_arrays([flat.field(field.name) for field in fields], fields=fields)
    return pa.ListArray.from_arrays(_offsets(hops), chosen, type=kind)


def _certificates(asked: AskedRows, questions: Mapping[str, pa.Array]) -> pa.Array:
    """Returns each question's own certificates, those of its judges where it has a program, and that of balance."""
    own = questions["certificates"]
    programs = np.array([bool(program) for program in questions["program"].to_pylist()])
    _check_judged(asked, questions["question_id"].to_pylist(), programs)
    reasons = asked.decisions["reason"].combine_chunks()
    flat = own.flatten()
    judged = [{"name": name, "passed": True, "detail": f"passed by {judge}"} for judge, name in JUDGED.items()]
    balanced = pa.StructArray.from_arrays(
        [pa.repeat("prior", len(own)), pa.repeat(True, len(own)), reasons], fields=list(CERTIFICATE_TYPE)
    )
    pool = pa.concat_arrays([flat, pa.array(judged, CERTIFICATE_TYPE), balanced])
    lengths = _lengths(own)
    added = len(judged) * programs
    offsets = np.concatenate([[0], np.cumsum(lengths + added + 1)]).astype(np.int32)
    rows = np.repeat(np.arange(len(own)), np.diff(offsets))
    place = np.arange(offsets[-1]) - offsets[rows]
    beyond = place - lengths[rows]
    later = np.where(beyond < added[rows], len(flat) + beyond, len(flat) + len(judged) + rows)
    chosen = pool.take(pa.array(np.where(beyond < 0, _offsets(own)[rows] + place, later), pa.int64()))
    return pa.ListArray.from_arrays(offsets, chosen, type=COLUMNS.field("certificates").type)


def _check_judged(asked: AskedRows, names: Sequence[str], programs: NDArray[np.bool_]) -> None:
    for judge in JUDGED:
        passed = asked.passed.get(judge, frozenset())
        silent = next((name for name, has in zip(names, programs, strict=True) if has and name not in passed), None)
        if silent is not None:
            raise ValueError(f"question {silent} was accepted without a pass of {judge}")


def _check_ranges(questions: Mapping[str, pa.Array]) -> None:
    lucks = (questions["luck"], questions["hops"].flatten().field("luck"))
    if any(len(luck) and not _is_within(luck, 0, 1) for luck in lucks):
        raise ValueError("a question's luck is outside 0 to 1")
    if len(questions["hop_count"]) and pc.min(questions["hop_count"]).as_py() < 1:
        raise ValueError("a question has fewer than 1 hop")


def _is_within(values: pa.Array, low: float, high: float) -> bool:
    found = values.to_numpy(zero_copy_only=False)
    return bool(np.all((found >= low) & (found <= high)))


def _dumped(name: str, values: Sequence[Sequence[Any] | None]) -> pa.Array:
    rows = [None if value is None else [record.model_dump() for record in value] for value in values]
    return pa.array(rows, COLUMNS.field(name).type)


def _boxes(landings: pa.ListArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns all boxes ``(n, 4)`` of a column of hops or steps, and the row of each."""
    boxes = landings.flatten().field("boxes_xyxy")
    rows = np.repeat(np.repeat(np.arange(len(landings)), _lengths(landings)), _lengths(boxes))
    values = boxes.flatten().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(-1, 4), rows


def _lengths(lists: pa.ListArray) -> NDArray[np.int64]:
    return np.asarray(lists.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)


def _offsets(lists: pa.ListArray) -> NDArray[np.int32]:
    """Returns where each list starts among the flattened values, and the end of the last."""
    return np.concatenate([[0], np.cumsum(_lengths(lists))]).astype(np.int32)
