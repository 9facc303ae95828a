"""Segment: annotations from outside become instances, or a drop each; nothing is lost and nothing is believed."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.drop import Drop, DropReason
from schemas.source_annotation import ImageAnnotations, SourceAnnotation
from stages.masks import mask_to_rle, rle_to_mask
from stages.segment import SegmentConfig, segment
from stages.segmenters.annotations import to_source_annotation
from tests.makers import draw_boxes, make_image

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the reference
IMAGE = make_image(width=100, height=80)
NAMES = {1: "cup", 2: "ball"}
SQUARE = [10, 10, 40, 10, 40, 40, 10, 40]


def raw(**changes):
    return {"id": 5, "category_id": 1, "segmentation": [SQUARE], "bbox": [10, 10, 30, 30], "iscrowd": 0} | changes


def run(*annotations, width=100, height=80):
    records = [to_source_annotation(one, NAMES) for one in annotations]
    assert not any(isinstance(record, Drop) for record in records)
    given_ = ImageAnnotations(
        uri=IMAGE.uri, width=width, height=height, licence="x", supports=("colour",), annotations=tuple(records)
    )
    found = segment(IMAGE, given_, SegmentConfig())
    assert len(found.instances) + len(found.drops) == len(annotations)
    return found


def rle_of(mask):
    rle = mask_to_rle(mask)
    return {"size": [rle.height, rle.width], "counts": rle.counts}


def test_a_polygon_becomes_an_instance_with_its_geometry():
    (instance,) = run(raw()).instances
    assert instance.category == "cup" and instance.box_xyxy == (10, 10, 40, 40)
    assert instance.area == 900 and instance.centroid_xy == (25, 25) and not instance.truncated


def test_compressed_and_plain_run_lengths_give_the_same_instance():
    mask = draw_boxes((10, 10, 40, 40), width=100, height=80)
    runs = [10 * 80 + 10, *([30, 50] * 29), 30, 80 * 60 + 40]
    plain = {"size": [80, 100], "counts": runs}
    first, second = (run(raw(segmentation=s)).instances[0] for s in (rle_of(mask), plain))
    assert first == second and (rle_to_mask(first.mask) == mask).all()


def test_attributes_depth_and_visibility_come_along_as_certain():
    extra = {"attributes": {"colour": "red", "digit": 7}, "depth": 0.25, "visible_fraction": 0.5}
    (instance,) = run(raw(**extra)).instances
    assert {(a.key, a.value, a.confidence) for a in instance.attributes} == {("colour", "red", 1), ("digit", "7", 1)}
    assert instance.depth == 0.25 and instance.visible_fraction == 0.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iscrowd": 1, "segmentation": {"size": [80, 100], "counts": [8000]}}, DropReason.CROWD_REGION),
        ({"segmentation": []}, DropReason.BAD_POLYGON),
        ({"segmentation": [[1, 2, 3, 4]]}, DropReason.BAD_POLYGON),
        ({"segmentation": [["a"] * 6]}, DropReason.BAD_POLYGON),
        ({"segmentation": {"size": [10, 10], "counts": [100]}}, None),
        ({"segmentation": {"size": [80, 100], "counts": "~~~"}}, DropReason.BAD_RLE),
        ({"segmentation": {"size": [80, 100], "counts": [8000]}}, DropReason.EMPTY_MASK),
        ({"segmentation": [[200, 10, 240, 10, 240, 40]], "bbox": [200, 10, 40, 30]}, DropReason.OUTSIDE_IMAGE),
    ],
)
def test_a_bad_annotation_is_one_drop_and_a_good_one_beside_it_stays(changes, reason):
    found = run(raw(id=1, **changes), raw(id=2, category_id=2))
    assert [instance.category for instance in found.instances] == ["ball"]
    assert reason is None or found.drops[0].reason is reason
    assert found.drops[0].detail


def test_near_copies_of_one_category_are_one_instance():
    found = run(raw(id=1), raw(id=2, segmentation=[[10, 10, 40, 10, 40, 40, 11, 40]]), raw(id=3, category_id=2))
    assert sorted(instance.category for instance in found.instances) == ["ball", "cup"]
    assert [drop.reason for drop in found.drops] == [DropReason.DUPLICATE_INSTANCE]


def test_annotations_for_another_size_are_refused():
    assert {drop.reason for drop in run(raw(), width=80, height=100).drops} == {DropReason.ANNOTATION_SIZE_MISMATCH}


def test_an_unknown_category_is_a_drop():
    found = to_source_annotation(raw(category_id=99), NAMES, "a.png")
    assert isinstance(found, Drop) and found.reason is DropReason.UNKNOWN_CATEGORY


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "category_id", "segmentation", "bbox", "iscrowd", "attributes", "depth", "visible_fraction")


@given(st.dictionaries(st.sampled_from(KEYS), JUNK))
def test_nothing_from_outside_raises(changes):
    record = to_source_annotation(raw(**changes), NAMES, "a.png")
    assert isinstance(record, Drop | SourceAnnotation)
    if isinstance(record, SourceAnnotation):
        given_ = ImageAnnotations(uri="a.png", width=100, height=80, licence="x", supports=(), annotations=(record,))
        found = segment(IMAGE, given_, SegmentConfig())
        assert len(found.instances) + len(found.drops) == 1


def test_real_annotations_match_the_reference_masks():
    folder = Path(__file__).parents[2] / ".." / "shared" / "coco"
    if not folder.is_dir():
        pytest.skip("no annotated photos beside the project")
    from pycocotools.coco import COCO

    coco = COCO(str(folder / "instances.json"))
    document = json.loads((folder / "instances.json").read_text())
    names = {row["id"]: row["name"] for row in document["categories"]}
    overlaps = []
    for row in document["images"][:12]:
        image = make_image(width=row["width"], height=row["height"])
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=row["id"], iscrowd=False)):
            record = to_source_annotation(annotation, names)
            given_ = ImageAnnotations(
                uri="a", width=row["width"], height=row["height"], licence="x", supports=(), annotations=(record,)
            )
            found = segment(image, given_, SegmentConfig())
            if found.instances:
                own, expected = rle_to_mask(found.instances[0].mask), coco.annToMask(annotation).astype(bool)
                overlaps.append(np.count_nonzero(own & expected) / np.count_nonzero(own | expected))
    assert np.mean(overlaps) > 0.98
