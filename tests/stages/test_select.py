"""What a release takes: no picture in two splits, no question twice, no kind too often, and nothing moves later."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.drop import DropReason
from stages.difficulty import LEVELS, Band, Try, band_of, curriculum_of
from stages.select import Groups, Offer, SelectConfig, images_out, select
from stages.wordings import KnownTexts, content_words

SPLITS = ("train", "validation", "test")


def offer(number: int, image: str = "", **changes: object) -> Offer:
    fields = {
        "question_id": f"q{number:03d}", "image_id": image or f"image{number:03d}", "family_id": f"f{number}",
        "variant": "full", "question": f"How many cups lie to the left of ball number {number} in it?", "shape": "s",
        "categories": ("cup",), "answer": number % 5, "hop_count": 2, "split": "train",
    }  # fmt: skip
    return Offer(**(fields | changes))


def reasons(refused):
    return {name: drop.reason for name, drop in refused.items()}


names = st.text("abcdefgh", min_size=1, max_size=3)
worlds = st.tuples(
    st.dictionaries(names, st.sampled_from(SPLITS), min_size=1, max_size=14),
    st.lists(st.tuples(names, names), max_size=14),
)


@given(worlds)
def test_no_group_of_copies_is_in_two_splits(world):
    splits, pairs = world
    groups = Groups(pairs)
    out = images_out(splits, groups)
    for group in groups.members():
        assert len({splits[name] for name in group if name in splits and name not in out}) <= 1
    assert all(any(name in group for group in groups.members()) for name in out)


@given(worlds, worlds)
def test_more_images_move_no_row_and_an_earlier_release_loses_none(before, more):
    splits, pairs = before
    kept = splits.keys() - images_out(splits, Groups(pairs)).keys()
    later = {**more[0], **splits}
    added = [(a, b) for a, b in more[1] if not (a in splits and b in splits)]
    out = images_out(later, Groups([*pairs, *added]), settled=kept)
    assert not kept & out.keys()
    assert all(later[name] == splits[name] for name in splits)
    for one, other in [*pairs, *added]:
        if one in later and other in later and not {one, other} & out.keys():
            assert later[one] == later[other] or {one, other} <= kept


def test_the_lowest_id_of_a_group_decides_where_no_earlier_release_does():
    splits = {"a": "train", "b": "test", "c": "train", "d": "test"}
    assert images_out(splits, Groups([("c", "b"), ("b", "a")])).keys() == {"b"}
    assert images_out(splits, Groups([("c", "b"), ("b", "a")]), {"b"}).keys() == {"a", "c"}


def test_questions_about_a_copy_in_another_split_are_dropped_with_the_reason():
    offers = [offer(1, "a"), offer(2, "b", split="test"), offer(3, "c", split="test")]
    refused = select(offers, Groups([("a", "b")]), SelectConfig())
    assert reasons(refused) == {"q002": DropReason.NEAR_DUPLICATE_IMAGE}
    assert "image a" in refused["q002"].detail and refused["q002"].parent_id == "b"


def test_the_same_question_in_other_small_words_is_taken_once():
    said = "Start with the cup. How many balls lie to the right of it?"
    again = "Look at the cup; then, how many balls lie to the right of it"
    other = "Start with the cup. How many balls lie to the left of it?"
    offers = [
        offer(1, "a", question=said, answer=3),
        offer(2, "a", question=again, answer=3),
        offer(3, "a", question=other, answer=3),
        offer(4, "a", question=again, answer=4),
        offer(5, "b", question=said, answer=3),
        offer(6, "c", question=said, answer=3),
    ]
    refused = select(offers, Groups([("a", "b")]), SelectConfig())
    assert reasons(refused) == dict.fromkeys(("q002", "q005"), DropReason.NEAR_DUPLICATE_QUESTION)
    assert select(offers, Groups([("a", "b")]), SelectConfig(collapse=False)) == {}


@given(st.lists(st.sampled_from("aaaab"), min_size=1, max_size=60), st.floats(0.05, 1))
def test_no_value_has_more_than_its_share_of_what_is_taken(values, share):
    offers = [offer(number, shape=value) for number, value in enumerate(values)]
    refused = select(offers, Groups([]), SelectConfig(shares={"shape": share}))
    taken = [one for one in offers if one.question_id not in refused]
    assert taken and set(reasons(refused).values()) <= {DropReason.OVER_QUOTA}
    bound = max(share, 1 / len({one.shape for one in taken}))
    assert max(Counter(one.shape for one in taken).values()) <= max(1, bound * len(taken) + 1e-9)


@pytest.mark.parametrize("kind", ["shape", "category", "answer", "hops"])
def test_every_kind_can_have_a_share(kind):
    common = [offer(number, shape="s", categories=("cup",), answer=1, hop_count=2) for number in range(8)]
    rare = [offer(number, shape="t", categories=("dog",), answer=2, hop_count=3) for number in range(8, 12)]
    refused = select([*common, *rare], Groups([]), SelectConfig(shares={kind: 0.5}))
    assert Counter(one.shape for one in [*common, *rare] if one.question_id not in refused) == {"s": 4, "t": 4}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="shape, category, answer, hops"):
        select([offer(1)], Groups([]), SelectConfig(shares={"colour": 0.5}))


def test_shorter_variants_follow_their_full_question():
    full = [offer(number, answer=1) for number in range(4)]
    half = [offer(10 + number, family_id=f"f{number}", variant="half", hop_count=1) for number in range(4)]
    other = offer(20, answer=2)
    refused = select([*full, *half, other], Groups([]), SelectConfig(shares={"answer": 0.5}))
    assert {name for name in refused if name < "q010"} == {"q001", "q002", "q003"}
    assert {name for name in refused if name >= "q010"} == {"q011", "q012", "q013"}


@given(st.permutations(range(12)))
def test_the_order_of_offers_does_not_matter(order):
    offers = [
        offer(n, f"image{n % 4}", answer=n % 3, question="How many cups?", split=SPLITS[n % 2]) for n in range(12)
    ]
    groups = Groups([("image0", "image1")])
    config = SelectConfig(shares={"answer": 0.4})
    assert select([offers[n] for n in order], groups, config) == select(offers, groups, config)


def test_words_that_carry_the_question_are_kept():
    assert content_words("Then go to the 3 cups") == content_words("three cup")
    assert content_words("not left of it") == ("not", "left")


def test_texts_of_a_benchmark_are_recognised_word_for_word():
    known = KnownTexts(["Question: How many people stand to the left of the red car in the picture? A) 1 B) 2"])
    assert known.has("How many people stand to the left of the red car in the picture?")
    assert not known.has("How many people stand to the right of the blue van near the tall tree?")
    assert not known.has("How many people?")


def test_bands_say_what_was_measured():
    assert [band_of(rate) for rate in (None, 0.0, 0.1, 0.25, 0.5, 0.75, 0.99, 1.0)] == [
        Band.UNKNOWN, Band.NEVER, Band.HARD, Band.HARD, Band.MEDIUM, Band.EASY, Band.EASY, Band.ALWAYS,
    ]  # fmt: skip
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            band_of(wrong)


rates = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(rates, st.integers(1, 6), st.floats(1, 9)), max_size=40))
def test_a_curriculum_has_even_levels_and_never_puts_the_harder_first(known):
    tries = [Try(f"q{number:02d}", *values) for number, values in enumerate(known)]
    levels = curriculum_of(tries)
    counts = Counter(levels.values())
    assert levels.keys() == {one.question_id for one in tries} and set(levels.values()) <= set(range(1, LEVELS + 1))
    if len(tries) >= LEVELS:
        assert max(counts.values()) - min(counts.values()) <= 1
    for one in tries:
        for other in tries:
            if one.solve_rate is not None and other.solve_rate is not None and one.solve_rate > other.solve_rate:
                assert levels[one.question_id] <= levels[other.question_id]


def test_where_nobody_tried_more_hops_come_later():
    tries = [Try(f"q{hops}", None, hops, 1.5) for hops in (5, 3, 1, 4, 2)]
    assert curriculum_of(tries) == {f"q{hops}": hops for hops in range(1, 6)}
