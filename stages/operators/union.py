"""union(Set, Set) -> Set: what is in either."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the set."""
    return inputs[0] | inputs[1]


OPERATOR = Operator(
    name="union",
    inputs=(ValueType.SET, ValueType.SET),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="SELECT DISTINCT cur.node, sets.inst FROM cur JOIN sets ON sets.node = cur.a OR sets.node = cur.b",
    example=Example(
        (Step("scene"), Step("category", (0,), ("cup",)), Step("category", (0,), ("box",)), Step("union", (1, 2))),
        ("cup", "box"),
    ),
    phrases=("{first} and {second}",),
)
