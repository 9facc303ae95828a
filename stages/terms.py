"""The closed vocabulary of relations and orderings, and which of them oppose each other."""

from enum import StrEnum
from typing import Final


class Relation(StrEnum):
    """Where one instance is, seen from another. Picture coordinates: x right, y down."""

    LEFT = "left"
    RIGHT = "right"
    ABOVE = "above"
    BELOW = "below"
    FRONT = "front"
    """Nearer to the viewer; only where the source knows depth."""
    BEHIND = "behind"
    TOUCHING = "touching"
    """In contact in the picture, by masks on the coarse grid."""
    INSIDE = "inside"
    """Its box lies within the other's box."""


class Key(StrEnum):
    """An ordering of instances; the first in it is the extreme one."""

    LEFTMOST = "leftmost"
    RIGHTMOST = "rightmost"
    HIGHEST = "highest"
    LOWEST = "lowest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    FRONTMOST = "frontmost"
    BACKMOST = "backmost"


OPPOSITE_RELATION: Final[dict[str, str]] = {
    Relation.LEFT: Relation.RIGHT,
    Relation.RIGHT: Relation.LEFT,
    Relation.ABOVE: Relation.BELOW,
    Relation.BELOW: Relation.ABOVE,
    Relation.FRONT: Relation.BEHIND,
    Relation.BEHIND: Relation.FRONT,
}
OPPOSITE_KEY: Final[dict[str, str]] = {
    Key.LEFTMOST: Key.RIGHTMOST,
    Key.RIGHTMOST: Key.LEFTMOST,
    Key.HIGHEST: Key.LOWEST,
    Key.LOWEST: Key.HIGHEST,
    Key.LARGEST: Key.SMALLEST,
    Key.SMALLEST: Key.LARGEST,
    Key.FRONTMOST: Key.BACKMOST,
    Key.BACKMOST: Key.FRONTMOST,
}
DEPTH_RELATIONS: Final = frozenset({Relation.FRONT, Relation.BEHIND})
DEPTH_KEYS: Final = frozenset({Key.FRONTMOST, Key.BACKMOST})
NUMBER_KEYS: Final = ("digit", "points", "pips")
"""Attributes that are numbers to be perceived, never adjectives."""
REGIONS: Final = ("left half", "right half", "upper half", "lower half")
