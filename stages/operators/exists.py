"""exists(Set) -> Truth: whether the set has a member."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns whether there is at least one."""
    return inputs[0] != 0


OPERATOR = Operator(
    name="exists",
    inputs=(ValueType.SET,),
    output=ValueType.TRUTH,
    role=Role.PERCEIVE,
    run=run,
    sql="""
        SELECT cur.node, count(sets.inst) > 0 AS val
        FROM cur LEFT JOIN sets ON sets.node = cur.a
        GROUP BY cur.node
    """,
    example=Example((Step("scene"), Step("category", (0,), ("dog",)), Step("exists", (1,))), False),
    phrases=("there is {a_thing} {where}",),
)
