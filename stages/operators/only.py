"""only(Set) -> One: the single member of a set."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the member; undefined unless there is exactly one."""
    bits = inputs[0]
    return bits.bit_length() - 1 if bits and bits & (bits - 1) == 0 else None


OPERATOR = Operator(
    name="only",
    inputs=(ValueType.SET,),
    output=ValueType.ONE,
    role=Role.SELECT,
    run=run,
    sql="""
        SELECT cur.node, any_value(sets.inst) AS inst
        FROM cur JOIN sets ON sets.node = cur.a
        GROUP BY cur.node HAVING count(*) = 1
    """,
    example=Example((Step("scene"), Step("category", (0,), ("cup",)), Step("only", (1,))), "cup"),
    phrases=(
        "anchor: Start with the {thing}.",
        "anchor: Find the {thing}.",
        "move: Go to the only {thing} {where}.",
        "move: There is just one {thing} {where}: go to it.",
    ),
)
