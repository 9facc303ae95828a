"""The sampler's tables say what executing the programs says, and what it draws mostly holds its certificates."""

import random
from collections import Counter

import pytest

from schemas.program import Program, Step, canonical
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, certify
from stages.execute import check_program, execute, operator_of
from stages.operators.operator import ValueType
from stages.sampling.builder import Builder
from stages.sampling.described import described_sets
from stages.sampling.draw import Drawer, ShapeConfig
from stages.sampling.search import World
from stages.scene_index import SceneIndex
from tests.layouts import random_scene
from tests.stages.test_phrasing import photo_scene

SCENES = (*(random_scene(f"sampling {i}") for i in range(8)), *(photo_scene(f"sampling {i}") for i in range(8, 12)))
WORLDS = tuple(World(SceneIndex(scene)) for scene in SCENES)
IDS = [f"{'photo' if 'size' not in s.supports else 'layout'} {n}" for n, s in enumerate(SCENES)]
EVERY = pytest.mark.parametrize("world", WORLDS, ids=IDS)


def least_margin(index: SceneIndex, steps: list[Step], start: int = 0) -> float:
    """The weakest fact from one step on; 0 where a step is undefined."""
    values = execute(index, Program(steps=tuple(steps)))
    found = [float("inf")]
    for number in range(start, len(steps)):
        operator = operator_of(steps[number].operator)
        if values[number] is None:
            return 0.0
        inputs = tuple(values[i] for i in steps[number].inputs)
        found.append(operator.margin(index, inputs, steps[number].params, values[number]))
        if operator.output is ValueType.ONE:
            found.append(index.visibility(values[number]))
    return min(found)


@EVERY
def test_descriptions_are_true_clear_and_each_said_one_way(world: World) -> None:
    index = world.index
    sets = described_sets(index)
    assert sets == world.sets
    assert len({described.bits for described in sets}) == len(sets)
    for described in sets:
        builder = Builder()
        number = builder.describe(described)
        assert execute(index, Program(steps=tuple(builder.steps)))[number] == described.bits != 0
        assert least_margin(index, builder.steps) >= 1
        assert len(described.adjectives) <= 2
        assert len(set(described.adjective_keys)) == len(described.adjectives)
        assert described.countable <= (set(described.categories) <= index.countable)


def test_unions_are_for_photos_and_things_for_pictures_that_are_known_in_full() -> None:
    for scene, world in zip(SCENES, WORLDS, strict=True):
        widths = {len(described.categories) for described in world.sets}
        assert (0 in widths) == ("size" in scene.supports and len(scene.categories) > 1)
        assert (max(widths) > 1) == ("size" not in scene.supports and len(scene.categories) > 1)


@EVERY
def test_a_size_is_said_only_where_there_is_nothing_in_between(world: World) -> None:
    index = world.index
    for described in world.sets:
        if "size" in described.adjective_keys:
            wider = described._replace(adjectives=tuple(a for a in described.adjectives if a[0] != "size"))
            builder = Builder()
            number = builder.describe(wider)
            bits = execute(index, Program(steps=tuple(builder.steps)))[number]
            assert "medium" not in {index.values["size"][i] for i in index.members(bits)}


@EVERY
def test_moves_land_where_their_tables_say(world: World) -> None:
    """Raw sources are exactly those from which execution lands there; safe ones meet every margin as well."""
    index = world.index
    rng = random.Random(index.n)
    kinds = sorted(set(world.kinds))
    seen = Counter[bool]()
    for described in rng.sample(world.several, min(8, len(world.several))):
        for kind in rng.sample(kinds, min(25, len(kinds))):
            landings = {}
            margins = {}
            for x in range(index.n):
                builder = Builder()
                one = builder.add("instance", (), (index.instances[x].instance_id,))
                before = len(builder.steps)
                number = kind.build(builder, one, builder.describe(described))
                landings[x] = execute(index, Program(steps=tuple(builder.steps)))[number]
                margins[x] = least_margin(index, builder.steps, before)
            for target in index.members(described.bits):
                found = world.sources(kind, described.bits, target)
                assert found.safe & ~found.raw == 0
                assert {x for x in landings if landings[x] == target} >= set(index.members(found.safe))
                assert {x for x in landings if landings[x] == target} == set(index.members(found.raw))
                for x in index.members(found.safe & world.visible):
                    if world.visible >> target & 1:
                        assert margins[x] >= 1
                        seen[True] += 1
    assert seen[True]


