"""Compose: a model writes a question with its hops and answer; what it claims is executed, not believed.

In: a scene, a model's reply, and what its text was read as. Out: a `Question`, certified where a program was recovered
whose execution gives the claimed answer; without a program a candidate for people only. Dropped: unreadable replies,
answers that execution contradicts, programs that break a certificate, words that several readings understand
differently.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.instance import Instance
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.program import Program, written_id_of
from schemas.question import Certificate, Hop, HopKind, Question, TraceStep, Variant, Wording
from schemas.record import Record
from schemas.scene import Scene
from stages.asking import Wanted, crop, make_request, numbered, whole
from stages.certify import Certified, CertifyConfig, Rejected
from stages.domains import Domain
from stages.execute import operator_of
from stages.operators.operator import Role
from stages.parsing.reply import Fault, Reply, Unreadable, clean_line, read_reply
from stages.phrasing.narrator import described_root
from stages.phrasing.nouns import noun_phrase
from stages.reading.reader import MAX_CHARACTERS
from stages.recover import Contradicted, Told, Unclear
from stages.text_rules import bad_text

VERSION = 2
MODES = ("free_form", "prompt_driven", "step_by_step", "meta_cognitive")
_PROMPTS = {"free_form": "write"}
_WISHES = (
    "counting on one side of a thing that has to be found first",
    "following things from one to the next by who is nearest",
    "an ordering from left to right or from top to bottom",
    "things that share a colour or a kind",
    "comparing two groups before choosing where to look",
    "something far away from where one starts",
)


class ComposeConfig(Record):
    """How questions are written by a model."""

    enabled: bool = False
    per_image: int = Field(default=4, ge=1, le=64)
    """Questions asked for per image and mode."""
    modes: tuple[str, ...] = ("free_form",)
    """free_form, prompt_driven, step_by_step, meta_cognitive."""
    max_crops: int = Field(default=12, ge=0, le=32)
    """Crops of single instances beside the picture."""
    max_instances: int = Field(default=40, ge=2)
    """Of a fuller picture only the largest are listed."""
    min_instances: int = Field(default=3, ge=1)
    """A picture with fewer is not asked about."""
    temperature: float = Field(default=0.9, ge=0, le=2)
    parser: str = Field(default="unread", pattern="^(unread|always|never)$")
    """When a parser model reads the text: where our own reader cannot, always, or never."""
    people: bool = True
    """Whether a question without a program goes on to people; otherwise it is dropped."""
    certify: CertifyConfig = CertifyConfig(min_hops=2, max_hops=8)


class SaidHop(Reply):
    """One hop as a model claims it."""

    number: int = Field(ge=1, le=12)
    text: str = Field(min_length=1, max_length=300)
    things: tuple[int, ...] = Field(max_length=40)
    builds_on: tuple[int, ...] = Field(max_length=12)


class WriteReply(Reply):
    """A question with its hops."""

    hops: tuple[SaidHop, ...] = Field(min_length=1, max_length=12)
    question: str = Field(min_length=1, max_length=2_000)
    answer: int = Field(ge=0, le=1_000_000)


class TripletReply(Reply):
    """A question with its reasons."""

    reasons: tuple[str, ...] = Field(min_length=1, max_length=16)
    question: str = Field(min_length=1, max_length=2_000)
    answer: int = Field(ge=0, le=1_000_000)


class Written(NamedTuple):
    """What a model wrote, in good form and unproved."""

    text: str
    answer: int
    hops: tuple[tuple[str, tuple[int, ...]], ...]
    """Words of each hop or reason, and the positions of the instances it claims, counting from 0."""
    mode: str


class Made(NamedTuple):
    """Where a question comes from: what its rows carry along."""

    model: str
    prompt_hash: str
    style: str
    stage_version: int
    config_hash: str
    seed: int


def listed_instances(scene: Scene, config: ComposeConfig) -> tuple[Instance, ...]:
    """Returns the instances that a model is told of: named kinds, the largest of a full picture, by id."""
    named = {row.category for row in scene.categories if row.countable or row.selectable}
    usable = [instance for instance in scene.instances if instance.category in named]
    largest = sorted(usable, key=lambda instance: (-instance.area, instance.instance_id))[: config.max_instances]
    return tuple(sorted(largest, key=lambda instance: instance.instance_id))


def ask_question(scene: Scene, mode: str, draw: int, config: ComposeConfig, domain: Domain) -> ModelRequest:
    """Returns the request for one question about a scene; ``draw`` counts the questions of one mode from 1."""
    members = listed_instances(scene, config)
    shown = sorted(members, key=lambda instance: (-instance.area, instance.instance_id))[: config.max_crops]
    size = (scene.image.width, scene.image.height)
    pictures = [whole(scene.image.image_id)] + [crop(one, *size) for one in members if one in shown]
    slots = {"things": numbered(members), "draw": str(draw)}
    form: type[Reply] = WriteReply
    if mode != "free_form":
        form = TripletReply
        slots["wanted"] = _WISHES[(draw - 1) % len(_WISHES)]
    wanted = Wanted("write", _PROMPTS.get(mode, f"triplet_{mode}"), ModelRole.GENERATOR, scene.image.image_id, form)
    sampling = Sampling(temperature=config.temperature, max_tokens=1_500)
    return make_request(wanted, slots, pictures, sampling, domain)


def read_written(text: str, mode: str, instances: int) -> Written | Unreadable:
    """Returns what a reply wrote about a picture with so many listed instances, or why it says nothing."""
    said = read_reply(text, WriteReply) if mode == "free_form" else read_reply(text, TripletReply)
    if isinstance(said, Unreadable):
        return said
    question = clean_line(said.question, MAX_CHARACTERS)
    if question is None:
        return Unreadable(Fault.WRONG_CONTENT, "the question cannot be printed, or is too long")
    if isinstance(said, TripletReply):
        return Written(question, said.answer, tuple((reason[:400], ()) for reason in said.reasons), mode)
    fault = _bad_hops(said, instances)
    if fault:
        return Unreadable(Fault.WRONG_CONTENT, fault)
    hops = tuple((hop.text, tuple(thing - 1 for thing in hop.things)) for hop in said.hops)
    return Written(question, said.answer, hops, mode)


def _bad_hops(said: WriteReply, instances: int) -> str:
    if [hop.number for hop in said.hops] != list(range(1, len(said.hops) + 1)):
        return "the hops are not numbered from 1"
    for hop in said.hops:
        if any(not 1 <= thing <= instances for thing in hop.things):
            return f"hop {hop.number} names a thing that is not among the {instances} listed"
        if any(not 1 <= earlier < hop.number for earlier in hop.builds_on):
            return f"hop {hop.number} builds on a hop that is not before it"
    return ""


def compose(
    scene: Scene, written: Written, proof: Told | Rejected | Unclear | Contradicted, config: ComposeConfig, made: Made
) -> Question | Drop:
    """Returns the question that a model wrote, with what code found out about it, or why it is dropped."""
    fault = "; ".join(bad_text(written.text))
    if fault:
        return _drop(scene, written, DropReason.BAD_TEXT, fault)
    if isinstance(proof, Rejected):
        return _drop(scene, written, proof.reason, proof.detail)
    if isinstance(proof, Contradicted):
        return _drop(scene, written, DropReason.MEANING_DISAGREES, proof.detail)
    if isinstance(proof, Unclear):
        if not config.people:
            return _drop(scene, written, DropReason.NOT_EXECUTABLE, proof.detail)
        return _for_people(scene, written, proof, (config, made))
    if proof.found.answer != written.answer:
        detail = f"the model says {written.answer}, execution gives {proof.found.answer}"
        return _drop(scene, written, DropReason.ANSWER_DISAGREES, detail)
    return _proved(scene, written, proof, made)


def _proved(scene: Scene, written: Written, proof: Told, made: Made) -> Question:
    found = proof.found
    question_id = written_id_of(scene.image.image_id, written.text)
    return Question(
        question_id=question_id,
        image_id=scene.image.image_id,
        family_id=question_id,
        variant=Variant.FULL,
        style=made.style,
        question=written.text,
        answer=found.answer,
        program=found.program.to_json(),
        shape=f"{written.mode}:{'+'.join(step.operator for step in found.program.steps if _moves(step.operator))}"[
            :120
        ],
        cell=written_cell(found.program),
        hops=proof.telling.hops,
        hop_count=len(found.hops),
        margin=found.margin,
        weakest_fact=found.weakest_fact,
        luck=found.luck,
        strict=found.luck == 0.0,
        certificates=tuple(_certificates(found, proof)),
        trace=proof.telling.trace,
        categories=named_categories(found.program),
        stage_version=made.stage_version,
        config_hash=made.config_hash,
        seed=made.seed,
        wording=Wording.WRITTEN,
        mode=written.mode,
        model=made.model,
        prompt_hash=made.prompt_hash,
    )


def _for_people(scene: Scene, written: Written, unclear: Unclear, rest: tuple[ComposeConfig, Made]) -> Question:
    """Returns a candidate that only people can vouch for: its hops are the model's claims, and it has no program."""
    config, made = rest
    members = listed_instances(scene, config)
    question_id = written_id_of(scene.image.image_id, written.text)
    hops = tuple(
        Hop(
            step=number,
            operator="claimed",
            kind=HopKind.PERCEPTION if len(things) != 1 else HopKind.INSTANCE_CHAIN,
            text=" ".join(text.split())[:300] or "-",
            value="",
            instance_ids=tuple(members[thing].instance_id for thing in things),
            boxes_xyxy=tuple(members[thing].box_xyxy for thing in things),
            candidates=0,
            luck=1.0,
        )
        for number, (text, things) in enumerate(written.hops)
    )
    claims = Certificate(name="answer", passed=False, detail=f"no program: {unclear.detail}")
    return Question(
        question_id=question_id,
        image_id=scene.image.image_id,
        family_id=question_id,
        variant=Variant.FULL,
        style=made.style,
        question=written.text,
        answer=written.answer,
        program="",
        shape=f"{written.mode}:claimed",
        cell="full|claimed|written|reuse 0|none|none",
        hops=hops,
        hop_count=len(hops),
        margin=0.0,
        weakest_fact="nothing proved",
        luck=1.0,
        strict=False,
        certificates=(claims,),
        trace=(
            TraceStep(
                title="Answer",
                content=f"The answer is {written.answer}.",
                next_action="summary",
                value=str(written.answer),
                instance_ids=(),
                boxes_xyxy=(),
            ),
        ),
        categories=(),
        stage_version=made.stage_version,
        config_hash=made.config_hash,
        seed=made.seed,
        wording=Wording.WRITTEN,
        mode=written.mode,
        model=made.model,
        prompt_hash=made.prompt_hash,
    )


