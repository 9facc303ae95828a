"""From an accepted question to the rows of one view: opens what the view needs, keeps its mixes, asks its stage."""

import io
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image
from pydantic import BaseModel

from pipelines.errors import UserError
from schemas.drop import Drop
from schemas.release_row import EmbeddedImage
from schemas.scene import Scene
from stages.erase import EraseConfig, edited_picture
from stages.publish import Accepted, Place, PublishConfig, View, unfit_of
from stages.release_views.boxes import box_row, not_in_view, target_of
from stages.release_views.erasure import Contrast, contrast_rows, contrasts_of
from stages.release_views.options import option_row, options_of
from stages.release_views.preference import preference_row
from stages.release_views.process import process_row
from stages.release_views.supervised import flawed_of, flawed_paths, next_kind, reasoning_row, summary_row
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from stages.traces.corrupt import Corruption, Gold, corruptions, retell
from stages.traces.flaws import Flaw


class Material(NamedTuple):
    """What the rows of one question are made from."""

    accepted: Accepted
    picture: EmbeddedImage
    scene: Scene | None
    """None for views that need none, and for images that have no instances."""


Make = Callable[[Material, Place], list[BaseModel] | Drop]
"""Returns the rows of a question, the first at the given place, or why there are none."""

NEEDS_SCENE = frozenset(View) - {View.RL, View.SFT_REASONING}


def open_view(config: PublishConfig) -> Make | None:
    """Returns what makes the rows of the configured view; it keeps counts, so there is one per release.

    None for RL rows, which are made many at a time: `pipelines.publish_columns`.

    Raises:
        UserError: the view needs a library that is not installed.
    """
    match config.view:
        case View.RL:
            return None
        case View.SFT_REASONING:
            return lambda material, _: unfit_of(material.accepted) or _reasoning(material, config)
        case View.SFT_SUMMARY:
            return _Summary(config)
        case View.DPO:
            return _Pairs(config)
        case View.PROCESS:
            return _Process(config)
        case View.MCQ:
            return lambda material, place: _options(material, place, config)
        case View.BOX:
            return lambda material, place: _boxes(material, place, config)
        case View.ERASURE:
            return _open_contrasts(config)


def _one(row: BaseModel | Drop) -> list[BaseModel] | Drop:
    return row if isinstance(row, Drop) else [row]


def _reasoning(material: Material, config: PublishConfig) -> list[BaseModel] | Drop:
    row = reasoning_row(material.accepted, material.picture, config.views)
    return [row] if row is not None else not_in_view(material.accepted, "it has no trace, and no model wrote one")


def _gold(material: Material) -> tuple[SceneIndex, Gold] | Drop:
    """Returns the scene and the gold trace, or why there is none."""
    unfit = unfit_of(material.accepted)
    if unfit is not None:
        return unfit
    question = material.accepted.question
    if not question.program or material.scene is None:
        return not_in_view(material.accepted, "it has no program, or its image no instances")
    index = SceneIndex(material.scene)
    gold = retell(index, question)
    return (index, gold) if gold is not None else not_in_view(material.accepted, "its program gives another number")


def _corrupted(found: tuple[SceneIndex, Gold], material: Material, config: PublishConfig) -> dict[Flaw, Corruption]:
    bounds = (config.views.min_length_ratio, config.views.max_length_ratio)
    return corruptions(found[0], material.accepted.question, found[1], bounds)


def _rarest(flaws: dict[Flaw, Corruption], made: Counter[Flaw], count: int) -> list[Flaw]:
    """Returns the kinds that were used least so far, which evens out how often each occurs."""
    return sorted(flaws, key=lambda flaw: (made[flaw], list(Flaw).index(flaw)))[:count]


class _Summary:
    """Rows of the summary agent; each split keeps the declared shares."""

    def __init__(self, config: PublishConfig) -> None:
        self.config = config
        self.made: dict[str, Counter[str]] = {}
        self.flaws: Counter[Flaw] = Counter()

    def __call__(self, material: Material, place: Place) -> list[BaseModel] | Drop:
        found = _gold(material)
        if isinstance(found, Drop):
            return found
        flaws = _corrupted(found, material, self.config)
        paths = flawed_paths(material.accepted)
        wrong = {flaw: one for flaw, one in flaws.items() if one.answer != str(material.accepted.question.answer)}
        made = self.made.setdefault(material.accepted.image.split, Counter())
        possible = {"best", "plain"} | ({"flawed"} if paths or wrong else set())
        kind = next_kind(made, self.config.views.summary, possible)
        made[kind] += 1
        flawed = None
        if kind == "flawed" and paths:
            flawed = paths[0]
        elif kind == "flawed":
            (flaw,) = _rarest(wrong, self.flaws, 1)
            self.flaws[flaw] += 1
            flawed = flawed_of(wrong[flaw], found[1])
        return [summary_row(material.accepted, material.picture, kind, flawed, self.config.views)]


