"""Perceive: a picture to instances by a segmenter, named and described by the crop classifier or by the prompts.

In: an image, its pixels, open eyes. Out: instances; a drop for each mask that is no thing; where the picture as a whole
is not for these eyes or is not seen surely, a drop of the image. A question needs the whole scene to be right, so one
doubtful thing gives up the picture: fewer questions, not wrong ones. What remains is looked at again in harmless views,
for every question to be answered in them. Masks in = instances + drops.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.category import Category
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Attribute, Instance
from schemas.segmentation import annotation_drop_id
from stages.describe import Description
from stages.doubt import Seen, doubt_of
from stages.masks import box_xyxy_of, centroid_xy_of, mask_to_rle
from stages.segment import SegmentConfig, instance_id_of
from stages.segmenters.crops import (
    ABSENT,
    SINGLE_HEAD,
    SIZE_HEAD,
    Reading,
    cut_crops,
    read_heads,
    read_single,
    read_size,
)
from stages.segmenters.domain import distance_of, open_domain
from stages.segmenters.embedded import Embedded
from stages.segmenters.one_mask import Thing, TurnedAway, things_of
from stages.segmenters.onnx_graphs import WEIGHTS, Graphs, as_input, open_graphs
from stages.segmenters.opening import AnnotationsConfig, PerceivingConfig, open_segmenter
from stages.segmenters.protocol import EVERYTHING, Evidence, Found, Pixels, Prompts, Segmenter, SegmenterError
from stages.segmenters.singles import chance_of, signs_of
from stages.spans import spans_of
from stages.views import view_of

UNNAMED = "thing"
"""Category of an instance that nobody has named. It is never asked about."""
CATEGORY = "category"
"""Key of the attribute that holds how sure the classifier is of the category."""
CROP_FACTS = ("colour", "digit", "material", "pips", "points", "size")
"""Facts the crop classifier states about every thing."""


def perceived_facts(config: SegmentConfig) -> tuple[str, ...] | None:
    """Returns the facts that perception states of every instance; None where the annotation file states them."""
    if isinstance(config.segmenter, AnnotationsConfig) or config.boxes_of_annotations:
        return None
    return ("colour",) if getattr(config.segmenter, "nouns", ()) else CROP_FACTS


class Eyes(NamedTuple):
    """What looks at pictures."""

    segmenter: Segmenter
    namer: Graphs | None
    """The crop classifier, for pictures that are like rendered scenes; None where prompts bring the names."""
    strict: bool
    """Whether a picture that is not like rendered scenes is refused: the embedded segmenter sees nothing in it."""

    @property
    def evidence(self) -> Callable[[Pixels], Evidence | None]:
        """Gives what every cell shows, None where the segmenter does not say."""
        return self.segmenter.evidence if isinstance(self.segmenter, Embedded) else lambda _: None


class Ask(NamedTuple):
    """What to look for in a picture, and the answer where several pictures were shown together."""

    prompts: Prompts = EVERYTHING
    found: list[Found] | None = None


class Looked(NamedTuple):
    """Everything that was seen of one picture, before it is decided whether that is sure."""

    seen: list[Seen]
    turned: list[TurnedAway]
    doubt: str | None
    """What is doubtful about the picture; its views are not looked at then."""
    views: Mapping[str, list[Seen]]


class Perception(NamedTuple):
    """What was seen in one picture."""

    instances: tuple[Instance, ...]
    """Sorted by id; empty where the picture is refused."""
    drops: tuple[Drop, ...]
    """Of masks."""
    refused: Drop | None
    views: Mapping[str, tuple[Instance, ...]] = {}
    """What each harmless view showed, in the places of the plain picture."""

    @property
    def masks(self) -> int:
        """Masks that were judged."""
        return len(self.instances) + len(self.drops)


def open_eyes(config: PerceivingConfig, prompted: bool) -> Eyes:
    """Returns the eyes of a configuration; `prompted` says that categories come with the prompts.

    Raises:
        SegmenterError: a package, a model or a file is missing.
    """
    segmenter = open_segmenter(config)
    if prompted or bool(getattr(config, "nouns", False)):
        return Eyes(segmenter, None, strict=False)
    namer = segmenter.graphs if isinstance(segmenter, Embedded) else open_graphs(WEIGHTS)
    strict = isinstance(segmenter, Embedded)
    lacking = _lacking(namer)
    if strict and lacking:
        raise SegmenterError(f"the weights hold no {lacking}")
    return Eyes(segmenter, namer if namer.crops is not None else None, strict)


def _lacking(namer: Graphs) -> str | None:
    """Returns what of the weights is missing, without which a scene would be believed unjudged."""
    if namer.crops is None:
        return "crop classifier (crops.onnx): nothing could name what is found"
    if SINGLE_HEAD not in namer.crops.outputs:
        return f"head {SINGLE_HEAD!r} in crops.onnx: nothing could tell one thing from two in one mask"
    if "signs" not in namer.card:
        return "signs in card.json: nothing could weigh whether a mask is one thing"
    return None


def perceive(image: Image, pixels: Pixels, eyes: Eyes, ask: Ask, config: SegmentConfig) -> Perception:
    """Returns what the eyes see in a picture, asked for everything or for certain nouns."""
    namer = eyes.namer
    if namer is not None:
        away = distance_of(pixels, open_domain()) / open_domain().limit
        if away > 1 and eyes.strict:
            detail = f"{away:.2f} of the limit away from rendered scenes, and the embedded segmenter knows nothing else"
            return Perception((), (), _refuse(image, DropReason.OUT_OF_DOMAIN, detail))
        namer = namer if away <= 1 else None
    if namer is None:
        things, turned = _look(pixels, eyes.segmenter, ask, config)
        seen = [Seen(thing, _by_prompt(thing)) for thing in things]
        return _perception(image, seen, [_drop(image, one) for one in turned], eyes.segmenter.name, config)
    return decide(image, look(pixels, eyes, ask, config), eyes.segmenter.name, config)


def look(pixels: Pixels, eyes: Eyes, ask: Ask, config: SegmentConfig) -> Looked:
    """Returns what is seen in a picture and, unless the picture alone is doubtful already, in its harmless views."""
    if eyes.namer is None:
        raise ValueError("nothing names what these eyes see")
    things, turned = _look(pixels, eyes.segmenter, ask, config)
    seen = name_things(pixels, things, eyes.namer)
    evidence = eyes.evidence(pixels)
    seen = with_chances(seen, evidence, eyes.namer.card)
    doubt = doubt_of(seen, evidence, config.trust)
    views: dict[str, list[Seen]] = {}
    for name in config.trust.views:
        if doubt is None:
            views[name] = _seen_in_view(name, pixels, eyes, config)
            doubt = None if views[name] else f"the view {name} shows nothing"
    return Looked(seen, turned, doubt, views)


def decide(image: Image, looked: Looked, source: str, config: SegmentConfig) -> Perception:
    """Returns the instances of a picture where nothing about it is doubtful."""
    drops = [_drop(image, one) for one in looked.turned]
    if looked.doubt is not None:
        reason = DropReason.UNCERTAIN_SCENE
        dropped = [_drop(image, TurnedAway(one.thing.order, reason, "its picture is dropped")) for one in looked.seen]
        return Perception((), (*drops, *dropped), _refuse(image, reason, looked.doubt))
    found = _perception(image, looked.seen, drops, source, config)
    if found.refused is not None:
        return found
    shown = {
        name: tuple(to_instance(image, one, source, config) for one in members)
        for name, members in looked.views.items()
    }
    return found._replace(views=shown)


def name_things(pixels: Pixels, things: list[Thing], namer: Graphs) -> list[Seen]:
    """Returns what the crop classifier says of each thing."""
    if not things or namer.crops is None:
        return []
    said = namer.crops.run({namer.crops.inputs[0]: as_input(cut_crops(pixels, [thing.mask for thing in things]))})
    seen = []
    rows, heads = read_heads(said, namer.card), read_single(said, len(things))
    for thing, row, head in zip(things, rows, heads, strict=True):
        size = read_size(row[CATEGORY].value, thing.mask, namer.card)
        seen.append(Seen(thing, row | ({SIZE_HEAD: size} if size is not None else {}), head))
    return seen


def with_chances(seen: Sequence[Seen], evidence: Evidence | None, card: Mapping[str, Any]) -> list[Seen]:
    """Returns the things with the chance that each is one; what nothing is known about is left as it is."""
    if evidence is None or "signs" not in card:
        return list(seen)
    weighed = []
    for one in seen:
        sure = one.thing.found.quality, one.readings[CATEGORY].confidence
        signs = signs_of(one.thing.mask, evidence, one.head, *sure)
        weighed.append(one._replace(single=chance_of(signs, card)))
    return weighed


def to_instance(image: Image, seen: Seen, source: str, config: SegmentConfig) -> Instance:
    """Returns the instance of a thing. Attributes below the trusted confidence are left out: they are not known."""
    mask, least = seen.thing.mask, config.trust.min_attribute
    rle = mask_to_rle(mask)
    x0, y0, x1, y1 = box_xyxy_of(mask)
    known = {
        key: reading
        for key, reading in seen.readings.items()
        if key == CATEGORY or (reading.value != ABSENT and reading.confidence >= least)
    }
    category = seen.readings[CATEGORY].value
    return Instance(
        instance_id=instance_id_of(image.image_id, category, rle.counts),
        image_id=image.image_id,
        category=category,
        box_xyxy=(x0, y0, x1, y1),
        mask=rle,
        area=int(np.count_nonzero(mask)),
        centroid_xy=centroid_xy_of(mask),
        depth=None,
        visible_fraction=None,
        truncated=min(x0, y0, image.width - x1, image.height - y1) <= config.border_px,
        attributes=tuple(
            Attribute(key=key, value=reading.value, confidence=round(min(reading.confidence, 1.0), 4))
            for key, reading in sorted(known.items())
            if not (key == CATEGORY and category == UNNAMED)
        ),
        spans=spans_of(mask, config.min_cell_share),
        source=source,
    )


def describe_seen(image: Image, instances: Sequence[Instance]) -> Description | None:
    """Returns the categories of a scene that perception has named or left unnamed; None where the rules of photos hold.

    Whole scenes are refused where a category is doubtful, so what the classifier named may be counted.
    """
    unnamed = all(instance.category == UNNAMED for instance in instances)
    if not unnamed and not all(any(one.key == CATEGORY for one in instance.attributes) for instance in instances):
        return None
    names = Counter(instance.category for instance in instances)
    reason = DropReason.UNNAMED_THING.value if unnamed else ""
    categories = tuple(
        Category(
            image_id=image.image_id,
            category=name,
            instance_count=count,
            countable=not unnamed,
            selectable=not unnamed,
            reason=reason,
        )
        for name, count in sorted(names.items())
    )
    detail = "a segmenter found these masks, and nothing has named them: categories, SAM 3 with nouns, or a model"
    drops = [
        Drop(
            stage="describe",
            id=f"{image.image_id}:{row.category}",
            parent_id=image.image_id,
            detail=detail,
            reason=DropReason.UNNAMED_THING,
        )
        for row in categories
        if not row.countable
    ]
    return Description(tuple(instances), categories, tuple(drops))


def _look(
    pixels: Pixels, segmenter: Segmenter, ask: Ask, config: SegmentConfig
) -> tuple[list[Thing], list[TurnedAway]]:
    found = segmenter.find([pixels], [ask.prompts])[0] if ask.found is None else ask.found
    if ask.prompts.names:
        found = [one._replace(noun=name) for one, name in zip(found, ask.prompts.names, strict=True)]
    height, width = pixels.shape[:2]
    return things_of(found, height, width, config.one_mask)


def _seen_in_view(name: str, pixels: Pixels, eyes: Eyes, config: SegmentConfig) -> list[Seen]:
    """Returns what is seen in a harmless view, with masks in the places of the plain picture."""
    view = view_of(name, pixels)
    things, _ = _look(view.pixels, eyes.segmenter, Ask(), config)
    placed = [thing._replace(mask=view.back(thing.mask)) for thing in things]
    placed = [thing for thing in placed if thing.mask.any()]
    return name_things(view.upright, placed, eyes.namer) if eyes.namer is not None else []


def _by_prompt(thing: Thing) -> dict[str, Reading]:
    """Returns the category that the prompt brought, or that there is none."""
    noun = thing.found.noun
    return {CATEGORY: Reading(noun or UNNAMED, thing.found.quality if noun else 0.0)}


def _perception(image: Image, seen: list[Seen], drops: list[Drop], source: str, config: SegmentConfig) -> Perception:
    if not seen:
        told = f"none of {len(drops)} masks is a thing" if drops else "no mask was found"
        return Perception((), tuple(drops), _refuse(image, DropReason.EMPTY_MASK, told))
    instances = sorted((to_instance(image, one, source, config) for one in seen), key=lambda one: one.instance_id)
    return Perception(tuple(instances), tuple(drops), None)


def _drop(image: Image, turned: TurnedAway) -> Drop:
    drop_id = annotation_drop_id(image.image_id, None, f"mask {turned.order}")
    return Drop(stage="segment", id=drop_id, parent_id=image.image_id, reason=turned.reason, detail=turned.detail)


def _refuse(image: Image, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="segment", id=image.image_id, parent_id=image.uri, reason=reason, detail=detail)
