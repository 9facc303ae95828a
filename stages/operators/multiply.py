"""multiply(Number, Number) -> Number: the product."""

from schemas.program import Param, Step
from stages.operators.operator import MAX_NUMBER, Example, Operator, Role, Value, ValueType, bounded
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the product; undefined beyond `MAX_NUMBER`."""
    return bounded(inputs[0] * inputs[1])


OPERATOR = Operator(
    name="multiply",
    inputs=(ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.NUMBER,
    role=Role.REASON,
    run=run,
    sql=f"""
        SELECT cur.node, x.val * y.val AS val
        FROM cur JOIN numbers x ON x.node = cur.a JOIN numbers y ON y.node = cur.b
        WHERE abs(x.val * y.val) <= {MAX_NUMBER}
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("ball",)),
            Step("count", (1,)),
            Step("category", (0,), ("box",)),
            Step("count", (3,)),
            Step("multiply", (2, 4)),
        ),
        2,
    ),
    phrases=("ask: What do you get when you multiply {first} by {second}?",),
)
