"""Contrast pairs: a question on its picture, and on the same picture with one referent erased or recoloured.

The words are the same, the answers differ. Both halves are whole RL rows; the edited one carries the evidence, margins
and certificates proved on the edited scene.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from schemas.drop import Drop
from schemas.program import Program
from schemas.question import Question
from schemas.release_row import EmbeddedImage
from schemas.scene import Scene
from schemas.view_rows import ErasureRow
from stages.erase import Edit, EraseConfig, edits_of
from stages.phrasing.telling import tell
from stages.publish import Accepted, Place, PublishConfig, publish
from stages.scene_index import SceneIndex
from stages.traces.corrupt import retell


class Contrast(NamedTuple):
    """One half-made pair: the edit, and the question as it is proved on the edited scene."""

    edit: Edit
    hop: int
    """Position of the hop whose referent was edited."""
    edited: Question


def contrasts_of(scene: Scene, question: Question, config: EraseConfig) -> Iterator[Contrast]:
    """Yields edits of the instances that the question's hops land on, under which its words stay right.

    A referent of more than one hop is taken for the first. Early hops come first; edits are made as they are asked for.
    """
    gold = retell(SceneIndex(scene, config.margins), question)
    if gold is None or gold.telling.question != question.question:
        return
    hop_of: dict[str, int] = {}
    for position, hop in enumerate(question.hops):
        for name in hop.instance_ids:
            hop_of.setdefault(name, position)
    program = Program.from_json(question.program)
    for edit in edits_of(scene, program, sorted(hop_of, key=hop_of.__getitem__), config):
        edited = _edited(question, edit, config)
        if edited is not None:
            yield Contrast(edit, hop_of[edit.instance.instance_id], edited)


def _edited(question: Question, edit: Edit, config: EraseConfig) -> Question | None:
    """The question on the edited scene; None where it would be worded otherwise there."""
    found = edit.certified
    rng = random.Random(f"{question.seed}:phrase:{question.question_id}")
    try:
        telling = tell(SceneIndex(edit.scene, config.margins), found, rng)
    except ValueError:
        return None
    if telling.question != question.question:
        return None
    changes = {
        "answer": found.answer,
        "hops": telling.hops,
        "hop_count": len(telling.hops),
        "trace": telling.trace,
        "margin": found.margin,
        "weakest_fact": found.weakest_fact,
        "luck": found.luck,
        "strict": found.luck == 0.0,
    }
    return question.model_copy(update=changes)


def contrast_rows(
    accepted: Accepted,
    pictures: tuple[EmbeddedImage, EmbeddedImage],
    contrast: Contrast,
    place: Place,
    config: PublishConfig,
) -> tuple[ErasureRow, ErasureRow] | Drop:
    """Returns the pair: the original row, then the edited one."""
    edit = contrast.edit
    halves = (accepted, accepted._replace(question=contrast.edited))
    rows = []
    pair = f"{accepted.question.question_id}:{edit.instance.instance_id[:12]}:{edit.detail or edit.kind}"
    for number, (role, half) in enumerate(zip(("original", "edited"), halves, strict=True)):
        row = publish(half, pictures[number], place._replace(row=place.row + number), config)
        if isinstance(row, Drop):
            return row
        rows.append(
            ErasureRow(
                **{**dict(row), "id": f"{pair}:{role}"},
                pair_id=pair,
                pair_role=role,
                edit=edit.kind,
                edited_instance_id=edit.instance.instance_id,
                edited_hop=contrast.hop,
                edit_detail=edit.detail,
                original_answer=str(accepted.question.answer),
                edited_answer=str(contrast.edited.answer),
            )
        )
    return rows[0], rows[1]
