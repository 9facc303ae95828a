"""The shipped reward: right answers score 1, attacks score 0, and nothing whatever makes it raise or hang."""

import ast
import json
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pipelines.release.hopyard_reward as reward
from pipelines.publish import publish_dataset
from pipelines.release.hopyard_reward import compute_score, hopyard_reward, score
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
PIECES = st.sampled_from(
    [
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
    ]
    + [
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
)


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
