"""Boxes: the question stops at the last instance of its chain and asks which one thing that is, as a box.

Every hop that is left must matter for the instance it ends at, as it did for the number: skipping it, flipping its
predicate or taking the runner-up must end elsewhere.
"""

from collections.abc import Collection
from typing import NamedTuple

from schemas.drop import Drop, DropReason
from schemas.instance import Instance
from schemas.program import Program, canonical
from schemas.question import TraceStep
from schemas.release_row import EmbeddedImage, RewardModel
from schemas.view_rows import BoxRow
from stages.execute import execute, executed_steps
from stages.hops import hop_kinds
from stages.mutations import Downstream, choice_mutations, mutations_of
from stages.publish import Accepted, Place, PublishConfig, publish
from stages.release_views.config import ViewConfig
from stages.release_views.origin import tagged, user
from stages.scene_index import SceneIndex
from stages.traces.corrupt import Gold

ASK = "Which thing is it?"


class Target(NamedTuple):
    """Where a chain ends."""

    instance: Instance
    chain: Program
    steps: Collection[int]
    """Steps of the question's program that lead there."""


def target_of(index: SceneIndex, gold: Gold) -> Target | str:
    """Returns the instance that the question's chain ends at, or why there is none to ask for."""
    established = gold.telling.established
    if not established:
        return "it establishes no instance"
    steps = _ancestors(gold.program, established[-1])
    if not set(established) <= steps:
        return "it establishes instances that its last one does not depend on"
    chain = canonical(Program(steps=gold.program.steps[: established[-1] + 1]))
    values = execute(index, chain)
    landing = values[-1]
    if landing is None:
        return "its last instance is undefined"
    executed = executed_steps(chain, values)
    hops = hop_kinds(chain, executed)
    if not hops:
        return "its last instance is named, not found"
    downstream = Downstream(index, chain, values)
    mutations = choice_mutations(chain, executed)
    for hop in hops:
        mutations += mutations_of(chain, hop, index, values)
    dead = next((one for one in mutations if downstream.answer_of(one) == landing), None)
    if dead is not None:
        return f"{dead.kind} of step {dead.step} of its chain ends at the same instance"
    return Target(index.instances[landing], chain, steps)


def box_row(
    accepted: Accepted,
    picture: EmbeddedImage,
    found: tuple[Gold, Target],
    place: Place,
    configs: tuple[PublishConfig, ViewConfig],
) -> BoxRow | Drop:
    """Returns the question for the box of its last instance."""
    row = publish(accepted, picture, place, configs[0])
    if isinstance(row, Drop):
        return row
    gold, (instance, chain, steps) = found
    asked = " ".join([*gold.telling.told[:-1], ASK])
    prompt = user(f"{asked}\n\n{configs[1].box_instruction}")
    answer = f"[{', '.join(f'{edge:g}' for edge in instance.box_xyxy)}]"
    hops = tuple(hop for hop, stored in zip(row.hops, accepted.question.hops, strict=True) if stored.step in steps)
    changed = {
        "data_source": f"{row.data_source}/box",
        "prompt": prompt,
        "prompt_tagged": tagged(prompt),
        "problem": tagged(user(asked))[0].content,
        "solution": answer,
        "answer": answer,
        "reward_model": RewardModel(style="rule", ground_truth=answer),
        "extra_info": row.extra_info.model_copy(update={"question": asked, "answer": answer, "n_hops": len(hops)}),
        "hops": hops,
        "hop_count": len(hops),
        "trace": _trace(gold, steps, instance, answer),
        "program": chain.to_json(),
    }
    return BoxRow(
        **{**dict(row), **changed},
        target_id=instance.instance_id,
        target_category=instance.category,
        gold_box_xyxy=instance.box_xyxy,
    )


def not_in_view(accepted: Accepted, detail: str) -> Drop:
    """Returns the drop of a question of which a view makes no row."""
    question = accepted.question
    return Drop(
        stage="publish",
        id=question.question_id,
        parent_id=question.image_id,
        reason=DropReason.NOT_IN_VIEW,
        detail=detail,
    )


def _trace(gold: Gold, steps: Collection[int], instance: Instance, answer: str) -> tuple[TraceStep, ...]:
    told = zip(gold.telling.traced, gold.telling.trace, strict=False)
    done = TraceStep(
        title="Answer",
        content=f"The box is {answer}.",
        next_action="summary",
        value=answer,
        instance_ids=(instance.instance_id,),
        boxes_xyxy=(instance.box_xyxy,),
    )
    return (*(step for number, step in told if number in steps), done)


def _ancestors(program: Program, number: int) -> set[int]:
    found: set[int] = set()
    waiting = [number]
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting += program.steps[step].inputs
    return found
