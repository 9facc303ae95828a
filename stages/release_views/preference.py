"""Preference pairs: the gold response against the same response gone wrong at a known step."""

from schemas.release_row import EmbeddedImage
from schemas.view_rows import DpoRow
from stages.publish import Accepted
from stages.release_views.config import ViewConfig
from stages.release_views.origin import assistant, origin_of, tagged, user
from stages.traces.corrupt import Corruption, Gold
from stages.traces.wording import response_text


def preference_row(
    accepted: Accepted, picture: EmbeddedImage, gold: Gold, corruption: Corruption, config: ViewConfig
) -> DpoRow:
    """Returns one pair. Both responses are equal, word for word, up to the wrong step."""
    question = accepted.question
    chosen, rejected = response_text(gold.telling.trace), response_text(corruption.trace)
    prompt = user(f"{question.question}\n\n{config.response_instruction}")
    right, wrong = gold.telling.trace[corruption.step], corruption.trace[corruption.step]
    return DpoRow(
        id=f"{question.question_id}:{corruption.flaw}",
        prompt=prompt,
        prompt_tagged=tagged(prompt),
        chosen=assistant(chosen),
        rejected=assistant(rejected),
        flaw=corruption.flaw,
        wrong_step=corruption.step + 1,
        why=f"says: {wrong.content} Right: {right.content}",
        rejected_answer=corruption.answer,
        rejected_program=corruption.follows,
        length_ratio=len(rejected) / len(chosen),
        **origin_of(accepted, picture),
    )
