"""nearest(One, Set) -> One: the member with the least centroid distance to the instance."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the nearest other member; undefined where there is none or two tie."""
    one, bits = inputs
    row = index.squared_distances[one]
    found: int | None = None
    for other in index.near_orders[one]:
        if bits >> other & 1:
            if found is not None:
                return None if row[other] == row[found] else found
            found = other
    return found


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the lead over the runner-up, by centroids and by boxes."""
    one, bits = inputs
    rivals = index.members(bits & ~(1 << one | 1 << output))
    row = index.near_leads(one)[output]
    return min([row[other] for other in rivals], default=float("inf"))


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]]:
    """Returns the other end."""
    return "farthest", ()


OPERATOR = Operator(
    name="nearest",
    inputs=(ValueType.ONE, ValueType.SET),
    output=ValueType.ONE,
    role=Role.SELECT,
    run=run,
    sql="""
        SELECT node, inst FROM (
            SELECT cur.node, sets.inst,
                rank() OVER (
                    PARTITION BY cur.node
                    ORDER BY (other.cx - own.cx) * (other.cx - own.cx) + (other.cy - own.cy) * (other.cy - own.cy) ASC
                ) AS place
            FROM cur JOIN ones ON ones.node = cur.a JOIN inst own ON own.id = ones.inst
            JOIN sets ON sets.node = cur.b AND sets.inst <> ones.inst
            JOIN inst other ON other.id = sets.inst
        ) WHERE place = 1 QUALIFY count(*) OVER (PARTITION BY node) = 1
    """,
    example=Example(
        (Step("scene"), Step("category", (0,), ("cup",)), Step("only", (1,)), Step("nearest", (2, 0))),
        "ball one",
    ),
    phrases=(
        "named: Go to whichever of {names} is nearest to {one}.",
        "named: Of {names}, go to the one closest to {one}.",
        "move: Go to the {thing} nearest to {one}.",
        "move: Find the {thing} closest to {one}.",
        "move: Look for the {thing} that is nearest to {one}.",
    ),
    margin=margin,
    fact="distance ratio",
    flip=flip,
)
