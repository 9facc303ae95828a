"""Two executors and a reference, written apart, say the same of every program on every scene."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instance import Instance
from schemas.program import Program, Step, canonical
from schemas.scene import Scene
from stages.execute import check_program, execute, executed_steps
from stages.operators import load_operators
from stages.operators.operator import MAX_NUMBER, ValueType
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from tests.layouts import grid_scene, random_program, random_scene
from tests.makers import make_instance, make_scene
from tests.reference import Reference

PROGRAMS = 100_000
BATCH = 20_000
SCENES = tuple(random_scene(f"executors {i}") for i in range(150)) + tuple(grid_scene(f"ties {i}") for i in range(50))
INDEXES = {scene.image.image_id: SceneIndex(scene) for scene in SCENES}


def drawn(seed: str, wanted: int) -> list[ProgramRun]:
    rng = random.Random(seed)
    scenes = rng.choices(SCENES, k=wanted)
    return [ProgramRun(s.image.image_id, random_program(rng, 14, INDEXES[s.image.image_id])) for s in scenes]


def fast_answers(runs: list[ProgramRun]) -> list[int | None]:
    return [execute(INDEXES[run.image_id], run.program)[-1] for run in runs]


def answer_in(scene: Scene, *steps: Step) -> list[int | None]:
    """The answers of both executors and the reference."""
    program = Program(steps=steps)
    check_program(program)
    with SecondExecutor([scene]) as executor:
        second = executor.answers([ProgramRun(scene.image.image_id, program)])[0]
    return [execute(SceneIndex(scene), program)[-1], second, Reference(scene).run(program)[-1]]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_hundred_thousand_random_programs_give_the_same_answers_in_both_executors() -> None:
    defined = 0
    different: list[tuple[str, str, int | None, int | None]] = []
    used: set[str] = set()
    with SecondExecutor(SCENES) as executor:
        for start in range(0, PROGRAMS, BATCH):
            runs = drawn(f"differential {start}", BATCH)
            answers = zip(runs, fast_answers(runs), executor.answers(runs), strict=True)
            for run, first, second in answers:
                defined += first is not None
                if first != second:
                    different.append((run.image_id[:8], run.program.to_json(), first, second))
            used |= {step.operator for run in runs for step in run.program.steps}
    assert different == []
    assert PROGRAMS / 2 <= defined <= 0.9 * PROGRAMS
    assert used == set(load_operators())


def test_every_step_of_random_programs_denotes_the_same_instances_in_both_executors() -> None:
    runs = drawn("referents", 3_000)
    with SecondExecutor(SCENES) as executor:
        found = executor.referents(runs)
    for run, steps in zip(runs, found, strict=True):
        index = INDEXES[run.image_id]
        for step, value, ids in zip(run.program.steps, execute(index, run.program), steps, strict=True):
            kind = load_operators()[step.operator].output
            if kind in (ValueType.SET, ValueType.ONE):
                places = [] if value is None else index.members(value) if kind is ValueType.SET else [value]
                assert {index.instances[i].instance_id for i in places} == ids


def test_the_reference_gives_the_same_value_for_every_step() -> None:
    references = {scene.image.image_id: Reference(scene) for scene in SCENES}
    for run in drawn("reference", 4_000):
        index, reference = INDEXES[run.image_id], references[run.image_id]
        values = execute(index, run.program)
        for step, value, expected in zip(run.program.steps, values, reference.run(run.program), strict=True):
            kind = load_operators()[step.operator].output
            if value is not None and kind is ValueType.SET:
                assert {index.instances[i].instance_id for i in index.members(value)} == expected
            elif value is not None and kind is ValueType.ONE:
                assert index.instances[value].instance_id == expected
            else:
                assert value == expected
        if values[-1] is not None:
            assert executed_steps(run.program, values) == reference.used(run.program, values)


def test_answers_do_not_depend_on_the_batch() -> None:
    runs = drawn("batches", 400)
    with SecondExecutor(SCENES) as executor:
        together = executor.answers(runs)
        apart = [executor.answers([run])[0] for run in runs[:60]]
        backward = executor.answers(runs[::-1])[::-1]
    assert together == backward
    assert apart == together[:60]


def test_relations_without_contact_need_no_table_of_contacts() -> None:
    scene = SCENES[0]
    steps = (
        Step("scene"),
        Step("extreme", (0,), ("leftmost",)),
        Step("related", (1, 0), ("right",)),
        Step("count", (2,)),
    )
    assert answer_in(scene, *steps) == [len(scene.instances) - 1] * 3


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60)
def test_execution_is_deterministic_pure_and_free_of_order(seed: int) -> None:
    rng = random.Random(seed)
    scene = rng.choice(SCENES)
    program = random_program(rng, 14, INDEXES[scene.image.image_id])
    before = scene.model_dump_json()
    answer = execute(INDEXES[scene.image.image_id], program)[-1]
    shuffled = tuple(rng.sample(scene.instances, len(scene.instances)))
    other = scene.model_copy(update={"instances": shuffled})
    assert execute(SceneIndex(other), program)[-1] == execute(SceneIndex(scene), program)[-1] == answer
    assert scene.model_dump_json() == before


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60)
def test_the_canonical_form_means_the_same_and_is_its_own_canonical_form(seed: int) -> None:
    rng = random.Random(seed)
    index = rng.choice(list(INDEXES.values()))
    program = random_program(rng, 12, index)
    moved = [*program.steps[:-1], Step("scene"), Step("count", (len(program.steps) - 1,)), program.steps[-1]]
    assert canonical(Program(steps=tuple(moved))) == program == canonical(program)
    assert Program.from_json(program.to_json()) == program


# ------------------------------------------------------------------------------------------------ corners of definition


def test_an_empty_scene_counts_nothing_and_finds_nobody() -> None:
    scene = make_scene()
    assert answer_in(scene, Step("scene"), Step("count", (0,))) == [0] * 3
    steps = (
        Step("scene"),
        Step("extreme", (0,), ("leftmost",)),
        Step("related", (1, 0), ("left",)),
        Step("count", (2,)),
    )
    assert answer_in(scene, *steps) == [None] * 3


def test_a_choice_needs_only_the_branch_it_takes() -> None:
    scene = make_scene(make_instance("cup"), make_instance("box", (60, 60, 90, 90)))
    steps = [Step("scene"), Step("category", (0,), ("cup",)), Step("exists", (1,)), Step("count", (0,))]
    steps += [Step("only", (0,)), Step("read", (4,), ("digit",))]
    assert answer_in(scene, *steps, Step("choose_number", (2, 3, 5))) == [2] * 3
    assert answer_in(scene, *steps, Step("choose_number", (2, 5, 3))) == [None] * 3


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("007", 7), ("٣", None), ("²", None), ("-3", None), ("3 ", None), ("", None), ("9" * 20, None)],
)
def test_a_number_is_one_to_nine_plain_digits(text: str, number: int | None) -> None:
    scene = make_scene(make_instance(attributes={"digit": text}), supports=("digit",))
    found = answer_in(scene, Step("scene"), Step("only", (0,)), Step("read", (1,), ("digit",)))
    assert found[:2] == [number, number]


def test_numbers_too_large_are_undefined_in_both() -> None:
    scene = make_scene(*(make_instance("cup", (x, 0, x + 10, 10)) for x in range(0, 160, 16)))
    steps = [Step("scene"), Step("count", (0,))]
    for doublings in range(1, 8):
        steps.append(Step("multiply", (doublings, doublings)))
        expected = 10 ** (2**doublings) if 10 ** (2**doublings) <= MAX_NUMBER else None
        assert answer_in(scene, *steps)[:2] == [expected, expected]


def at(x: float, y: float, name: str, **changes: object) -> Instance:
    box = (int(x) - 8, int(y) - 8, int(x) + 8, int(y) + 8)
    return make_instance("cup", box, **{"instance_id": name, "centroid_xy": (x, y)} | changes)


@pytest.mark.parametrize("key", ["leftmost", "rightmost", "highest", "lowest", "largest", "frontmost"])
def test_a_tie_at_the_front_is_undefined_and_one_behind_it_is_not(key: str) -> None:
    tied = make_scene(at(50, 50, "a", depth=0.5), at(50, 50, "b", depth=0.5))
    steps = (Step("scene"), Step("extreme", (0,), (key,)), Step("related", (1, 0), ("touching",)), Step("count", (2,)))
    assert answer_in(tied, *steps) == [None] * 3
    ahead = {"leftmost": (20, 50), "rightmost": (80, 50), "highest": (50, 20), "lowest": (50, 80)}.get(key, (50, 50))
    front = {"frontmost": 0.1}.get(key, 0.5)
    first = at(*ahead, "c", depth=front, area=500 if key == "largest" else 256)
    assert answer_in(make_scene(*tied.instances, first), *steps)[0] is not None


def test_the_same_distance_in_two_directions_is_a_tie() -> None:
    scene = make_scene(at(100, 100, "a", area=900), at(70, 140, "b"), at(140, 70, "c"), at(100, 150, "d"))
    start = (Step("scene"), Step("extreme", (0,), ("largest",)))
    rest = (Step("related", (2, 0), ("left",)), Step("count", (3,)))
    for name in ("nearest", "farthest"):
        assert answer_in(scene, *start, Step(name, (1, 0)), *rest) == [None] * 3


def test_things_without_depth_are_neither_in_front_nor_behind() -> None:
    scene = make_scene(at(50, 50, "a", depth=None), at(90, 90, "b", depth=0.5), at(130, 50, "c", depth=0.1))
    start = (Step("scene"), Step("extreme", (0,), ("leftmost",)))
    for relation in ("front", "behind"):
        steps = (*start, Step("related", (1, 0), (relation,)), Step("count", (2,)))
        assert answer_in(scene, *steps) == [0] * 3


@pytest.mark.parametrize(
    "text", ["", "5", "{}", "[1]", '[["scene",5,[]]]', '[["scene",[],5]]', "[" * 5000, "[[[],[],[]]]"]
)
def test_a_text_that_is_no_program_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Program.from_json(text)


def test_a_program_of_too_many_steps_is_refused() -> None:
    steps = [Step("scene"), *(Step("set_of", (1,)) if i % 2 else Step("only", (i - 1,)) for i in range(1, 400))]
    with pytest.raises(ValueError, match="1 to 200 steps"):
        check_program(Program(steps=tuple(steps)))
