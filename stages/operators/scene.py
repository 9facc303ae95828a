"""scene() -> Set: every instance of the picture."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the set of all instances."""
    return index.everything


OPERATOR = Operator(
    name="scene",
    inputs=(),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="SELECT cur.node, inst.id AS inst FROM cur JOIN inst ON inst.image = cur.image",
    example=Example((Step("scene"),), ("cup", "ball one", "ball two", "box", "star")),
    phrases=("things",),
)