class _Pairs:
    """Preference pairs; kinds of flaws are evened out over the release."""

    def __init__(self, config: PublishConfig) -> None:
        self.config = config
        self.made: Counter[Flaw] = Counter()

    def __call__(self, material: Material, place: Place) -> list[BaseModel] | Drop:
        found = _gold(material)
        if isinstance(found, Drop):
            return found
        flaws = _corrupted(found, material, self.config)
        chosen = _rarest(flaws, self.made, self.config.views.pairs)
        self.made.update(chosen)
        if not chosen:
            return not_in_view(material.accepted, "no corruption of its trace is proved wrong within the length bounds")
        return [
            preference_row(material.accepted, material.picture, found[1], flaws[flaw], self.config.views)
            for flaw in chosen
        ]


class _Process:
    """The gold response of each question, and flawed ones beside it."""

    def __init__(self, config: PublishConfig) -> None:
        self.config = config
        self.made: Counter[Flaw] = Counter()

    def __call__(self, material: Material, place: Place) -> list[BaseModel] | Drop:
        found = _gold(material)
        if isinstance(found, Drop):
            return found
        flaws = _corrupted(found, material, self.config)
        chosen = _rarest(flaws, self.made, self.config.views.flawed_responses)
        self.made.update(chosen)
        told: list[Corruption | None] = [None, *(flaws[flaw] for flaw in chosen)]
        both = (self.config, self.config.views)
        return [
            process_row(material.accepted, material.picture, found[1], one, both, place.row + number)
            for number, one in enumerate(told)
        ]


def _options(material: Material, place: Place, config: PublishConfig) -> list[BaseModel] | Drop:
    found = _gold(material)
    if isinstance(found, Drop):
        return found
    options = options_of(found[0], material.accepted, found[1], config.views.options)
    return _one(option_row(material.accepted, material.picture, options, place, (config, config.views)))


def _boxes(material: Material, place: Place, config: PublishConfig) -> list[BaseModel] | Drop:
    found = _gold(material)
    if isinstance(found, Drop):
        return found
    target = target_of(*found)
    if isinstance(target, str):
        return not_in_view(material.accepted, target)
    return _one(box_row(material.accepted, material.picture, (found[1], target), place, (config, config.views)))


def _open_contrasts(config: PublishConfig) -> Make:
    try:
        import cv2  # noqa: F401 - said now rather than in the middle of a release
    except ImportError:
        raise UserError("--view erasure paints with OpenCV: pip install opencv-python-headless") from None
    return lambda material, place: _contrasts(material, place, config)


def _contrasts(material: Material, place: Place, config: PublishConfig) -> list[BaseModel] | Drop:
    found = _gold(material)
    if isinstance(found, Drop):
        return found
    if material.scene is None:  # _gold has dropped it
        return []
    rows: list[BaseModel] = []
    erase = EraseConfig()
    for contrast in contrasts_of(material.scene, material.accepted.question, erase):
        edited = _edited_picture(material, contrast, erase)
        if edited is None or not _is_second_opinion(contrast):
            continue
        here = place._replace(row=place.row + len(rows))
        pair = contrast_rows(material.accepted, (material.picture, edited), contrast, here, config)
        if isinstance(pair, Drop):
            continue
        rows += pair
        if len(rows) == 2 * config.views.contrasts:
            break
    return rows or not_in_view(material.accepted, "no referent can be erased or recoloured so that the answer changes")


def _is_second_opinion(contrast: Contrast) -> bool:
    """Whether the second executor comes to the same answer on the edited scene."""
    scene, program = contrast.edit.scene, contrast.edit.certified.program
    with SecondExecutor([scene]) as executor:
        (answer,) = executor.answers([ProgramRun(scene.image.image_id, program)])
    return answer == contrast.edited.answer


def _edited_picture(material: Material, contrast: Contrast, config: EraseConfig) -> EmbeddedImage | None:
    with PIL.Image.open(io.BytesIO(material.picture.bytes or b"")) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    painted = edited_picture(pixels, contrast.edit, config)
    if painted is None:
        return None
    buffer = io.BytesIO()
    PIL.Image.fromarray(painted).save(buffer, "PNG", compress_level=6)
    stem = material.picture.path.rpartition(".")[0]
    edit = contrast.edit
    return EmbeddedImage(
        bytes=buffer.getvalue(), path=f"{stem}-{edit.instance.instance_id[:8]}-{edit.detail or edit.kind}.png"
    )
