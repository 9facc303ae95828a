"""The benchmarks measure what they say; their figures are not tested."""

import pytest

from benchmarks.guess_and_reject import certified_per_second
from benchmarks.rendered import unpainted_scene
from benchmarks.table import Table, print_table
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene


def test_blind_models_find_what_the_words_give_away() -> None:
    from benchmarks.blind_models import Asked, fold_of, predict_all  # scikit-learn: seconds for every process of tests

    asked = [
        Asked(f"image {number}", f"How many {word}?", '[["scene", [], []]]', answer, "full|count|left|form")
        for number in range(120)
        for word, answer in (("cups", 1), ("balls", 2))
    ]
    assert {fold_of(one.image_id) for one in asked} == {0, 1}
    answers = [one.answer for one in asked]
    right = {name: (given == answers).mean() for name, given in predict_all(asked).items()}
    assert right["logistic regression"] == right["naive Bayes"] == 1.0
    assert right["chance"] == right["learnt chance"] == right["majority"] == 0.5


def test_guessing_finds_certified_programs() -> None:
    assert certified_per_second([random_scene("guess", 9, 9)], SynthesizeConfig(variants=False), 1.0) > 0


def test_unpainted_scenes_can_be_asked_about() -> None:
    scenes = [unpainted_scene(f"bench:{number}") for number in range(4)]
    assert any(synthesize(scene, SynthesizeConfig(variants=False), 0, "test").questions for scene in scenes)


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table("title", ("what", "rate"), [("one", "1"), ("another", "1,000")]))
    assert capsys.readouterr().out.split("\n")[3:7] == [
        "  what      rate",
        "  -------  -----",
        "  one          1",
        "  another  1,000",
    ]
