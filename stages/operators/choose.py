"""choose(Truth, One, One) -> One: one of two instances; routes the chain. Only the chosen one need be defined."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the second input where the first is true, else the third."""
    return inputs[1] if inputs[0] else inputs[2]


OPERATOR = Operator(
    name="choose",
    inputs=(ValueType.TRUTH, ValueType.ONE, ValueType.ONE),
    output=ValueType.ONE,
    role=Role.REASON,
    run=run,
    sql="""
        SELECT cur.node, ones.inst
        FROM cur JOIN truths ON truths.node = cur.a
        JOIN ones ON ones.node = CASE WHEN truths.val THEN cur.b ELSE cur.c END
    """,
    example=Example(
        (
            Step("scene"),
            Step("exists", (0,)),
            Step("extreme", (0,), ("leftmost",)),
            Step("extreme", (0,), ("rightmost",)),
            Step("choose", (1, 2, 3)),
        ),
        "cup",
    ),
    phrases=(
        "anchor: If {truth} in the picture, start with the {thing} {which}; otherwise, start with the one {other}.",
    ),
)
