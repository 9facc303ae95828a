"""The factory of a style that asks models, as a straight list: what of it runs is said by the profile."""

from collections.abc import Callable

from pipelines.config import RunConfig
from pipelines.job import Job, Outcome
from pipelines.model_steps import cascade, ending, pictures, questions
from pipelines.steps import Step
from stages import compose, identify, judge, look, paraphrase, route, rubric, screen, shortcut, solve, synthesize, trace

_STATED = "annotate-import/source_annotations"
_SCENES = ("admit/images", _STATED, "describe/instances", "describe/categories", "look/looks")
_QUESTIONS = ("paraphrase/questions", "compose/questions")
_VERDICTS = ("check/verdicts", "blind/verdicts", "solve/verdicts", "rubric/verdicts")


def model_steps(config: RunConfig, code: tuple[Step, ...]) -> tuple[Step, ...]:
    """Returns the steps of a profile: those of code up to described instances, then what models do, cheapest first.

    Args:
        config: says which steps run.
        code: the steps of a run by code alone.
    """
    given = {step.name: step for step in code}
    steps = [given["annotate-import"], given["ingest"], given["admit"]]
    if config.screen.enabled:
        steps.append(_asking("screen", screen.VERSION, pictures.screen_images, ("admit/images",)))
    steps += [step for step in code if step.name not in _BEFORE | _AFTER]
    steps += _seeing(config)
    steps += _making(config)
    steps += _judging(config)
    steps += _ending(config)
    return tuple(_connected(steps))


_BEFORE = frozenset({"annotate-import", "ingest", "admit", "compare"})
_AFTER = frozenset({"synthesize", "judge", "route"})


def _seeing(config: RunConfig) -> list[Step]:
    found = []
    if config.identify.enabled:
        reads = ("admit/images", "segment/segments")
        found.append(_asking("identify", identify.VERSION, pictures.identify_images, reads))
    if config.look.enabled:
        reads = ("admit/images", "describe/instances")
        found.append(_asking("look", look.VERSION, pictures.look_at_instances, reads))
    return found


def _making(config: RunConfig) -> list[Step]:
    found = []
    if config.programs:
        found.append(Step("draft", synthesize.VERSION, questions.draft, _SCENES, None))
        reads = (*_SCENES, "draft/drafts")
        found.append(_asking("paraphrase", paraphrase.VERSION, questions.paraphrase, reads))
    if config.compose.enabled:
        found.append(_asking("compose", compose.VERSION, questions.compose_questions, _SCENES))
    return found


def _judging(config: RunConfig) -> list[Step]:
    reads = (*_SCENES, *_QUESTIONS)
    found = [Step("check", judge.VERSION, cascade.check, reads, None)]
    if config.solve.enabled:
        found.append(_asking("blind", solve.VERSION, cascade.blind, (*reads, *_VERDICTS[:1])))
        found.append(_asking("solve", solve.VERSION, cascade.solve, (*reads, *_VERDICTS[:2])))
    if config.rubric.enabled:
        found.append(_asking("rubric", rubric.VERSION, cascade.rubric, (*reads, *_VERDICTS[:3]), whole=True))
    return found


def _ending(config: RunConfig) -> list[Step]:
    found = [Step("route", route.VERSION, ending.route, (*_QUESTIONS, *_VERDICTS), None, whole=True)]
    routed = (*_QUESTIONS, "route/decisions", "people/people")
    if config.trace.enabled:
        found.append(_asking("trace", trace.VERSION, ending.trace, (*_SCENES, *routed), whole=True))
    if config.shortcut.enabled and config.solve.enabled:
        reads = (*routed, "blind/rollouts")
        found.append(Step("audit", shortcut.VERSION, ending.audit_corpus, reads, None, whole=True))
    return found


def _asking(
    name: str, version: int, run: Callable[[Job], Outcome], reads: tuple[str, ...], whole: bool = False
) -> Step:
    return Step(name, version, run, reads, None, whole=whole, asks=True)


def _connected(steps: list[Step]) -> list[Step]:
    """Returns the steps with inputs of steps that do not run taken out, and with the pictures that were found rich."""
    names = {step.name for step in steps}
    screened = "screen" in names
    found = []
    for step in steps:
        reads = tuple(name for name in step.reads if name.partition("/")[0] in names | {"list", "people"})
        if screened and step.name != "screen":
            reads = tuple("screen/rich" if name == "admit/images" else name for name in reads)
        found.append(step._replace(reads=reads))
    return found
