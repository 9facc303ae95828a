"""Synthesize is a function of scene, config and seed: the same bytes anywhere, nothing of its neighbours."""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.category import Category
from schemas.drop import DropReason
from schemas.program import Program, canonical, question_id_of
from schemas.question import Question, Variant
from schemas.scene import Scene
from stages.sampling.draw import ShapeConfig
from stages.synthesize import Synthesis, SynthesizeConfig, synthesize
from tests.layouts import random_scene
from tests.makers import make_instance, make_scene

CONFIG = SynthesizeConfig()
SCENES = tuple(random_scene(f"synthesize {i}") for i in range(40))

_SCRIPT = """
import hashlib
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene
digest = hashlib.sha256()
for number in range(8):
    made = synthesize(random_scene(f"synthesize {number}"), SynthesizeConfig(), 11, "c")
    for row in (*made.questions, *made.drops):
        digest.update(row.model_dump_json().encode())
print(digest.hexdigest())
"""


def made(scene: Scene, seed: int = 11, config: SynthesizeConfig = CONFIG) -> Synthesis:
    return synthesize(scene, config, seed, "c")


def texts(scene: Scene, seed: int) -> set[str]:
    return {question.question for question in made(scene, seed).questions}


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    here = hashlib.sha256()
    for scene in SCENES[:8]:
        found = made(scene)
        for row in (*found.questions, *found.drops):
            here.update(row.model_dump_json().encode())
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        output = subprocess.run(
            [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert output.strip() == here.hexdigest()


def test_a_scene_gives_the_same_alone_and_among_others_in_any_order() -> None:
    alone = [made(scene) for scene in SCENES[:10]]
    assert [made(scene) for scene in SCENES[9::-1]] == alone[::-1]


def test_the_order_of_instances_changes_nothing_that_is_said() -> None:
    """Scenes come sorted by id; what is drawn depends on that order alone."""
    for scene in SCENES[:10]:
        assert scene.instances == tuple(sorted(scene.instances, key=lambda instance: instance.instance_id))
        assert made(scene).questions == made(Scene.model_validate_json(scene.model_dump_json())).questions


def test_neighbouring_seeds_share_no_more_than_chance() -> None:
    near = Counter(len(texts(s, 1) & texts(s, 2)) for s in SCENES)
    far = Counter(len(texts(s, 1) & texts(s, 987_654)) for s in SCENES)
    shared = [sum(k * n for k, n in counts.items()) for counts in (near, far)]
    total = sum(len(texts(s, 1)) for s in SCENES)
    assert max(shared) < 0.1 * total
    assert abs(shared[0] - shared[1]) < 0.05 * total


def test_every_scene_of_these_gives_questions_and_each_is_what_it_says() -> None:
    for scene in SCENES:
        found = made(scene)
        ids = [question.question_id for question in found.questions]
        assert len(ids) == len(set(ids))
        assert found.proposed == len(found.questions) + sum(d.reason != "no_certified_program" for d in found.drops)
        assert {drop.parent_id for drop in found.drops} <= {scene.image.image_id}
        for question in found.questions:
            _check(scene, question)


def _check(scene: Scene, question: Question) -> None:
    program = Program.from_json(question.program)
    assert canonical(program) == program
    assert program.to_json() == question.program
    assert question.question_id == question_id_of(scene.image.image_id, question.program)
    assert question.image_id == scene.image.image_id
    assert set(question.categories) <= {instance.category for instance in scene.instances}
    assert (question.seed, question.config_hash, question.style) == (11, "c", "hopchain")
    assert question.cell.split("|")[0] == question.variant
    assert len(question.cell.split("|")) == 6
    assert len(question.shape) <= 120
    assert {step.next_action for step in question.trace[:-1]} <= {"continue"}
    assert question.trace[-1].next_action == "summary"
    assert question.trace[-1].value == str(question.answer)
    boxes = {instance.instance_id: instance.box_xyxy for instance in scene.instances}
    for step in question.trace:
        assert step.boxes_xyxy == tuple(boxes[i] for i in step.instance_ids)
        assert step.content


def test_a_question_is_asked_once_per_image_and_without_variants_only_in_full() -> None:
    for scene in SCENES[:10]:
        found = made(scene, config=SynthesizeConfig(variants=False))
        assert {question.variant for question in found.questions} == {Variant.FULL}
        assert len({question.program for question in found.questions}) == len(found.questions)


@given(hops=st.integers(3, 6), per_image=st.integers(1, 3))
@settings(max_examples=12)
def test_the_wanted_hops_and_number_are_kept(hops: int, per_image: int) -> None:
    config = SynthesizeConfig(per_image=per_image, oversample=2, shapes=ShapeConfig(hop_weights={hops: 1.0}))
    for scene in SCENES[:4]:
        full = [q for q in made(scene, config=config).questions if q.variant is Variant.FULL]
        assert len(full) <= 2 * per_image
        assert {question.hop_count for question in full} <= {hops}


def test_no_two_scenes_share_a_question_id() -> None:
    ids = [question.question_id for scene in SCENES for question in made(scene).questions]
    assert len(ids) == len(set(ids))


# ------------------------------------------------------------------------------------------------- scenes without much


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_things_drop_the_image_with_a_reason(count: int) -> None:
    things = [make_instance("cup", (40 * x, 10, 40 * x + 30, 40)) for x in range(count)]
    found = made(make_scene(*things))
    assert found.questions == ()
    assert [drop.reason for drop in found.drops] == [DropReason.TOO_FEW_INSTANCES]


def test_things_that_may_not_be_named_do_not_count() -> None:
    scene = SCENES[0]
    hidden = tuple(row.model_copy(update={"countable": False}) for row in scene.categories)
    found = made(scene.model_copy(update={"categories": hidden}))
    assert [drop.reason for drop in found.drops] == [DropReason.TOO_FEW_INSTANCES]


def test_things_all_alike_in_a_heap_drop_the_image() -> None:
    things = [make_instance("cup", (10 + x, 10, 60 + x, 60), {"colour": "red"}) for x in range(4)]
    found = made(make_scene(*things))
    assert found.questions == ()
    assert found.drops[-1].reason is DropReason.NO_CERTIFIED_PROGRAM


@pytest.mark.parametrize("fact", ["colour", "digit", "depth", "material", "points", "size"])
def test_what_the_source_does_not_support_is_never_asked(fact: str) -> None:
    for scene in SCENES[:8]:
        poorer = scene.model_copy(update={"supports": scene.supports - {fact}})
        for question in made(poorer).questions:
            program = Program.from_json(question.program)
            said = {str(param) for step in program.steps for param in step.params}
            depth = {"front", "behind", "frontmost", "backmost"} if fact == "depth" else set()
            assert not said & ({fact} | depth)


def test_a_category_that_may_only_be_chosen_from_is_never_counted() -> None:
    for scene in SCENES[:12]:
        name = max(scene.categories, key=lambda row: row.instance_count).category
        rows = tuple(_only_selectable(row) if row.category == name else row for row in scene.categories)
        for question in made(scene.model_copy(update={"categories": rows})).questions:
            program = Program.from_json(question.program)
            for step in program.steps:
                if step.operator in ("count", "rank", "nth"):
                    assert name not in _named_behind(program, step.inputs[-1])


def _only_selectable(row: Category) -> Category:
    return row.model_copy(update={"countable": False, "selectable": True})


def _named_behind(program: Program, number: int) -> set[str]:
    step = program.steps[number]
    own = {str(step.params[0])} if step.operator == "category" else set()
    sets = step.inputs if step.operator in ("union", "intersect", "except") else step.inputs[-1:]
    return own.union(*(_named_behind(program, i) for i in sets))
