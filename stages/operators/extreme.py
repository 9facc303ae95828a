"""extreme(Set; key) -> One: the first member in an ordering: leftmost, highest, largest ..."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import OPPOSITE_KEY


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the first member; undefined for an empty set or a tie at the front."""
    bits = inputs[0]
    values = index.key_values(str(params[0]))
    found: int | None = None
    for i in index.order(str(params[0])):
        if bits >> i & 1:
            if found is not None:
                return None if values[i] == values[found] else found
            found = i
    return found


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the lead over the runner-up."""
    row = index.leads(str(params[0]))[output]
    return min([row[other] for other in index.members(inputs[0] & ~(1 << output))], default=float("inf"))


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]]:
    """Returns the other end of the ordering."""
    return "extreme", (OPPOSITE_KEY[str(params[0])],)


OPERATOR = Operator(
    name="extreme",
    inputs=(ValueType.SET,),
    output=ValueType.ONE,
    role=Role.SELECT,
    run=run,
    sql="""
        SELECT node, inst FROM (
            SELECT cur.node, sets.inst,
                rank() OVER (
                    PARTITION BY cur.node
                    ORDER BY CASE cur.p0 WHEN 'leftmost' THEN inst.cx WHEN 'rightmost' THEN -inst.cx
                        WHEN 'highest' THEN inst.cy
                        WHEN 'lowest' THEN -inst.cy WHEN 'smallest' THEN inst.area WHEN 'largest' THEN -inst.area
                        WHEN 'frontmost' THEN coalesce(inst.depth, 'inf'::DOUBLE)
                        WHEN 'backmost' THEN coalesce(-inst.depth, 'inf'::DOUBLE) END
                ) AS place
            FROM cur JOIN sets ON sets.node = cur.a JOIN inst ON inst.id = sets.inst
        ) WHERE place = 1 QUALIFY count(*) OVER (PARTITION BY node) = 1
    """,
    example=Example((Step("scene"), Step("extreme", (0,), ("leftmost",))), "cup"),
    phrases=(
        "named: Of {names}, start with the one {which}.",
        "named: Of {names}, find the one {which}.",
        "leftmost: farthest to the left",
        "rightmost: farthest to the right",
        "highest: highest up in the picture",
        "lowest: lowest down in the picture",
        "largest: that looks largest in the picture",
        "smallest: that looks smallest in the picture",
        "frontmost: closest to the viewer",
        "backmost: farthest from the viewer",
        "anchor: Start with the {thing} {which}.",
        "anchor: Find the {thing} {which}.",
        "move: Of the {things} {where}, take the one {which}.",
        "move: Among the {things} {where}, pick the one {which}.",
    ),
    params=("key",),
    margin=margin,
    fact="order gap",
    flip=flip,
)
