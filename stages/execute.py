"""The fast executor: a program over bit sets.

Undefined is `None` and spreads, except through a choice that does not take the undefined branch. Programs are checked
once (`check_program`); after that execution cannot raise on any scene.
"""

from collections.abc import Sequence
from functools import lru_cache

from schemas.program import Program, Step
from stages.operators import load_operators
from stages.operators.operator import MAX_NUMBER, Operator, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import DEPTH_KEYS, DEPTH_RELATIONS, REGIONS, Key, Relation

MAX_STEPS = 200
_CHOICES = frozenset({"choose", "choose_number"})
_PARAM_VALUES: dict[str, frozenset[str]] = {
    "relation": frozenset(Relation),
    "half": frozenset(REGIONS),
    "how": frozenset({"more", "fewer", "equal"}),
}
_COMPLETE_SETS = frozenset({"count", "exists", "rank", "nth"})
"""Operators whose result changes when one member is overlooked, however small."""
_ORDERED_BY_KEY = frozenset({"extreme", "nth", "rank"})


def check_program(program: Program) -> None:
    """Checks that a program is well formed: known operators, typed earlier inputs, params in range, a number last.

    Raises:
        ValueError: naming the step, what it has and what it should have.
    """
    if not 1 <= len(program.steps) <= MAX_STEPS:
        raise ValueError(f"a program has 1 to {MAX_STEPS} steps, this one {len(program.steps)}")
    operators = load_operators()
    types: list[ValueType] = []
    for number, step in enumerate(program.steps):
        operator = operators.get(step.operator)
        if operator is None:
            raise ValueError(f"step {number}: unknown operator {step.operator!r}")
        if any(not isinstance(i, int) or not 0 <= i < number for i in step.inputs):
            raise ValueError(f"step {number}: inputs {list(step.inputs)} must be earlier steps")
        found = tuple(types[i] for i in step.inputs)
        if found != operator.inputs:
            wanted = ", ".join(operator.inputs)
            raise ValueError(f"step {number}: {step.operator} takes ({wanted}), got ({', '.join(found)})")
        _check_params(number, step, operator)
        types.append(operator.output)
    if types[-1] is not ValueType.NUMBER:
        raise ValueError(f"a program ends in a number, this one in a {types[-1]}")


def _check_params(number: int, step: Step, operator: Operator) -> None:
    if len(step.params) != len(operator.params):
        raise ValueError(f"step {number}: {step.operator} takes {len(operator.params)} params, got {len(step.params)}")
    for name, value in zip(operator.params, step.params, strict=True):
        allowed = _PARAM_VALUES.get(name)
        if name == "key" and operator.name in _ORDERED_BY_KEY:
            allowed = frozenset(Key)
        if name == "n" and (not isinstance(value, int) or not 1 <= value <= MAX_NUMBER):
            raise ValueError(f"step {number}: n must be a positive integer, got {value!r}")
        if allowed is not None and value not in allowed:
            raise ValueError(f"step {number}: {name} must be one of {sorted(allowed)}, got {value!r}")


_OPERATORS = dict(load_operators())


def operator_of(name: str) -> Operator:
    """Returns the operator of that name; raises KeyError for an unknown one."""
    return _OPERATORS[name]


def execute(index: SceneIndex, program: Program) -> list[Value | None]:
    """Returns the value of every step; None where it is undefined."""
    values: list[Value | None] = []
    for step in program.steps:
        values.append(apply_step(index, step, values))
    return values


def apply_step(index: SceneIndex, step: Step, values: Sequence[Value | None]) -> Value | None:
    """Returns the value of one step given the values of earlier ones."""
    operator, numbers, params = step
    inputs = (values[numbers[0]],) if len(numbers) == 1 else tuple([values[i] for i in numbers])
    if None in inputs and not (operator in _CHOICES and inputs[0] is not None):
        return None
    return _OPERATORS[operator].run(index, inputs, params)  # type: ignore[arg-type]


def executed_steps(program: Program, values: Sequence[Value | None]) -> list[int]:
    """Returns the steps that the answer really used, ascending: a choice uses only the branch it takes."""
    steps = program.steps
    used = [False] * len(steps)
    used[-1] = True
    for number in range(len(steps) - 1, -1, -1):
        if used[number]:
            operator, inputs, _ = steps[number]
            if operator in _CHOICES:
                inputs = (inputs[0], inputs[1] if values[inputs[0]] else inputs[2])
            for i in inputs:
                used[i] = True
    return [number for number, is_used in enumerate(used) if is_used]


def unsupported_facts(index: SceneIndex, program: Program) -> list[str]:
    """Returns what the program asks for and the scene's source cannot state, in words; empty where all is supported."""
    missing: list[str] = []
    supports = index.scene.supports
    unnamed = index.unnamed
    for step in program.steps:
        name = step.operator
        if unnamed and name != "category" and any(program.steps[i].operator == "scene" for i in step.inputs):
            missing.append(f"{name} of any thing needs a name for every {unnamed}")
        if name in ("attribute", "same_attribute", "read", "measure") and step.params[0] not in supports:
            missing.append(f"{name} needs {step.params[0]}")
        if name == "related" and step.params[0] in DEPTH_RELATIONS and not index.has_depth:
            missing.append(f"relation {step.params[0]} needs depth")
        if name in _ORDERED_BY_KEY and step.params[0] in DEPTH_KEYS and not index.has_depth:
            missing.append(f"ordering {step.params[0]} needs depth")
        if name in _COMPLETE_SETS:
            missing += _not_countable(index, program, step.inputs[-1])
    return missing


def _not_countable(index: SceneIndex, program: Program, number: int) -> list[str]:
    """Returns the categories of a set that has to be complete and may not be counted in this picture."""
    named: set[str] = set()
    waiting = [number]
    while waiting:
        step = program.steps[waiting.pop()]
        if step.operator == "category":
            named.add(str(step.params[0]))
        elif step.operator == "scene":
            named.update(index.category_bits)
        else:
            waiting += [i for i in step.inputs if operator_of(program.steps[i].operator).output is ValueType.SET]
    return [f"counting needs every {category}" for category in sorted(named - index.countable)]


def is_canonical(program: Program) -> bool:
    """Returns whether every step is an ancestor of the answer, none is repeated, and the order is the canonical one."""
    steps = program.steps
    return len(set(steps)) == len(steps) and _is_depth_first(tuple([step.inputs for step in steps]))


@lru_cache(maxsize=2_000)
def _is_depth_first(inputs: tuple[tuple[int, ...], ...]) -> bool:
    seen = [False] * len(inputs)
    ordered: list[int] = []

    def visit(number: int) -> None:
        if not seen[number]:
            seen[number] = True
            for i in inputs[number]:
                visit(i)
            ordered.append(number)

    visit(len(inputs) - 1)
    return ordered == list(range(len(inputs)))
