"""Synthesize: a scene becomes certified questions with their text, evidence and traces.

In: a scene. Out: families of questions (full, half and single-hop variants of one program), each certified by
`stages.certify`. Dropped: a drawn program that breaks a certificate, with the certificate's reason; an image that
yields no question, with what it lacks. More candidates are made than wanted (`oversample`), so that the balancing in
`route` has a choice.
"""

import hashlib
import random
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.program import Program, question_id_of
from schemas.question import Certificate, Question
from schemas.record import Record
from schemas.scene import Scene
from stages.certify import Certified, CertifyConfig, Rejected, certify
from stages.execute import operator_of
from stages.margins import MarginConfig
from stages.operators.operator import Role
from stages.phrasing.narrator import described_root
from stages.phrasing.telling import Telling, tell
from stages.sampling.draw import Draft, Drawer, Drawn, ShapeConfig
from stages.sampling.search import World
from stages.scene_index import SceneIndex

VERSION = 3

_SHORT_STEPS = 7
"""A program of at most that many steps is short."""


class SynthesizeConfig(Record):
    """What is asked, how often, and how sure it must be."""

    per_image: int = Field(default=4, ge=1)
    """Families wanted per image in the end."""
    oversample: float = Field(default=4.0, ge=1)
    """Families made per family wanted."""
    attempts_per_family: int = Field(default=60, ge=1)
    """Draws spent per family before the image is left."""
    variants: bool = True
    """Whether half and single-hop variants are made too."""
    style: str = "hopchain"
    shapes: ShapeConfig = ShapeConfig()
    margins: MarginConfig = MarginConfig()
    certify: CertifyConfig = CertifyConfig(min_hops=3, max_hops=6)


class Synthesis(NamedTuple):
    """What one scene gave."""

    questions: tuple[Question, ...]
    drops: tuple[Drop, ...]
    proposed: int
    """Programs drawn: the questions plus the dropped proposals."""


def synthesize(scene: Scene, config: SynthesizeConfig, seed: int, config_hash: str) -> Synthesis:
    """Returns the certified candidates of one scene; a pure function of its arguments."""
    lacking = _lacking(scene)
    if lacking is not None:
        return Synthesis((), (lacking,), 0)
    maker = _Maker(scene, config, seed, config_hash)
    maker.run()
    drops = list(maker.drops.values())
    if not maker.questions:
        detail = f"{maker.draws} draws over {len(scene.instances)} instances, {len(drops)} programs refused"
        drops.append(_drop(scene.image.image_id, scene.image.image_id, DropReason.NO_CERTIFIED_PROGRAM, detail))
    return Synthesis(tuple(maker.questions.values()), tuple(drops), len(maker.questions) + len(maker.drops))


def _lacking(scene: Scene) -> Drop | None:
    named = {row.category for row in scene.categories if row.countable or row.selectable}
    usable = sum(instance.category in named for instance in scene.instances)
    image_id = scene.image.image_id
    if usable < 3:
        detail = f"{usable} instances of categories that may be named, at least 3 needed"
        return _drop(image_id, image_id, DropReason.TOO_FEW_INSTANCES, detail)
    return None


def _drop(thing: str, parent: str, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="synthesize", id=thing, parent_id=parent, reason=reason, detail=detail)


