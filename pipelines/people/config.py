"""How people are asked: kept in the journal of a dataset, so that every later command goes by the same rule."""

from collections.abc import Mapping

from pydantic import Field, ValidationError

from annotation.journal import Journal
from pipelines.errors import UserError
from schemas.record import Record
from stages.decide import DecideConfig
from stages.dispatch import DispatchConfig

FOLDER = "_people"
"""Below the dataset: the journal and the reward models."""


class PeopleConfig(Record):
    """The rule, how far ahead is asked, and which questions besides those that routing sends."""

    decide: DecideConfig = Field(default_factory=DecideConfig)
    dispatch: DispatchConfig = Field(default_factory=DispatchConfig)
    audit: float = Field(default=0.05, ge=0, le=1)
    """Share of the accepted questions that all four annotators are asked nevertheless."""
    gold_share: float = Field(default=0.05, ge=0, le=0.5)
    """Share of an annotator's tasks that are gold."""
    gold: str | None = None
    """Folder of a dataset of rendered scenes, where gold comes from."""
    pictures: str | None = None
    """``s3://BUCKET/FOLDER`` where annotators' pictures lie; None for the server's own machine."""
    seed: int = 0


def read_config(journal: Journal) -> PeopleConfig:
    """Returns the configuration of a dataset; the default one before the first push."""
    text = journal.meta("config")
    return PeopleConfig.model_validate_json(text) if text else PeopleConfig()


def change_config(journal: Journal, changes: Mapping[str, object]) -> PeopleConfig:
    """Returns the configuration with the given options, and keeps it; None changes none.

    Names are like ``decide.rule``.

    Raises:
        UserError: an option has a value that is not allowed.
    """
    data = read_config(journal).model_dump(mode="json")
    for name, value in changes.items():
        if value is None:
            continue
        section, _, field = name.rpartition(".")
        (data[section] if section else data)[field] = value
    try:
        config = PeopleConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = "-".join(str(step) for step in first["loc"][-1:])
        raise UserError(f"--{place.replace('_', '-')}: {first['msg']}") from None
    journal.set_meta("config", config.model_dump_json())
    return config
