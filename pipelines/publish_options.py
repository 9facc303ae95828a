"""The options of `hopyard publish` as a configuration; a word that none of them knows is refused by name."""

from enum import StrEnum
from typing import TypeVar

from pipelines.errors import UserError
from stages.publish import Format, Layout, PublishConfig, View

Choice = TypeVar("Choice", bound=StrEnum)


def config_of(view: str, layout: str, format: str, path_prefix: str = "") -> PublishConfig:  # noqa: A002
    """Returns the configuration that the options name.

    Raises:
        UserError: an option is none of its words, or a prefix is given for pictures that have no path.
    """
    chosen = _choice("--layout", Layout, layout)
    if path_prefix and chosen is not Layout.PATHS:
        raise UserError("--path-prefix goes with --layout paths: embedded pictures have no path")
    return PublishConfig(
        view=_choice("--view", View, view),
        layout=chosen,
        format=_choice("--format", Format, format),
        path_prefix=path_prefix,
    )


def _choice(option: str, choices: type[Choice], word: str) -> Choice:
    try:
        return choices(word)
    except ValueError:
        raise UserError(f"{option} is {word!r}; it can be {', '.join(choices)}") from None
