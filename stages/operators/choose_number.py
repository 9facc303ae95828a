"""choose_number(Truth, Number, Number) -> Number: one of two numbers; only the chosen one need be defined."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the second input where the first is true, else the third."""
    return inputs[1] if inputs[0] else inputs[2]


OPERATOR = Operator(
    name="choose_number",
    inputs=(ValueType.TRUTH, ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.NUMBER,
    role=Role.REASON,
    run=run,
    sql="""
        SELECT cur.node, numbers.val
        FROM cur JOIN truths ON truths.node = cur.a
        JOIN numbers ON numbers.node = CASE WHEN truths.val THEN cur.b ELSE cur.c END
    """,
    example=Example(
        (
            Step("scene"),
            Step("exists", (0,)),
            Step("count", (0,)),
            Step("category", (0,), ("ball",)),
            Step("count", (3,)),
            Step("choose_number", (1, 2, 4)),
        ),
        5,
    ),
    phrases=("If {truth}, {first}; otherwise, {second}.",),
)
