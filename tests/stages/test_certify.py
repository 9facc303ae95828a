"""What a certificate promises: independence of order, of what is unrelated, of mirror and scale; margins that bind."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.category import Category
from schemas.drop import DropReason
from schemas.instance import SPAN_GRID, Instance, Span
from schemas.program import Program, Step, canonical
from schemas.question import Question
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, Rejected, certify, certify_text
from stages.execute import check_program
from stages.margins import MarginConfig
from stages.scene_index import SceneIndex
from tests.layouts import HEIGHT, WIDTH, random_scene, scene_of
from tests.makers import make_image, make_instance, make_scene
from tests.planted import Sound, moved_to, sound_questions
from tests.reference import Reference

SOUNDS = st.integers(0, 399).map(lambda number: sound_questions()[number])
CONFIG = CertifyConfig()
SWAPPED = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
SWAPPED |= {"left half": "right half", "right half": "left half"}


def proved(
    scene: Scene, program: Program | str, config: CertifyConfig = CONFIG, **margins: float
) -> Certified | Rejected:
    text = program if isinstance(program, str) else program.to_json()
    return certify_text(SceneIndex(scene, MarginConfig(**margins)), text, config)


def told(scene: Scene, found: Certified | Rejected) -> object:
    """A proof in ids, without positions."""
    assert isinstance(found, Certified), found
    ones = ("only", "extreme", "nth", "nearest", "farthest")
    return (
        found.answer,
        pytest.approx(found.margin),
        [
            (hop, scene.instances[found.values[hop.step]].instance_id)
            if found.program.steps[hop.step].operator in ones
            else (hop, found.values[hop.step])
            for hop in found.hops
        ],
    )


# ----------------------------------------------------------------------------------------------- metamorphic properties


@given(sound=SOUNDS, seed=st.integers(0, 99))
def test_a_proof_is_deterministic_and_free_of_order(sound: Sound, seed: int) -> None:
    first = proved(sound.scene, sound.program)
    assert proved(sound.scene, sound.program) == first
    shuffled = tuple(random.Random(seed).sample(sound.scene.instances, len(sound.scene.instances)))
    other = sound.scene.model_copy(update={"instances": shuffled})
    assert told(other, proved(other, sound.program)) == told(sound.scene, first)


@given(sound=SOUNDS)
def test_a_mirror_swaps_left_and_right_and_nothing_else(sound: Sound) -> None:
    mirrored = mirrored_scene(sound.scene)
    program = Program(steps=tuple(_swapped(step) for step in sound.program.steps))
    assert told(mirrored, proved(mirrored, program)) == told(sound.scene, proved(sound.scene, sound.program))


def mirrored_scene(scene: Scene) -> Scene:
    return scene.model_copy(update={"instances": tuple(_mirrored(instance) for instance in scene.instances)})


def _mirrored(instance: Instance) -> Instance:
    x0, y0, x1, y1 = instance.box_xyxy
    spans = tuple(Span(y=s.y, x0=SPAN_GRID - s.x1, x1=SPAN_GRID - s.x0) for s in reversed(instance.spans))
    changes = {"box_xyxy": (WIDTH - x1, y0, WIDTH - x0, y1), "spans": tuple(sorted(spans, key=lambda s: (s.y, s.x0)))}
    return instance.model_copy(
        update=changes | {"centroid_xy": (WIDTH - instance.centroid_xy[0], instance.centroid_xy[1])}
    )


def _swapped(step: Step) -> Step:
    return step._replace(params=tuple(SWAPPED.get(str(param), param) for param in step.params))


@given(sound=SOUNDS, factor=st.sampled_from([0.5, 2, 3, 7.5]))
def test_scale_changes_no_answer_and_no_margin(sound: Sound, factor: float) -> None:
    scaled = scaled_scene(sound.scene, factor)
    assert told(scaled, proved(scaled, sound.program)) == told(sound.scene, proved(sound.scene, sound.program))


def scaled_scene(scene: Scene, factor: float) -> Scene:
    image = scene.image.model_copy(update={"width": int(WIDTH * factor), "height": int(HEIGHT * factor)})
    grown = tuple(
        instance.model_copy(
            update={
                "box_xyxy": tuple(value * factor for value in instance.box_xyxy),
                "centroid_xy": tuple(value * factor for value in instance.centroid_xy),
                "area": instance.area * factor * factor,
            }
        )
        for instance in scene.instances
    )
    return scene.model_copy(update={"image": image, "instances": grown})


@given(sound=SOUNDS, x=st.integers(0, WIDTH - 60), y=st.integers(0, HEIGHT - 60))
def test_one_more_thing_changes_an_answer_only_by_entering_a_set_of_the_program(sound: Sound, x: int, y: int) -> None:
    """A kite where no kite was: sets of named categories stay, so must the proof; "things" may grow or drop."""
    kite = moved_to(sound.scene.instances[0], x, y)
    kite = kite.model_copy(update={"instance_id": "kite", "category": "kite"})
    scene = scene_of(sound.scene.image, [*sound.scene.instances, kite])
    before, after = proved(sound.scene, sound.program), proved(scene, sound.program)
    values = Reference(scene).run(sound.program)
    entered = [n for n, value in enumerate(values) if isinstance(value, frozenset) and "kite" in value]
    if all(sound.program.steps[n].operator == "scene" for n in entered) and not _uses_scene_itself(sound.program):
        assert told(scene, after) == told(sound.scene, before)
    elif isinstance(after, Certified):
        assert after.answer == values[-1]
        assert after.answer == before.answer or entered


def _uses_scene_itself(program: Program) -> bool:
    return any(
        program.steps[i].operator == "scene" and step.operator not in ("category", "attribute")
        for step in program.steps
        for i in step.inputs
    )


@given(sound=SOUNDS, factor=st.floats(1.001, 3))
def test_a_stricter_margin_than_the_stated_one_drops(sound: Sound, factor: float) -> None:
    found = proved(sound.scene, sound.program)
    assert isinstance(found, Certified)
    assert found.margin >= 1
    stricter = proved(sound.scene, sound.program, CertifyConfig(min_margin=found.margin * factor))
    assert isinstance(stricter, Rejected)
    assert stricter.reason is DropReason.MARGIN_BELOW_CUTOFF
    assert found.weakest_fact in stricter.detail
    assert isinstance(proved(sound.scene, sound.program, CertifyConfig(min_margin=found.margin)), Certified)


@given(sound=SOUNDS)
def test_every_kind_of_cutoff_binds(sound: Sound) -> None:
    """The cut-off of the weakest fact, raised above it, drops the question."""
    found = proved(sound.scene, sound.program)
    assert isinstance(found, Certified)
    by, now = found.margin * 1.01, MarginConfig()
    sides = {"side_gap": now.side_gap * by, "side_overlap": now.side_overlap * by, "depth_gap": now.depth_gap * by}
    limits = {
        "position gap": sides | {"contact_cells": int(now.contact_cells * by) + 1},
        "order gap": {
            "order_gap": now.order_gap * by,
            "area_ratio": now.area_ratio**by,
            "depth_gap": now.depth_gap * by,
        },
        "distance ratio": {"near_ratio": 1 + (now.near_ratio - 1) * by, "near_gap": now.near_gap * by},
        "visibility": {
            "visible_area": min(0.9, now.visible_area * by),
            "cut_off_area": min(0.9, now.cut_off_area * by),
        },
    }
    if found.weakest_fact in limits:
        stricter = proved(sound.scene, sound.program, **limits[found.weakest_fact])
        assert isinstance(stricter, Rejected)
        assert stricter.reason is DropReason.MARGIN_BELOW_CUTOFF


# ----------------------------------------------------------------------------------------------------- gaps, one by one

CUP = (Step("scene"), Step("category", (0,), ("cup",)))
IMAGE = make_image("gaps", width=200, height=200)


def row(*lefts: float, category: str = "cup") -> list[Instance]:
    """Things of 20 px in a row."""
    return [
        make_instance(category, (0, 80, 20, 100), {"colour": "red"}, IMAGE).model_copy(
            update={
                "instance_id": f"{category}{number}",
                "box_xyxy": (x, 80.0, x + 20, 100.0),
                "centroid_xy": (x + 10, 90.0),
                "depth": 0.5,
                "truncated": False,
                "area": 800,
            }
        )
        for number, x in enumerate(lefts)
    ]


EASY = CertifyConfig(both_kinds=False, max_luck=1)


@given(gap=st.floats(0.5, 40).filter(lambda gap: abs(gap - 8) > 0.01))
@settings(max_examples=80)
def test_the_leftmost_is_asked_for_from_the_cutoff_on(gap: float) -> None:
    """4% of 200 px; the first cup has four dots, the second six."""
    cups = row(20.0, 20.0 + gap, 150.0)
    dotted = [
        cup.model_copy(update={"attributes": make_instance(attributes={"pips": pips}).attributes})
        for cup, pips in zip(cups, "465", strict=True)
    ]
    scene = make_scene(*dotted, supports=("pips",), image=IMAGE)
    steps = (Step("scene"), Step("category", (0,), ("cup",)), Step("extreme", (1,), ("leftmost",)))
    found = proved(scene, Program(steps=(*steps, Step("measure", (2,), ("pips",)))), EASY, order_gap=0.04)
    assert isinstance(found, Certified) == (gap > 8)
    if isinstance(found, Rejected):
        assert (found.reason, found.detail.split(" is ")[0]) == (DropReason.MARGIN_BELOW_CUTOFF, "order gap")


@given(gap=st.floats(-40, 40).filter(lambda gap: abs(abs(gap) - 8) > 0.01))
@settings(max_examples=80)
def test_a_side_is_asked_for_from_the_cutoff_on(gap: float) -> None:
    """The larger of 4% of 200 px and two fifths of 20 px: 8 px, to either side."""
    box = row(90.0, category="box")
    cups = row(90.0 + gap, 20.0, 25.0, 160.0, category="cup")
    steps = (Step("scene"), Step("category", (0,), ("box",)), Step("only", (1,)), Step("category", (0,), ("cup",)))
    steps += (Step("related", (2, 3), ("left",)), Step("count", (4,)))
    limits = {"side_gap": 0.04, "side_overlap": 0.4}
    found = proved(make_scene(*box, *cups, image=IMAGE), Program(steps=steps), EASY, **limits)
    if abs(gap) < 8:
        assert isinstance(found, Rejected)
        assert found.reason is DropReason.MARGIN_BELOW_CUTOFF
    elif gap > 0:  # two on either side: left or right is the same
        assert isinstance(found, Rejected)
        assert found.reason is DropReason.DEAD_HOP
    else:
        assert isinstance(found, Certified)
        assert found.answer == 3


@pytest.mark.parametrize(
    ("near", "far", "width", "fact"),
    [
        (100, 140, 20, None),
        (200, 240, 20, "distance ratio"),  # a fifth farther
        (60, 85, 20, "distance ratio"),  # 25 px of a diagonal of 1000
        (100, 140, 120, "distance ratio"),  # the far one's edge is nearer
    ],
)
@pytest.mark.parametrize("operator", ["nearest", "farthest"])
def test_near_and_far_are_asked_for_by_ratio_by_distance_and_by_edges(
    near: float, far: float, width: float, fact: str | None, operator: str
) -> None:
    image = make_image("distances", width=800, height=600)

    def thing(category: str, x: float, wide: float, digit: str) -> Instance:
        made = make_instance(category, (0, 0, 20, 20), {"digit": digit}, image, instance_id=f"{category} {x}")
        changes = {"box_xyxy": (x - wide / 2, 290.0, x + wide / 2, 310.0), "centroid_xy": (x, 300.0)}
        return made.model_copy(update=changes | {"area": 4000, "truncated": False})

    scene = make_scene(
        thing("cup", 400, 20, "1"), thing("box", 400 - near, 20, "2"), thing("box", 400 + far, width, "3"),
        supports=("digit",), image=image,
    )  # fmt: skip
    steps = (Step("category", (0,), ("box",)), Step(operator, (2, 3)), Step("read", (4,), ("digit",)))
    found = proved(scene, program_of(*CUP, Step("only", (1,)), *steps), EASY, near_ratio=1.25, near_gap=0.03)
    if fact is None:
        assert isinstance(found, Certified)
    else:
        assert isinstance(found, Rejected)
        assert (found.reason, found.detail.split(" is ")[0]) == (DropReason.MARGIN_BELOW_CUTOFF, fact)


# ---------------------------------------------------------------------------------------------------- rules, one by one


def program_of(*steps: Step) -> Program:
    program = Program(steps=steps)
    check_program(program)
    return canonical(program)


COUNTED = program_of(*CUP, Step("count", (1,)))


def test_a_malformed_program_is_an_error_not_a_fact() -> None:
    with pytest.raises(ValueError, match="unknown operator"):
        certify_text(SceneIndex(make_scene()), '[["fly",[],[]]]', CONFIG)


@pytest.mark.parametrize(
    ("steps", "supports", "detail"),
    [
        ((Step("attribute", (1,), ("colour", "red")), Step("count", (2,))), (), "attribute needs colour"),
        ((Step("extreme", (1,), ("leftmost",)), Step("read", (2,), ("digit",))), (), "read needs digit"),
        ((Step("extreme", (1,), ("frontmost",)), Step("read", (2,), ("digit",))), ("digit",), "ordering frontmost"),
        (
            (Step("only", (1,)), Step("related", (2, 0), ("behind",)), Step("count", (3,))),
            ("digit",),
            "relation behind needs depth",
        ),
        (
            (Step("only", (1,)), Step("same_attribute", (2, 0), ("material",)), Step("count", (3,))),
            ("colour",),
            "same_attribute needs material",
        ),
    ],
)
def test_what_the_source_cannot_support_is_not_asked(
    steps: tuple[Step, ...], supports: tuple[str, ...], detail: str
) -> None:
    found = proved(make_scene(make_instance(), supports=supports), program_of(*CUP, *steps))
    assert isinstance(found, Rejected)
    assert found.reason is DropReason.UNSUPPORTED_FACT
    assert detail in found.detail


def test_depth_that_one_thing_lacks_is_not_asked_of_any() -> None:
    scene = make_scene(
        make_instance(depth=0.2), make_instance("box", (60, 60, 90, 90), depth=None), supports=("depth",)
    )
    steps = (Step("extreme", (0,), ("frontmost",)), Step("related", (1, 0), ("left",)), Step("count", (2,)))
    found = proved(scene, program_of(Step("scene"), *steps))
    assert isinstance(found, Rejected)
    assert found.reason is DropReason.UNSUPPORTED_FACT


@pytest.mark.parametrize("operator", ["count", "exists", "nth", "rank"])
def test_what_must_be_complete_is_not_asked_of_a_category_that_may_not_be_counted(operator: str) -> None:
    cups = [make_instance("cup", (x, 10, x + 20, 30), {"digit": "3"}) for x in (10, 80, 140)]
    scene = make_scene(*cups, supports=("digit",))
    rows = (
        Category(image_id=scene.image.image_id, category="cup", instance_count=3, countable=False, selectable=True),
    )
    scene = scene.model_copy(update={"categories": rows})
    first = Step("extreme", (1,), ("leftmost",))
    ends = {
        "count": (first, Step("related", (2, 1), ("right",)), Step("count", (3,))),
        "exists": (Step("exists", (1,)), first, Step("extreme", (1,), ("rightmost",)), Step("choose", (2, 3, 4))),
        "nth": (Step("nth", (1,), ("leftmost", 2)), Step("read", (2,), ("digit",))),
        "rank": (first, Step("rank", (2, 1), ("rightmost",))),
    }[operator]
    if operator == "exists":
        ends = (*ends, Step("read", (5,), ("digit",)))
    found = proved(scene, program_of(*CUP, *ends), EASY)
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (DropReason.UNSUPPORTED_FACT, "counting needs every cup")


def test_a_category_that_may_not_be_named_is_below_the_cutoff() -> None:
    cups = [make_instance("cup", (x, 10, x + 20, 30), {"digit": d}) for x, d in ((10, "3"), (80, "4"), (140, "5"))]
    scene = make_scene(*cups, supports=("digit",)).model_copy(update={"categories": ()})
    end = (Step("extreme", (1,), ("leftmost",)), Step("read", (2,), ("digit",)))
    found = proved(scene, program_of(*CUP, *end), EASY)
    assert isinstance(found, Rejected)
    assert found.detail.startswith("countability is 0.000")


def test_any_thing_is_not_chosen_from_where_some_may_not_be_named() -> None:
    cups = [make_instance("cup", (x, 10, x + 20, 30), {"digit": d}) for x, d in ((10, "3"), (80, "4"), (140, "5"))]
    scene = make_scene(*cups, supports=("digit",))
    program = program_of(Step("scene"), Step("extreme", (0,), ("leftmost",)), Step("read", (1,), ("digit",)))
    assert isinstance(proved(scene, program, EASY), Certified)
    found = proved(scene.model_copy(update={"categories": ()}), program, EASY)
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (
        DropReason.UNSUPPORTED_FACT,
        "extreme of any thing needs a name for every cup",
    )


@pytest.mark.parametrize("answer_limits", [(2, 20), (0, 0)])
def test_an_answer_outside_the_range_is_rejected(answer_limits: tuple[int, int]) -> None:
    config = CertifyConfig(min_answer=answer_limits[0], max_answer=answer_limits[1], both_kinds=False)
    found = proved(make_scene(make_instance()), COUNTED, config)
    assert isinstance(found, Rejected)
    assert found.reason is DropReason.ANSWER_OUT_OF_RANGE


def test_the_reason_names_the_step_that_was_executed() -> None:
    """The branch not taken has no single star either, but nobody looks there."""
    scene = make_scene(make_instance("cup"), make_instance("cup", (80, 80, 110, 110)), supports=("digit",))
    steps = (*CUP, Step("exists", (1,)), Step("extreme", (1,), ("leftmost",)), Step("category", (0,), ("star",)))
    steps += (Step("only", (4,)), Step("choose", (2, 3, 5)), Step("read", (6,), ("digit",)))
    found = proved(scene, Program(steps=steps), EASY)
    assert isinstance(found, Rejected)
    assert found.reason is DropReason.EXECUTION_UNDEFINED
    assert "(read)" in found.detail


@pytest.mark.parametrize(("low", "high"), [(1, 2), (7, 8)])
def test_hops_outside_the_range_are_rejected(low: int, high: int) -> None:
    sound = next(s for s in sound_questions() if 3 <= s.question.hop_count <= 6)
    found = proved(sound.scene, sound.program, CertifyConfig(min_hops=low, max_hops=high))
    assert isinstance(found, Rejected)
    assert found.reason is DropReason.HOP_COUNT_OUT_OF_RANGE


def test_a_question_of_one_kind_of_hop_is_rejected_where_both_are_wanted() -> None:
    found = proved(make_scene(make_instance()), COUNTED)
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (DropReason.MISSING_HOP_KIND, "all hops are perception hops")


def test_a_referent_too_small_to_be_seen_is_rejected() -> None:
    image = make_image(width=1000, height=1000)
    tiny = make_instance("cup", (100, 100, 120, 120), {"digit": "3"}, image)
    end = (Step("only", (1,)), Step("read", (2,), ("digit",)))
    found = proved(make_scene(tiny, supports=("digit",), image=image), program_of(*CUP, *end), EASY)
    assert isinstance(found, Rejected)
    assert found.detail.startswith("visibility is 0.133")


@pytest.mark.parametrize(("confidence", "accepted"), [(0.59, False), (0.6, True)])
def test_an_unsure_colour_is_not_used_neither_of_the_one_meant_nor_of_another(
    confidence: float, accepted: bool
) -> None:
    looks = ({"colour": "red", "digit": "4"}, {"colour": ("blue", confidence), "digit": "5"})
    cups = [make_instance("cup", (x, 10, x + 40, 50), look) for x, look in zip((10, 120), looks, strict=True)]
    end = (Step("attribute", (1,), ("colour", "red")), Step("only", (2,)), Step("read", (3,), ("digit",)))
    found = proved(make_scene(*cups, supports=("colour", "digit")), program_of(*CUP, *end), EASY)
    assert isinstance(found, Certified) == accepted


@given(question=SOUNDS.map(lambda sound: sound.question))
@settings(max_examples=20)
def test_the_certificates_of_a_question_say_what_was_proved(question: Question) -> None:
    assert [c.name for c in question.certificates] == ["necessity", "luck", "unique", "margin"]
    assert all(certificate.passed for certificate in question.certificates)
    assert f"{question.margin:.3f}" in question.certificates[3].detail


def test_certify_is_the_same_from_a_program_and_from_its_text() -> None:
    sound = sound_questions()[0]
    index = SceneIndex(sound.scene)
    assert certify(index, sound.program, CONFIG) == certify_text(index, sound.question.program, CONFIG)


def test_the_scenes_of_these_tests_are_not_all_alike() -> None:
    assert len({len(random_scene(f"variety {i}").instances) for i in range(20)}) > 3
