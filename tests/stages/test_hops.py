"""What a hop is: counted by hand on written programs, and held to on everything the sampler makes."""

from collections import defaultdict
from functools import lru_cache

import pytest

from schemas.program import Program, Step
from schemas.question import HopKind, Question, Variant
from stages.execute import execute, executed_steps
from stages.hops import described_set_of, hop_kinds, source_of
from stages.scene_index import SceneIndex
from stages.synthesize import SynthesizeConfig, synthesize
from tests.example_scene import example_scene
from tests.layouts import random_scene

CHAIN, PERCEPTION = HopKind.INSTANCE_CHAIN, HopKind.PERCEPTION
SCENE, BALLS, BOX = Step("scene"), Step("category", (0,), ("ball",)), Step("category", (0,), ("box",))


def kinds_of(*steps: Step) -> dict[int, HopKind]:
    index = SceneIndex(example_scene())
    program = Program(steps=steps)
    return hop_kinds(program, executed_steps(program, execute(index, program)))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((SCENE, BALLS, Step("count", (1,))), {2: PERCEPTION}),
        ((SCENE, BOX, Step("only", (1,)), Step("read", (2,), ("digit",))), {3: PERCEPTION}),
        (
            (SCENE, Step("extreme", (0,), ("leftmost",)), Step("nearest", (1, 0)), Step("rank", (2, 0), ("highest",))),
            {1: PERCEPTION, 2: CHAIN, 3: PERCEPTION},
        ),
        (
            (SCENE, BOX, Step("only", (1,)), Step("related", (2, 0), ("right",)), Step("extreme", (3,), ("lowest",)))
            + (Step("related", (4, 0), ("left",)), Step("count", (5,))),
            {4: CHAIN, 6: PERCEPTION},
        ),
        (  # "only" is a hop where an instance narrows its set
            (SCENE, BOX, Step("only", (1,)), BALLS, Step("related", (2, 3), ("left",)), Step("only", (4,)))
            + (Step("related", (5, 0), ("right",)), Step("count", (6,))),
            {5: CHAIN, 7: PERCEPTION},
        ),
        (  # arithmetic is none
            (SCENE, BALLS, Step("count", (1,)), BOX, Step("count", (3,)), Step("add", (2, 4))),
            {2: PERCEPTION, 4: PERCEPTION},
        ),
        (  # a set described by what an instance is not depends on the instance
            (SCENE, BOX, Step("only", (1,)), Step("set_of", (2,)), Step("except", (0, 3)))
            + (Step("extreme", (4,), ("rightmost",)), Step("measure", (5,), ("points",))),
            {5: CHAIN, 6: PERCEPTION},
        ),
    ],
)
def test_hops_of_written_programs(steps: tuple[Step, ...], expected: dict[int, HopKind]) -> None:
    assert kinds_of(*steps) == expected


@pytest.mark.parametrize(("how", "taken"), [("more", 6), ("fewer", 8)])
def test_a_choice_counts_only_the_branch_it_takes(how: str, taken: int) -> None:
    steps = (SCENE, BALLS, Step("count", (1,)), BOX, Step("count", (3,)), Step("compare", (2, 4), (how,)))
    steps += (Step("extreme", (0,), ("leftmost",)), Step("extreme", (0,), ("rightmost",)), Step("nearest", (7, 0)))
    steps += (Step("choose", (5, 6, 8)), Step("related", (9, 0), ("below",)), Step("count", (10,)))
    branch = {6: {6: PERCEPTION}, 8: {7: PERCEPTION, 8: CHAIN}}[taken]
    assert kinds_of(*steps) == {2: PERCEPTION, 4: PERCEPTION, 11: PERCEPTION} | branch


def test_a_hop_knows_its_source_and_the_set_it_chooses_from() -> None:
    steps = (
        SCENE,
        BOX,
        Step("only", (1,)),
        BALLS,
        Step("related", (2, 3), ("left",)),
        Step("extreme", (4,), ("highest",)),
    )
    program = Program(steps=(*steps, Step("nearest", (5, 3)), Step("read", (6,), ("digit",))))
    assert [source_of(program, n) for n in (2, 5, 6)] == [None, 2, 5]
    assert [described_set_of(program, n) for n in (2, 5, 6)] == [1, 3, 3]


# ----------------------------------------------------------------------------------------------------- sampled programs


@lru_cache
def questions() -> tuple[Question, ...]:
    scenes = [random_scene(f"hops {i}") for i in range(60)]
    return tuple(q for scene in scenes for q in synthesize(scene, SynthesizeConfig(), 3, "c").questions)


def test_every_full_question_has_both_kinds_of_hop_within_the_wanted_numbers() -> None:
    full = [question for question in questions() if question.variant is Variant.FULL]
    assert len(full) > 300
    for question in full:
        assert {hop.kind for hop in question.hops} == {CHAIN, PERCEPTION}
        assert 3 <= question.hop_count == len(question.hops) <= 6
    assert {question.hop_count for question in full} == {3, 4, 5, 6}


def _ending(question: Question) -> list[str]:
    """The levels of the cell that say how the question ends: how often a set was chosen from is of the whole chain."""
    return [level for level in question.cell.split("|")[1:] if not level.startswith("reuse")]


def test_variants_belong_to_a_full_question_and_keep_its_end() -> None:
    families: dict[str, dict[Variant, Question]] = defaultdict(dict)
    for question in questions():
        assert question.variant not in families[question.family_id]
        families[question.family_id][question.variant] = question
    shorter = 0
    for family_id, family in families.items():
        full = family[Variant.FULL]
        assert full.question_id == family_id
        for variant in set(family) - {Variant.FULL}:
            question = family[variant]
            shorter += 1
            assert question.image_id == full.image_id
            assert question.answer == full.answer
            assert 1 <= question.hop_count < full.hop_count
            assert question.hops[-1].value == full.hops[-1].value
            assert _ending(question) == _ending(full)
            assert (question.hop_count == 1) == (variant is Variant.SINGLE)
        if Variant.HALF in family:
            assert family[Variant.HALF].hop_count == full.hop_count // 2
    assert shorter > 100


def test_hops_carry_their_evidence() -> None:
    scenes = {f"hops {i}": random_scene(f"hops {i}") for i in range(60)}
    boxes = {i.instance_id: i.box_xyxy for scene in scenes.values() for i in scene.instances}
    for question in questions():
        for hop in question.hops:
            assert hop.boxes_xyxy == tuple(boxes[i] for i in hop.instance_ids)
            if hop.kind is CHAIN:
                assert hop.instance_ids == (hop.value,)
                assert hop.candidates >= 2
            elif hop.operator == "count":
                assert len(hop.instance_ids) == int(hop.value)
            assert hop.text.endswith(".")
