"""Canaries: proved questions with one defect planted, for judges that must find it.

In: a question with a program, and its scene. Out: one case per kind of defect that can be planted there. Each defect is
made by code from a question that code has proved, so there is no doubt that it is one.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas.question import Question
from stages.phrasing.nouns import number_word, plural_of, singular_of
from stages.reading.reader import split_sentences
from stages.rubric import Boxes, Case, FaultKind, case_name
from stages.scene_index import SceneIndex

VERSION = 2
KINDS = (
    FaultKind.WRONG_ANSWER,
    FaultKind.DEAD_HOP,
    FaultKind.AMBIGUOUS,
    FaultKind.GIVE_AWAY,
    FaultKind.WRONG_BOX,
)

Plant = Callable[[Question, SceneIndex, random.Random], Case | None]


def plant(question: Question, index: SceneIndex, kind: FaultKind, seed: int) -> Case | None:
    """Returns the question with the defect, None where it cannot be planted there."""
    rng = random.Random(f"{seed}:canary:{kind.value}:{question.question_id}")
    return _PLANTS[kind](question, index, rng)


def plant_batch(
    questions: Sequence[Question], indexes: Mapping[str, SceneIndex], seed: int, count: int = len(KINDS)
) -> tuple[Case, ...]:
    """Returns ``count`` cases, or as many as can be made: of every kind in turn, each of another proved question."""
    proved = [question for question in questions if question.program]
    turns = [_planted(proved, number, indexes, seed) for number in range(len(KINDS))]
    cases: list[Case] = []
    while turns and len(cases) < count:
        found = [(turn, next(turn, None)) for turn in turns]
        cases += [case for _, case in found if case is not None]
        turns = [turn for turn, case in found if case is not None]
    return tuple(cases[:count])


def _planted(proved: Sequence[Question], number: int, indexes: Mapping[str, SceneIndex], seed: int) -> Iterator[Case]:
    """Yields the cases of one kind; each kind begins with another question."""
    start = number % len(proved) if proved else 0
    for question in (*proved[start:], *proved[:start]):
        case = plant(question, indexes[question.image_id], KINDS[number], seed)
        if case is not None:
            yield case


def _case(question: Question, kind: FaultKind, text: str, answer: int, hops: tuple[tuple[str, Boxes], ...]) -> Case:
    name = case_name(f"{question.question_id}:{kind.value}")
    return Case(name, question.question_id, question.image_id, text, answer, hops, kind.value)


def _claims(question: Question) -> tuple[tuple[str, Boxes], ...]:
    return tuple((hop.text, hop.boxes_xyxy) for hop in question.hops)


def _wrong_answer(question: Question, index: SceneIndex, rng: random.Random) -> Case:
    answer = question.answer + (1 if question.answer < 2 else rng.choice((-1, 1)))
    return _case(question, FaultKind.WRONG_ANSWER, question.question, answer, _claims(question))


def _dead_hop(question: Question, index: SceneIndex, rng: random.Random) -> Case | None:
    """Keeps the way and asks for something that does not depend on it."""
    sentences = split_sentences(question.question)
    counted = sorted(name for name in index.countable if index.category_bits[name].bit_count() > 1)
    if len(sentences) < 2 or not counted:
        return None
    name = rng.choice(counted)
    text = " ".join([*sentences[:-1], f"How many {plural_of(name)} are in the picture?"])
    return _case(question, FaultKind.DEAD_HOP, text, index.category_bits[name].bit_count(), _claims(question))


def _ambiguous(question: Question, index: SceneIndex, rng: random.Random) -> Case | None:
    """Starts at "the cup" where there are several."""
    sentences = split_sentences(question.question)
    several = sorted(name for name, bits in index.category_bits.items() if bits.bit_count() > 1)
    if len(sentences) < 2 or not several:
        return None
    text = " ".join([f"Start with the {singular_of(rng.choice(several))}.", *sentences[1:]])
    return _case(question, FaultKind.AMBIGUOUS, text, question.answer, _claims(question))


def _give_away(question: Question, index: SceneIndex, rng: random.Random) -> Case | None:
    sentences = split_sentences(question.question)
    said = number_word(question.answer)
    text = " ".join([*sentences[:-1], f"There are {said} of them.", sentences[-1]])
    return _case(question, FaultKind.GIVE_AWAY, text, question.answer, _claims(question))


def _wrong_box(question: Question, index: SceneIndex, rng: random.Random) -> Case | None:
    """Moves the box of one hop to another place of the picture, where it overlaps the right one by less than half."""
    single = [position for position, hop in enumerate(question.hops) if len(hop.boxes_xyxy) == 1]
    if not single:
        return None
    position = rng.choice(single)
    hop = question.hops[position]
    moved = _moved(hop.boxes_xyxy[0], (index.width, index.height))
    if moved is None:
        return None
    claims = list(_claims(question))
    claims[position] = (hop.text, (moved,))
    return _case(question, FaultKind.WRONG_BOX, question.question, question.answer, tuple(claims))


def _moved(
    box: tuple[float, float, float, float], size: tuple[float, float]
) -> tuple[float, float, float, float] | None:
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    for dx, dy in ((width, 0.0), (-width, 0.0), (0.0, height), (0.0, -height)):
        found = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        if found[0] >= 0 and found[1] >= 0 and found[2] <= size[0] and found[3] <= size[1]:
            return found
    return None


_PLANTS: dict[FaultKind, Plant] = {
    FaultKind.WRONG_ANSWER: _wrong_answer,
    FaultKind.DEAD_HOP: _dead_hop,
    FaultKind.AMBIGUOUS: _ambiguous,
    FaultKind.GIVE_AWAY: _give_away,
    FaultKind.WRONG_BOX: _wrong_box,
}
