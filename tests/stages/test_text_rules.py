"""Words that settle a hop, or do not read as English, are caught; what the factory asks has none of them."""

import pytest

from schemas.program import Program, Step
from schemas.question import Question
from stages.synthesize import SynthesizeConfig, synthesize
from stages.text_rules import MAX_WORDS, bad_text, give_aways
from tests.planted import sound_questions
from tests.stages.test_phrasing import photo_scene

SOUND = sound_questions(1)[0].question.model_copy(update={"answer": 3})
SCENE, BALLS, CUP = Step("scene"), Step("category", (0,), ("ball",)), Step("category", (0,), ("cup",))


def asking(text: str, **changes: object) -> Question:
    return SOUND.model_copy(update={"question": text} | changes)


def kinds(question: Question) -> set[str]:
    return {fault.split(":")[0] for fault in give_aways(question)}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("answer", "Find the red ball. How many of the 3 cups are to the left of it?"),
        ("answer", "Find the red ball. How many of the three cups are to the left of it?"),
        ("setting", "Find the red ball in the kitchen. How many cups are to the left of it?"),
        ("setting", "Start with the person on the Beach. How many dogs are there?"),
        ("action", "Find the person riding a bicycle. How many cups are to the left of it?"),
        ("action", "Find the person who is Holding a cup. How many cups are to the left of it?"),
        ("together", "Find the couple of people. How many cups are to the left of it?"),
        ("together", "Find the two balls that lie together. How many cups are there?"),
    ],
)
def test_words_that_settle_a_hop_are_caught(kind: str, text: str) -> None:
    assert kind in kinds(asking(text))


@pytest.mark.parametrize(
    "text",
    [
        "Find the pair of skis. How many cups are to the left of it?",
        "If you count the cups from left to right, which place does it have (1 = first)?",
        "Find the one farthest to the left. Find the second cup from the right. How many cups are there?",
    ],
)
def test_plain_words_are_no_give_away(text: str) -> None:
    for answer in (0, 1):
        assert kinds(asking(text, answer=answer)) == set()


def test_one_candidate_is_given_away_by_identity() -> None:
    hops = (SOUND.hops[0].model_copy(update={"candidates": 1}), *SOUND.hops[1:])
    assert kinds(asking(SOUND.question, hops=hops)) >= {"identity"}


@pytest.mark.parametrize("through_relation", [False, True])
def test_a_colour_that_is_named_and_asked_for_is_an_attribute_restated(through_relation: bool) -> None:
    steps = [SCENE, CUP, Step("only", (1,)), BALLS, Step("attribute", (3,), ("colour", "red"))]
    if through_relation:
        steps.append(Step("related", (2, 4), ("left",)))
    steps.append(Step("same_attribute", (2, len(steps) - 1), ("colour",)))
    program = Program(steps=(*steps, Step("count", (len(steps) - 1,))))
    assert kinds(asking("How many?", program=program.to_json())) == {"attribute"}
    other = Program.from_json(program.to_json().replace('["colour"]', '["material"]'))
    assert kinds(asking("How many?", program=other.to_json())) == set()


@pytest.mark.parametrize("first", [Step("nth", (1,), ("leftmost", 2)), Step("extreme", (1,), ("leftmost",))])
def test_a_place_that_was_named_is_an_ordering_restated(first: Step) -> None:
    for key, expected in (("leftmost", {"ordering"}), ("highest", set())):
        program = Program(steps=(SCENE, BALLS, first, Step("rank", (2, 1), (key,))))
        assert kinds(asking("Which place?", program=program.to_json())) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("How many <image> cups are there?", "markup"),
        ("How many {things} are there?", "markup"),
        ("How many cups are there", "question mark"),
        ("How many cups are there.", "question mark"),
        ("how many cups are there?", "not set as sentences"),
        ("How many cups  are there?", "not set as sentences"),
        (" How many cups are there?", "not set as sentences"),
        ("How many cups are are there?", "'are' stands twice"),
        ("Find the The cup. How many are there?", "'the' stands twice"),
        ("How many?", "2 words"),
        ("", "0 words"),
        ("How many cups " + "and so on " * (MAX_WORDS // 3) + "are there?", "words, wanted"),
    ],
)
def test_bad_form_is_named(text: str, fault: str) -> None:
    assert any(fault in found for found in bad_text(text))


def test_what_the_factory_asks_has_no_fault() -> None:
    for sound in sound_questions():
        assert list(give_aways(sound.question)) == []
        assert list(bad_text(sound.question.question)) == []


def test_what_is_asked_of_photos_has_no_fault_either() -> None:
    questions = [
        q for i in range(12) for q in synthesize(photo_scene(f"rules {i}"), SynthesizeConfig(), 3, "c").questions
    ]
    assert len(questions) > 100
    assert [fault for q in questions for fault in (*give_aways(q), *bad_text(q.question))] == []
