"""Recover: what a written question says, as a program that can be executed; or that nobody can tell.

A text is read by the reader of our own English and, where that cannot, by a parser model that sees the words only. The
model's program is believed only where its template text says the same things in the same order as the question.
"""

import json
import random
from typing import NamedTuple

from pydantic import Field

from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.program import Param, Program, canonical
from stages.asking import Wanted, make_request
from stages.certify import Certified, CertifyConfig, Rejected, certify
from stages.domains import Domain
from stages.execute import check_program
from stages.parsing.reply import Fault, Reply, Unreadable, read_reply
from stages.phrasing.telling import Telling, tell
from stages.reading.expression import says_the_same
from stages.reading.lexicon import Lexicon, lexicon_of
from stages.reading.meaning import says_as_much
from stages.reading.reader import Unread, read_question
from stages.scene_index import SceneIndex

MAX_STEPS = 40


class ProgramReply(Reply):
    """A parser's answer."""

    readable: bool
    why_not: str = Field(max_length=300)
    program: tuple[tuple[str, tuple[int, ...], tuple[Param, ...]], ...] = Field(max_length=MAX_STEPS)


class Told(NamedTuple):
    """A program that holds its certificates, and everything that is said about it."""

    found: Certified
    telling: Telling
    seen_by: str
    """Who read the program out of the text: reader, parser, or both."""


class Unclear(NamedTuple):
    """Why a text has no program: it cannot be checked by code."""

    detail: str


class Contradicted(NamedTuple):
    """The readings of a text differ, or the words and the program do."""

    detail: str


def ask_program(text: str, lexicon: Lexicon, subject_id: str, domain: Domain) -> ModelRequest:
    """Returns the request to translate a question. The parser sees the words and the vocabulary, nothing else."""
    adjectives = ", ".join(f"{word} ({key})" for word, key in sorted(lexicon.adjectives.items()))
    slots = {
        "categories": ", ".join(lexicon.categories) or "none",
        "adjectives": adjectives or "none",
        "question": json.dumps(text, ensure_ascii=False),
    }
    wanted = Wanted("read_program", "read_program", ModelRole.PARSER, subject_id, ProgramReply)
    return make_request(wanted, slots, (), Sampling(max_tokens=1_500), domain)


def read_program(text: str) -> Program | Unclear | Unreadable:
    """Returns the program of a parser's reply; `Unclear` where the parser says that there is none."""
    said = read_reply(text, ProgramReply)
    if isinstance(said, Unreadable):
        return said
    if not said.readable:
        return Unclear(" ".join(said.why_not.split())[:200] or "the parser gives no reason")
    try:
        program = Program.model_validate({"steps": said.program})
        check_program(program)
        return canonical(program)
    except ValueError as error:
        return Unreadable(Fault.WRONG_CONTENT, f"no well-formed program: {error}"[:200])


def read_by_ourselves(text: str, index: SceneIndex) -> Program | Unread:
    """Returns what the reader of our own English makes of a text."""
    return read_question(text, lexicon_of(index.scene))


def settle(read: Program | Unread, parsed: Program | Unclear | Unreadable | None) -> Program | Unclear | Contradicted:
    """Returns the program that the readings of one text agree on. ``parsed`` is None where no parser was asked."""
    if isinstance(read, Program):
        if isinstance(parsed, Program) and not says_the_same(read, parsed):
            return Contradicted(f"the reader reads {read.to_json()}, the parser {parsed.to_json()}"[:400])
        return canonical(read)
    if isinstance(parsed, Program):
        return parsed
    reason = parsed.detail if isinstance(parsed, Unclear) else (parsed.text if parsed else "no parser was asked")
    return Unclear(f"{read.reason}; {reason}"[:300])


class Words(NamedTuple):
    """A written text with what its telling depends on."""

    text: str
    question_id: str
    seed: int


def verify_program(
    index: SceneIndex, words: Words, program: Program, read: Program | Unread, bounds: CertifyConfig
) -> Told | Rejected | Unclear | Contradicted:
    """Returns the certified program of a text with its telling, or why there is none.

    A program that only a model read has to be tellable, and its template text must say the same as the question.
    """
    found = certify(index, program, bounds)
    if isinstance(found, Rejected):
        return found
    try:
        telling = tell(index, found, random.Random(f"{words.seed}:phrase:{words.question_id}"))
    except ValueError as error:
        return Unclear(f"the program has no wording of ours: {error}")
    if isinstance(read, Program):
        return Told(found, telling, "reader")
    if not says_as_much(words.text, telling.question, lexicon_of(index.scene)):
        return Contradicted(f"the words are not those of the program, which would say: {telling.question}"[:400])
    return Told(found, telling, "parser")
