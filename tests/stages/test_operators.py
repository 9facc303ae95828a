"""Every operator file keeps the same promises; a new file is held to them without a line here."""

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stages.operators
from schemas.program import Program, Step
from schemas.scene import Scene
from stages.execute import check_program, execute
from stages.operators import load_operators
from stages.operators.operator import Operator, Role, ValueType
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from stages.terms import REGIONS, Key, Relation
from tests.example_scene import ID_OF, IMAGE, NAME_OF, example_scene
from tests.layouts import grid_scene, random_program, random_scene
from tests.reference import DESCRIBES, PERCEIVES, RELATES, SELECTS, Reference

OPERATORS = [pytest.param(operator, id=name) for name, operator in sorted(load_operators().items())]
PLACES = (Key.LEFTMOST, Key.RIGHTMOST, Key.HIGHEST, Key.LOWEST)
ASKED = {
    "related": tuple(Relation),
    "extreme": tuple(Key),
    "nth": PLACES,
    "rank": PLACES,
    "compare": ("more", "fewer", "equal"),
    "measure": ("points", "pips"),
}
SLOTS = {"a_thing", "adjective", "first", "half", "id", "key", "names", "noun", "one", "ordinal", "other", "second"}
SLOTS |= {"thing", "things", "truth", "where", "which"}


def params_of(operator: Operator) -> list[tuple[str | int, ...]]:
    """Every combination of params a question may hold."""
    if operator.name in ASKED:
        return [(value, 2)[: len(operator.params)] for value in ASKED[operator.name]]
    return [(half,) for half in REGIONS] if operator.name == "region" else []


def in_names(value: object, kind: ValueType, index: SceneIndex) -> object:
    if kind is ValueType.SET:
        return {NAME_OF[index.instances[i].instance_id] for i in index.members(int(value))}
    return NAME_OF[index.instances[int(value)].instance_id] if kind is ValueType.ONE else value


def wanted(operator: Operator) -> object:
    yields = operator.example.yields
    return set(yields) if isinstance(yields, tuple) else yields


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_name_is_that_of_the_file(operator: Operator) -> None:
    files = {path.stem.rstrip("_") for path in Path(stages.operators.__file__).parent.glob("[a-z]*.py")}
    assert operator.name in files - {"operator"}
    assert len(load_operators()) == len(files) - 1


@pytest.mark.parametrize("operator", OPERATORS)
def test_types_close(operator: Operator) -> None:
    """Each input can be produced from a scene by some program, and the example is well typed."""
    assert operator.inputs or operator.output in (ValueType.SET, ValueType.ONE)
    types: list[ValueType] = []
    for number, step in enumerate(operator.example.steps):
        used = load_operators()[step.operator]
        assert all(i < number for i in step.inputs)
        assert tuple(types[i] for i in step.inputs) == used.inputs
        assert len(step.params) == len(used.params)
        types.append(used.output)
    assert operator.example.steps[-1].operator == operator.name


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_role_is_what_the_operator_does(operator: Operator) -> None:
    families = {Role.DESCRIBE: DESCRIBES | {"instance"}, Role.RELATE: RELATES, Role.SELECT: SELECTS}
    families[Role.PERCEIVE] = PERCEIVES
    assert operator.name in families.get(operator.role, {operator.name})
    assert sum(operator.name in names for names in families.values()) == (operator.role is not Role.REASON)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_example_holds_in_the_fast_executor(operator: Operator) -> None:
    index = SceneIndex(example_scene())
    value = execute(index, Program(steps=operator.example.steps))[-1]
    assert value is not None
    assert in_names(value, operator.output, index) == wanted(operator)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_example_holds_in_the_second_executor(operator: Operator) -> None:
    steps = operator.example.steps
    last = len(steps) - 1
    if operator.output is ValueType.TRUTH:
        steps += (Step("scene"), Step("count", (last + 1,)), Step("subtract", (last + 2, last + 2)))
        steps += (Step("choose_number", (last, last + 2, last + 3)),)
    run = ProgramRun(IMAGE.image_id, Program(steps=steps))
    with SecondExecutor([example_scene()]) as executor:
        if operator.output is ValueType.NUMBER:
            assert executor.answers([run]) == [wanted(operator)]
        elif operator.output is ValueType.TRUTH:
            assert executor.answers([run]) == [5 if wanted(operator) else 0]
        else:
            names = {NAME_OF[i] for i in executor.referents([run])[0][last]}
            assert names == (wanted(operator) if operator.output is ValueType.SET else {wanted(operator)})


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_example_holds_in_the_reference(operator: Operator) -> None:
    value = Reference(example_scene()).run(Program(steps=operator.example.steps))[-1]
    if isinstance(value, frozenset):
        value = {NAME_OF[i] for i in value}
    assert (NAME_OF[value] if isinstance(value, str) else value) == wanted(operator)


@pytest.mark.parametrize("operator", OPERATORS)
def test_phrases_fill_known_slots_and_cover_every_value(operator: Operator) -> None:
    assert operator.phrases
    slots = {slot for phrase in operator.phrases for slot in re.findall(r"\{(\w*)\}", phrase)}
    assert slots <= SLOTS
    for value in ASKED.get(operator.name, ()):
        assert any(phrase.startswith(f"{value}: ") for phrase in operator.phrases), f"{operator.name} {value}"
    for phrase in operator.phrases:
        assert phrase == phrase.strip() and "  " not in phrase
        assert phrase.count("{") == phrase.count("}")


