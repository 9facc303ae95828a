"""Paraphrases: five hundred that change the meaning ship never; faithful ones do."""

import random

import pytest

from benchmarks.scripted_answers.wording import change_meaning, plain
from benchmarks.scripted_answers.wording import reword as other_words
from schemas.drop import Drop, DropReason
from schemas.program import Program
from schemas.question import Question, Wording
from schemas.scene import Scene
from schemas.verdict import Outcome
from stages.judge import JudgeConfig, judge
from stages.paraphrase import needs_parser, reword
from stages.parsing.reply import Fault, Unreadable
from stages.reading.lexicon import lexicon_of
from stages.reading.reader import Unread, read_question
from stages.recover import Unclear
from tests.stages.models.questions import questions

CASES = questions(6)
CHANGED = 500
OTHER = Program.from_json(CASES[1][1].program)
BY = ("writer-1", "f" * 64)


def ship(case: tuple[Scene, Question], words: str, careless: bool) -> Question | Drop:
    """What becomes of new words: read by ourselves, else by an honest parser, or by one that sees no change."""
    scene, question = case
    lexicon = lexicon_of(scene)
    read = read_question(words, lexicon)
    parsed: Program | Unclear | None = None
    if needs_parser(read):
        honest = read_question(plain(words), lexicon)
        parsed = Unclear("unreadable") if isinstance(honest, Unread) else honest
        parsed = Program.from_json(question.program) if careless else parsed
    return reword(question, words, (read, parsed), lexicon, BY)


@pytest.mark.parametrize("careless", [False, True], ids=["an honest parser", "a parser that sees no change"])
def test_no_paraphrase_ships_that_means_something_else(careless: bool) -> None:
    rng, planted, shipped = random.Random("changed"), 0, []
    while planted < CHANGED:
        scene, question = rng.choice(CASES)
        lexicon = lexicon_of(scene)
        changed = change_meaning(question.question, dict(lexicon.nouns), tuple(lexicon.adjectives), rng)
        if changed is None or changed == question.question:
            continue
        planted += 1
        words = other_words(changed, rng) if rng.random() < 0.7 else changed
        if isinstance(ship((scene, question), words, careless), Question):
            shipped.append((question.question, words))
    assert shipped == []


ADDED = (
    ("How many ", "How many striped "), ("How many ", "At most how many "), ("How many ", "Twice how many "),
    ("How many ", "How many pairs of "), ("How many ", "How many turquoise "), ("How many ", "Wie viele "),
    ("?", ", in tens?"), ("?", ", if you leave out the first one?"), ("?", ", rounded up to an even number?"),
    ("?", " doubled?"), ("nearest to it", "nearest to it among the broken ones"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new"), ADDED)
def test_no_paraphrase_ships_with_a_word_that_may_change_the_number(old: str, new: str) -> None:
    tried = [(case, case[1].question.replace(old, new)) for case in CASES if old in case[1].question]
    assert len(tried) > 20
    shipped = [words for case, words in tried if isinstance(ship(case, words, careless=True), Question)]
    assert shipped == []


def test_most_faithful_paraphrases_ship() -> None:
    rng = random.Random("faithful")
    tried = [(case, other_words(case[1].question, rng)) for case in CASES]
    new = [(case, words) for case, words in tried if words != case[1].question]
    shipped = [found for case, words in new if isinstance(found := ship(case, words, careless=False), Question)]
    assert len(new) > 100
    assert len(shipped) / len(new) > 0.9
    assert all(one.wording is Wording.PARAPHRASE and one.model == BY[0] for one in shipped)


def test_code_judges_a_paraphrase_by_its_own_words() -> None:
    rng = random.Random("judged")
    scene = CASES[0][0]
    members = [case for case in CASES if case[0] is scene]
    said = [ship(case, other_words(case[1].question, rng), careless=False) for case in members]
    rewritten = [one for one in said if isinstance(one, Question)]
    verdicts = judge([scene], rewritten, JudgeConfig())
    assert rewritten and {verdict.outcome for verdict in verdicts} == {Outcome.PASS}
    swapped = [
        one.model_copy(update={"question": other.question})
        for one, other in zip(rewritten, rewritten[1:], strict=False)
        if one.program != other.program
    ]
    verdicts = judge([scene], swapped, JudgeConfig())
    assert swapped and all(one.outcome is Outcome.FAIL for one in verdicts if one.judge == "text_rules")


@pytest.mark.parametrize("parsed", [None, Unclear("two meanings"), Unreadable(Fault.PROSE, "it talks"), OTHER])
def test_without_a_reading_the_template_ships(parsed: Program | Unclear | Unreadable | None) -> None:
    scene, question = CASES[0]
    words = "Tell me, as precisely as you can, what the number is?"
    found = reword(question, words, (Unread("not ours"), parsed), lexicon_of(scene), BY)
    assert isinstance(found, Drop) and found.reason is DropReason.MEANING_DISAGREES
