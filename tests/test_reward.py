"""The shipped reward: right answers score 1, attacks score 0, and nothing whatever makes it raise or hang."""

import ast
import json
import multiprocessing
import pickle
import random
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pipelines.release.hopyard_reward as reward
from pipelines.publish import publish_dataset
from pipelines.release.hopyard_reward import compute_score, hopyard_format_reward, hopyard_reward, score
from tests.release_makers import make_dataset, make_files

REPLIES = json.loads((Path(__file__).parent / "data/reward_replies.json").read_text(encoding="utf-8"))
RIGHT: dict[str, list[str]] = REPLIES["right"]
"""Replies by their gold."""
ATTACKS: list[str] = REPLIES["attacks on 7"]
"""Wrong numbers, hedges, lists, expressions, other scripts' digits, hidden, repeated, broken and echoed answers."""

LONG = {
    "digits": "7 " * 500_000,
    "boxes": "\\boxed{7}" * 110_000,
    "empty boxes": "\\boxed{}" * 125_000,
    "open boxes": "\\boxed{" * 140_000,
    "nested boxes": "\\boxed{" * 70_000 + "7" + "}" * 70_000,
    "braces": "{" * 1_000_000,
    "closing braces": "\\boxed{" + "}" * 1_000_000,
    "backslashes": "\\" * 1_000_000,
    "backticks": "`" * 1_000_001,
    "fences": "```\n" * 250_000,
    "comment starts": "<!--" * 250_000,
    "comments": "<!---->" * 140_000,
    "half comments": "<!-- --" * 140_000,
    "percents": " %" * 500_000,
    "percent lines": "\n %" * 333_000,
    "tags": "<answer>" * 125_000,
    "closing tags": "</answer>" * 110_000,
    "thoughts": "<think>" * 140_000,
    "thoughts and ends": "<think></think>" * 66_000,
    "lines": "Answer: 7\n" * 100_000,
    "prefixes": "Answer" * 160_000,
    "stars": "*" * 1_000_000,
    "star lines": "****************\n" * 60_000,
    "spaces": " " * 1_000_000,
    "newlines": "\n" * 1_000_000,
    "one long line": "Answer:" + " " * 1_000_000 + "7",
    "wide digits": "\uff17" * 330_000,
    "surrogates": "\ud800" * 300_000,
}


@pytest.mark.parametrize(("gold", "reply"), [(gold, reply) for gold, replies in RIGHT.items() for reply in replies])
def test_right_answers_score_one(gold, reply):
    assert score(reply, gold) == 1.0
    assert score(reply, str(int(gold) + 1)) == 0.0


LETTERS = {
    "right": ["\\boxed{B}", "\\boxed{b}", "\\boxed{(B)}", "\\boxed{\\text{B}}", "Answer: B", "Answer: (b).",
              "<answer>B</answer>", "The answer is **B**"],
    "wrong": ["\\boxed{C}", "\\boxed{A or B}", "\\boxed{B, C}", "\\boxed{ABCD}", "\\boxed{B. 7}", "B", "\\boxed{8}",
              "\\boxed{(B}", "\\boxed{}", "\\boxed{B}\\boxed{B}", "\\boxed{A}\\boxed{B}", "\\boxed{\u0412}",
              "\\boxed{\u1e04}", "Answer: B\nAnswer: C", "\\boxed{option B}", "\\boxed{BB}", "\\boxed{\u24b7}"],
}  # fmt: skip
"""Replies where the gold is the letter B: also Cyrillic, dotted and circled ones."""