def _certificates(found: Certified, proof: Told) -> Iterator[Certificate]:
    hops = len(found.hops)
    yield Certificate(
        name="necessity",
        passed=True,
        detail=f"{found.mutations} mutated programs over {hops} hops change the answer or leave it undefined",
    )
    yield Certificate(name="luck", passed=True, detail=f"at most {found.luck:.3f} at any hop")
    yield Certificate(name="unique", passed=True, detail="every referring expression denotes one instance")
    yield Certificate(name="margin", passed=True, detail=f"{found.weakest_fact} at {found.margin:.3f} of its cut-off")
    yield Certificate(name="meaning", passed=True, detail=f"the text was read as this program by the {proof.seen_by}")


def written_cell(program: Program) -> str:
    """Returns the cell of a written question: answers are balanced by how it ends and by the last description."""
    last = program.steps[-1]
    kind = {"add": "read_plus_count", "difference": "counts_apart"}.get(last.operator, last.operator)
    if last.operator != "count":
        return f"full|{kind}|written|reuse 0|none|{last.params[0] if last.params else 'none'}"
    narrowed = program.steps[last.inputs[0]]
    root = described_root(program, last.inputs[0])
    kind = narrowed.operator if narrowed.operator in ("between", "closer", "same_attribute") else "count"
    words = noun_phrase(program, root).plural
    direction = str(narrowed.params[0]) if narrowed.operator in ("related", "same_attribute") else "none"
    return f"full|{kind}|written|reuse 0|{words}|{direction}"


def named_categories(program: Program) -> tuple[str, ...]:
    """Returns the categories that a program names, sorted."""
    return tuple(sorted({str(step.params[0]) for step in program.steps if step.operator == "category"}))


def _moves(operator: str) -> bool:
    return operator_of(operator).role in (Role.SELECT, Role.PERCEIVE, Role.REASON)


def _drop(scene: Scene, written: Written, reason: DropReason, detail: str) -> Drop:
    image_id = scene.image.image_id
    text = f"{detail} | {written.text}"
    return Drop(
        stage="compose", id=written_id_of(image_id, written.text), parent_id=image_id, reason=reason, detail=text
    )


def unreadable_drop(image_id: str, name: str, fault: Unreadable) -> Drop:
    """Returns the drop of a reply that wrote nothing."""
    thing = f"{image_id}:{name}"
    return Drop(stage="compose", id=thing, parent_id=image_id, reason=fault.reason, detail=fault.text)
