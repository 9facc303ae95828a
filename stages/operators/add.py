"""add(Number, Number) -> Number: the sum."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the sum."""
    return inputs[0] + inputs[1]


OPERATOR = Operator(
    name="add",
    inputs=(ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.NUMBER,
    role=Role.REASON,
    run=run,
    sql="""
        SELECT cur.node, x.val + y.val AS val
        FROM cur JOIN numbers x ON x.node = cur.a JOIN numbers y ON y.node = cur.b
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("ball",)),
            Step("count", (1,)),
            Step("category", (0,), ("box",)),
            Step("count", (3,)),
            Step("add", (2, 4)),
        ),
        3,
    ),
    phrases=("ask: What is the sum of {first} and {second}?", "ask: Add {first} and {second}. What do you get?"),
)
