"""A good reply for every parser, and the parser."""

import json
from collections.abc import Callable
from typing import NamedTuple

from stages.compose import read_written
from stages.domains import load_domain
from stages.identify import IdentifyConfig, read_identify
from stages.look import LookConfig, read_look
from stages.paraphrase import read_paraphrase
from stages.parsing.boxed import read_boxed
from stages.recover import read_program
from stages.rubric import Case, read_judge
from stages.screen import read_screen
from stages.solve import read_caption
from stages.trace import Path, TraceConfig, read_answer, read_score, read_step
from tests.makers import make_instance
from tests.stages.models.questions import QUESTION

GENERAL = load_domain("general")
MEMBERS = (make_instance("cup", (10, 10, 40, 40)), make_instance("ball", (60, 60, 90, 90)))
CASE = Case("c0000001", QUESTION.question_id, QUESTION.image_id, QUESTION.question, QUESTION.answer, ())
STEP = {"title": "Find the cup", "content": "It is on the left.", "evidence": [1], "next_action": "continue"}
EMPTY_PATH = Path(QUESTION, MEMBERS, 0)
ONE_STEP = read_step(json.dumps(STEP), EMPTY_PATH, 0, TraceConfig())
PATH = EMPTY_PATH._replace(steps=(ONE_STEP,))  # type: ignore[arg-type]

Read = Callable[[str], object]


class Parser(NamedTuple):
    name: str
    good: str
    read: Read


def judged(**changes: object) -> str:
    axes = [
        {"axis": axis.name, "verdict": "pass", "fault": "none", "score": 95, "reason": "fine"} for axis in GENERAL.axes
    ]
    return json.dumps({"case": CASE.case_id, "own_answer": CASE.answer, "axes": axes} | changes)


PARSERS = (
    Parser("screen", json.dumps({"reason": "many cups", "traits": ["dense"], "rich": True}), read_screen),
    Parser(
        "identify",
        json.dumps({"categories": [{"name": "cups", "at_least": 2, "sure": 0.9}]}),
        lambda text: read_identify("0" * 64, text, GENERAL, IdentifyConfig()),
    ),
    Parser(
        "look",
        json.dumps(
            {"instances": [{"number": 1, "attributes": [{"key": "colour", "value": "red", "confidence": 0.9}]}]}
        ),
        lambda text: read_look(text, MEMBERS, GENERAL, LookConfig()),
    ),
    Parser(
        "write",
        json.dumps(
            {
                "hops": [{"number": 1, "text": "the cup", "things": [1], "builds_on": []}],
                "question": "Start with the cup. How many balls are to the right of it?",
                "answer": 1,
            }
        ),
        lambda text: read_written(text, "free_form", 2),
    ),
    Parser(
        "triplet",
        json.dumps({"reasons": ["There is one cup."], "question": "How many balls are there?", "answer": 1}),
        lambda text: read_written(text, "step_by_step", 2),
    ),
    Parser(
        "read_program",
        json.dumps(
            {
                "readable": True,
                "why_not": "",
                "program": [["scene", [], []], ["category", [0], ["cup"]], ["count", [1], []]],
            }
        ),
        read_program,
    ),
    Parser("paraphrase", json.dumps({"question": "How many cups can be seen?"}), read_paraphrase),
    Parser("trace_step", json.dumps(STEP), lambda text: read_step(text, EMPTY_PATH, 0, TraceConfig())),
    Parser("trace_answer", json.dumps({"answer": 3}), read_answer),
    Parser(
        "trace_score",
        json.dumps({"first_bad_step": None, "cause": "", "score": 88}),
        lambda text: read_score(text, PATH),
    ),
    Parser("caption", json.dumps({"caption": "A table with cups."}), read_caption),
    Parser("judge", judged(), lambda text: read_judge(text, CASE, GENERAL)),
)
BOXED = Parser("solve", "There are three. \\boxed{3}", read_boxed)
