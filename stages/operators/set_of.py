"""set_of(One) -> Set: the set that holds just the instance. Used in mutations ("without the referent")."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the set of one."""
    return 1 << inputs[0]


OPERATOR = Operator(
    name="set_of",
    inputs=(ValueType.ONE,),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="SELECT cur.node, ones.inst FROM cur JOIN ones ON ones.node = cur.a",
    example=Example(
        (Step("scene"), Step("category", (0,), ("cup",)), Step("only", (1,)), Step("set_of", (2,))), ("cup",)
    ),
    phrases=("{one} alone",),
)
