"""The options of `hopyard run` that say which models answer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import typer

from schemas.model_request import ModelRole

_URL = "Address of the {} (OpenAI-compatible, ends in /v1); give it again for more servers of the same model."
_NAME = "Name of the {} model, where its server has several."
_PANEL = "Models"

VlmUrl = Annotated[
    list[str] | None, typer.Option(help=_URL.format("generator"), show_default=False, rich_help_panel=_PANEL)
]
JudgeUrl = Annotated[
    list[str] | None, typer.Option(help=_URL.format("judge"), show_default=False, rich_help_panel=_PANEL)
]
SolverUrl = Annotated[
    list[str] | None,
    typer.Option(
        help=_URL.format("solver") + " The generator if not given.", show_default=False, rich_help_panel=_PANEL
    ),
]
ParserUrl = Annotated[
    list[str] | None,
    typer.Option(help=_URL.format("parser") + " The judge if not given.", show_default=False, rich_help_panel=_PANEL),
]
VlmModel = Annotated[
    str | None, typer.Option(help=_NAME.format("generator"), show_default=False, rich_help_panel=_PANEL)
]
JudgeModel = Annotated[str | None, typer.Option(help=_NAME.format("judge"), show_default=False, rich_help_panel=_PANEL)]
SolverModel = Annotated[
    str | None, typer.Option(help=_NAME.format("solver"), show_default=False, rich_help_panel=_PANEL)
]
ParserModel = Annotated[
    str | None, typer.Option(help=_NAME.format("parser"), show_default=False, rich_help_panel=_PANEL)
]
DomainName = Annotated[
    str | None,
    typer.Option(
        "--domain",
        help="general, medical, driving, or a TOML file; instead of the profile's.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
SameFamily = Annotated[
    bool,
    typer.Option("--allow-same-family", help="Lets a judge of the generator's family judge.", rich_help_panel=_PANEL),
]

Budget = Annotated[
    float | None,
    typer.Option(
        help="The most money that the dataset may cost, all runs together; needs prices of the models.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
RemoteImages = Annotated[
    bool,
    typer.Option(
        "--allow-remote-images",
        help="Sends pictures to other machines even where their domain forbids it.",
        rich_help_panel=_PANEL,
    ),
]


class Flags(NamedTuple):
    """What the command line says of models, by role."""

    urls: Mapping[ModelRole, Sequence[str]]
    names: Mapping[ModelRole, str | None]
    allow_same_family: bool = False


_ORDER = (ModelRole.GENERATOR, ModelRole.JUDGE, ModelRole.SOLVER, ModelRole.PARSER)


def model_flags(
    urls: Sequence[Sequence[str] | None], names: Sequence[str | None], allow_same_family: bool = False
) -> Flags:
    """Returns the options by role; both lists are in the order generator, judge, solver, parser."""
    return Flags(
        {role: tuple(given or ()) for role, given in zip(_ORDER, urls, strict=True)},
        dict(zip(_ORDER, names, strict=True)),
        allow_same_family,
    )
