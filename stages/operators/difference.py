"""difference(Number, Number) -> Number: the absolute difference."""

from schemas.program import Param, Step
from stages.operators.operator import MAX_NUMBER, Example, Operator, Role, Value, ValueType, bounded
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the absolute difference; undefined beyond `MAX_NUMBER`."""
    return bounded(abs(inputs[0] - inputs[1]))


OPERATOR = Operator(
    name="difference",
    inputs=(ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.NUMBER,
    role=Role.REASON,
    run=run,
    sql=f"""
        SELECT cur.node, abs(x.val - y.val) AS val
        FROM cur JOIN numbers x ON x.node = cur.a JOIN numbers y ON y.node = cur.b
        WHERE abs(abs(x.val - y.val)) <= {MAX_NUMBER}
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("ball",)),
            Step("count", (1,)),
            Step("category", (0,), ("box",)),
            Step("count", (3,)),
            Step("difference", (2, 4)),
        ),
        1,
    ),
    phrases=(
        "ask: What is the difference between {first} and {second}?",
        "ask: By how much do {first} and {second} differ?",
    ),
)
