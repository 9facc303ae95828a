"""Reading answers: exactly what the screen sends is an answer; anything else is a problem, and nothing raises."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.from_label_studio import clean, parse_annotation, parse_seconds, parse_time
from schemas.annotation import HumanVerdict, Kind
from tests.annotation.solver import other, skip, valid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.integers(-(10**9), 10**9), st.text(st.characters(exclude_categories=("Cs",)), max_size=50))
def test_what_the_screen_sends_comes_back(number: int, note: str) -> None:
    said = parse_annotation(valid(number, note))
    assert (said.kind, said.verdict, said.answer) == (Kind.ANSWER, HumanVerdict.VALID, number)
    assert said.note == note.replace("\0", "\ufffd")


@pytest.mark.parametrize("verdict", ["ambiguous", "wrong_image", "unanswerable"])
def test_a_verdict_without_a_number_is_an_answer(verdict: str) -> None:
    said = parse_annotation(other(verdict))
    assert (said.kind, said.verdict, said.answer) == (Kind.ANSWER, verdict, None)


def test_a_skip_is_a_skip() -> None:
    assert parse_annotation(skip()).kind is Kind.SKIP


@given(JSON)
def test_anything_at_all_is_read_without_an_exception(thing) -> None:
    assert parse_annotation(thing).kind in (Kind.PROBLEM, Kind.SKIP)
    assert parse_annotation({"result": thing}).kind is Kind.PROBLEM
    assert parse_annotation({"result": [thing, thing]}).kind is Kind.PROBLEM


@given(JSON, st.sampled_from(["from_name", "type", "value"]), st.integers(0, 1))
def test_an_answer_changed_anywhere_is_no_other_number(thing, field: str, place: int) -> None:
    body = copy.deepcopy(valid(7))
    body["result"][place][field] = thing
    said = parse_annotation(body)
    assert said.kind is Kind.PROBLEM or said.answer == 7 or body == valid(7)


@pytest.mark.parametrize("number", ["5", 3.5, 5.0, True, None, 10**10, [5], float("nan")])
def test_a_number_that_is_none_is_a_problem(number: object) -> None:
    said = parse_annotation(valid(number))
    assert said.kind is Kind.PROBLEM and said.answer is None and "whole number" in said.problem


@given(st.text())
def test_clean_text_can_be_stored(text: str) -> None:
    assert "\0" not in clean(text)
    clean(text + "\ud800").encode()


def test_times_compare_as_texts_whatever_zone_and_digits_they_come_in() -> None:
    times = ["2026-11-21T07:41:43Z", "2026-11-21T07:41:43.000001Z", "2026-11-21T09:41:44+02:00"]
    assert [parse_time(time) for time in times] == sorted(parse_time(time) for time in times)
    for wrong in ("2026-11-21T07:41:43", "yesterday", None, 5):
        with pytest.raises(ValueError):
            parse_time(wrong)


@pytest.mark.parametrize(("given_", "kept"), [(3, 3.0), (3.5, 3.5), (-1, None), ("3", None), (True, None), (1e9, None)])
def test_seconds_are_kept_where_they_can_be_seconds(given_: object, kept: float | None) -> None:
    assert parse_seconds({"lead_time": given_}) == kept
