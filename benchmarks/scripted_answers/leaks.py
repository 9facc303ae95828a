"""Questions whose words give the answer away, in the seven known ways, and the guess of a clever blind reader."""

import random
import re

from schemas.scene import Scene
from stages.phrasing.nouns import number_word, plural_of, singular_of

KINDS = ("setting", "identity", "ordering", "together", "action", "attribute", "hypernym")
_NUMBERS = {number_word(n): n for n in range(1, 21)}
_ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5}


def leak(scene: Scene, kind: str, rng: random.Random) -> tuple[str, int]:
    """Returns a question of the kind about things of the scene, and the answer that its words tell."""
    names = sorted({instance.category for instance in scene.instances})
    name = rng.choice(names)
    one, many = singular_of(name), plural_of(name)
    n = rng.randint(2, 5)
    word = number_word(n)
    ordinal = next(word for word, number in _ORDINALS.items() if number == n)
    texts = {
        "setting": f"In this kitchen, {word} {many} stand on the table. How many {many} stand on the kitchen table?",
        "identity": f"Look at the {word} {many} on the left. How many {many} are you looking at?",
        "ordering": f"Start with the {ordinal} {one} from the left. If you count the {many} from left to right, "
        "which place does it have (1 = first)?",
        "together": f"A group of {word} {many} stands together. How many {many} are in the group?",
        "action": f"You see {word} people holding the {one}. How many people are holding it?",
        "attribute": f"Find the {many} that form a set of {word}. How many {many} does the set of {word} have?",
        "hypernym": f"There are {word} {many} and no other things near the door. How many things are near the door?",
    }
    return texts[kind], n


def guess_from_words(text: str) -> int | None:
    """Returns the number that the words of a question tell, None where they tell none."""
    for word, number in _ORDINALS.items():
        if (
            re.search(rf"\bthe {word} \w[\w ]*? from the left\b", text)
            and "from left to right, which place does it have" in text
        ):
            return number
    if re.search(r"\bthere are \w+ of them\b", text, re.I):
        found = re.search(r"\bthere are (\w+) of them\b", text, re.I)
        return _NUMBERS.get(found[1].lower()) if found else None
    marks = ("In this kitchen", "Look at the", "A group of", "You see", "form a set of", "and no other things near")
    if any(mark in text for mark in marks):
        words = [_NUMBERS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _NUMBERS and word != "one"]
        return words[0] if words else None
    return None
