"""Questions read like English, and say of each thing what the program says."""

import json
import random
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from stages.execute import execute, operator_of
from stages.operators.operator import Role, ValueType
from stages.phrasing.narrator import Narrator, render_question
from stages.phrasing.nouns import LATERAL, noun_phrase, number_word, ordinal_word, plural_of, singular_of, union_parts
from stages.scene_index import SceneIndex
from stages.synthesize import SynthesizeConfig, synthesize
from stages.text_rules import bad_text
from tests.example_scene import example_scene
from tests.layouts import random_scene, scene_of
from tests.stages.test_known_scenes import program_from

SNAPSHOT = Path(__file__).parents[1] / "data" / "questions.json"
PHOTO = {
    "ball": "person",
    "box": "wine glass",
    "can": "dog",
    "cone": "skis",
    "mug": "mouse",
    "ring": "bus",
    "star": "tv",
}
PLURALS = {
    "person": "people",
    "die": "dice",
    "wine glass": "wine glasses",
    "mouse": "mice",
    "knife": "knives",
    "sheep": "sheep",
    "bus": "buses",
    "couch": "couches",
    "skis": "pairs of skis",
    "scissors": "pairs of scissors",
    "tv": "TVs",
    "toothbrush": "toothbrushes",
    "teddy bear": "teddy bears",
    "sandwich": "sandwiches",
    "cherry": "cherries",
    "potted plant": "potted plants",
    "cell phone": "cell phones",
}


def photo_scene(name: str) -> Scene:
    """People, dogs and skis: colours only, so that categories are joined."""
    scene = random_scene(name)
    renamed = [i.model_copy(update={"category": PHOTO.get(i.category, i.category)}) for i in scene.instances]
    supports = frozenset({"colour", "depth"} if name.endswith("0") else {"colour"})
    return scene_of(scene.image, renamed).model_copy(update={"supports": supports})


@lru_cache
def asked() -> tuple[tuple[Scene, Question], ...]:
    scenes = [random_scene(f"phrasing {i}") for i in range(200)] + [photo_scene(f"photo {i}") for i in range(100)]
    return tuple((s, q) for s in scenes for q in synthesize(s, SynthesizeConfig(per_image=2), 2, "c").questions)


def sentences_of(text: str) -> list[str]:
    return re.split(r"(?<=[.?]) ", text)


@pytest.mark.parametrize(("singular", "plural"), PLURALS.items())
def test_plurals_are_those_people_use(singular: str, plural: str) -> None:
    assert plural_of(singular) == plural
    assert singular_of(singular) in (singular, f"pair of {singular}", singular.upper())


def test_numbers_and_places_in_words() -> None:
    assert [ordinal_word(n) for n in (1, 2, 3, 12)] == ["first", "second", "third", "twelfth"]
    assert [number_word(n) for n in (0, 2, 15)] == ["zero", "two", "fifteen"]


def test_every_drawn_program_has_a_wording_on_three_hundred_scenes() -> None:
    questions = [question for _, question in asked()]
    assert len({question.image_id for question in questions}) >= 280
    assert len(questions) > 3000
    assert {q.cell.split("|")[1] for q in questions} >= {"count", "same", "closer", "between", "read", "rank"}


def test_every_question_is_well_formed() -> None:
    for _, question in asked():
        text = question.question
        assert list(bad_text(text)) == []
        assert text.endswith("?")
        assert text.count("?") == 1
        assert "(" not in text.replace("(1 = first)", "")
        assert not re.search(r"[{}\[\]<>_|]|,,|\.\.| [,.?]|'\s", text)
        assert all(sentence[0].isupper() for sentence in sentences_of(text))
        assert 2 <= len(sentences_of(text)) <= question.hop_count + 3


def test_articles_and_plurals_agree() -> None:
    for _, question in asked():
        text = question.question
        assert not re.search(r"\b[Aa] [aeio]", text)
        assert not re.search(r"\b[Aa]n [^aeiouhAEIOU]", text)
        assert not re.search(r"\b(persons|mouses|buss|tvs|sheeps|skises|glasss)\b", text)
        assert not re.search(r"\bthe the\b|\bof of\b|\bare with\b|\bother other\b|\bis are\b", text)
        for many in re.findall(r"How many ([^,]*?) are ", text):
            last = many.split(" and ")[-1].split()[-1]
            assert last in {"people", "mice", "things"} or last.endswith("s"), text


def test_a_plain_sentence_holds_one_move() -> None:
    """No "the cup left of the box behind the ball": a relation is never said of a thing introduced by a relation."""
    relation = r"(?:to the (?:left|right) of|in front of|behind|nearest to|closest to|higher up in the picture than)"
    for _, question in asked():
        for sentence in sentences_of(question.question):
            assert len(re.findall(rf"{relation} (?:it\b|the (?!viewer))", sentence)) <= (
                2 if sentence.endswith("?") else 1
            ), sentence