GOLD_BOX = "[10, 20, 30, 40]"
BOXES = {
    "right": ["\\boxed{[10, 20, 30, 40]}", "\\boxed{[10.0,20.5,30,41]}", "Answer: [11, 21, 30, 40]",
              "<answer>[10, 20, 30, 40]</answer>", "\\boxed{[10, 20, 50, 40]}"],
    "wrong": ["\\boxed{[10, 20, 51, 40]}", "\\boxed{[30, 40, 10, 20]}", "\\boxed{[10, 20, 10, 40]}",
              "\\boxed{10, 20, 30, 40}", "\\boxed{[10, 20, 30]}", "\\boxed{[10, 20, 30, 40, 50]}",
              "\\boxed{[[10, 20, 30, 40]]}", "\\boxed{[0, 0, 999999, 999999]}", "\\boxed{[10, 20, 30, nan]}",
              "\\boxed{[-10, 20, 30, 40]}", "\\boxed{[1e1, 20, 30, 40]}", "[10, 20, 30, 40]", "\\boxed{10}",
              "\\boxed{[10, 20, 30, 40]}\\boxed{[10, 20, 30, 40]}", "\\boxed{[10, 20, 30, 40] or [0, 0, 5, 5]}"],
}  # fmt: skip


@pytest.mark.parametrize("reply", LETTERS["right"])
def test_a_letter_is_right_in_either_case_alone_or_in_brackets(reply):
    assert score(reply, "B") == 1.0
    assert score(reply, "C") == 0.0


@pytest.mark.parametrize("reply", LETTERS["wrong"])
def test_anything_else_than_the_letter_scores_zero(reply):
    assert score(reply, "B") == 0.0


@pytest.mark.parametrize("reply", BOXES["right"])
def test_a_box_that_overlaps_by_half_is_right(reply):
    assert score(reply, GOLD_BOX) == 1.0
    assert score(reply, "[110, 20, 130, 40]") == 0.0


@pytest.mark.parametrize("reply", BOXES["wrong"])
def test_any_other_box_scores_zero(reply):
    assert score(reply, GOLD_BOX) == 0.0


def test_giou_is_offered_and_soft():
    assert score("\\boxed{[10, 20, 30, 40]}", GOLD_BOX, box_reward="giou") == 1.0
    assert score("\\boxed{[10, 20, 30, 30]}", GOLD_BOX, box_reward="giou") == 0.75
    assert 0 < compute_score("", "\\boxed{[40, 20, 60, 40]}", GOLD_BOX, box_reward="giou") < 0.5
    assert score("no box", GOLD_BOX, box_reward="giou") == 0.0


def test_a_format_share_is_earned_by_any_well_formed_answer():
    assert score("\\boxed{7}", "7", format_share=0.1) == 1.0
    assert score("\\boxed{8}", "7", format_share=0.1) == compute_score("", "\\boxed{8}", "7", format_share=0.1) == 0.1
    assert score("8", "7", format_share=0.1) == score("\\boxed{7 or 8}", "7", format_share=0.1) == 0.0
    for share in (-1, 2, "x", None, float("nan")):
        assert score("\\boxed{8}", "7", format_share=share) == 0.0
    completions = [[{"role": "assistant", "content": text}] for text in ("\\boxed{7}", "\\boxed{8}", "seven", "")]
    assert hopyard_format_reward(completions, solution=["7"] * 4) == [1.0, 1.0, 0.0, 0.0]


def fuzzed(count):
    """Yields strings built from what answers are built from, from text around them, and from anything at all."""
    rng = random.Random(20261121)
    pieces = [*_PIECES, "[", "]", "10", "20", "B", "\\frac{14}{2}", "\n\nAnswer: 7", "\\boxed{7}", "The answer is 7."]
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield "".join(rng.choice(pieces) for _ in range(rng.randrange(24)))
        elif kind == 1:
            yield "".join(chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(60)))
        elif kind == 2:
            yield "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(200)))
        else:
            reply = list(rng.choice(ATTACKS))
            for _ in range(rng.randrange(1, 4)):
                reply.insert(rng.randrange(len(reply) + 1), rng.choice(pieces))
            yield "".join(reply)


