"""closer(One, One, Set) -> Set: the members nearer to the first instance than the second instance is."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members with a smaller centroid distance to the first than the second has, without the two."""
    centre, other, bits = inputs
    row = index.squared_distances[centre]
    return sum(1 << i for i in index.members(bits & ~(1 << centre | 1 << other)) if row[i] < row[other])


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least clear comparison of any member with the second instance."""
    centre, other, bits = inputs
    leads, members = index.near_leads(centre), index.members(bits & ~(1 << centre | 1 << other))
    return min([leads[i][other] if output >> i & 1 else leads[other][i] for i in members], default=float("inf"))


OPERATOR = Operator(
    name="closer",
    inputs=(ValueType.ONE, ValueType.ONE, ValueType.SET),
    output=ValueType.SET,
    role=Role.RELATE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN ones f ON f.node = cur.a JOIN inst fi ON fi.id = f.inst
        JOIN ones s ON s.node = cur.b JOIN inst si ON si.id = s.inst
        JOIN sets ON sets.node = cur.c AND sets.inst <> f.inst AND sets.inst <> s.inst
        JOIN inst ON inst.id = sets.inst
        WHERE (inst.cx - fi.cx) * (inst.cx - fi.cx) + (inst.cy - fi.cy) * (inst.cy - fi.cy)
            < (si.cx - fi.cx) * (si.cx - fi.cx) + (si.cy - fi.cy) * (si.cy - fi.cy)
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("cup",)),
            Step("only", (1,)),
            Step("category", (0,), ("box",)),
            Step("only", (3,)),
            Step("closer", (2, 4, 0)),
        ),
        ("ball one",),
    ),
    phrases=("where: closer to {one} than {other} is",),
    margin=margin,
    fact="distance ratio",
)