@EVERY
def test_finishes_give_from_each_instance_what_their_tables_say(world: World) -> None:
    index = world.index
    rng = random.Random(index.n)
    for kind, makers in sorted(world.makers.items()):
        for maker in rng.sample(makers, min(5, len(makers))):
            finish = world.finish(maker)
            assert finish.cell.split("|")[0] in (kind, "counts_apart", "read_plus_count")
            for x in range(index.n):
                builder = Builder()
                one = builder.add("instance", (), (index.instances[x].instance_id,))
                last = finish.build(builder, one)
                steps = builder.steps[: last + 1]
                check_program(Program(steps=tuple(steps)))
                values = execute(index, Program(steps=tuple(steps)))
                if finish.values[x] is None:  # or between it and itself
                    assert not finish.safe >> x & 1
                    assert values[-1] in (None, 0)
                else:
                    assert values[-1] == finish.values[x], (kind, x)
                if finish.safe >> x & 1:
                    kept = [n for n, step in enumerate(steps) if step.operator != "instance"]
                    is_one = [operator_of(step.operator).output is ValueType.ONE for step in steps]
                    ones = [v for v, one in zip(values, is_one, strict=True) if one]
                    if all(world.visible >> v & 1 for v in ones):
                        assert least_margin(index, steps, kept[0]) >= 1


@EVERY
def test_drawn_families_have_the_hops_they_were_drawn_for_and_mostly_hold(world: World) -> None:
    drawer = Drawer(random.Random(1), world, ShapeConfig())
    drawn = [family for _ in range(300) if (family := drawer.draw(()))]
    held = Counter[str]()
    for family in drawn:
        assert canonical(family.full.program) == family.full.program
        check_program(family.full.program)
        found = certify(world.index, family.full.program, CertifyConfig(min_hops=3, max_hops=6))
        if isinstance(found, Certified):
            held["held"] += 1
            assert len(found.hops) == family.hops
            assert found.answer == family.chain.gold
        else:
            held[found.reason] += 1
        for shorter in family.shorter(world):
            check_program(shorter.program)
    if len(drawn) >= 20:
        assert held["held"] > 0.5 * len(drawn), held
    assert set(held) <= {"held", "dead_hop", "luck_above_bound", "margin_below_cutoff"}


def test_a_drawer_is_a_function_of_its_generator() -> None:
    for world in WORLDS[:3]:
        first, second = (Drawer(random.Random("x"), world, ShapeConfig()) for _ in range(2))
        assert [first.draw(()) and "drawn" for _ in range(40)] == [second.draw(()) and "drawn" for _ in range(40)]


def test_the_wanted_hop_counts_are_drawn_in_their_proportion() -> None:
    counts = Counter[int]()
    config = ShapeConfig(hop_weights={3: 1.0, 5: 1.0})
    for world in WORLDS[:8]:
        drawer = Drawer(random.Random(2), world, config)
        counts.update(family.hops for _ in range(300) if (family := drawer.draw(())))
    assert set(counts) == {3, 5}
    assert min(counts.values()) > 0.2 * counts.total()


@pytest.mark.parametrize("finish", ["count", "same", "closer", "between", "touching", "read", "measure", "rank"])
def test_a_finish_that_is_wanted_alone_is_drawn_alone(finish: str) -> None:
    config = ShapeConfig(finish_weights={finish: 1.0})
    kinds = set()
    for world in WORLDS[:8]:
        drawer = Drawer(random.Random(3), world, config)
        kinds |= {family.full.cell.split("|")[0] for _ in range(60) if (family := drawer.draw(()))}
    assert kinds <= {finish}
    assert kinds or finish in ("touching", "measure")


def test_a_scene_without_depth_is_not_asked_about_depth() -> None:
    scene: Scene = SCENES[0].model_copy(update={"supports": SCENES[0].supports - {"depth"}})
    world = World(SceneIndex(scene))
    assert not {kind.relation for kind in world.kinds} & {"front", "behind"}
    assert not {kind.key for kind in world.kinds} & {"frontmost", "backmost"}
