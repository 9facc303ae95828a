"""count(Set) -> Number: how many members."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the number of members; 0 for an empty set."""
    return inputs[0].bit_count()


OPERATOR = Operator(
    name="count",
    inputs=(ValueType.SET,),
    output=ValueType.NUMBER,
    role=Role.PERCEIVE,
    run=run,
    sql="""
        SELECT cur.node, count(sets.inst) AS val
        FROM cur LEFT JOIN sets ON sets.node = cur.a
        GROUP BY cur.node
    """,
    example=Example((Step("scene"), Step("category", (0,), ("ball",)), Step("count", (1,))), 2),
    phrases=(
        "ask: How many {things} are {where}?",
        "ask: Count the {things} {where}. How many are there?",
        "named: Of {names}, how many are {where}?",
        "several: How many {things} are {where}, in total?",
        "noun: the number of {things} {where}",
    ),
)
