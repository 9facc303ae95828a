"""Solve: models try a question with and without its picture; what they make of it says how hard it is, or how leaky.

In: a question, its scene, replies. Out: rollouts, and two verdicts. `blind` fails a question that is solved without its
picture more often than chance allows. `solve` passes one that is solved sometimes: always solved is too easy, never
solved is no verdict (hard, or mislabelled?) and goes to people. Attempts that commit to no number are unscored and
count for nothing. Attempts come in rounds, and no more are asked for once the outcome is certain.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from schemas.model_reply import ModelReply
from schemas.model_request import ModelRequest, ModelRole, Part, Sampling
from schemas.question import Question
from schemas.record import Record
from schemas.rollout import Rollout, Scored, View
from schemas.scene import Scene
from schemas.verdict import Outcome, Verdict
from stages.asking import Wanted, crop, make_request, text_of, whole
from stages.domains import Domain
from stages.intervals import Interval, wilson
from stages.parsing.boxed import read_boxed
from stages.parsing.reply import Reply, Unreadable, clean_line, read_reply
from stages.phrasing.nouns import plural_of, singular_of

VERSION = 2

TEXT_VIEWS = frozenset({View.BLIND, View.CAPTION, View.CATEGORIES})
"""Views without any picture: solving from them is a shortcut."""


class Band(Record):
    """One band of difficulty: solve rates from `low` up to and including `high`."""

    name: str
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class SolveConfig(Record):
    """How often questions are tried, and what follows from it."""

    enabled: bool = False
    attempts: dict[View, int] = Field(default={View.BLIND: 4, View.FULL: 8})
    """Most attempts with a number per view; a view that is not named is not tried."""
    round: int = Field(default=4, ge=1)
    """Attempts asked for at once."""
    temperature: float = Field(default=1.0, ge=0, le=2)
    max_tokens: int = Field(default=1_024, ge=16)
    chance: float = Field(default=0.25, ge=0, le=1)
    """A question is given away where even the lower bound of its rate without the picture is above this."""
    min_scored: int = Field(default=4, ge=1)
    """With fewer readable attempts with the picture there is no verdict; without it none where those that are missing
    could have told otherwise."""
    bands: tuple[Band, ...] = (
        Band(name="hard", low=0.0, high=0.3),
        Band(name="medium", low=0.3, high=0.7),
        Band(name="easy", low=0.7, high=1.0),
    )
    keep_too_easy: bool = False
    """Whether what is always solved passes all the same, with its rate of 1."""


class CaptionReply(Reply):
    """A description of the picture."""

    caption: str = Field(min_length=1, max_length=2_000)


class Tally(NamedTuple):
    """Attempts at one question in one view."""

    correct: int
    scored: int
    asked: int

    @property
    def rate(self) -> Interval:
        """Correct among the scored attempts."""
        return wilson(self.correct, self.scored)


def ask_caption(scene: Scene, domain: Domain) -> ModelRequest:
    """Returns the request for the description that caption-only solvers get."""
    wanted = Wanted("caption", "caption", ModelRole.GENERATOR, scene.image.image_id, CaptionReply)
    return make_request(wanted, {}, [whole(scene.image.image_id)], Sampling(max_tokens=400), domain)


def read_caption(text: str) -> str | Unreadable:
    """Returns the description of a reply, or why there is none."""
    said = read_reply(text, CaptionReply)
    return said if isinstance(said, Unreadable) else clean_line(said.caption, 2_000) or "nothing to be said"


def known_without_picture(view: View, scene: Scene, caption: str) -> str:
    """Returns what a solver without the picture is told of it."""
    if view is View.CAPTION:
        return f"Somebody describes the picture so: {caption}"
    if view is View.CATEGORIES:
        counts = {row.category: row.instance_count for row in scene.categories if row.instance_count}
        listed = [f"{n} {plural_of(name) if n > 1 else singular_of(name)}" for name, n in sorted(counts.items())]
        return f"The picture shows: {', '.join(listed) or 'nothing that was outlined'}."
    return "Nothing is known of the picture."


def ask_attempt(
    question: Question, scene: Scene, view: tuple[View, str], attempt: int, rest: tuple[SolveConfig, Domain]
) -> ModelRequest:
    """Returns the request of one attempt.

    Args:
        question: what is asked.
        scene: the facts about its picture.
        view: what the solver is shown, and the description of the picture (used by caption-only attempts).
        attempt: number of the attempt, from 0.
        rest: the configuration and the domain.
    """
    config, domain = rest
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    slots = {"question": question.question}
    pictures: list[Part] = []
    prompt = "solve"
    if view[0] is View.FULL:
        pictures = [whole(scene.image.image_id)]
    elif view[0] is View.CROP:
        pictures = [_last_crop(question, scene)]
    else:
        prompt = "solve_unseen"
        slots["known"] = known_without_picture(view[0], scene, view[1])
    wanted = Wanted(f"solve.{view[0].value}", prompt, ModelRole.SOLVER, question.question_id, None)
    return make_request(wanted, slots, pictures, sampling, domain).model_copy(update={"draw": attempt})


def _last_crop(question: Question, scene: Scene) -> Part:
    ids = next((hop.instance_ids[-1:] for hop in reversed(question.hops) if hop.instance_ids), ())
    found = next((instance for instance in scene.instances if instance.instance_id in ids), scene.instances[0])
    return crop(found, scene.image.width, scene.image.height)


def read_attempt(question: Question, asked: ModelRequest, view: View, reply: ModelReply) -> Rollout:
    """Returns one attempt as a rollout; an error and an unreadable answer are unscored."""
    text = text_of(reply)
    answer = text if isinstance(text, Unreadable) else read_boxed(text)
    outcome = Scored.UNSCORED
    if not isinstance(answer, Unreadable):
        outcome = Scored.CORRECT if answer == question.answer else Scored.INCORRECT
    return Rollout(
        question_id=question.question_id,
        image_id=question.image_id,
        view=view,
        model=reply.model,
        attempt=asked.draw,
        temperature=asked.sampling.temperature,
        response=reply.text[:8_000],
        answer=None if isinstance(answer, Unreadable) else answer,
        outcome=outcome,
        reason=answer.text if isinstance(answer, Unreadable) else "",
        request_key=reply.request_key,
        prompt_hash=asked.prompt_hash,
    )


def tally(rollouts: Sequence[Rollout]) -> Tally:
    """Returns the counts of some attempts."""
    correct = sum(rollout.outcome is Scored.CORRECT for rollout in rollouts)
    scored = sum(rollout.outcome is not Scored.UNSCORED for rollout in rollouts)
    return Tally(correct, scored, len(rollouts))


def attempts_left(view: View, found: Tally, config: SolveConfig) -> int:
    """Returns how many more attempts the next round of a view has; 0 where the outcome is certain."""
    most = config.attempts.get(view, 0)
    spare = most + (most + 1) // 2 - found.asked  # an attempt without a number is made up for, up to half as many again
    left = max(0, min(most - found.scored, spare))
    if not left or (found.asked and _is_certain(view, found, left, config)):
        return 0
    return min(left, config.round)


def _is_certain(view: View, found: Tally, left: int, config: SolveConfig) -> bool:
    if view is not View.FULL:
        best = wilson(found.correct + left, found.scored + left)
        worst = wilson(found.correct, found.scored + left)
        return best.low <= config.chance or worst.low > config.chance
    mixed = 0 < found.correct < found.scored
    return mixed and found.scored >= config.min_scored and band_of(found.rate, config, certain=True) is not None


def band_of(rate: Interval, config: SolveConfig, certain: bool = False) -> Band | None:
    """Returns the band of a solve rate; with ``certain`` only where the whole interval lies in it."""
    for band in config.bands:
        low, high = (rate.low, rate.high) if certain else (rate.share, rate.share)
        if band.low <= low and high <= band.high:
            return band
    return None


def judge_blind(question: Question, rollouts: Sequence[Rollout], config: SolveConfig) -> Verdict:
    """Returns whether the words give the answer away, by attempts that saw no picture; the leakiest view decides."""
    views = {view: tally([one for one in rollouts if one.view is view]) for view in sorted(TEXT_VIEWS)}
    tried = {view: found for view, found in views.items() if found.asked}
    scored = {view: found for view, found in tried.items() if found.scored}
    leaky = max(scored, key=lambda view: (scored[view].rate.low, scored[view].rate.share), default=None)
    if leaky is None or (scored[leaky].rate.low <= config.chance and len(scored) < len(tried)):
        silent = ", ".join(sorted(set(tried) - set(scored))) or "any view"
        return _verdict(question, "blind", Outcome.NO_VERDICT, f"no readable attempt in {silent}", rollouts)
    rate = scored[leaky].rate
    text = f"{leaky.value}: {rate.text} solved without the picture, chance {config.chance:.2f}"
    if rate.low > config.chance:
        return _verdict(question, "blind", Outcome.FAIL, text, rollouts, rate.share)
    unsure = [view for view, found in scored.items() if not _is_harmless(view, found, config)]
    if unsure:
        text = f"too few readable attempts in {', '.join(unsure)}; {text}"
    outcome = Outcome.NO_VERDICT if unsure else Outcome.PASS
    return _verdict(question, "blind", outcome, text, rollouts, rate.share)


def _is_harmless(view: View, found: Tally, config: SolveConfig) -> bool:
    """Whether a view would not give the question away had every attempt without a number been right."""
    missing = max(0, config.attempts.get(view, 0) - found.scored)
    return wilson(found.correct + missing, found.scored + missing).low <= config.chance


def judge_solved(question: Question, rollouts: Sequence[Rollout], config: SolveConfig) -> Verdict:
    """Returns whether a question is neither too easy nor unsolved, by attempts that saw the picture."""
    seen = [one for one in rollouts if one.view is View.FULL]
    found = tally(seen)
    if found.scored < config.min_scored:
        text = f"{found.scored} of {found.asked} attempts are readable, {config.min_scored} needed"
        return _verdict(question, "solve", Outcome.NO_VERDICT, text, seen)
    band = band_of(found.rate, config)
    text = f"{found.rate.text} solved, {band.name if band else 'no band'}, temperature {config.temperature:g}"
    outcome = Outcome.PASS
    if found.correct == 0:
        outcome, text = Outcome.NO_VERDICT, f"{text}: hard, or mislabelled"
    elif found.correct == found.scored and not config.keep_too_easy:
        outcome, text = Outcome.FAIL, f"{text}: too easy"
    return _verdict(question, "solve", outcome, text, seen, found.rate.share)


def _verdict(  # noqa: PLR0913 - one row, field by field
    question: Question,
    name: str,
    outcome: Outcome,
    reason: str,
    rollouts: Sequence[Rollout],
    score: float | None = None,
) -> Verdict:
    models = sorted({rollout.model for rollout in rollouts})
    return Verdict(
        question_id=question.question_id,
        image_id=question.image_id,
        judge=name,
        outcome=outcome,
        reason=reason,
        model=", ".join(models),
        score=score,
    )
