"""SAM 3 by transformers: a noun finds all its instances; points and boxes are answered by its tracker.

The features of a picture are computed once for all its nouns, and the text of a noun once for all pictures: per picture
and noun only the small detection part runs, as HopChain uses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field

from schemas.record import Record
from stages.segmenters.everything import GridConfig
from stages.segmenters.prompted import HALVES, Promptable, find_prompted
from stages.segmenters.protocol import Found, Pixels, Prompts, check_prompts, stability_of
from stages.segmenters.torch_runtime import Device, Place, from_pretrained, import_transformers, normalised, place_of

KIND = "sam3"
_TEXT_TOKENS = 32
"""Length that texts are padded to, as the model was trained."""


class Sam3Config(Record):
    """SAM 3 by transformers."""

    kind: Literal["sam3"] = "sam3"
    checkpoint: str = ""
    """Folder, or model id of the hub, e.g. facebook/sam3."""
    tracker: str = ""
    """Folder or model id of the part that answers points and boxes; empty: the same checkpoint holds it."""
    nouns: tuple[str, ...] = ()
    """Categories to look for in every picture, as singular nouns."""
    min_score: float = Field(default=0.5, ge=0, le=1)
    device: Device = "auto"
    half: bool = True
    grid: GridConfig = GridConfig(min_quality=0.8, min_stability=0.92)
    images_at_once: int = Field(default=4, ge=1)


@dataclass
class Sam3:
    """The open back-end. It keeps the texts it has encoded and opens the tracker when it is first needed."""

    config: Sam3Config
    model: Any
    tokenizer: Any
    place: Place
    texts: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    tracker: Promptable | None = None

    @property
    def name(self) -> str:
        return f"{KIND}/1@{self.config.checkpoint.rstrip('/').rpartition('/')[2]}"

    @property
    def understands(self) -> frozenset[str]:
        return frozenset({"everything", "points", "boxes", "nouns"})

    def find(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> list[list[Found]]:
        """Returns the masks of each picture; see `Segmenter`. With nouns, each mask says which one it answers."""
        check_prompts(KIND, self.understands, prompts)
        if all(asked.kind == "nouns" for asked in prompts):
            with self.place.running():
                return list(self._find_nouns(pictures, prompts))
        if any(asked.kind == "nouns" for asked in prompts):
            return [self.find([picture], [asked])[0] for picture, asked in zip(pictures, prompts, strict=True)]
        self.tracker = self.tracker or open_tracker(self.config, self.place)
        return find_prompted(self.tracker, pictures, prompts)

    def _find_nouns(self, pictures: Sequence[Pixels], prompts: Sequence[Prompts]) -> Iterator[list[Found]]:
        side = self.model.config.vision_config.backbone_config.image_size
        for start in range(0, len(pictures), self.config.images_at_once):
            batch = pictures[start : start + self.config.images_at_once]
            asked = prompts[start : start + len(batch)]
            shown = np.stack([normalised(picture, (side, side), *HALVES) for picture in batch])
            features = self.model.get_vision_features(self.place.cast(self.place.to_tensor(shown)))
            found: list[list[Found]] = [[] for _ in batch]
            for noun in sorted({noun for one in asked for noun in one.nouns}):
                wanting = [row for row, one in enumerate(asked) if noun in one.nouns]
                for row, masks in zip(wanting, self._answer(features, noun, wanting), strict=True):
                    found[row].extend(masks)
            yield from found

    def _answer(self, features: Any, noun: str, rows: list[int]) -> list[list[Found]]:  # noqa: ANN401 - tensors
        """Returns the masks of a noun in those pictures of the batch."""
        import torch

        text, mask = self._text_of(noun)
        said = self.model(
            vision_embeds=_rows_of(features, rows),
            text_embeds=_Text(text.expand(len(rows), -1, -1)),
            attention_mask=mask.expand(len(rows), -1),
        )
        scores = torch.sigmoid(said.pred_logits.float())
        if said.presence_logits is not None:
            scores = scores * torch.sigmoid(said.presence_logits.float())
        answers = []
        for row in range(len(rows)):
            chosen = torch.nonzero(scores[row] > self.config.min_score)[:, 0]
            logits = said.pred_masks[row][chosen].float().cpu().numpy()
            answers.append(_to_found(logits, scores[row][chosen].cpu().numpy(), noun))
        return answers

    def _text_of(self, noun: str) -> tuple[Any, Any]:
        """Returns the text features ``(1, 32, c)`` of a noun and which tokens count; encoded once."""
        if noun not in self.texts:
            tokens = self.tokenizer([noun], return_tensors="pt", padding="max_length", max_length=_TEXT_TOKENS)
            ids, mask = (self.place.to_tensor(tokens[name]) for name in ("input_ids", "attention_mask"))
            said = self.model.get_text_features(input_ids=ids, attention_mask=mask, return_dict=True)
            self.texts[noun] = (said.pooler_output, mask)
        return self.texts[noun]


@dataclass
class _Text:
    """Text features in the form that the model reads them."""

    pooler_output: Any


def _rows_of(features: Any, rows: list[int]) -> Any:  # noqa: ANN401 - the model's output record
    """Returns the features of some pictures of a batch."""
    if len(rows) == features.fpn_hidden_states[0].shape[0]:
        return features
    chosen = type(features)(
        fpn_hidden_states=tuple(level[rows] for level in features.fpn_hidden_states),
        fpn_position_encoding=tuple(
            level if level.shape[0] == 1 else level[rows] for level in features.fpn_position_encoding
        ),
    )
    return chosen


def _to_found(logits: Any, scores: Any, noun: str) -> list[Found]:  # noqa: ANN401 - arrays
    if not len(logits):
        return []
    reach = (float(logits.shape[2]), float(logits.shape[1]))
    stability = stability_of(logits)
    return [
        Found(one, reach, float(score), float(stable), noun)
        for one, score, stable in zip(logits, scores, stability, strict=True)
    ]


def open_sam3(config: Sam3Config) -> Sam3:
    """Returns SAM 3 of a folder or model id.

    Raises:
        SegmenterError: a package or the model is missing.
    """
    transformers = import_transformers(KIND)
    place = place_of(config.device, config.half)
    model = from_pretrained(transformers.Sam3Model, config.checkpoint, KIND, place)
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.checkpoint)
    return Sam3(config, model, tokenizer, place)


def open_tracker(config: Sam3Config, place: Place) -> Promptable:
    """Returns the part of SAM 3 that answers points and boxes.

    Raises:
        SegmenterError: it is missing.
    """
    transformers = import_transformers(KIND)
    model = from_pretrained(transformers.Sam3TrackerModel, config.tracker or config.checkpoint, KIND, place)
    side = int(model.prompt_encoder.input_image_size)
    return Promptable(model, place, side, HALVES, False, config.grid, config.images_at_once)
