"""The configuration of a run: one small TOML file, one record, unknown keys refused."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from pipelines.errors import UserError
from pipelines.models.spec import ROW_FIELDS, ModelSpec
from schemas.model_request import ModelRole
from schemas.record import Record
from stages.compose import ComposeConfig
from stages.describe import DescribeConfig
from stages.identify import IdentifyConfig
from stages.ingest import IngestConfig
from stages.judge import JudgeConfig
from stages.look import LookConfig
from stages.paraphrase import ParaphraseConfig
from stages.perceive import perceived_facts
from stages.route import RouteConfig
from stages.rubric import RubricConfig
from stages.screen import ScreenConfig
from stages.segment import SegmentConfig
from stages.shortcut import ShortcutConfig
from stages.solve import SolveConfig
from stages.synthesize import SynthesizeConfig
from stages.trace import TraceConfig

PROFILE_FOLDER = Path(__file__).parent / "profiles"
DEFAULT_PROFILE = "default"

Style = Literal["program", "hopchain", "insight", "medgr2", "spatial"]


class AnnotateConfig(Record):
    """How an annotation file is read."""

    measured: tuple[str, ...] = ("colour",)
    """Facts that later stages measure from the pixels where the file does not state them."""
    perceived: tuple[str, ...] | None = None
    """Facts that looking at the pictures states, whatever the file says; follows from the segmenter."""


class RunConfig(Record):
    """The choices that affect rows, one section per stage. Seeds, limits and machine places are not among them."""

    description: str = ""
    """One sentence for the reader of the profile."""
    render: Mapping[str, Any] = Field(default_factory=dict)
    """Options of rendered scenes; read only where scenes are drawn (`pipelines.scene_source`)."""
    annotate: AnnotateConfig = Field(default_factory=AnnotateConfig)
    ingest: IngestConfig = Field(default_factory=IngestConfig)
    segment: SegmentConfig = Field(default_factory=SegmentConfig)
    describe: DescribeConfig = Field(default_factory=DescribeConfig)
    synthesize: SynthesizeConfig = Field(default_factory=SynthesizeConfig)
    judge: JudgeConfig = Field(default_factory=JudgeConfig)
    style: Style = "program"
    """program: code alone. The others ask models, in the style that is named (`pipelines/profiles`)."""
    domain: str = "general"
    """Name of a domain pack, or the path of one (`stages/domains`)."""
    programs: bool = True
    """In a style that asks models: whether certified program questions are made too."""
    people: bool = True
    """Whether what lacks a verdict goes to people; otherwise it is dropped."""
    models: Mapping[ModelRole, ModelSpec] = Field(default_factory=dict)
    """Which model answers for which role; usually given on the command line."""
    screen: ScreenConfig = Field(default_factory=ScreenConfig)
    identify: IdentifyConfig = Field(default_factory=IdentifyConfig)
    look: LookConfig = Field(default_factory=LookConfig)
    compose: ComposeConfig = Field(default_factory=ComposeConfig)
    paraphrase: ParaphraseConfig = Field(default_factory=ParaphraseConfig)
    solve: SolveConfig = Field(default_factory=SolveConfig)
    rubric: RubricConfig = Field(default_factory=RubricConfig)
    trace: TraceConfig = Field(default_factory=TraceConfig)
    shortcut: ShortcutConfig = Field(default_factory=ShortcutConfig)
    route: RouteConfig = Field(default_factory=RouteConfig)

    @model_validator(mode="after")
    def _judge_by_the_same_rules(self) -> "RunConfig":
        """What certified a question must prove it again: the two sections cannot differ."""
        made_by = (self.synthesize.margins, self.synthesize.certify)
        if (self.judge.margins, self.judge.certify) != made_by and "judge" in self.model_fields_set:
            raise ValueError("judge.margins and judge.certify must equal those of synthesize; leave judge out")
        judge = JudgeConfig(margins=made_by[0], certify=made_by[1], written=self.compose.certify)
        annotate = self.annotate.model_copy(update={"perceived": perceived_facts(self.segment)})
        same = judge == self.judge and annotate == self.annotate
        return self if same else self.model_copy(update={"judge": judge, "annotate": annotate})


def hash_config(config: BaseModel | None) -> str:
    """Returns the hash of a configuration: equal for equal values, whatever order they were written in."""
    data = None if config is None else row_data(config)
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def row_data(config: BaseModel) -> dict[str, Any]:
    """Returns the options that rows depend on as JSON data: of models what they are, never where they run."""
    data = config.model_dump(mode="json", exclude={"description", "render"})
    if isinstance(config, RunConfig):
        data["models"] = {
            role: {name: spec[name] for name in sorted(ROW_FIELDS)} for role, spec in data["models"].items()
        }
    return data


def profile_names() -> tuple[str, ...]:
    """Returns the names of the profiles that come with the package."""
    return tuple(sorted(path.stem for path in PROFILE_FOLDER.glob("*.toml")))


def load_profile(name_or_path: str) -> RunConfig:
    """Returns the configuration of a profile, by name or by the path of a TOML file.

    Raises:
        UserError: there is no such profile, or it says something that is no option.
    """
    known = PROFILE_FOLDER / f"{name_or_path}.toml"
    path = known if name_or_path in profile_names() else Path(name_or_path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(
            f"there is no profile {name_or_path}: give {', '.join(profile_names())} or the path of a TOML file"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"profile {path} cannot be read: {error}") from error
    return parse_config(data, f"profile {path}")


def with_per_image(config: RunConfig, per_image: int | None) -> RunConfig:
    """Returns the configuration with another number of families per image.

    Raises:
        UserError: the number is below 1.
    """
    if per_image is None:
        return config
    if per_image < 1:
        raise UserError(f"--per-image is {per_image}; it must be at least 1")
    wanted = {"per_image": per_image}
    sections = {name: getattr(config, name).model_copy(update=wanted) for name in ("synthesize", "route")}
    return config.model_copy(update=sections)


def parse_config(data: dict[str, Any], where: str) -> RunConfig:
    """Returns the configuration of plain data.

    Raises:
        UserError: the data names an option there is not, or a value that is not allowed.
    """
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{where}: {place}: {first['msg']}") from error
