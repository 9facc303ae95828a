"""The one engine of English words: plurals, ordinals, number words."""

from typing import TYPE_CHECKING

import typeguard

if TYPE_CHECKING:
    import inflect


def _unchecked(target: object) -> object:
    return target


def _made() -> "inflect.engine":
    """Imports inflect as it is written and makes its engine.

    inflect has typeguard rewrite its methods while it is imported: two seconds of every process, and time of every
    word. mypy checks our calls of it instead.
    """
    checked = typeguard.typechecked
    vars(typeguard)["typechecked"] = _unchecked
    try:
        import inflect
    finally:
        vars(typeguard)["typechecked"] = checked
    return inflect.engine()


ENGLISH = _made()
