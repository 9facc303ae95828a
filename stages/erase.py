"""A referent taken out of a scene or given another colour, and the same in its picture, through its mask.

In: a scene, a certified program, the instances its hops land on. Out: edits under which the program, proved again on
the edited scene with all its certificates, gives another number. The picture of an edit is made from pixels and mask:
erased by OpenCV's inpainting, recoloured in CIELAB, lightness kept. What cannot be seen to have changed is no edit.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.instance import Attribute, Instance
from schemas.program import Program
from schemas.record import Record
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, certify
from stages.colours import name_colour
from stages.margins import MarginConfig
from stages.masks import BoolMask, rle_to_mask
from stages.scene_index import SceneIndex

VERSION = 1
Pixels = NDArray[np.uint8]

_TYPICAL = {
    "red": (200, 30, 35), "orange": (240, 125, 25), "yellow": (240, 215, 45), "green": (35, 150, 60),
    "blue": (35, 90, 205), "purple": (125, 50, 165), "pink": (250, 130, 180),
}  # fmt: skip
"""sRGB of the colours that a thing may be given. Black, white, grey and brown differ from others in lightness too."""


class EraseConfig(Record):
    """How an edit is made, and when it counts."""

    grow_share: float = 0.2
    """Pixels around a mask that are erased with it (edges, contact shadow), as a share of the root of its area."""
    least_grow: int = 5
    """Pixels."""
    keep_away: int = 3
    """Pixels that must be free between what is painted over and any other instance."""
    radius: int = 5
    """Of the inpainting, pixels."""
    least_colour_confidence: float = 0.7
    """Of a given colour, named again from the edited pixels."""
    margins: MarginConfig = MarginConfig()
    certify: CertifyConfig = CertifyConfig(both_kinds=False)


class Edit(NamedTuple):
    """One edit of a scene that changes the answer of one program."""

    kind: str
    """erased or recoloured."""
    instance: Instance
    """As it was."""
    detail: str
    scene: Scene
    """As it is afterwards."""
    certified: Certified
    """The program on the edited scene."""


def edits_of(scene: Scene, program: Program, referents: Sequence[str], config: EraseConfig) -> Iterator[Edit]:
    """Yields the edits of the named instances after which the program is certified and gives another number.

    Erased and recoloured ones take turns while there are both; instances come in the order of their names given.
    """
    before = SceneIndex(scene, config.margins)
    gold = certify(before, program, config.certify)
    if not isinstance(gold, Certified):
        return
    by_id = {instance.instance_id: instance for instance in scene.instances}
    named = [by_id[name] for name in referents]
    erased = (
        edit
        for instance in named
        if is_free(instance, scene, config)
        for edit in _erased(scene, program, instance, gold.answer, config)
    )
    recoloured = (edit for instance in named for edit in _recoloured(scene, program, instance, gold.answer, config))
    for pair in zip_longest(erased, recoloured):
        yield from (edit for edit in pair if edit is not None)


def is_free(instance: Instance, scene: Scene, config: EraseConfig) -> bool:
    """Whether what would be painted over touches no other instance and leaves background on three sides at least."""
    grow = grow_of(instance, config) + config.keep_away
    x0, y0, x1, y1 = instance.box_xyxy
    reach = (x0 - grow, y0 - grow, x1 + grow, y1 + grow)
    if instance.truncated:
        return False
    near = [other for other in scene.instances if other is not instance and _meet(other.box_xyxy, reach)]
    if not near:
        return True
    covered = _grown(rle_to_mask(instance.mask), grow)
    return not any((covered & rle_to_mask(other.mask)).any() for other in near)


def grow_of(instance: Instance, config: EraseConfig) -> int:
    """Returns how many pixels around the mask go with it."""
    return max(config.least_grow, round(config.grow_share * math.sqrt(instance.area)))


def edited_picture(pixels: Pixels, edit: Edit, config: EraseConfig) -> Pixels | None:
    """Returns ``(H, W, 3)`` RGB pixels after the edit; None where the edit cannot be seen in them.

    An erased thing must leave hardly any of its own colours behind; a given colour must be named so again.
    """
    mask = rle_to_mask(edit.instance.mask)
    if edit.kind == "erased":
        return _inpainted(pixels, mask, grow_of(edit.instance, config), config)
    painted = _painted(pixels, mask, edit.detail)
    found = name_colour(painted[mask])
    if found is None or found.term != edit.detail or found.confidence < config.least_colour_confidence:
        return None
    return painted


def _erased(scene: Scene, program: Program, instance: Instance, gold: int, config: EraseConfig) -> Iterator[Edit]:
    left = tuple(other for other in scene.instances if other is not instance)
    yield from _proved("erased", instance, "", (scene.model_copy(update={"instances": left}), program), (gold, config))


def _recoloured(scene: Scene, program: Program, instance: Instance, gold: int, config: EraseConfig) -> Iterator[Edit]:
    if not any(step.params and step.params[0] == "colour" for step in program.steps):
        return
    old = next((one for one in instance.attributes if one.key == "colour"), None)
    if old is None or old.value not in _TYPICAL:
        return
    for colour in _TYPICAL:
        if colour == old.value:
            continue
        given = Attribute(key="colour", value=colour, confidence=old.confidence)
        others = [one for one in instance.attributes if one.key != "colour"]
        looks = tuple(sorted([*others, given], key=lambda one: one.key))
        changed = instance.model_copy(update={"attributes": looks})
        instances = tuple(changed if other is instance else other for other in scene.instances)
        edited = scene.model_copy(update={"instances": instances})
        yield from _proved("recoloured", instance, colour, (edited, program), (gold, config))


def _proved(
    kind: str, instance: Instance, detail: str, edited: tuple[Scene, Program], rule: tuple[int, EraseConfig]
) -> Iterator[Edit]:
    scene, program = edited
    gold, config = rule
    found = certify(SceneIndex(scene, config.margins), program, config.certify)
    if isinstance(found, Certified) and found.answer != gold:
        yield Edit(kind, instance, detail, scene, found)


def _inpainted(pixels: Pixels, mask: BoolMask, grow: int, config: EraseConfig) -> Pixels | None:
    import cv2  # an extra: only contrast pairs need it

    covered = _grown(mask, grow).astype(np.uint8)
    painted: Pixels = cv2.inpaint(np.ascontiguousarray(pixels), covered, config.radius, cv2.INPAINT_TELEA)
    change = np.abs(painted[mask].astype(np.int16) - pixels[mask].astype(np.int16)).max(axis=1)
    return painted if float((change > 12).mean()) > 0.5 else None


def _painted(pixels: Pixels, mask: BoolMask, colour: str) -> Pixels:
    """The pixels with hue and chroma of a colour inside the mask, light and shade kept as far as the colour allows."""
    import cv2

    target = cv2.cvtColor(np.array([[_TYPICAL[colour]]], dtype=np.uint8), cv2.COLOR_RGB2LAB)[0, 0].astype(np.float64)
    lab = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2LAB).astype(np.float64)
    inside = lab[mask]
    neutral = np.hypot(inside[:, 1] - 128, inside[:, 2] - 128) < 14  # highlights, lettering and stands stay
    lightness = np.median(inside[~neutral, 0]) if (~neutral).any() else target[0]
    inside[~neutral, 0] = np.clip(inside[~neutral, 0] + target[0] - lightness, 0, 255)
    inside[~neutral, 1:] = target[1:]
    lab[mask] = inside
    painted = pixels.copy()
    painted[mask] = cv2.cvtColor(lab.round().astype(np.uint8), cv2.COLOR_LAB2RGB)[mask]
    return painted


def _grown(mask: BoolMask, pixels: int) -> BoolMask:
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), dtype=np.bool_)


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
