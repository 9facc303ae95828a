"""Domain packs: what changes from one kind of pictures to another, as data. One TOML file per domain, no code."""

import importlib.resources
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from schemas.record import Record


class Axis(Record):
    """One thing that a judge scores."""

    name: str = Field(pattern=r"^[a-z][a-z_]{1,30}$")
    rubric: str
    """When it deserves 100, in one sentence."""
    least: int = Field(ge=1, le=100)
    """Least score that passes."""


class Privacy(Record):
    """What may leave the machine and what may be asked of people."""

    remote_images: bool = True
    describe_people: bool = False
    read_text: bool = True


class Domain(Record):
    """One kind of pictures."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{1,40}$")
    categories: tuple[str, ...] = ()
    """Preferred singular nouns; empty for whatever is seen."""
    notes: str = ""
    """Said before every prompt."""
    synonyms: Mapping[str, str] = Field(default_factory=dict)
    """Name as a model may say it -> category."""
    attributes: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Attribute key -> values on offer."""
    axes: tuple[Axis, ...] = Field(min_length=1)
    privacy: Privacy = Privacy()

    @field_validator("notes")
    @classmethod
    def _no_slots(cls, notes: str) -> str:
        if "{{" in notes:
            raise ValueError("notes hold no slots")
        return notes

    @model_validator(mode="after")
    def _axes_once(self) -> "Domain":
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise ValueError("an axis is named twice")
        return self


def domain_names() -> tuple[str, ...]:
    """Returns the names of the domains that come with the package."""
    files = importlib.resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


@cache
def load_domain(name: str) -> Domain:
    """Returns a domain that comes with the package.

    Raises:
        ValueError: there is no such domain.
    """
    if name not in domain_names():
        raise ValueError(f"there is no domain {name!r}; there are {', '.join(domain_names())}")
    text = importlib.resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse_domain(text, name)


def parse_domain(text: str, where: str) -> Domain:
    """Returns the domain of a TOML text.

    Raises:
        ValueError: it is no TOML, or names an option there is not, or a value that is not allowed.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        return Domain.model_validate(data)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"domain {where} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(f"domain {where}: {place}: {first['msg']}") from error
