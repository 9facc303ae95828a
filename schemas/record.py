"""The one base of every stored record: frozen, strict about unknown fields."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A fact. Frozen, hashable by value, and closed: an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
