"""except(Set, Set) -> Set: what is in the first and not in the second."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the set."""
    return inputs[0] & ~inputs[1]


OPERATOR = Operator(
    name="except",
    inputs=(ValueType.SET, ValueType.SET),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="""
        SELECT cur.node, first.inst FROM cur JOIN sets first ON first.node = cur.a
        WHERE NOT EXISTS (SELECT 1 FROM sets second WHERE second.node = cur.b AND
        second.inst = first.inst)
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("ball",)),
            Step("attribute", (0,), ("colour", "red")),
            Step("except", (1, 2)),
        ),
        ("ball two",),
    ),
    phrases=("{first} other than {second}",),
)
