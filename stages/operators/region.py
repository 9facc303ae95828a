"""region(Set; half) -> Set: the members whose centre lies in one half of the picture."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value:
    """Returns the members with their centroid in the named half."""
    half = str(params[0])
    values, middle = (
        (index.cx, index.width / 2) if half in ("left half", "right half") else (index.cy, index.height / 2)
    )
    low = half in ("left half", "upper half")
    members = index.members(inputs[0])
    return sum(1 << i for i in members if (values[i] < middle if low else values[i] > middle))


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns how far the member nearest to the dividing line keeps from it, box edges included."""
    across = str(params[0]) in ("left half", "right half")
    low, high, line = (0, 2, index.width / 2) if across else (1, 3, index.height / 2)
    clear = index.margins.side_gap * (index.width if across else index.height)
    gaps = [max(line - index.boxes[i][high], index.boxes[i][low] - line) for i in index.members(inputs[0])]
    return min(gaps, default=float("inf")) / clear + 1.0 if gaps else float("inf")


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]]:
    """Returns the other half."""
    other = {
        "left half": "right half",
        "right half": "left half",
        "upper half": "lower half",
        "lower half": "upper half",
    }
    return "region", (other[str(params[0])],)


OPERATOR = Operator(
    name="region",
    inputs=(ValueType.SET,),
    output=ValueType.SET,
    role=Role.DESCRIBE,
    run=run,
    sql="""
        SELECT cur.node, sets.inst
        FROM cur JOIN sets ON sets.node = cur.a
        JOIN inst ON inst.id = sets.inst JOIN img ON img.image = cur.image
        WHERE CASE cur.p0 WHEN 'left half' THEN inst.cx < img.width / 2 WHEN 'right half' THEN inst.cx > img.width / 2
            WHEN 'upper half' THEN inst.cy < img.height / 2 WHEN 'lower half' THEN inst.cy > img.height / 2 END
    """,
    example=Example((Step("scene"), Step("region", (0,), ("left half",))), ("cup", "ball one")),
    phrases=("in the {half} of the picture",),
    params=("half",),
    margin=margin,
    fact="position gap",
    flip=flip,
)
