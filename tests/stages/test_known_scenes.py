"""Hand-made scenes with hand-written programs and answers (tests/data/known_scenes.json); they outlive refactorings.

A grid is a picture of 40 px cells, a letter is a thing of 30 px in its cell. A program is written inside out:
``["count", ["category", "scene", "cup"]]``; names of operators first, then inputs, then params. An answer of null is
undefined; `certified` and `rejected` say what the certifier makes of it when one kind of hop is enough.
"""

import json
from pathlib import Path

import pytest

from schemas.image import Image
from schemas.instance import Instance
from schemas.program import Program, Step, canonical
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, certify
from stages.execute import check_program, execute
from stages.operators import load_operators
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from tests.makers import Box, make_image, make_instance, make_scene
from tests.reference import Reference

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "known_scenes.json").read_text())
CASES = [
    pytest.param(known, case, id=f"{known['name']}-{n}") for known in KNOWN for n, case in enumerate(known["cases"])
]
CELL = 40


def scene_from(known: dict) -> Scene:
    if "grid" in known:
        size = CELL * len(known["grid"][0]), CELL * len(known["grid"])
        places = [(c, x, y) for y, row in enumerate(known["grid"]) for x, c in enumerate(row) if c != "."]
        boxes = [(c, (CELL * x + 5, CELL * y + 5, CELL * x + 35, CELL * y + 35)) for c, x, y in places]
    else:
        size = known["size"]
        boxes = [(name, tuple(thing["box"])) for name, thing in known["things"].items()]
    image = make_image(known["name"], *size)
    made = [thing_from(known["things"][name], box, image, number) for number, (name, box) in enumerate(boxes)]
    return make_scene(*made, supports=("colour", "depth", "digit", "points"), image=image)


def thing_from(thing: dict, box: Box, image: Image, number: int) -> Instance:
    looks = {key: value for key, value in thing.items() if key not in ("category", "box", "depth")}
    return make_instance(
        thing["category"], box, looks, image, instance_id=f"thing {number}", depth=thing.get("depth", 1 - box[3] / 1000)
    )


def program_from(nested: list) -> Program:
    steps: list[Step] = []

    def add(node: list | str) -> int:
        name, *rest = [node] if isinstance(node, str) else node
        count = len(load_operators()[name].inputs)
        inputs = tuple(add(inner) for inner in rest[:count])
        steps.append(Step(name, inputs, tuple(rest[count:])))
        return len(steps) - 1

    add(nested)
    return canonical(Program(steps=tuple(steps)))


@pytest.mark.parametrize(("known", "case"), CASES)
def test_the_answer_is_the_one_written_down(known: dict, case: dict) -> None:
    scene, program = scene_from(known), program_from(case["program"])
    check_program(program)
    with SecondExecutor([scene]) as executor:
        second = executor.answers([ProgramRun(scene.image.image_id, program)])[0]
    assert [execute(SceneIndex(scene), program)[-1], second, Reference(scene).run(program)[-1]] == [case["answer"]] * 3


@pytest.mark.parametrize(("known", "case"), [c for c in CASES if {"certified", "rejected"} & set(c.values[1])])
def test_the_certifier_says_what_is_written_down(known: dict, case: dict) -> None:
    scene, program = scene_from(known), program_from(case["program"])
    found = certify(SceneIndex(scene), program, CertifyConfig(both_kinds=False))
    assert isinstance(found, Certified) == case.get("certified", False), found
    if "rejected" in case:
        assert found.reason == case["rejected"]


def test_there_are_a_dozen_scenes_that_use_every_operator_people_are_asked_about() -> None:
    used = {step.operator for known in KNOWN for case in known["cases"] for step in program_from(case["program"]).steps}
    assert len(KNOWN) >= 12
    assert used == set(load_operators()) - {"instance", "set_of"}
