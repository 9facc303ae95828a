"""measure(One; key) -> Number: a domain measure seen on the instance, such as the points of a star."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType, parsed
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the number; undefined where the instance shows none."""
    value = index.values.get(str(params[0]), [None] * index.n)[inputs[0]]
    return parsed(value)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the confidence of the number."""
    return index.attribute_margin(str(params[0]), 1 << inputs[0])


OPERATOR = Operator(
    name="measure",
    inputs=(ValueType.ONE,),
    output=ValueType.NUMBER,
    role=Role.PERCEIVE,
    run=run,
    sql="""
        SELECT cur.node, CAST(attr.value AS BIGINT) AS val
        FROM cur JOIN ones ON ones.node = cur.a
        JOIN attr ON attr.inst = ones.inst AND attr.key = cur.p0
        WHERE regexp_full_match(attr.value, '[0-9]{1,9}')
    """,
    example=Example(
        (Step("scene"), Step("category", (0,), ("star",)), Step("only", (1,)), Step("measure", (2,), ("points",))),
        5,
    ),
    phrases=(
        "points: How many points does {one} have?",
        "pips: How many dots does {one} show?",
        "digit: What number is on {one}?",
    ),
    params=("key",),
    margin=margin,
    fact="number confidence",
)
