"""Questions by models: certified programs said in other words, and questions that a model writes and code executes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from pipelines.asking import Asker, drop_of
from pipelines.config import hash_config
from pipelines.domains import domain_of
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.question_steps import make_questions
from pipelines.scene_reader import scenes_of
from schemas.drop import Drop, DropReason
from schemas.model_reply import ModelReply
from schemas.model_request import ModelRequest, ModelRole
from schemas.program import Program, written_id_of
from schemas.question import Question
from schemas.scene import Scene
from stages.certify import Rejected
from stages.compose import (
    VERSION,
    Made,
    Written,
    ask_question,
    compose,
    listed_instances,
    read_written,
)
from stages.paraphrase import ask_paraphrase, keep_template, needs_parser, read_paraphrase, reword
from stages.parsing.reply import Unreadable
from stages.prompts import load_prompt
from stages.reading.lexicon import lexicon_of
from stages.reading.reader import Unread, read_question
from stages.recover import (
    Contradicted,
    Told,
    Unclear,
    Words,
    ask_program,
    read_by_ourselves,
    read_program,
    settle,
    verify_program,
)
from stages.scene_index import SceneIndex
from stages.seeds import is_chosen

Parsed = Program | Unclear | Unreadable | None


def draft(job: Job) -> Outcome:
    """Scenes to certified program questions in the words of the templates."""
    return make_questions(job, "drafts")


def paraphrase(job: Job) -> Outcome:
    """Program questions to the same in other words, where the words come back to the program; else in their own."""
    ledger = Ledger(job.stage)
    asker, domain, config = Asker(job, ledger), domain_of(job.config), job.config.paraphrase
    drafts = list(job.records("draft/drafts", Question))
    lexicons = {scene.image.image_id: lexicon_of(scene) for scene in scenes_of(job)}
    ledger.take("questions", len(drafts))
    ledger.keep("questions", len(drafts))
    chosen = [one for one in drafts if config.enabled and is_chosen(job.seed, job.stage, one.question_id, config.share)]
    ledger.take("paraphrases", len(chosen))
    requests = [ask_paraphrase(question, config, domain) for question in chosen]
    found = asker.read(requests, [read_paraphrase] * len(chosen))
    said = {question.question_id: words for question, (_, words) in zip(chosen, found, strict=True)}
    texts = [(one, words) for one in chosen if isinstance(words := said[one.question_id], str)]
    read = {one.question_id: read_question(words, lexicons[one.image_id]) for one, words in texts}
    unread = [(one, words) for one, words in texts if needs_parser(read[one.question_id])]
    asked = [ask_program(words, lexicons[one.image_id], one.question_id, domain) for one, words in unread]
    answers = _ask_programs(asker, asked)
    parsed: dict[str, Parsed] = {}
    silent: set[str] = set()
    for (one, _), (reply, meaning) in zip(unread, answers, strict=True):
        parsed[one.question_id] = meaning
        if asker.is_outage(reply, f"{one.question_id}:paraphrase"):
            silent.add(one.question_id)
    by = (asker.name(ModelRole.GENERATOR), load_prompt("paraphrase").sha256)
    ship = {question.question_id: question for question in drafts}
    for question, (reply, words) in zip(chosen, found, strict=True):
        name = question.question_id
        if name in silent or asker.is_outage(reply, f"{name}:paraphrase"):
            ledger.fail("paraphrases")
            continue
        if isinstance(words, Unreadable):
            result: Question | Drop = keep_template(question, words.reason, words.text)
        else:
            readings = (read[name], parsed.get(name))
            result = reword(question, words, readings, lexicons[question.image_id], by)
        if isinstance(result, Drop):
            ledger.drop("paraphrases", [result])
        else:
            ledger.keep("paraphrases")
            ship[name] = result
    return job.finish(ledger, {"questions": list(ship.values()), "replies": list(asker.replies.values())})


def _ask_programs(
    asker: Asker, requests: Sequence[ModelRequest]
) -> list[tuple[ModelReply, Program | Unclear | Unreadable]]:
    readers: list[Callable[[str], Program | Unclear | Unreadable]] = [read_program] * len(requests)
    return asker.read(requests, readers)


class _Asked(NamedTuple):
    """One question that is asked for."""

    scene: Scene
    mode: str
    draw: int

    @property
    def name(self) -> str:
        return f"{self.mode}:{self.draw}"


def compose_questions(job: Job) -> Outcome:
    """Scenes to questions that a model writes: proved by execution, for people, or dropped."""
    ledger = Ledger(job.stage)
    asker = Asker(job, ledger)
    wanted = list(_wanted(job, ledger))
    domain, config = domain_of(job.config), job.config.compose
    requests = [ask_question(one.scene, one.mode, one.draw, config, domain) for one in wanted]
    readers = [
        partial(read_written, mode=one.mode, instances=len(listed_instances(one.scene, config))) for one in wanted
    ]
    found = asker.read(requests, readers)
    texts = _distinct(ledger, job, wanted, found, asker)
    questions = _prove_all(job, ledger, asker, texts)
    return job.finish(ledger, {"questions": questions, "replies": list(asker.replies.values())})


def _wanted(job: Job, ledger: Ledger) -> Iterator[_Asked]:
    """Yields what is asked for, image by image; a picture with too little in it is dropped."""
    config = job.config.compose
    for scene in scenes_of(job):
        image_id = scene.image.image_id
        ledger.take("images")
        listed = len(listed_instances(scene, config))
        if listed < config.min_instances:
            detail = f"{listed} instances that may be named, {config.min_instances} needed"
            reason = DropReason.TOO_FEW_INSTANCES
            ledger.drop(
                "images", [Drop(stage=job.stage, id=image_id, parent_id=image_id, reason=reason, detail=detail)]
            )
            continue
        ledger.keep("images")
        for mode in config.modes:
            yield from (_Asked(scene, mode, draw) for draw in range(1, config.per_image + 1))


def _distinct(
    ledger: Ledger,
    job: Job,
    wanted: Sequence[_Asked],
    found: Sequence[tuple[ModelReply, Written | Unreadable]],
    asker: Asker,
) -> list[tuple[_Asked, Written]]:
    """Returns the readable questions, each text of a picture once, and puts down what became of the others."""
    texts: dict[str, tuple[_Asked, Written]] = {}
    ledger.take("written", len(wanted))
    for one, (reply, written) in zip(wanted, found, strict=True):
        image_id = one.scene.image.image_id
        name = f"{image_id}:{one.name}"
        if asker.is_outage(reply, name):
            ledger.fail("written")
        elif isinstance(written, Unreadable):
            ledger.drop("written", [drop_of(job.stage, (name, image_id), written)])
        elif (question_id := written_id_of(image_id, written.text)) in texts:
            detail = f"the same words as question {question_id}"
            reason = DropReason.DUPLICATE_QUESTION
            ledger.drop("written", [Drop(stage=job.stage, id=name, parent_id=image_id, reason=reason, detail=detail)])
        else:
            texts[question_id] = (one, written)
    return list(texts.values())


def _prove_all(job: Job, ledger: Ledger, asker: Asker, texts: Sequence[tuple[_Asked, Written]]) -> list[Question]:
    config = job.config.compose
    margins = job.config.synthesize.margins
    indexes = {one.scene.image.image_id: SceneIndex(one.scene, margins) for one, _ in texts}
    read = [read_by_ourselves(written.text, indexes[one.scene.image.image_id]) for one, written in texts]
    parsed = _parse(job, asker, texts, read)
    questions: list[Question] = []
    for number, (one, written) in enumerate(texts):
        image_id = one.scene.image.image_id
        words = Words(written.text, written_id_of(image_id, written.text), job.seed)
        if number in parsed and asker.is_outage(parsed[number][0], words.question_id):
            ledger.fail("written")
            continue
        said = parsed[number][1] if number in parsed else None
        work = partial(_prove, indexes[image_id], words, (read[number], said), job)
        proof = ledger.attempt(words.question_id, work)
        if proof is None:
            ledger.fail("written")
            continue
        result = compose(one.scene, written, proof, config, _made(job, asker, written.mode))
        if isinstance(result, Drop):
            ledger.drop("written", [result])
        else:
            ledger.keep("written")
            questions.append(result)
    return questions


def _parse(
    job: Job, asker: Asker, texts: Sequence[tuple[_Asked, Written]], read: Sequence[Program | Unread]
) -> dict[int, tuple[ModelReply, Program | Unclear | Unreadable]]:
    """Returns by position what the parser makes of the texts that are put to it."""
    rule, domain = job.config.compose.parser, domain_of(job.config)
    if rule == "never":
        return {}
    chosen = [number for number, one in enumerate(read) if rule == "always" or isinstance(one, Unread)]
    requests = []
    for number in chosen:
        one, written = texts[number]
        question_id = written_id_of(one.scene.image.image_id, written.text)
        requests.append(ask_program(written.text, lexicon_of(one.scene), question_id, domain))
    return dict(zip(chosen, _ask_programs(asker, requests), strict=True))


def _prove(
    index: SceneIndex, words: Words, readings: tuple[Program | Unread, Parsed], job: Job
) -> Told | Rejected | Unclear | Contradicted:
    program = settle(*readings)
    if not isinstance(program, Program):
        return program
    return verify_program(index, words, program, readings[0], job.config.judge.written)


def _made(job: Job, asker: Asker, mode: str) -> Made:
    prompt = "write" if mode == "free_form" else f"triplet_{mode}"
    return Made(
        model=asker.name(ModelRole.GENERATOR),
        prompt_hash=load_prompt(prompt).sha256,
        style=job.config.style,
        stage_version=VERSION,
        config_hash=hash_config(job.config),
        seed=job.seed,
    )
