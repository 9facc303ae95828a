"""rank(One, Set; key) -> Number: the place of the instance among the members, counting from 1."""

from schemas.program import Param, Step
from stages.operators.operator import Example, Operator, Role, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import OPPOSITE_KEY


def run(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...]) -> Value | None:
    """Returns the place; undefined where the instance is not a member or ties with one."""
    one, bits = inputs
    if not bits >> one & 1:
        return None
    values = index.key_values(str(params[0]))
    others = [values[i] for i in index.members(bits & ~(1 << one))]
    return None if values[one] in others else 1 + sum(value < values[one] for value in others)


def margin(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns the least lead between the instance and any member, before or after."""
    one, bits = inputs
    leads = index.leads(str(params[0]))
    values = index.key_values(str(params[0]))
    others = index.members(bits & ~(1 << one))
    return min([leads[o][one] if values[o] < values[one] else leads[one][o] for o in others], default=float("inf"))


def flip(params: tuple[Param, ...]) -> tuple[str, tuple[Param, ...]]:
    """Returns the place counted from the other end."""
    return "rank", (OPPOSITE_KEY[str(params[0])],)


OPERATOR = Operator(
    name="rank",
    inputs=(ValueType.ONE, ValueType.SET),
    output=ValueType.NUMBER,
    role=Role.PERCEIVE,
    run=run,
    sql="""
        SELECT node, place AS val FROM (
            SELECT cur.node, sets.inst, ones.inst AS own,
                rank() OVER (
                    PARTITION BY cur.node
                    ORDER BY CASE cur.p0 WHEN 'leftmost' THEN inst.cx WHEN 'rightmost' THEN -inst.cx
                        WHEN 'highest' THEN inst.cy
                        WHEN 'lowest' THEN -inst.cy WHEN 'smallest' THEN inst.area WHEN 'largest' THEN -inst.area
                        WHEN 'frontmost' THEN coalesce(inst.depth, 'inf'::DOUBLE)
                        WHEN 'backmost' THEN coalesce(-inst.depth, 'inf'::DOUBLE) END
                ) AS place,
                count(*) OVER (
                    PARTITION BY cur.node,
                    CASE cur.p0 WHEN 'leftmost' THEN inst.cx WHEN 'rightmost' THEN -inst.cx
                        WHEN 'highest' THEN inst.cy
                        WHEN 'lowest' THEN -inst.cy WHEN 'smallest' THEN inst.area WHEN 'largest' THEN -inst.area
                        WHEN 'frontmost' THEN coalesce(inst.depth, 'inf'::DOUBLE)
                        WHEN 'backmost' THEN coalesce(-inst.depth, 'inf'::DOUBLE) END
                ) AS tied
            FROM cur JOIN ones ON ones.node = cur.a
            JOIN sets ON sets.node = cur.b JOIN inst ON inst.id = sets.inst
        ) WHERE inst = own AND tied = 1
    """,
    example=Example(
        (Step("scene"), Step("category", (0,), ("box",)), Step("only", (1,)), Step("rank", (2, 0), ("leftmost",))), 3
    ),
    phrases=(
        "leftmost: If you count {things} from left to right, which place does {one} have (1 = first)?",
        "rightmost: If you count {things} from right to left, which place does {one} have (1 = first)?",
        "highest: If you count {things} from the top of the picture down, which place does {one} have (1 = first)?",
        "lowest: If you count {things} from the bottom of the picture up, which place does {one} have (1 = first)?",
    ),
    params=("key",),
    margin=margin,
    fact="order gap",
    flip=flip,
)
