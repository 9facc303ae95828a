"""add(Number, Number) -> Number: the sum."""

from schemas.program import Param, Step
from stages.operators.operator import MAX_NUMBER, Example, Operator, Role, Value, ValueType, bounded
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the sum; undefined beyond `MAX_NUMBER`."""
    return bounded(inputs[0] + inputs[1])


OPERATOR = Operator(
    name="add",
    inputs=(ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.NUMBER,
    role=Role.REASON,
    run=run,
    sql=f"""
        SELECT cur.node, x.val + y.val AS val
        FROM cur JOIN numbers x ON x.node = cur.a JOIN numbers y ON y.node = cur.b
        WHERE abs(x.val + y.val) <= {MAX_NUMBER}
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
