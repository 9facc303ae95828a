"""attribute(Set; key, value) -> Set: the members that have the value, by exact equality."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members whose attribute has the value; a member without the attribute is not among them."""
    return inputs[0] & index.attribute_bits.get((str(params[0]), str(params[1])), 0)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least confidence over all members considered: a wrong no is as bad as a wrong yes."""
    return index.attribute_margin(str(params[0]), inputs[0])


OPERATOR = Operator(
    name="attribute",
    inputs=(ValueType.SET,),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN sets ON sets.node = cur.a
        JOIN attr ON attr.inst = sets.inst AND attr.key = cur.p0 AND attr.value = cur.p1
    """,
    example=Example((Step("scene"), Step("attribute", (0,), ("colour", "red"))), ("cup", "ball one")),
    phrases=("{adjective}",),
    params=("key", "value"),
    margin=margin,
    fact="attribute confidence",
)
