"""instance(id) -> One: one instance by its id. Used in mutations and recovered programs, never in a question."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the instance with the id; undefined where the scene has none."""
    return index.position_of.get(str(params[0]))


OPERATOR = Operator(
    name="instance",
    inputs=(),
    output=ValueType.ONE,
    role=Role.DESCRIBE,
    run=run,
    sql="SELECT cur.node, inst.id AS inst FROM cur JOIN inst ON inst.image = cur.image AND inst.key = cur.p0",
    example=Example((Step("instance", (), ("i-box",)),), "box"),
    phrases=("instance {id}",),
    params=("instance_id",),
)
