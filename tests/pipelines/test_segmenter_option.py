import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import run_command
from pipelines.config import load_profile, parse_config
from pipelines.errors import UserError
from pipelines.segmenter_option import check_domain, looks, segmenter_digest, with_segmenter

COCO = Path(__file__).resolve().parents[3] / "shared" / "coco" / "images"
DEFAULT = load_profile("default")


def test_an_annotation_file_stands_in_for_the_embedded_segmenter():
    embedded = with_segmenter(DEFAULT, "embedded", None, annotated=False)
    assert looks(embedded) and embedded.annotate.perceived and not embedded.segment.boxes_of_annotations
    annotated = with_segmenter(embedded, None, None, annotated=True)
    assert not looks(annotated) and annotated.annotate.perceived is None


def test_a_segmenter_beside_an_annotation_file_is_asked_for_its_boxes():
    config = with_segmenter(DEFAULT, "sam2", "facebook/sam2", annotated=True)
    assert config.segment.boxes_of_annotations and config.segment.segmenter.checkpoint == "facebook/sam2"
    assert config.annotate.perceived is None, "the file states the categories"


def test_the_segmenter_is_part_of_what_rows_depend_on():
    one, other = (with_segmenter(DEFAULT, "sam1", name, annotated=False) for name in ("a", "b"))
    assert one.segment != other.segment
    assert parse_config(one.model_dump(mode="json"), "test") == one


@pytest.mark.parametrize(
    ("name", "checkpoint", "message"),
    [
        ("nonsense", None, "there is no segmenter nonsense: give annotations, embedded, segment-anything"),
        ("annotations", "file.pth", "annotations have none"),
    ],
)
def test_a_wrong_option_is_one_line(name, checkpoint, message):
    with pytest.raises(UserError, match=message):
        with_segmenter(DEFAULT, name, checkpoint, annotated=False)


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = with_segmenter(DEFAULT, "segment-anything", "file.pth", annotated=False)
    with pytest.raises(
        UserError, match=r"needs torch and segment-anything, not installed here: pip install 'hopyard\[sam\]'"
    ):
        segmenter_digest(config)


@pytest.mark.parametrize(
    ("name", "checkpoint", "message"),
    [
        ("segment-anything", None, "--checkpoint FILE"),
        ("segment-anything", "/nowhere.pth", "finds no checkpoint /nowhere.pth"),
        ("sam3", None, "--checkpoint FOLDER, or a model id"),
        ("embedded", "/nowhere", "has no card.json in /nowhere"),
    ],
)
def test_a_missing_checkpoint_is_one_line(name, checkpoint, message, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(UserError, match=message):
        segmenter_digest(with_segmenter(DEFAULT, name, checkpoint, annotated=False))


@pytest.mark.skipif(not COCO.is_dir(), reason="no photos here")
def test_photos_without_annotations_are_refused_and_the_ways_forward_named(tmp_path, capsys):
    code = run_command(["run", str(COCO), "--segmenter", "embedded", "--out", str(tmp_path / "out"), "--no-server"])
    told = capsys.readouterr().err
    assert code == 2 and told.count("\n") == 1
    for way in (
        "no rendered scenes",
        "--annotations FILE",
        "segment-anything --checkpoint FILE",
        "sam3",
        "vision-language",
    ):
        assert way in told
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not COCO.is_dir(), reason="no photos here")
def test_a_folder_is_judged_by_most_of_its_pictures(tmp_path):
    config = with_segmenter(DEFAULT, "embedded", None, annotated=False)
    uris = sorted(path.name for path in COCO.iterdir())[:5]
    with pytest.raises(UserError, match="5 of 5"):
        check_domain(config, COCO, uris)
    check_domain(config, COCO, [])
    check_domain(with_segmenter(DEFAULT, "sam1", "x", annotated=False), COCO, uris)


_LOOK = """
import sys
from stages.rendering.config import RenderConfig
from stages.rendering.scene import render_scene
from stages.segmenters.embedded import EmbeddedConfig, open_embedded
from stages.segmenters.protocol import EVERYTHING
from pipelines.cli import run_command
picture = render_scene("broken:1", RenderConfig(width=256, height=192)).image
assert open_embedded(EmbeddedConfig()).find([picture], [EVERYTHING])
assert not {"torch", "torchvision", "transformers", "segment_anything"} & set(sys.modules)
options = ["--segmenter", "sam2", "--checkpoint", "x", "--out", sys.argv[2], "--no-server", "--workers", "1"]
sys.exit(run_command(["run", sys.argv[1], *options]))
"""


@pytest.mark.parametrize("state", ["absent", "broken"])
def test_the_embedded_segmenter_works_where_torch_is_absent_or_broken(state, tmp_path):
    for name in ("torch", "torchvision", "transformers", "segment_anything") if state == "broken" else ():
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "__init__.py").write_text(
            "raise RuntimeError('operator torchvision::nms does not exist')"
        )
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"not looked at")
    command = [sys.executable, "-c", _LOOK, str(tmp_path / "images"), str(tmp_path / "out")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command,
        env={"PYTHONPATH": f"{tmp_path / 'lib'}:{root}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    if state == "absent":
        assert "the segmenter sam2 needs torch" in done.stderr and "pip install 'hopyard[sam]'" in done.stderr
    else:
        assert "operator torchvision::nms" in done.stderr and "pip uninstall torchvision" in done.stderr
    assert "Traceback" not in done.stderr