def test_100_000_fuzz_strings_never_raise_and_take_less_than_a_millisecond():
    golds = ("7", "-3", "B", GOLD_BOX)
    times = []
    for number, text in enumerate(fuzzed(100_000)):
        started = time.perf_counter()
        value = score(text, golds[number % 16 // 4])
        times.append(time.perf_counter() - started)
        assert value in (0.0, 1.0)
    assert sorted(times)[50_000] < 1e-3
    assert len(times) == 100_000


def test_math_verify_agrees_where_both_have_an_opinion():
    """A cross-check on boxed numerals only: there the verifier that other trainers use by default must agree."""
    math_verify = pytest.importorskip("math_verify", reason="needs math-verify")

    def theirs(reply, gold):
        parsed = math_verify.parse(reply, parsing_timeout=None)
        return math_verify.verify(
            math_verify.parse(f"\\boxed{{{gold}}}", parsing_timeout=None), parsed, timeout_seconds=None
        )

    rng = random.Random(7)
    forms = (
        "\\boxed{%s}",
        "So it is \\boxed{%s}.",
        "I count them: $\\boxed{%s}$",
        "\\boxed{\\text{%s}}",
        "\\boxed{+%s}",
    )
    for _ in range(150):
        gold, said = rng.randrange(0, 40), rng.randrange(0, 40)
        said = gold if rng.random() < 0.4 else said
        reply = rng.choice(forms) % said
        assert score(reply, gold) == float(theirs(reply, gold)) == float(gold == said), reply
    assert theirs("\\boxed{3+4}", 7) and not score("\\boxed{3+4}", 7)  # an expression is no answer here
    assert theirs("1 2 3 4 5 6 7", 7) and not score("1 2 3 4 5 6 7", 7)  # nor is the last number of a list
    assert not theirs("\\boxed{seven}", 7) and score("\\boxed{seven}", 7)


def test_there_are_200_different_attacks():
    assert len(set(ATTACKS)) >= 200


@pytest.mark.parametrize("reply", ATTACKS)
def test_attacks_score_zero(reply):
    assert score(reply, "7") == 0.0


@pytest.mark.parametrize("name", LONG)
def test_a_megabyte_is_zero_and_quick(name):
    started = time.perf_counter()
    assert score(LONG[name], "7") == 0.0
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    "gold", [None, "", "seven", "7.5", "7 ", " 7", [], {}, True, 7.5, float("nan"), float("inf"), b"7"]
)
def test_gold_is_an_integer_or_nothing_scores(gold):
    expected = 1.0 if isinstance(gold, str) and gold.strip() == "7" else 0.0
    assert score(r"\boxed{7}", gold) == expected
    assert score(r"\boxed{1}", gold) == 0.0


def test_gold_may_be_a_number():
    assert score(r"\boxed{7}", 7) == score(r"\boxed{7}", 7.0) == score(r"\boxed{7}", "007") == 1.0


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(), st.text(), max_size=3), st.just(object()), st.just(score),
)  # fmt: skip
_PIECES = [
    "\\boxed{",
    "\\boxed",
    "{",
    "}",
    "7",
    "8",
    "seven",
    "Answer:",
    "answer is",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
] + [
    "```",
    "`",
    "%",
    "\n",
    " ",
    "<!--",
    "-->",
    ",",
    ".",
    "-",
    "\\text{",
    "$",
    "\\(",
    "\\)",
    "*",
    "\ud800",
    "\uff17",
    "\x00",
]


PIECES = st.sampled_from(_PIECES)


@settings(max_examples=500, deadline=None)
@given(JUNK, JUNK)
@example("\\boxed{7}", 10**400)
@example("\\boxed{" + "9" * 64 + "}", "9" * 64)
def test_nothing_raises(text, gold):
    assert score(text, gold) in (0.0, 1.0)
    assert compute_score("any", text, gold, {"index": 0}, more=1) in (0.0, 1.0)
    assert hopyard_reward(text, gold) == [0.0] * len(hopyard_reward(text, gold))
    assert len(hopyard_reward([text], [gold])) == 1


