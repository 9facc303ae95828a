"""What the stand-in knows of a scene: questions that can be asked there, what a text says, and the true answer."""

import json
import random
import re
from functools import lru_cache
from typing import NamedTuple

from benchmarks.scripted_answers.wording import plain
from schemas.instance import Instance
from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, Rejected, certify
from stages.execute import execute
from stages.phrasing.telling import Telling, tell
from stages.reading.lexicon import Lexicon, lexicon_of, make_lexicon
from stages.reading.reader import UNUSED, Unread, read_question
from stages.scene_index import SceneIndex
from stages.synthesize import SynthesizeConfig, synthesize

_BOUNDS = CertifyConfig(min_hops=1, max_hops=9, both_kinds=False, max_luck=1.0)
_POOL = SynthesizeConfig(per_image=6, oversample=3.0, variants=False)
_QUOTED = re.compile(r"question, as a JSON text: (\"(?:[^\"\\]|\\.)*\")")
_LISTED = re.compile(r"^(\d+)\. (.+), box (-?\d+), (-?\d+), (-?\d+), (-?\d+)$", re.M)

_indexes: dict[str, SceneIndex] = {}


def index_of(scene: Scene) -> SceneIndex:
    """Returns the scene prepared for execution, made once."""
    key = scene.image.image_id
    if key not in _indexes or _indexes[key].scene is not scene:
        _indexes[key] = SceneIndex(scene)
    return _indexes[key]


@lru_cache(maxsize=512)
def pool_of(scene: Scene) -> tuple[Question, ...]:
    """Returns proved questions about the scene, from which the stand-in picks what it writes."""
    return synthesize(scene, _POOL, 4_711, "").questions


class Understood(NamedTuple):
    """What the stand-in makes of a text about a scene."""

    program: Program | None
    answer: int | None
    found: Certified | Rejected | None
    telling: Telling | None
    is_idle: bool = False
    """A thing is established and never used."""


@lru_cache(maxsize=16_384)
def understand(scene: Scene, text: str) -> Understood:
    """Returns what a question says of the scene and what is true of it."""
    program = read_question(plain(text), lexicon_of(scene))
    if isinstance(program, Unread):
        return Understood(None, None, None, None, program.reason == UNUSED)
    index = index_of(scene)
    answer = execute(index, program)[-1]
    found = certify(index, program, _BOUNDS)
    telling = None
    if isinstance(found, Certified):
        telling = tell(index, found, random.Random("told"))
    return Understood(program, None if answer is None else int(answer), found, telling)


def quoted_question(prompt: str) -> str:
    """Returns the question of a prompt that quotes it as JSON text."""
    found = _QUOTED.search(prompt)
    return str(json.loads(found[1])) if found else ""


def listed_instances(prompt: str, scene: Scene) -> list[Instance | None]:
    """Returns the instances that a prompt lists by number and box, in its order."""
    by_box = {tuple(round(value) for value in one.box_xyxy): one for one in scene.instances}
    return [by_box.get(tuple(int(value) for value in row[2:])) for row in _LISTED.findall(prompt)]


def lexicon_in(prompt: str) -> Lexicon:
    """Returns the words that a parser's prompt offers."""
    kinds = re.search(r"^Kinds of things that can be named: (.*)$", prompt, re.M)
    words = re.search(r"^Adjectives: (.*)$", prompt, re.M)
    named = [] if kinds is None or kinds[1] == "none" else kinds[1].split(", ")
    pairs = re.findall(r"([^,()]+) \((\w+)\)", words[1]) if words else []
    return make_lexicon(named, [(key, word.strip()) for word, key in pairs])
