"""How the stand-in writes ways to an answer, follows them, and grades them."""

import json
import random
import re

from benchmarks.scripted_answers.knowledge import listed_instances, quoted_question, understand
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_server.asked import Asked
from schemas.question import TraceStep
from schemas.scene import Scene

_FLAW = "Looking again, it is the other one."


def trace_step(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the next step of the true way, or one that goes astray."""
    if scene is None:
        return json.dumps({"title": "Look", "content": "Nothing.", "evidence": [], "next_action": "continue"})
    steps = _true_steps(scene, asked)
    number = int(re.search(r"^Write step (\d+) of", asked.prompt, re.M)[1])  # type: ignore[index]
    step = steps[min(number, len(steps)) - 1]
    last = number >= len(steps)
    numbers = {one.instance_id: place for place, one in enumerate(listed_instances(asked.prompt, scene), 1) if one}
    content = step.content.replace("The answer is", "That leads to")
    astray = _FLAW in asked.prompt
    if not last and rng.random() < rates.flawed_steps:
        content = f"{content} {_FLAW}"
    if last and astray:
        content = f"That leads to {_astray(steps[-1].value)}."
    return json.dumps(
        {
            "title": step.title,
            "content": content if not last else f"All in all. {content}",
            "evidence": [numbers[name] for name in step.instance_ids if name in numbers],
            "next_action": "summary" if last else "continue",
        }
    )


def trace_answer(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the number that the steps end in."""
    found = re.findall(r"That leads to (-?\d+)", asked.prompt)
    return json.dumps({"answer": int(found[-1]) if found else None})


def trace_score(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the grade: low, with the step, where one goes astray."""
    lines = re.findall(r"^(\d+)\. (.+)$", asked.prompt.partition("The steps:\n")[2], re.M)
    bad = next((int(number) for number, text in lines if _FLAW in text), None)
    if bad is not None and rng.random() >= rates.judge_misses:
        return json.dumps(
            {"first_bad_step": bad, "cause": "it takes another thing than the words say", "score": rng.randint(15, 45)}
        )
    return json.dumps({"first_bad_step": None, "cause": "", "score": rng.randint(80, 98)})


def _true_steps(scene: Scene, asked: Asked) -> tuple[TraceStep, ...]:
    found = understand(scene, quoted_question(asked.prompt))
    if found.telling is not None:
        return found.telling.trace
    nothing = TraceStep(
        title="Look",
        content="There is little to see.",
        next_action="continue",
        value="0",
        instance_ids=(),
        boxes_xyxy=(),
    )
    return (nothing, nothing.model_copy(update={"title": "Answer", "content": "The answer is 0."}))


def _astray(value: str) -> int:
    return int(value) + 1
