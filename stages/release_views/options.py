"""Multiple choice: the question with the gold number among numbers that wrong turns would give."""

import random
import string
from collections import Counter

from schemas.drop import Drop
from schemas.release_row import EmbeddedImage, ExtraInfo, RewardModel
from schemas.view_rows import McqRow
from stages.execute import execute, executed_steps
from stages.hops import hop_kinds
from stages.mutations import Downstream, choice_mutations, mutations_of, strays_of
from stages.publish import Accepted, Place, PublishConfig, publish
from stages.release_views.config import ViewConfig
from stages.release_views.origin import tagged, user
from stages.scene_index import SceneIndex
from stages.traces.corrupt import Gold


def option_row(
    accepted: Accepted,
    picture: EmbeddedImage,
    options: tuple[str, ...],
    place: Place,
    configs: tuple[PublishConfig, ViewConfig],
) -> McqRow | Drop:
    """Returns the question with its options; the gold letter is the answer."""
    row = publish(accepted, picture, place, configs[0])
    if isinstance(row, Drop):
        return row
    letter = string.ascii_uppercase[options.index(row.answer)]
    listed = "\n".join(f"{name}. {option}" for name, option in zip(string.ascii_uppercase, options, strict=False))
    asked = f"{accepted.question.question}\n{listed}"
    prompt = user(f"{asked}\n\n{configs[1].option_instruction}")
    info: ExtraInfo = row.extra_info.model_copy(update={"question": asked, "answer": letter})
    changed = {
        "data_source": f"{row.data_source}/mcq",
        "prompt": prompt,
        "prompt_tagged": tagged(prompt),
        "problem": tagged(user(asked))[0].content,
        "solution": letter,
        "answer": letter,
        "reward_model": RewardModel(style="rule", ground_truth=letter),
        "extra_info": info,
    }
    return McqRow(**{**dict(row), **changed}, options=options, integer_answer=row.answer)


def options_of(index: SceneIndex, accepted: Accepted, gold: Gold, count: int) -> tuple[str, ...]:
    """Returns ``count`` different numbers, the gold one among them, in random order.

    Wrong ones are what wrong turns give, the most frequent first; where there are too few, neighbours of the gold one.
    """
    question = accepted.question
    wrong = [number for number, _ in _wrong_numbers(index, gold).most_common() if 0 <= number <= 99]
    near = (question.answer + step for distance in range(1, 2 * count) for step in (distance, -distance))
    others = list(dict.fromkeys(n for n in [*wrong, *near] if n >= 0 and n != question.answer))[: count - 1]
    chosen = [str(number) for number in [question.answer, *others]]
    random.Random(f"{question.seed}:options:{question.question_id}").shuffle(chosen)
    return tuple(chosen)


def _wrong_numbers(index: SceneIndex, gold: Gold) -> Counter[int]:
    """How many wrong turns give which number."""
    program = gold.program
    values = execute(index, program)
    executed = executed_steps(program, values)
    mutations = choice_mutations(program, executed)
    for hop in hop_kinds(program, executed):
        mutations += mutations_of(program, hop, index, values) + strays_of(program, hop, index, values)
    downstream = Downstream(index, program, values)
    found = [downstream.answer_of(mutation) for mutation in mutations]
    return Counter(sorted(int(number) for number in found if number is not None and number != values[-1]))
