"""nth(Set; key, n) -> One: the n-th member in an ordering, counting from 1."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import OPPOSITE_KEY


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the n-th member; undefined where there are fewer, or it ties with a neighbour in the ordering."""
    key, place = str(params[0]), int(params[1])
    values = index.key_values(key)
    members = [i for i in index.order(key) if inputs[0] >> i & 1]
    if not 1 <= place <= len(members):
        return None
    found = members[place - 1]
    tied = sum(values[i] == values[found] for i in members)
    return found if tied == 1 else None


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least lead to any other member, before or after."""
    leads = index.leads(str(params[0]))
    values = index.key_values(str(params[0]))
    others = index.members(inputs[0] & ~(1 << output))
    return min(
        [leads[o][output] if values[o] < values[output] else leads[output][o] for o in others], default=float("inf")
    )


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]]:
    """Returns the same place counted from the other end."""
    return "nth", (OPPOSITE_KEY[str(params[0])], params[1])


OPERATOR = Operator(
    name="nth",
    inputs=(ValueType.SET,),
    output=ValueType.ONE,
    role=Role.SELECT,
    run=run,
    sql="""
        SELECT node, inst FROM (
            SELECT cur.node, sets.inst, cur.p1,
                rank() OVER (
                    PARTITION BY cur.node
                    ORDER BY CASE cur.p0 WHEN 'leftmost' THEN inst.cx WHEN 'rightmost' THEN -inst.cx
                        WHEN 'highest' THEN inst.cy
                        WHEN 'lowest' THEN -inst.cy WHEN 'smallest' THEN inst.area WHEN 'largest' THEN -inst.area
                        WHEN 'frontmost' THEN coalesce(inst.depth, 'inf'::DOUBLE)
                        WHEN 'backmost' THEN coalesce(-inst.depth, 'inf'::DOUBLE) END
                ) AS place
            FROM cur JOIN sets ON sets.node = cur.a JOIN inst ON inst.id = sets.inst
        ) WHERE place = CAST(p1 AS BIGINT) QUALIFY count(*) OVER (PARTITION BY node) = 1
    """,
    example=Example((Step("scene"), Step("nth", (0,), ("leftmost", 2))), "ball one"),
    phrases=(
        "leftmost: from the left",
        "rightmost: from the right",
        "highest: from the top of the picture",
        "lowest: from the bottom of the picture",
        "anchor: Start with the {ordinal} {thing} {which}.",
        "anchor: Find the {ordinal} {thing} {which}.",
        "move: Of the {things} {where}, take the {ordinal} one {which}.",
    ),
    params=("key", "n"),
    margin=margin,
    fact="order gap",
    flip=flip,
)
