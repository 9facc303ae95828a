"""The options `--segmenter` and `--checkpoint`, and what can be said of them before anything is written."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from pipelines.config import RunConfig, parse_config
from pipelines.errors import UserError
from pipelines.parts import file_sha256
from schemas.drop import Drop
from stages.ingest import read_image
from stages.segmenters.domain import distance_of, open_domain
from stages.segmenters.embedded import EmbeddedConfig
from stages.segmenters.onnx_graphs import WEIGHTS, digest_of_folder
from stages.segmenters.opening import KINDS, AnnotationsConfig, PerceivingConfig, SegmenterConfig
from stages.segmenters.sam import SamConfig

LOOKED_AT = 24
"""Pictures that are looked at, evenly spread, to see whether a folder is one for the embedded segmenter."""
WAYS_FORWARD = (
    "give --annotations FILE (COCO), --segmenter segment-anything --checkpoint FILE, "
    "--segmenter sam3 --checkpoint FOLDER with nouns, or a profile that asks a vision-language model"
)
_ANY: TypeAdapter[SegmenterConfig] = TypeAdapter(SegmenterConfig)


def with_segmenter(config: RunConfig, name: str | None, checkpoint: str | None, annotated: bool) -> RunConfig:
    """Returns the configuration with the segmenter that was asked for.

    Without a name, an annotation file stands in for the segmenter; with both, the segmenter is asked for the boxes of
    the file.

    Raises:
        UserError: there is no such segmenter, or it takes no checkpoint.
    """
    standing = config.segment.segmenter
    kind = name or ("annotations" if annotated and isinstance(standing, EmbeddedConfig) else standing.kind)
    if kind not in KINDS:
        raise UserError(f"there is no segmenter {kind}: give {', '.join(KINDS)}")
    chosen = standing if kind == standing.kind else _ANY.validate_python({"kind": kind})
    if checkpoint is not None:
        if isinstance(chosen, AnnotationsConfig):
            raise UserError("--checkpoint needs a --segmenter that has weights; annotations have none")
        key = "weights" if isinstance(chosen, EmbeddedConfig) else "checkpoint"
        chosen = chosen.model_copy(update={key: checkpoint})
    boxes = annotated and not isinstance(chosen, AnnotationsConfig)
    segment = config.segment.model_copy(update={"segmenter": chosen, "boxes_of_annotations": boxes})
    return parse_config({**_set_sections(config), "segment": segment.model_dump()}, "--segmenter")


def looks(config: RunConfig) -> bool:
    """Returns whether a segmenter looks at the pictures."""
    return not isinstance(config.segment.segmenter, AnnotationsConfig)


def segmenter_digest(config: RunConfig) -> str | None:
    """Returns what looks at the pictures with a digest of its weights; None for annotations.

    Raises:
        UserError: a package or a checkpoint is missing.
    """
    chosen = config.segment.segmenter
    if isinstance(chosen, AnnotationsConfig):
        return None
    if isinstance(chosen, EmbeddedConfig):
        folder = Path(chosen.weights) if chosen.weights else WEIGHTS
        if not (folder / "card.json").exists():
            raise UserError(f"the embedded segmenter has no card.json in {folder}")
        return f"embedded@{digest_of_folder(folder)}"
    _check_packages(chosen)
    path = Path(chosen.checkpoint)
    if not chosen.checkpoint:
        wanted = "FILE (e.g. sam_vit_b_01ec64.pth)" if isinstance(chosen, SamConfig) else "FOLDER, or a model id"
        raise UserError(f"the segmenter {chosen.kind} needs weights: --checkpoint {wanted}")
    if path.is_file():
        return f"{chosen.kind}@{file_sha256(path)[:16]}"
    if path.is_dir() and not isinstance(chosen, SamConfig):
        files = sorted((one.name, one.stat().st_size) for one in path.iterdir() if one.is_file())
        return f"{chosen.kind}@{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"
    if isinstance(chosen, SamConfig):
        raise UserError(
            f"the segmenter {chosen.kind} finds no checkpoint {path}; download one once, then give its path"
        )
    return f"{chosen.kind}@{chosen.checkpoint}"


def check_domain(config: RunConfig, source: Path, uris: Sequence[str]) -> None:
    """Returns where the embedded segmenter may look at a folder: most of its pictures are like rendered scenes.

    Raises:
        UserError: they are not; the message names the ways forward.
    """
    if not isinstance(config.segment.segmenter, EmbeddedConfig) or not uris:
        return
    step = max(1, len(uris) // LOOKED_AT)
    strange = seen = 0
    for uri in uris[::step][:LOOKED_AT]:
        decoded = read_image((source / uri).read_bytes(), uri, "", config.ingest)
        if not isinstance(decoded, Drop):
            seen += 1
            strange += distance_of(decoded.pixels, open_domain()) > open_domain().limit
    if 2 * strange > seen:
        found = sorted(source.glob("*.json"))
        hint = f"; perhaps --annotations {found[0]}" if found else ""
        raise UserError(
            f"{strange} of {seen} pictures looked at are no rendered scenes, and the embedded segmenter knows nothing "
            f"else: {WAYS_FORWARD}{hint}"
        )


def _check_packages(chosen: PerceivingConfig) -> None:
    package = "segment_anything" if isinstance(chosen, SamConfig) else "transformers"
    missing = [name for name in ("torch", package) if importlib.util.find_spec(name) is None]
    if missing:
        told = " and ".join(name.replace("_", "-") for name in missing)
        raise UserError(f"the segmenter {chosen.kind} needs {told}, not installed here: pip install 'hopyard[sam]'")


def _set_sections(config: RunConfig) -> dict[str, object]:
    """Returns the sections as data, without those that follow from others."""
    return {
        name: value for name, value in config.model_dump().items() if name not in ("segment", "judge", "annotate")
    } | {"annotate": {"measured": config.annotate.measured}}
