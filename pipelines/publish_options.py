"""The options of `hopyard publish` as a configuration; a word that none of them knows is refused by name."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pipelines.errors import UserError
from pipelines.selecting import Selecting
from stages.publish import Format, Layout, PublishConfig, View
from stages.select import KINDS, SelectConfig

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


def selecting_of(benchmarks: Sequence[Path], shares: Sequence[str], after: Path | None) -> Selecting:
    """Returns the selection that the options name; a share is written ``kind=0.2``.

    Raises:
        UserError: a share is of no known kind, or no number above 0 and up to 1.
    """
    found: dict[str, float] = {}
    for text in shares:
        kind, _, number = text.partition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if kind not in KINDS or not 0 < share <= 1:
            raise UserError(f"--share is {text!r}; write {', '.join(KINDS)} = a number above 0 and up to 1: answer=0.2")
        found[kind] = share
    return Selecting(SelectConfig(shares=found), tuple(benchmarks), after)


def _choice(option: str, choices: type[Choice], word: str) -> Choice:
    try:
        return choices(word)
    except ValueError:
        raise UserError(f"{option} is {word!r}; it can be {', '.join(choices)}") from None