def test_it_is_always_what_the_sentence_before_established() -> None:
    for scene, question in asked():
        program = Program.from_json(question.program)
        narrator = Narrator(program, execute(SceneIndex(scene), program), random.Random(0))
        said = sentences_of(question.question)
        told = narrator.told
        assert not re.search(r"\bit\b", said[0]) or len(told) == 0
        for number, sentence in zip(told[1:], said[1:], strict=False):
            others = _instances_used(program, number)
            before = told[told.index(number) - 1]
            pronoun = bool(re.search(r"\bit\b(?!$)", sentence.replace("go to it", "")))
            assert pronoun == (before in others), (sentence, question.question)
        last = " ".join(said[len(told) :])
        used = {i for n in _numbers(program) for i in _instances_used(program, n)}
        assert bool(re.search(r"\bit\b", last)) == (told[-1] in used), question.question


def _instances_used(program: Program, number: int) -> set[int]:
    """The instances that a step and the relations of its set start from."""
    step = program.steps[number]
    ones = {i for i in step.inputs if operator_of(program.steps[i].operator).output is ValueType.ONE}
    if step.operator == "choose":
        return set()
    sets = [i for i in step.inputs if operator_of(program.steps[i].operator).role is Role.RELATE]
    return ones.union(*(_instances_used(program, i) for i in sets))


def _numbers(program: Program) -> list[int]:
    last = program.steps[-1]
    return list(last.inputs) if operator_of(last.operator).role is Role.REASON else [len(program.steps) - 1]


def test_things_with_sides_of_their_own_get_sides_of_the_picture() -> None:
    seen = 0
    for scene, question in asked():
        program = Program.from_json(question.program)
        index = SceneIndex(scene)
        values = execute(index, program)
        starts = {s.inputs[0] for s in program.steps if s.operator == "related" and s.params[0] != "touching"}
        if starts and all(_has_sides(program, n) for n in starts if values[n] is not None):
            seen += 1
            assert "to the left of" not in question.question
            assert "to the right of" not in question.question
            assert "in front of" not in question.question
            assert not re.search(r"\bbehind\b", question.question)
    assert seen > 100


def _has_sides(program: Program, number: int) -> bool:
    while operator_of(program.steps[number].operator).role is not Role.DESCRIBE:
        number = program.steps[number].inputs[-1]
    return any(noun_phrase(program, part).head in LATERAL for part in union_parts(program, number))


def test_categories_are_named_as_they_are_called() -> None:
    for _, question in asked():
        for category in question.categories:
            words = {singular_of(category), plural_of(category)}
            assert any(word in question.question for word in words), (category, question.question)


def test_wordings_vary_and_depend_on_the_generator_alone() -> None:
    varied = 0
    for scene, question in asked()[::40]:
        program = Program.from_json(question.program)
        values = execute(SceneIndex(scene), program)
        said = {render_question(program, values, random.Random(seed)) for seed in range(8)}
        assert render_question(program, values, random.Random(3)) == render_question(program, values, random.Random(3))
        varied += len(said) > 2
    assert varied > 0.9 * len(asked()[::40])


def test_the_trace_tells_every_hop_with_its_value() -> None:
    for _, question in asked():
        assert question.trace[-1].content == f"The answer is {question.answer}."
        told = {step.value for step in question.trace}
        for hop in question.hops:
            assert hop.value in told
            assert hop.text[0].isupper() and hop.text.endswith(".") and "  " not in hop.text
        for step in question.trace:
            assert step.content.endswith(".") and "{" not in step.content and "None" not in step.content


# ------------------------------------------------------------------------------------------------------------ snapshots


def test_rendered_questions_are_those_of_the_snapshot() -> None:
    """A changed wording is a changed release: look at the difference, then write the new text into the file."""
    scene = example_scene()
    for case in json.loads(SNAPSHOT.read_text()):
        program = program_from(case["program"])
        values = execute(SceneIndex(scene), program)
        found = [render_question(program, values, random.Random(seed)) for seed in range(len(case["questions"]))]
        assert found == case["questions"]


@pytest.mark.parametrize(
    "nested",
    [
        ["count", ["intersect", ["category", "scene", "cup"], ["category", "scene", "box"]]],
        ["count", ["related", ["nearest", ["instance", "x"], "scene"], "scene", "left"]],
        ["add", ["rank", ["only", ["category", "scene", "cup"]], "scene", "leftmost"], ["count", "scene"]],
    ],
)
def test_a_form_without_plain_wording_is_an_error(nested: list) -> None:
    program = program_from(nested)
    with pytest.raises(ValueError):  # noqa: PT011
        render_question(program, execute(SceneIndex(example_scene()), program), random.Random(0))


def test_the_engine_of_words_is_imported_as_it_is_written_and_typeguard_is_left_as_it_was() -> None:
    code = """
import typeguard
before = typeguard.typechecked
import stages.english
import inflect
assert typeguard.typechecked is before
assert inflect.typechecked is not before
assert stages.english.ENGLISH.plural_noun("die") == "dice"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
