"""The words a reader knows: nouns of categories in both numbers, adjectives with the attribute they state."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.scene import Scene
from stages.phrasing.nouns import plural_of, singular_of
from stages.terms import NUMBER_KEYS


class Lexicon(NamedTuple):
    """Words of one scene or domain."""

    nouns: Mapping[str, str]
    """Noun as written, singular or plural -> category."""
    adjectives: Mapping[str, str]
    """Adjective -> attribute key."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, sorted."""
        return tuple(sorted(set(self.nouns.values())))


def make_lexicon(categories: Iterable[str], attributes: Iterable[tuple[str, str]]) -> Lexicon:
    """Returns the words for categories and for (attribute key, value) pairs; numbers on things are no adjectives."""
    nouns: dict[str, str] = {}
    for category in sorted(set(categories)):
        for noun in (singular_of(category), plural_of(category)):
            nouns.setdefault(noun, category)
    adjectives = {value: key for key, value in sorted(set(attributes)) if key not in NUMBER_KEYS}
    return Lexicon(nouns, adjectives)


def lexicon_of(scene: Scene) -> Lexicon:
    """Returns the words that can be used of a scene."""
    pairs = [(one.key, one.value) for instance in scene.instances for one in instance.attributes]
    return make_lexicon([instance.category for instance in scene.instances], pairs)
