"""compare(Number, Number; how) -> Truth: whether the first is more, fewer or equal."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the truth of more (>), fewer (<) or equal (=)."""
    first, second = inputs
    return {"more": first > second, "fewer": first < second, "equal": first == second}[str(params[0])]


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]] | None:
    """Returns the opposite comparison; equality has none."""
    opposite = {"more": "fewer", "fewer": "more"}.get(str(params[0]))
    return None if opposite is None else ("compare", (opposite,))


OPERATOR = Operator(
    name="compare",
    inputs=(ValueType.NUMBER, ValueType.NUMBER),
    output=ValueType.TRUTH,
    role=Role.REASON,
    run=run,
    sql="""
        SELECT cur.node,
            CASE cur.p0 WHEN 'more' THEN x.val > y.val WHEN 'fewer' THEN x.val < y.val
                WHEN 'equal' THEN x.val = y.val END AS val
        FROM cur JOIN numbers x ON x.node = cur.a JOIN numbers y ON y.node = cur.b
    """,
    example=Example(
        (
            Step("scene"),
            Step("category", (0,), ("ball",)),
            Step("count", (1,)),
            Step("category", (0,), ("box",)),
            Step("count", (3,)),
            Step("compare", (2, 4), ("more",)),
        ),
        True,
    ),
    phrases=(
        "more: there are more {first} than {second}",
        "fewer: there are fewer {first} than {second}",
        "equal: there are as many {first} as {second}",
    ),
    params=("how",),
    flip=flip,
)
