"""A hundred thousand replies that are none, through every parser: nothing is raised, nothing passes."""

import json
import random

import pytest

from benchmarks.scripted_answers.malformed import INJECTED, KINDS, spoil
from schemas.drop import DropReason
from stages.parsing.reply import Fault, Unreadable, read_reply, strip_thought
from stages.screen import ScreenReply
from tests.stages.models.replies import BOXED, PARSERS, Parser, judged

REPLIES = 100_000


def test_a_hundred_thousand_bad_replies_raise_nothing_and_pass_nothing() -> None:
    rng, passed = random.Random("fuzz"), []
    for number in range(REPLIES):
        parser = PARSERS[number % len(PARSERS)]
        kind = KINDS[number // len(PARSERS) % len(KINDS)]
        reply = spoil(parser.good, kind, rng)
        said = parser.read(reply)
        if not isinstance(said, Unreadable):
            passed.append((parser.name, kind, reply[:200]))
        elif said.reason is not DropReason.UNREADABLE_REPLY:
            passed.append((parser.name, "wrong reason", said.text))
    assert passed == []


@pytest.mark.parametrize("parser", [*PARSERS, BOXED], ids=lambda parser: parser.name)
def test_a_good_reply_is_read(parser: Parser) -> None:
    assert not isinstance(parser.read(parser.good), Unreadable)
    thought = f"<think>First I look at it.</think>\n{parser.good}\n"
    assert not isinstance(parser.read(thought), Unreadable)


@pytest.mark.parametrize(
    "reply",
    [
        "", "  ", "three", "the answer is 3", "\\boxed{}", "\\boxed{three}", "\\boxed{3.5}", "\\boxed{1/2}",
        "\\boxed{3 balls}", "\\boxed{2} or \\boxed{3}", "\\boxed{3} and again \\boxed{3}", "\\boxed{3", "\\boxed{{3}}",
        "\\boxed{x=3}", "\\boxed 3", "\\boxed{٣}", "\\boxed{1e3}", "\\boxed{" + "9" * 400 + "}", "<think>\\boxed{3}",
        "<think>\\boxed{3}</think>", "x" * 1_000_000, INJECTED, "\\boxed{\ud800}", "\\boxed{nan}", "\\boxed{inf}",
        "\\boxed{3²}", "\\boxed{⁷}", "\\boxed{①}", "\\boxed{1₂}", "\\boxed{½}",
    ],
)  # fmt: skip
def test_a_solver_that_commits_to_no_one_integer_says_nothing(reply: str) -> None:
    assert isinstance(BOXED.read(reply), Unreadable)


@pytest.mark.parametrize(
    ("box", "number"),
    [("$7$", 7), ("7", 7), (" 7 ", 7), ("+7", 7), ("-3", -3), ("07", 7), ("7.0", 7), ("７", 7), ("𝟕", 7)],
)
def test_integers_are_read_however_they_are_written(box: str, number: int) -> None:
    assert BOXED.read(f"So \\boxed{{{box}}}.") == number


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault.EMPTY),
        ("```json\n{}\n```", Fault.FENCED),
        ("I would say yes.", Fault.PROSE),
        ("[1]", Fault.PROSE),
        ('{"a": 1} {"a": 1}', Fault.SEVERAL),
        ('{"a": 1} thanks', Fault.SEVERAL),
        ('{"a": 1', Fault.BROKEN),
        ('{"a": 1, "a": 2}', Fault.BROKEN),
        ('{"a": NaN}', Fault.BROKEN),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", Fault.BROKEN),
        ('{"a": ' + "9" * 5_000 + "}", Fault.BROKEN),
        ("{" + " " * 50_000 + "}", Fault.TOO_LONG),
        ('{"a": "\ud800"}', Fault.BROKEN),
        ('{"a": 1}', Fault.WRONG_FORM),
        ("<think>a</think><think>b</think>{}", Fault.BROKEN),
        ("</think>{}", Fault.BROKEN),
    ],
)
def test_every_fault_has_its_name(text: str, fault: Fault) -> None:
    said = read_reply(text, ScreenReply)
    assert isinstance(said, Unreadable) and said.fault is fault


def test_no_type_is_turned_into_another() -> None:
    for value in ("true", 1, None, "yes", [True]):
        text = json.dumps({"reason": "", "traits": [], "rich": value})
        assert isinstance(read_reply(text, ScreenReply), Unreadable)


def test_a_closed_thought_is_passed_over() -> None:
    assert strip_thought("<think>one\ntwo</think>\n {} ") == "{}"


JUDGE = next(parser for parser in PARSERS if parser.name == "judge")


@pytest.mark.parametrize(
    "changes",
    [
        {"case": "c9999999"},
        {"own_answer": 999_999},
        {"own_answer": None},
        {"axes": []},
        {"axes": [{"axis": "factual", "verdict": "pass", "fault": "none", "score": 95, "reason": ""}]},
        {"axes": json.loads(judged())["axes"] * 2},
        {"axes": [axis | {"fault": "wrong_answer"} for axis in json.loads(judged())["axes"]]},
        {"axes": [axis | {"verdict": "fail"} for axis in json.loads(judged())["axes"]]},
        {"axes": [axis | {"score": 0} for axis in json.loads(judged())["axes"]]},
        {"axes": [axis | {"score": 101} for axis in json.loads(judged())["axes"]]},
        {"axes": [axis | {"axis": "beauty"} for axis in json.loads(judged())["axes"]]},
    ],
)
def test_a_judge_that_contradicts_itself_or_the_case_has_no_verdict(changes: dict[str, object]) -> None:
    assert isinstance(JUDGE.read(judged(**changes)), Unreadable)
