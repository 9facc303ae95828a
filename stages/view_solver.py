"""The harmless views of a picture as a solver: is a question answered alike in each?

In: questions of one scene, and the instances that each view showed. Out: per question how many views agree, and a
verdict that fails where one does not. Nothing is looked at again: the program runs on what was seen.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.instance import Instance
from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from schemas.stability import Stability
from schemas.verdict import Outcome, Verdict
from stages.execute import check_program, execute
from stages.margins import MarginConfig
from stages.scene_index import SceneIndex

JUDGE = "views"


def solve_in_views(
    scene: Scene, views: Mapping[str, Sequence[Instance]], questions: Iterable[Question], margins: MarginConfig
) -> list[Stability]:
    """Returns the stability of each question; none where there are no views."""
    if not views:
        return []
    indexes = [
        SceneIndex(scene.model_copy(update={"instances": _ordered(members)}), margins) for members in views.values()
    ]
    rows = []
    for question in questions:
        program = Program.from_json(question.program)
        check_program(program)
        agreeing = sum(execute(index, program)[-1] == question.answer for index in indexes)
        rows.append(
            Stability(
                question_id=question.question_id,
                image_id=question.image_id,
                views=len(indexes),
                agreeing=agreeing,
                stability=agreeing / len(indexes),
            )
        )
    return rows


def verdict_of(row: Stability) -> Verdict:
    """Returns the verdict of the views: an answer that changes in a view is not sure."""
    stable = row.agreeing == row.views
    told = "" if stable else f"{row.views - row.agreeing} of {row.views} harmless views give another answer"
    return Verdict(
        question_id=row.question_id,
        image_id=row.image_id,
        judge=JUDGE,
        outcome=Outcome.PASS if stable else Outcome.FAIL,
        reason=told,
    )


def _ordered(members: Sequence[Instance]) -> tuple[Instance, ...]:
    return tuple(sorted(members, key=lambda instance: instance.instance_id))
