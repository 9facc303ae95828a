"""category(Set; name) -> Set: the members of one category, by exact name."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members whose category is the parameter."""
    return inputs[0] & index.category_bits.get(str(params[0]), 0)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns infinity for a category that may be named in this picture, else 0. Counting asks for more (`certify`)."""
    return float("inf") if str(params[0]) in index.selectable else 0.0


OPERATOR = Operator(
    name="category",
    inputs=(ValueType.SET,),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN sets ON sets.node = cur.a
        JOIN inst ON inst.id = sets.inst AND inst.category = cur.p0
    """,
    example=Example((Step("scene"), Step("category", (0,), ("ball",))), ("ball one", "ball two")),
    phrases=("{noun}",),
    params=("category",),
    margin=margin,
    fact="countability",
)
