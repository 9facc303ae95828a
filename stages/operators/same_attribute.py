"""same_attribute(One, Set; key) -> Set: the other members that share the instance's value."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the members with the same value, without the instance; undefined where the instance has none."""
    one, bits = inputs
    value = index.values.get(str(params[0]), [None] * index.n)[one]
    if value is None:
        return None
    return bits & index.attribute_bits[str(params[0]), value] & ~(1 << one)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least confidence over the instance and all members considered."""
    return index.attribute_margin(str(params[0]), inputs[1] | 1 << inputs[0])


OPERATOR = Operator(
    name="same_attribute",
    inputs=(ValueType.ONE, ValueType.SET),
    output=ValueType.SET,
    role=Role.RELATE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN ones ON ones.node = cur.a
        JOIN attr own ON own.inst = ones.inst AND own.key = cur.p0
        JOIN sets ON sets.node = cur.b AND sets.inst <> ones.inst
        JOIN attr other ON other.inst = sets.inst AND other.key = cur.p0 AND other.value = own.value
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("cup",)),
            Step("only", (1,)),
            Step("same_attribute", (2, 0), ("colour",)),
        ),
        ("ball one",),
    ),
    phrases=(
        "where: of the same {key} as {one}",
        "ask: How many {things} have the same {key} as {one}?",
        "ask: How many {things} are of the same {key} as {one}?",
    ),
    params=("key",),
    margin=margin,
    fact="attribute confidence",
)
