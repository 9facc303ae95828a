"""Proved questions on scenes of random layouts, made once."""

from functools import cache

from schemas.question import Question
from schemas.scene import Scene
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene


@cache
def scenes(count: int = 6) -> tuple[Scene, ...]:
    return tuple(random_scene(f"model:{number}", 8, 12) for number in range(count))


@cache
def questions(count: int = 6) -> tuple[tuple[Scene, Question], ...]:
    """Every question of some scenes, each with its scene."""
    return tuple(
        (scene, question)
        for scene in scenes(count)
        for question in synthesize(scene, SynthesizeConfig(), 0, "").questions
    )


SCENE, QUESTION = questions(2)[0]