@settings(max_examples=1_000, deadline=None)
@given(st.lists(PIECES, max_size=24).map("".join))
def test_a_reply_is_right_for_one_gold_at_most(text):
    assert sum(score(text, gold) for gold in range(-10, 100)) <= 1.0


@settings(max_examples=300, deadline=None)
@given(st.text("ab .,:\n{}7\\", max_size=30), st.integers(-99, 999))
def test_two_boxes_never_score(text, gold):
    assert score(f"\\boxed{{{gold}}}{text}\\boxed{{{gold}}}", gold) == 0.0


@given(st.integers(-(10**15), 10**15))
def test_every_integer_is_right_for_itself_alone(value):
    for form in (f"\\boxed{{{value}}}", f"\\boxed{{{value:,}}}", f"Answer: {value}", f"<answer>{value}</answer>"):
        assert score(form, value) == score(form, str(value)) == 1.0
        assert score(form, value + 1) == score(form, -value - 1) == 0.0


def test_a_reply_takes_less_than_a_millisecond():
    reply = "I look at the cup on the left, then at the 3 balls. `x` is 50 % of it.\n" * 30 + "So \\boxed{7}."
    times = []
    for _ in range(300):
        started = time.perf_counter()
        score(reply, "7")
        times.append(time.perf_counter() - started)
    assert sorted(times)[150] < 1e-3


def test_threads_and_processes_agree():
    replies = [r"\boxed{7}", *ATTACKS[:200]] * 5
    expected = [score(reply, "7") for reply in replies]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda reply: score(reply, "7"), replies)) == expected
    assert threading.active_count() < 20
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(score, replies, ["7"] * len(replies), chunksize=200)) == expected
    assert pickle.loads(pickle.dumps(compute_score)) is compute_score


def test_trl_gives_messages_strings_or_blocks():
    completions = [
        [{"role": "assistant", "content": r"\boxed{7}"}],
        r"\boxed{7}",
        [{"role": "assistant", "content": [{"type": "text", "text": r"\boxed"}, {"type": "text", "text": "{7}"}]}],
        [{"role": "assistant", "content": r"\boxed{7}"}, {"role": "tool", "content": "6"}],
        [{"role": "assistant"}],
        [],
        None,
    ]
    golds = ["7"] * len(completions)
    expected = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert hopyard_reward(completions=completions, solution=golds, prompts=[], trainer_state=None) == expected
    rows = [{"style": "rule", "ground_truth": "7"}] * len(completions)
    assert hopyard_reward(completions, reward_model=rows) == expected
    assert hopyard_reward(completions) == [0.0] * len(completions)
    assert hopyard_reward(completions[:2], solution=["7"]) == [1.0, 0.0]


def test_gold_scores_one_on_every_published_row(tmp_path):
    report = publish_dataset(make_dataset(tmp_path, make_files(10)).root)
    namespace = {}
    exec(compile((report.folder / "hopyard_reward.py").read_text(), "hopyard_reward.py", "exec"), namespace)
    rows = [row for path in report.folder.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len(rows) == 30
    for row in rows:
        gold = row["reward_model"]["ground_truth"]
        for reply in (f"\\boxed{{{gold}}}", f"Answer: {gold}", f"<answer>{gold}</answer>"):
            assert namespace["compute_score"](row["data_source"], reply, gold, row["extra_info"]) == 1.0
        assert namespace["compute_score"](row["data_source"], row["prompt"][0]["content"], gold) == 0.0
        assert namespace["compute_score"](row["data_source"], row["prompt_tagged"][0]["content"], gold) == 0.0


def test_the_file_needs_nothing_but_python():
    tree = ast.parse(Path(reward.__file__).read_text(encoding="utf-8"))
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= set(sys.stdlib_module_names)