@pytest.mark.parametrize("operator", OPERATORS)
def test_flipping_twice_changes_nothing(operator: Operator) -> None:
    for params in params_of(operator) or [operator.example.steps[-1].params]:
        flipped = operator.flip(params)
        if flipped is not None:
            name, other = flipped
            assert (name, other) != (operator.name, params)
            assert load_operators()[name].flip(other) == (operator.name, params)


def applications(operator: Operator, wanted_number: int = 30) -> Iterator[tuple[Scene, Program]]:
    """Random programs whose last step applies the operator."""
    rng = random.Random(operator.name)
    scenes = [random_scene(f"{operator.name}{i}") for i in range(4)] + [grid_scene(f"{operator.name}{i}") for i in "ab"]
    found = 0
    for attempt in range(20_000):
        scene = scenes[attempt % len(scenes)]
        program = random_program(rng, 10, SceneIndex(scene) if scene.instances else None)
        places = [i for i, step in enumerate(program.steps) if step.operator == operator.name]
        if places:
            yield scene, Program(steps=program.steps[: places[-1] + 1])
            found += 1
        if found == wanted_number:
            return
    raise AssertionError(f"{operator.name} occurs in {found} programs only")


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_is_pure_and_free_of_order(operator: Operator) -> None:
    rng = random.Random(operator.name)
    for scene, program in applications(operator):
        before = scene.model_dump_json()
        index = SceneIndex(scene)
        values = execute(index, program)
        assert execute(index, program) == values
        assert scene.model_dump_json() == before
        shuffled = scene.model_copy(update={"instances": tuple(rng.sample(scene.instances, len(scene.instances)))})
        other = SceneIndex(shuffled)
        assert ids_of(other, operator, execute(other, program)[-1]) == ids_of(index, operator, values[-1])


def ids_of(index: SceneIndex, operator: Operator, value: object) -> object:
    if value is None or operator.output not in (ValueType.SET, ValueType.ONE):
        return value
    places = index.members(int(value)) if operator.output is ValueType.SET else [int(value)]
    return {index.instances[i].instance_id for i in places}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_margin_is_a_number_of_cutoffs(operator: Operator) -> None:
    """Never not-a-number; infinite for an operator that uses no perceptual fact."""
    for scene, program in applications(operator, 15):
        index = SceneIndex(scene)
        values = execute(index, program)
        step = program.steps[-1]
        inputs = tuple(values[i] for i in step.inputs)
        if values[-1] is not None and None not in inputs:
            margin = operator.margin(index, inputs, step.params, values[-1])
            assert margin == margin
            assert (operator.fact == "none") <= (margin == float("inf"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An operators folder of one's own."""
    known = set(sys.modules)
    monkeypatch.setattr(stages.operators, "__path__", [str(tmp_path)])
    load_operators.cache_clear()
    yield tmp_path
    load_operators.cache_clear()
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder: Path, file: str, name: str) -> None:
    text = "from stages.operators.operator import Example, Operator, Role, ValueType\n"
    text += (
        f"OPERATOR = Operator('{name}', (), ValueType.SET, Role.DESCRIBE, lambda *_: 0, '', Example((), ()), ('x',))\n"
    )
    (folder / f"{file}.py").write_text(text)


def test_operators_are_found_by_file(folder: Path) -> None:
    write(folder, "alpha_one", "alpha_one")
    write(folder, "lambda_", "lambda")
    assert set(load_operators()) == {"alpha_one", "lambda"}
    with pytest.raises(TypeError):
        load_operators()["more"] = None  # type: ignore[index]


def test_a_duplicate_name_is_refused(folder: Path) -> None:
    write(folder, "beta", "beta")
    write(folder, "beta_", "beta")
    with pytest.raises(ValueError, match="'beta' is defined twice"):
        load_operators()


def test_a_name_that_is_not_the_files_is_refused(folder: Path) -> None:
    write(folder, "gamma", "delta")
    with pytest.raises(ValueError, match="operator 'delta' is in the file gamma.py"):
        load_operators()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "1 to 200 steps"),
        ((Step("fly"),), "step 0: unknown operator 'fly'"),
        ((Step("count", (0,)),), "must be earlier steps"),
        ((Step("count", (-1,)),), "must be earlier steps"),
        ((Step("scene"), Step("only", (0,)), Step("count", (1,))), r"count takes \(set\), got \(one\)"),
        ((Step("scene"), Step("count", (0, 0))), r"count takes \(set\), got \(set, set\)"),
        ((Step("scene"),), "ends in a number"),
        ((Step("scene"), Step("extreme", (0,), ("reddest",))), "key must be one of"),
        ((Step("scene"), Step("extreme", (0,))), "takes 1 params, got 0"),
        ((Step("scene"), Step("nth", (0,), ("leftmost", 0))), "n must be a positive integer"),
        ((Step("scene"), Step("nth", (0,), ("leftmost", "2"))), "n must be a positive integer"),
        ((Step("scene"), Step("region", (0,), ("middle",))), "half must be one of"),
        ((Step("scene"), Step("only", (0,)), Step("related", (1, 0), ("near",))), "relation must be one of"),
    ],
)
def test_a_malformed_program_is_refused_in_words(steps: tuple[Step, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_program(Program(steps=steps))


def test_ids_of_the_example_scene_are_spelt_like_its_names() -> None:
    assert {instance.instance_id for instance in example_scene().instances} == set(ID_OF.values())
