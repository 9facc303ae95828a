"""The stand-in itself: a function per job, all of one set of rates, and a record of what was planted.

stand_in = StandIn(Rates(wrong=0.3))
with ScriptedServer(stand_in.answers(), book) as server: ...
stand_in.planted["Start with the cup. ...", 3].kind
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.scripted_answers import leaks, wording
from benchmarks.scripted_answers.judging import judge
from benchmarks.scripted_answers.knowledge import (
    lexicon_in,
    listed_instances,
    pool_of,
    quoted_question,
    understand,
)
from benchmarks.scripted_answers.malformed import KINDS, spoil
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.seeing import caption, identify, look, screen
from benchmarks.scripted_answers.tracing import trace_answer, trace_score, trace_step
from benchmarks.scripted_server.asked import Answer, Asked
from schemas.program import Program, Step, canonical
from schemas.question import Question
from schemas.scene import Scene
from stages.phrasing.nouns import singular_of
from stages.reading.reader import Unread, read_question, split_sentences
from stages.terms import OPPOSITE_RELATION

Write = Callable[[Rates, Scene | None, Asked, random.Random], str]
_PRIOR = (1, 1, 1, 2, 2, 2, 3, 3, 4, 5)
"""What a solver guesses that sees nothing."""


class Planted(NamedTuple):
    """What the stand-in wrote, and what is true of it."""

    kind: str
    """good, wrong, ambiguous, give_away or unreadable."""
    claimed: int
    true: int | None
    """None where the words have no one answer."""


class StandIn:
    """Answers every job with one set of rates; another model is another stand-in."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
        self.planted: dict[tuple[str, int], Planted] = {}
        """Written text and claimed answer -> what it is: the same words may come again with a wrong number."""
        self.changed: dict[str, str] = {}
        """Paraphrase that means something else -> the text that it was made of."""
        self.calls: Counter[str] = Counter()

    def answers(self) -> dict[str, Answer]:
        """Returns the answer function of every job."""
        jobs: dict[str, Answer] = {
            "write": self._write,
            "read_program": self._read_program,
            "paraphrase": self._paraphrase,
        }
        plain: dict[str, Write] = {
            "screen": screen,
            "identify": identify,
            "look": look,
            "caption": caption,
            "judge": judge,
            "trace.step": trace_step,
            "trace.answer": trace_answer,
            "trace.score": trace_score,
            "solve.full": _solve,
            "solve.crop": _guess,
            "solve.blind": _guess,
            "solve.caption": _guess,
            "solve.categories": _guess,
        }
        for job, write in plain.items():
            jobs[job] = self._with_rates(write)
        return {job: self._spoilt(job, answer) for job, answer in jobs.items()}

    def _with_rates(self, write: Write) -> Answer:
        return lambda scene, asked, rng: write(self.rates, scene, asked, rng)

    def _spoilt(self, job: str, answer: Answer) -> Answer:
        def say(scene: Scene | None, asked: Asked, rng: random.Random) -> str:
            self.calls[job] += 1
            good = answer(scene, asked, rng)
            return spoil(good, rng.choice(KINDS), rng) if rng.random() < self.rates.malformed else good

        return say

    def _write(self, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
        triplet = "reasons" in json.dumps(asked.json_schema or {})
        if scene is None:
            return json.dumps({"question": "What is it?", "answer": 0})
        text, claimed, question = self._question(scene, rng)
        if triplet:
            reasons = [hop.text for hop in question.hops] if question else ["It can be seen."]
            return json.dumps({"reasons": reasons, "question": text, "answer": claimed})
        members = listed_instances(asked.prompt, scene)
        numbers = {one.instance_id: place for place, one in enumerate(members, 1) if one is not None}
        hops = [
            {
                "number": place,
                "text": hop.text,
                "things": [numbers[name] for name in hop.instance_ids if name in numbers],
                "builds_on": [place - 1] if place > 1 else [],
            }
            for place, hop in enumerate(question.hops if question else (), 1)
        ] or [{"number": 1, "text": "what can be seen", "things": [], "builds_on": []}]
        return json.dumps({"hops": hops, "question": text, "answer": claimed})

    def _question(self, scene: Scene, rng: random.Random) -> tuple[str, int, Question | None]:
        """Returns what is written, the number that is claimed, and the sound question behind it if there is one."""
        rates, pool = self.rates, pool_of(scene)
        kind = _draw(
            rng,
            {
                "wrong": rates.wrong,
                "ambiguous": rates.ambiguous,
                "give_away": rates.give_away,
                "unreadable": rates.unreadable,
            },
        )
        question = rng.choice(pool) if pool else None
        if kind == "give_away":
            text, true = leaks.leak(scene, rng.choice(leaks.KINDS), rng)
            return self._note(text, "give_away", true, true), true, None
        if question is None or kind == "unreadable":
            text = (
                "Look around carefully. How many of the things would you say are within easy reach of the middle one?"
            )
            return self._note(text, "unreadable", 3, None), 3, None
        if kind == "ambiguous":
            found = _ambiguous(scene, question, rng)
            if found is not None:
                return self._note(found, "ambiguous", question.answer, None), question.answer, question
        text, claimed = question.question, question.answer
        if kind == "wrong":
            claimed = rng.choice([n for n in range(max(0, claimed - 2), claimed + 3) if n != claimed])
        if rng.random() < rates.own_words:
            text = wording.reword(text, rng)
        return self._note(text, "wrong" if kind == "wrong" else "good", claimed, question.answer), claimed, question

    def _note(self, text: str, kind: str, claimed: int, true: int | None) -> str:
        self.planted[text, claimed] = Planted(kind, claimed, true)
        return text

    def _read_program(self, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
        text, lexicon = quoted_question(asked.prompt), lexicon_in(asked.prompt)
        if self.rates.careless:
            text = self.changed.get(text, text)
        program = read_question(wording.plain(text), lexicon)
        if isinstance(program, Unread) or rng.random() < self.rates.parser_lost:
            return json.dumps({"readable": False, "why_not": "a phrase could mean two things", "program": []})
        if rng.random() < self.rates.parser_wrong:
            program = _misread(program, rng)
        steps = [[step.operator, list(step.inputs), list(step.params)] for step in program.steps]
        return json.dumps({"readable": True, "why_not": "", "program": steps})

    def _paraphrase(self, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
        text = quoted_question(asked.prompt)
        if rng.random() >= self.rates.changed:
            return json.dumps({"question": wording.reword(text, rng)})
        nouns, adjectives = _words_of(text)
        other = wording.change_meaning(text, nouns, adjectives, rng)
        if other is None or other == text:
            return json.dumps({"question": wording.reword(text, rng)})
        said = wording.reword(other, rng)
        self.changed[said] = text
        return json.dumps({"question": said})


def _draw(rng: random.Random, chances: dict[str, float]) -> str:
    at = rng.random()
    for name, chance in chances.items():
        at -= chance
        if at < 0:
            return name
    return ""


def _ambiguous(scene: Scene, question: Question, rng: random.Random) -> str | None:
    sentences = split_sentences(question.question)
    counts = Counter(instance.category for instance in scene.instances)
    several = sorted(name for name, n in counts.items() if n > 1)
    if len(sentences) < 2 or not several:
        return None
    return " ".join([f"Start with the {singular_of(rng.choice(several))}.", *sentences[1:]])


def _misread(program: Program, rng: random.Random) -> Program:
    """Returns the program with one relation or distance read the other way round."""
    places = [
        number for number, step in enumerate(program.steps) if step.operator in ("related", "nearest", "farthest")
    ]
    if not places:
        return program
    place = rng.choice(places)
    operator, inputs, params = program.steps[place]
    if operator == "related":
        params = (OPPOSITE_RELATION.get(str(params[0]), "left"),)
    else:
        operator = "farthest" if operator == "nearest" else "nearest"
    steps = [*program.steps[:place], Step(operator, inputs, params), *program.steps[place + 1 :]]
    return canonical(Program(steps=tuple(steps)))


def _words_of(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns nouns and adjectives that may be exchanged in a text: those of the stand-in's own small vocabulary."""
    nouns = {
        "cup": "cup",
        "cups": "cup",
        "ball": "ball",
        "balls": "ball",
        "box": "box",
        "boxes": "box",
        "thing": "thing",
        "things": "thing",
        "person": "person",
        "car": "car",
        "cars": "car",
        "die": "die",
        "bell": "bell",
        "bells": "bell",
    }
    adjectives = (
        "red",
        "blue",
        "green",
        "yellow",
        "purple",
        "grey",
        "brown",
        "metal",
        "rubber",
        "large",
        "small",
        "wooden",
        "glass",
    )
    return nouns, adjectives


def _guess(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    number = leaks.guess_from_words(_asked_question(asked))
    return f"I cannot see it. My guess is \\boxed{{{rng.choice(_PRIOR) if number is None else number}}}"


def _solve(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    text = _asked_question(asked)
    told = leaks.guess_from_words(text)
    true = told if told is not None else (understand(scene, text).answer if scene is not None else None)
    hardness = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF - 0.5
    if true is None:
        number = rng.choice(_PRIOR)
    elif rng.random() < min(1.0, max(0.0, rates.skill + rates.spread * hardness)):
        number = true
    else:
        number = rng.choice([n for n in range(max(0, true - 2), true + 3) if n != true])
    return f"Step by step: I look, I follow the words, I count. \\boxed{{{number}}}"


def _asked_question(asked: Asked) -> str:
    """Returns the question of a solver's prompt."""
    text = asked.prompt.rpartition("\n\nReason step by step.")[0] or asked.prompt.rpartition("\n\nLook closely")[0]
    return text.rpartition("\n\n")[2] if "\n\n" in text else text
