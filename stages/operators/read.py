"""read(One; key) -> Number: the number written on the instance."""

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
    name="read",
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
        (Step("scene"), Step("category", (0,), ("box",)), Step("only", (1,)), Step("read", (2,), ("digit",))),
        7,
    ),
    phrases=("ask: What number is on {one}?", "ask: Which number does {one} carry?", "noun: the number on {one}"),
    params=("key",),
    margin=margin,
    fact="number confidence",
)
