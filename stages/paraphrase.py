"""Paraphrase: a program question in a model's words, or in its own where the words do not come back to the program.

In: a certified question and a model's reply. Out: the question in the new words, or as it was together with a drop that
says why. The new words ship only where our own reader reads the same program out of them; or where a parser model,
which never saw the program or the template, does, and the words say the same things in the same order.
"""

import json
from collections.abc import Iterator

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.program import Program
from schemas.question import Question, Wording
from schemas.record import Record
from stages.asking import Wanted, make_request
from stages.domains import Domain
from stages.parsing.reply import Fault, Reply, Unreadable, clean_line, read_reply
from stages.reading.expression import says_the_same
from stages.reading.lexicon import Lexicon
from stages.reading.meaning import says_as_much
from stages.reading.reader import MAX_CHARACTERS, Unread
from stages.recover import Unclear
from stages.text_rules import bad_text, give_aways

VERSION = 2


class ParaphraseConfig(Record):
    """How program questions are said in other words."""

    enabled: bool = False
    share: float = Field(default=1.0, ge=0, le=1)
    """Share of the questions that are."""
    temperature: float = Field(default=0.8, ge=0, le=2)


class ParaphraseReply(Reply):
    """The model's answer."""

    question: str = Field(min_length=1, max_length=2_000)


def ask_paraphrase(question: Question, config: ParaphraseConfig, domain: Domain) -> ModelRequest:
    """Returns the request; the model sees the words only."""
    wanted = Wanted("paraphrase", "paraphrase", ModelRole.GENERATOR, question.question_id, ParaphraseReply)
    slots = {"question": json.dumps(question.question, ensure_ascii=False)}
    return make_request(wanted, slots, (), Sampling(temperature=config.temperature, max_tokens=400), domain)


def read_paraphrase(text: str) -> str | Unreadable:
    """Returns the new words of a reply, or why it has none."""
    said = read_reply(text, ParaphraseReply)
    if isinstance(said, Unreadable):
        return said
    words = clean_line(said.question, MAX_CHARACTERS)
    return words or Unreadable(Fault.WRONG_CONTENT, "the question cannot be printed, or is too long")


def needs_parser(read: Program | Unread) -> bool:
    """Returns whether a parser model has to be asked: our own reader could not read the words."""
    return isinstance(read, Unread)


def reword(
    question: Question,
    words: str,
    readings: tuple[Program | Unread, Program | Unclear | Unreadable | None],
    lexicon: Lexicon,
    by: tuple[str, str],
) -> Question | Drop:
    """Returns the question in the new words, or why it keeps its own.

    Args:
        question: as told of its program.
        words: what the model made of it.
        readings: what our own reader and the parser (None where it was not asked) make of the new words.
        lexicon: the words of the scene.
        by: name of the model and hash of the prompt.
    """
    new = question.model_copy(
        update={"question": words, "wording": Wording.PARAPHRASE, "model": by[0], "prompt_hash": by[1]}
    )
    fault = "; ".join([*bad_text(words), *give_aways(new), *_other_meaning(question, words, readings, lexicon)])
    return keep_template(question, DropReason.MEANING_DISAGREES, f"{fault} | {words}") if fault else new


def keep_template(question: Question, reason: DropReason, detail: str) -> Drop:
    """Returns the drop of a paraphrase; its question ships in its own words."""
    thing = f"{question.question_id}:paraphrase"
    return Drop(stage="paraphrase", id=thing, parent_id=question.question_id, reason=reason, detail=detail)


def _other_meaning(
    question: Question,
    words: str,
    readings: tuple[Program | Unread, Program | Unclear | Unreadable | None],
    lexicon: Lexicon,
) -> Iterator[str]:
    program = Program.from_json(question.program)
    read, parsed = readings
    if isinstance(read, Program):
        if not says_the_same(read, program):
            yield f"the reader reads {read.to_json()}"
        return
    if not isinstance(parsed, Program):
        yield "nobody asked a parser" if parsed is None else f"the parser: {parsed[-1]}"
    elif not says_the_same(parsed, program):
        yield f"the parser reads {parsed.to_json()}"
    elif not says_as_much(words, question.question, lexicon):
        yield "the words do not say the steps of the program in their order"