class _Maker:
    """Collects questions and refusals of one scene."""

    def __init__(self, scene: Scene, config: SynthesizeConfig, seed: int, config_hash: str) -> None:
        self.scene = scene
        self.config = config
        self.seed = seed
        self.config_hash = config_hash
        self.image_id = scene.image.image_id
        self.index = SceneIndex(scene, config.margins)
        self.questions: dict[str, Question] = {}
        self.drops: dict[str, Drop] = {}
        self.draws = 0
        self.short_config = config.certify.model_copy(update={"both_kinds": False, "min_hops": 1})

    def run(self) -> None:
        rng = random.Random(f"{self.seed}:synthesize:{self.image_id}")
        world = World(self.index)
        if not world.several or not world.makers:
            return
        wanted = round(self.config.per_image * self.config.oversample)
        limit = wanted * self.config.attempts_per_family
        drawer = Drawer(rng, world, self.config.shapes)
        families = 0
        ends: set[tuple[str, int]] = set()
        while families < wanted and self.draws < limit:
            self.draws += 1
            if 2 * self.draws == limit and not families:
                world.search_harder()
                drawer = Drawer(rng, world, self.config.shapes.simplest())
            drawn = drawer.draw(ends)
            if drawn is not None and self._add_family(drawn, world):
                families += 1
                ends.add(drawn.end)

    def _add_family(self, drawn: Drawn, world: World) -> bool:
        family_id = self._add(drawn.full, "", self.config.certify)
        if family_id is None:
            return False
        for draft in drawn.shorter(world) if self.config.variants else ():
            self._add(draft, family_id, self.short_config)
        return True

    def _add(self, draft: Draft, family_id: str, bounds: CertifyConfig) -> str | None:
        """Certifies and keeps a draft; returns its id, None where it is refused or was there before."""
        program_json = draft.program.to_json()
        question_id = question_id_of(self.image_id, program_json)
        if question_id in self.questions or question_id in self.drops:
            return None
        found = certify(self.index, draft.program, bounds)
        if isinstance(found, Rejected):
            self.drops[question_id] = _drop(question_id, self.image_id, found.reason, found.detail)
            return None
        telling = _told(self.index, found, f"{self.seed}:phrase:{question_id}")
        ids = (question_id, family_id or question_id)
        self.questions[question_id] = self._question(draft, (found, program_json), telling, ids)
        return question_id

    def _question(self, draft: Draft, proof: tuple[Certified, str], telling: Telling, ids: tuple[str, str]) -> Question:
        found, program_json = proof
        shape = shape_of(found.program)
        return Question(
            question_id=ids[0],
            image_id=self.image_id,
            family_id=ids[1],
            variant=draft.variant,
            style=self.config.style,
            question=telling.question,
            answer=found.answer,
            program=program_json,
            shape=shape,
            cell=_cell_of(draft, found.program),
            hops=telling.hops,
            hop_count=len(found.hops),
            margin=found.margin,
            weakest_fact=found.weakest_fact,
            luck=found.luck,
            strict=found.luck == 0.0,
            certificates=tuple(certificates_of(found)),
            trace=telling.trace,
            categories=tuple(sorted(_named_categories(found.program))),
            stage_version=VERSION,
            config_hash=self.config_hash,
            seed=self.seed,
        )


def _told(index: SceneIndex, found: Certified, seed: str) -> Telling:
    return tell(index, found, random.Random(seed))


def certificates_of(found: Certified) -> Iterator[Certificate]:
    """Yields the certificates that the program alone can give, with their numbers."""
    hops = len(found.hops)
    yield Certificate(
        name="necessity",
        passed=True,
        detail=f"{found.mutations} mutated programs over {hops} hops change the answer or leave it undefined",
    )
    yield Certificate(name="luck", passed=True, detail=f"at most {found.luck:.3f} at any hop")
    selected = sum(operator_of(step.operator).role is Role.SELECT for step in found.program.steps)
    yield Certificate(name="unique", passed=True, detail=f"{selected} referring expressions denote one instance each")
    yield Certificate(name="margin", passed=True, detail=f"{found.weakest_fact} at {found.margin:.3f} of its cut-off")


def shape_of(program: Program) -> str:
    """Returns the skeleton of a program without its nouns, relations and keys: the operators and how they connect."""
    texts: list[str] = []
    for step in program.steps:
        if step.operator in ("scene", "category", "attribute"):
            texts.append("set")
        else:
            name = f"{step.operator}:{step.params[0]}" if step.operator == "measure" else step.operator
            texts.append(f"{name}({','.join(texts[i] for i in step.inputs)})")
    return (
        texts[-1]
        if len(texts[-1]) <= 120
        else f"{texts[-1][:96]}~{hashlib.sha256(texts[-1].encode()).hexdigest()[:12]}"
    )


def _cell_of(draft: Draft, program: Program) -> str:
    """Returns the cell, what tells most about the answer first: ``variant|finish|form|reuse|words|direction``.

    Reuse is how often the program has chosen from the last described sets before: a set that one keeps coming back to
    is large, and the words show it. With it goes whether the program is short: short ones count few things. More
    things share a material than a colour, so "same" puts its attribute first.
    """
    kind, direction, form, words = draft.cell.split("|")
    form = f"{direction}, {form}" if kind == "same" else form
    last = [i for i, step in enumerate(program.steps) if step.operator in ("count", "rank")]
    roots = {described_root(program, program.steps[i].inputs[-1]) for i in last[-2 if kind == "counts_apart" else -1 :]}
    used = sum(i in roots for step in program.steps for i in step.inputs) - len(roots)
    length = "short" if len(program.steps) <= _SHORT_STEPS else "long"
    return f"{draft.variant}|{kind}|{form}|reuse {min(max(used, 0), 2)}, {length}|{words}|{direction}"


def _named_categories(program: Program) -> set[str]:
    return {str(step.params[0]) for step in program.steps if step.operator == "category"}
