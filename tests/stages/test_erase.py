"""Edits of scenes and pictures: the answer follows the program, the picture shows it, neighbours stay as they are."""

import numpy as np
import pytest

from schemas.program import Program
from stages.certify import Certified
from stages.colours import name_colour
from stages.erase import EraseConfig, edited_picture, edits_of, grow_of, is_free
from stages.masks import mask_to_rle, rle_to_mask
from stages.release_views.erasure import contrasts_of
from stages.second_executor import ProgramRun, SecondExecutor
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene

pytest.importorskip("cv2", reason="needs opencv-python-headless")

RGB = {
    "red": (200, 30, 35), "orange": (240, 125, 25), "yellow": (240, 215, 45), "green": (35, 150, 60),
    "blue": (35, 90, 205), "purple": (125, 50, 165), "black": (20, 20, 20), "white": (245, 245, 245),
}  # fmt: skip


def with_masks(scene):
    """Returns the scene with masks that fill its boxes."""
    shape = (scene.image.height, scene.image.width)
    changed = []
    for instance in scene.instances:
        x0, y0, x1, y1 = (round(edge) for edge in instance.box_xyxy)
        mask = np.zeros(shape, dtype=bool)
        mask[y0:y1, x0:x1] = True
        changed.append(instance.model_copy(update={"mask": mask_to_rle(mask)}))
    return scene.model_copy(update={"instances": tuple(changed)})


def painted(scene):
    """Returns the scene's picture: boxes in their colours on a floor with a gradient."""
    pixels = np.full((scene.image.height, scene.image.width, 3), 150, dtype=np.uint8)
    pixels[:, :, 0] += np.linspace(0, 40, scene.image.width).astype(np.uint8)
    for instance in scene.instances:
        looks = {attribute.key: attribute.value for attribute in instance.attributes}
        pixels[rle_to_mask(instance.mask)] = RGB[looks["colour"]]
    return pixels


@pytest.fixture(scope="module")
def asked():
    """Returns scenes with a few certified questions each."""
    found = []
    for number in range(10):
        scene = with_masks(random_scene(f"erase {number}", 6, 9))
        questions = synthesize(scene, SynthesizeConfig(per_image=3, oversample=1), 1, "test").questions
        found.append((scene, questions[:6]))
    return found


@pytest.fixture(scope="module")
def edits(asked):
    found = []
    for scene, questions in asked:
        for question in questions:
            names = list(dict.fromkeys(name for hop in question.hops for name in hop.instance_ids))
            program = Program.from_json(question.program)
            made = list(edits_of(scene, program, names, EraseConfig()))
            found += [(scene, question, program, edit) for edit in made[:4]]
    assert {edit.kind for *_, edit in found} == {"erased", "recoloured"}
    return found


def test_the_program_gives_another_number_on_the_edited_scene_by_both_executors(edits):
    for _, question, program, edit in edits:
        assert isinstance(edit.certified, Certified) and edit.certified.answer != question.answer
        with SecondExecutor([edit.scene]) as executor:
            assert executor.answers([ProgramRun(question.image_id, program)]) == [edit.certified.answer]


def test_an_edit_touches_one_instance_only(edits):
    for scene, _, _, edit in edits:
        after = {instance.instance_id: instance for instance in edit.scene.instances}
        for instance in scene.instances:
            if instance.instance_id != edit.instance.instance_id:
                assert after[instance.instance_id] == instance
        assert (edit.instance.instance_id in after) is (edit.kind == "recoloured")
        assert edit.scene.image == scene.image and edit.scene.categories == scene.categories


def test_the_picture_of_an_erased_thing_shows_floor_and_all_the_others(edits):
    config = EraseConfig()
    erased = [(scene, edit) for scene, _, _, edit in edits if edit.kind == "erased"]
    for scene, edit in erased[:12]:
        before = painted(scene)
        after = edited_picture(before, edit, config)
        if after is None:
            continue
        mask = rle_to_mask(edit.instance.mask)
        floor = np.abs(after[mask].astype(int) - [170, 150, 150]).max(axis=1)
        assert (floor < 45).mean() > 0.95
        for other in edit.scene.instances:
            assert (after[rle_to_mask(other.mask)] == before[rle_to_mask(other.mask)]).all()


def test_the_picture_of_a_recoloured_thing_is_named_so_and_nothing_else_changes(edits):
    recoloured = [(scene, edit) for scene, _, _, edit in edits if edit.kind == "recoloured"]
    seen = 0
    for scene, edit in recoloured[:20]:
        before = painted(scene)
        after = edited_picture(before, edit, EraseConfig())
        if after is None:  # overlapped by another thing, say
            continue
        mask = rle_to_mask(edit.instance.mask)
        assert name_colour(after[mask]).term == edit.detail
        assert (after[~mask] == before[~mask]).all()
        seen += 1
    assert seen >= 5


def test_a_thing_next_to_others_or_at_the_border_is_not_erased(asked):
    config = EraseConfig()
    for scene, _ in asked:
        for instance in scene.instances:
            reach = grow_of(instance, config) + config.keep_away
            x0, y0, x1, y1 = instance.box_xyxy
            near = [
                other
                for other in scene.instances
                if other is not instance
                and other.box_xyxy[0] < x1 + reach / 2 and x0 - reach / 2 < other.box_xyxy[2]
                and other.box_xyxy[1] < y1 and y0 < other.box_xyxy[3]
            ]  # fmt: skip
            if near or instance.truncated:
                assert not is_free(instance, scene, config)


def test_nothing_is_an_edit_where_the_picture_does_not_show_it(edits):
    scene, edit = next((scene, edit) for scene, _, _, edit in edits if edit.kind == "erased")
    empty = np.full((scene.image.height, scene.image.width, 3), 150, dtype=np.uint8)
    assert edited_picture(empty, edit, EraseConfig()) is None


def test_a_contrast_keeps_the_words_and_proves_the_edited_question(asked):
    seen = 0
    for scene, questions in asked:
        for question in questions:
            for contrast in list(contrasts_of(scene, question, EraseConfig()))[:2]:
                edited = contrast.edited
                assert edited.question == question.question and edited.answer != question.answer
                assert edited.margin >= 1 and edited.trace[-1].value == str(edited.answer)
                assert edited.hops[-1].value == str(edited.answer) or edited.hop_count > 1
                assert contrast.edit.instance.instance_id in question.hops[contrast.hop].instance_ids
                seen += 1
    assert seen > 5
