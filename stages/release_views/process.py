"""Step rewards: responses with a label per step, and what each step should find.

Steps are spans of characters of the response. To place labels on tokens: a token belongs to the step in whose span its
first character lies (fast tokenizers give ``offset_mapping``), and the reward of a step goes on its last token
(`hopyard_process.step_of_tokens`).
"""

from collections.abc import Sequence

from schemas.question import TraceStep
from schemas.release_row import EmbeddedImage, RewardModel
from schemas.view_rows import ProcessRow, ProcessStep
from stages.publish import Accepted, PublishConfig, extra_info_of
from stages.release_views.config import ViewConfig
from stages.release_views.origin import origin_of, tagged, user
from stages.traces.claims import is_right
from stages.traces.corrupt import Corruption, Gold
from stages.traces.wording import response_text, step_lines, step_spans


def process_row(  # noqa: PLR0913 - a row is made of all of these
    accepted: Accepted,
    picture: EmbeddedImage,
    gold: Gold,
    corruption: Corruption | None,
    configs: tuple[PublishConfig, ViewConfig],
    row: int,
) -> ProcessRow:
    """Returns one labelled response: the gold one, or a corrupted one whose labels turn at its wrong step.

    From the first wrong step on every step is labelled wrong, also one that would be right by itself: it stands on a
    mistake.
    """
    question = accepted.question
    trace = gold.telling.trace if corruption is None else corruption.trace
    prompt = user(f"{question.question}\n\n{configs[1].response_instruction}")
    steps = labelled_steps(trace, gold, None if corruption is None else corruption.step)
    answer = str(question.answer)
    return ProcessRow(
        id=f"{question.question_id}:{'gold' if corruption is None else corruption.flaw}",
        data_source=f"{configs[0].data_source}/{question.style}",
        prompt=prompt,
        prompt_tagged=tagged(prompt),
        response=response_text(trace),
        completions=step_lines(trace),
        labels=tuple(step.label for step in steps),
        steps=steps,
        flaw=None if corruption is None else str(corruption.flaw),
        wrong_step=None if corruption is None else corruption.step + 1,
        response_answer=trace[-1].value,
        solution=answer,
        reward_model=RewardModel(style="rule", ground_truth=answer),
        extra_info=extra_info_of(question, accepted.image, row),
        **origin_of(accepted, picture),
    )


def labelled_steps(trace: Sequence[TraceStep], gold: Gold, wrong: int | None) -> tuple[ProcessStep, ...]:
    """Returns the steps of a response with labels and what the gold program finds at the same place.

    Raises:
        ValueError: a step before ``wrong`` is not right, or the step there is.
    """
    truth = gold.truth
    operators = [gold.program.steps[number].operator for number in gold.telling.traced]
    steps = []
    for position, (step, span) in enumerate(zip(trace, step_spans(trace), strict=True)):
        claim = truth[position] if position < len(truth) else None
        label = wrong is None or position < wrong
        if position in (wrong, None if wrong is None else wrong - 1) or wrong is None:
            if (claim is not None and is_right(step, claim)) is not label:
                raise ValueError(f"step {position} is labelled {label}, and executing says otherwise")
        steps.append(
            ProcessStep(
                start=span.start,
                end=span.end,
                label=label,
                operator=operators[position] if position < len(operators) else "",
                gold_value="" if claim is None else claim.value,
                gold_boxes_xyxy=() if claim is None else claim.boxes_xyxy,
            )
        )
    return tuple(steps)
