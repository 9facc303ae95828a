"""related(One, Set; relation) -> Set: the members that stand in the relation to the instance."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import OPPOSITE_RELATION


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members left of, right of, above ... the instance, never the instance itself."""
    return index.related(str(params[0]))[inputs[0]] & inputs[1]


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the clearest-cut-off distance of the least clear member, in the relation or out of it."""
    one, bits = inputs
    row = index.relation_margins(str(params[0]))[one]
    return min([row[other] for other in index.members(bits & ~(1 << one))], default=float("inf"))


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]] | None:
    """Returns the opposite relation, where there is one."""
    opposite = OPPOSITE_RELATION.get(str(params[0]))
    return None if opposite is None else ("related", (opposite,))


OPERATOR = Operator(
    name="related",
    inputs=(ValueType.ONE, ValueType.SET),
    output=ValueType.SET,
    role=Role.RELATE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN ones ON ones.node = cur.a JOIN inst own ON own.id = ones.inst
        JOIN sets ON sets.node = cur.b AND sets.inst <> ones.inst
        JOIN inst other ON other.id = sets.inst
        WHERE CASE cur.p0 WHEN 'left' THEN other.cx < own.cx WHEN 'right' THEN other.cx > own.cx
            WHEN 'above' THEN other.cy < own.cy WHEN 'below' THEN other.cy > own.cy
            WHEN 'front' THEN other.depth < own.depth WHEN 'behind' THEN other.depth > own.depth
            WHEN 'inside' THEN other.x0 >= own.x0 AND other.y0 >= own.y0 AND other.x1 <= own.x1 AND other.y1 <= own.y1
            WHEN 'touching' THEN EXISTS (FROM contact WHERE contact.a = own.id AND contact.b = other.id) END
    """,
    example=Example(
        (Step("scene"), Step("category", (0,), ("box",)), Step("only", (1,)), Step("related", (2, 0), ("left",))),
        ("cup", "ball one"),
    ),
    phrases=(
        "left: to the left of {one}",
        "left: farther left in the picture than {one}",
        "right: to the right of {one}",
        "right: farther right in the picture than {one}",
        "above: higher up in the picture than {one}",
        "below: lower down in the picture than {one}",
        "front: in front of {one}",
        "front: closer to the viewer than {one}",
        "behind: behind {one}",
        "behind: farther from the viewer than {one}",
        "touching: touching or overlapping {one} in the picture",
        "inside: inside {one}",
    ),
    params=("relation",),
    margin=margin,
    fact="position gap",
    flip=flip,
)
