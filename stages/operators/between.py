"""between(One, One, Set) -> Set: the members between the two instances from left to right."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import Relation


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members whose centroid lies between the two centroids horizontally, without the two."""
    first, second, bits = inputs
    low, high = sorted((index.cx[first], index.cx[second]))
    return sum(1 << i for i in index.members(bits) if low < index.cx[i] < high)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least clear side of any member towards either end."""
    first, second, bits = inputs
    others = index.members(bits & ~(1 << first | 1 << second))
    margins = index.relation_margins(Relation.LEFT)
    sides = [margins[end][other] for end in (first, second) for other in others]
    return min([*sides, margins[first][second]])


OPERATOR = Operator(
    name="between",
    inputs=(ValueType.ONE, ValueType.ONE, ValueType.SET),
    output=ValueType.SET,
    role=Role.RELATE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN ones f ON f.node = cur.a JOIN inst fi ON fi.id = f.inst
        JOIN ones s ON s.node = cur.b JOIN inst si ON si.id = s.inst
        JOIN sets ON sets.node = cur.c JOIN inst ON inst.id = sets.inst
        WHERE inst.cx > least(fi.cx, si.cx) AND inst.cx < greatest(fi.cx, si.cx)
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("cup",)),
            Step("only", (1,)),
            Step("category", (0,), ("box",)),
            Step("only", (3,)),
            Step("between", (2, 4, 0)),
        ),
        ("ball one",),
    ),
    phrases=("where: between {one} and {other}, going from left to right",),
    margin=margin,
    fact="position gap",
)
