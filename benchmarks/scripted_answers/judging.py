"""How the stand-in judges: it works the question out, names the defect it finds, and misses some."""

import json
import random
import re

from benchmarks.scripted_answers.knowledge import quoted_question, understand
from benchmarks.scripted_answers.leaks import guess_from_words
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_server.asked import Asked
from schemas.scene import Scene
from stages.certify import Rejected

_AXES = re.compile(r"^- `(\w+)`: .+$", re.M)
_HOP = re.compile(r"^\d+\. \".*\" lands on: (.+)$", re.M)
_AXIS_OF = {"wrong_answer": 0, "wrong_box": 0, "ambiguous": 1, "dead_hop": 1, "give_away": 2}


def judge(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the verdict on one case."""
    prompt = asked.prompt
    case = re.search(r"^Case (\w+)\.$", prompt, re.M)
    system = "\n".join(text for role, text in asked.texts if role == "system")
    axes = _AXES.findall(system.partition("from 1 (worst) to 100:")[2])
    claimed = int(re.search(r"^The claimed answer: (-?\d+)$", prompt, re.M)[1])  # type: ignore[index]
    fault, own = ("wrong_answer", None) if scene is None else find_fault(scene, prompt, claimed)
    if fault and rng.random() < rates.judge_misses:
        fault, own = "", claimed
    elif not fault and rng.random() < rates.judge_false_alarms:
        fault = "ambiguous"
    if rates.judge_agrees:
        fault, own = "", claimed
    place = min(_AXIS_OF.get(fault, 0), len(axes) - 1)
    rows = [
        {
            "axis": axis,
            "verdict": "fail" if fault and number == place else "pass",
            "fault": fault if fault and number == place else "none",
            "score": rng.randint(5, 40) if fault and number == place else rng.randint(86, 98),
            "reason": "worked out from the picture",
        }
        for number, axis in enumerate(axes)
    ]
    return json.dumps({"case": case[1] if case else "", "own_answer": own, "axes": rows})


def find_fault(scene: Scene, prompt: str, claimed: int) -> tuple[str, int | None]:
    """Returns the defect of a case and the answer that the stand-in finds itself."""
    text = quoted_question(prompt)
    if guess_from_words(text) is not None:
        return "give_away", claimed
    found = understand(scene, text)
    if found.program is None:
        return "dead_hop" if found.is_idle else "ambiguous", None
    if found.answer is None:
        return "ambiguous", None
    if found.answer != claimed:
        return "wrong_answer", found.answer
    if isinstance(found.found, Rejected):
        return "dead_hop", found.answer
    if found.telling is not None and _boxes_differ(prompt, found.telling.hops):
        return "wrong_box", found.answer
    return "", found.answer


def _boxes_differ(prompt: str, hops: tuple) -> bool:  # type: ignore[type-arg]
    claimed = [
        tuple(int(value) for value in box.split(", "))
        for row in _HOP.findall(prompt)
        for box in row.split("; ")
        if box != "no box"
    ]
    true = {tuple(int(f"{value:.0f}") for value in box) for hop in hops for box in hop.boxes_xyxy}
    return any(box not in true for box in claimed)
