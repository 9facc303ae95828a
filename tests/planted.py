"""Makers of planted defects: programs and scenes that are wrong by construction, whatever a certifier thinks of them.

Each defect is made from a sound question of the sampler (`sound_questions`), or from a random chain; what makes it a
defect is decided by the reference evaluator alone.
"""

import random
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from schemas.instance import Attribute, Instance
from schemas.program import Program, Step, canonical
from schemas.question import Question
from schemas.scene import Scene
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import COLOURS, HEIGHT, SIZES, WIDTH, random_scene, scene_of
from tests.reference import DESCRIBES, ONES, SELECTS, Reference

RELATIONS = ("left", "right", "above", "below", "front", "behind")
KEYS = ("leftmost", "rightmost", "highest", "lowest", "largest", "smallest", "frontmost", "backmost")
ORDER_GAP = 0.04


class Planted(NamedTuple):
    """A defect."""

    kind: str
    scene: Scene
    program: Program


class Sound(NamedTuple):
    """A question the sampler made."""

    scene: Scene
    reference: Reference
    question: Question
    program: Program
    values: list
    """By the reference."""


@lru_cache
def sound_questions(wanted: int = 1200, name: str = "planted") -> tuple[Sound, ...]:
    """Returns full questions over many random scenes."""
    found: list[Sound] = []
    number = 0
    while len(found) < wanted:
        scene = random_scene(f"{name} {number}")
        reference = Reference(scene)
        for question in synthesize(scene, SynthesizeConfig(variants=False), 5, "config").questions:
            program = Program.from_json(question.program)
            found.append(Sound(scene, reference, question, program, reference.run(program)))
        number += 1
    return tuple(found[:wanted])


class Draft:
    """Steps under construction, with their values."""

    def __init__(self, reference: Reference, steps: tuple[Step, ...] = (Step("scene"),)) -> None:
        self.reference = reference
        self.steps: list[Step] = []
        self.values: list = []
        for step in steps:
            self.add(step.operator, *step.inputs, params=step.params)

    def add(self, operator: str, *inputs: int, params: tuple[str | int, ...] = ()) -> int:
        self.steps.append(Step(operator, inputs, params))
        self.values.append(self.reference.step(self.steps[-1], self.values))
        return len(self.steps) - 1

    def program(self) -> Program:
        return canonical(Program(steps=tuple(self.steps)))


def inserted(program: Program, at: int, new: tuple[Step, ...], place: int) -> Program:
    """Returns the program with new steps before step ``at``, whose input ``place`` becomes the last of them."""
    count = len(new)

    def moved(i: int) -> int:
        return i if i < at else i + count

    changed = program.steps[at]
    inputs = tuple(at + count - 1 if k == place else moved(i) for k, i in enumerate(changed.inputs))
    later = [step._replace(inputs=tuple(moved(i) for i in step.inputs)) for step in program.steps[at + 1 :]]
    return canonical(Program(steps=(*program.steps[:at], *new, changed._replace(inputs=inputs), *later)))


def replaced(program: Program, at: int, step: Step) -> Program:
    return canonical(Program(steps=(*program.steps[:at], step, *program.steps[at + 1 :])))


# ------------------------------------------------------------------------------------------------------- one dead hop


def dead_hops(sound: Sound, rng: random.Random) -> Iterator[Planted]:
    """Yields programs with a part that the answer does not need."""
    scene, program = sound.scene, sound.program
    last = len(program.steps) - 1
    loose = (*program.steps[:last], Step("count", (0,)), program.steps[last])
    yield Planted("a step that leads nowhere", scene, Program(steps=loose))
    yield Planted("a repeated step", scene, _with_second_scene(program))
    makers = (_idle_relation, _extreme_of_one, _nearest_of_one, _same_branches, _cancelled, _skippable, _all_related)
    for maker in makers:
        made = maker(sound, rng)
        if made is not None:
            yield Planted(maker.__name__.strip("_").replace("_", " "), scene, made)


def _with_second_scene(program: Program) -> Program:
    """Every use of the scene but the first goes to a copy of it."""
    steps = [program.steps[0], Step("scene")]
    for number, step in enumerate(program.steps[1:], 1):
        moved = tuple(i + 1 if i or number > 2 else 0 for i in step.inputs)
        steps.append(step._replace(inputs=moved))
    return Program(steps=tuple(steps))


def _idle_relation(sound: Sound, rng: random.Random) -> Program | None:
    """A relation to something established, in which all members of the set stand anyway."""
    program, values = sound.program, sound.values
    choices = []
    for number in sound.reference.used(program, values):
        step = program.steps[number]
        if step.operator not in SELECTS - {"only"} or program.steps[step.inputs[-1]].operator not in DESCRIBES:
            continue
        members = values[step.inputs[-1]]
        for one, relation in product(range(number), RELATIONS):
            if program.steps[one].operator in ONES and values[one] is not None:
                if sound.reference.related(values[one], members, relation) == members:
                    choices.append((number, one, step.inputs[-1], relation))
    if not choices:
        return None
    number, one, members, relation = rng.choice(choices)
    new = (Step("related", (one, members), (relation,)),)
    return inserted(program, number, new, len(program.steps[number].inputs) - 1)


def _extreme_of_one(sound: Sound, rng: random.Random) -> Program | None:
    """The leftmost of one thing."""
    names = [n for n, step in enumerate(sound.program.steps) if step.operator == "only"]
    if not names:
        return None
    at = rng.choice(names)
    return replaced(sound.program, at, Step("extreme", sound.program.steps[at].inputs, (rng.choice(KEYS),)))


def _nearest_of_one(sound: Sound, rng: random.Random) -> Program | None:
    """The nearest of a set that holds only one other thing."""
    program, values = sound.program, sound.values
    choices = []
    for number in sound.reference.used(program, values):
        step = program.steps[number]
        if step.operator in ("nearest", "farthest"):
            wanted = {values[number]}
            for steps in _descriptions(sound.scene):
                members = Draft(sound.reference, (Step("scene"), *steps)).values[-1]
                if members - {values[step.inputs[0]]} == wanted:
                    choices.append((number, steps))
    if not choices:
        return None
    number, steps = rng.choice(choices)
    moved = tuple(s._replace(inputs=tuple(i and number + i - 1 for i in s.inputs)) for s in steps)
    return inserted(program, number, moved, 1)


def _descriptions(scene: Scene) -> Iterator[tuple[Step, ...]]:
    """Yields the steps of "cups", "red cups" and "red things", numbered from 1."""
    names = sorted({instance.category for instance in scene.instances})
    looks = [("colour", colour) for colour in COLOURS] + [("size", size) for size in SIZES]
    for name in names:
        yield (Step("category", (0,), (name,)),)
        for look in looks:
            yield Step("category", (0,), (name,)), Step("attribute", (1,), look)
    for look in looks:
        yield (Step("attribute", (0,), look),)


def _same_branches(sound: Sound, rng: random.Random) -> Program | None:
    """A choice that leads to the same thing either way."""
    program = sound.program
    used = [
        (number, place)
        for number, step in enumerate(program.steps)
        for place, i in enumerate(step.inputs)
        if program.steps[i].operator in ONES and step.operator != "choose"
    ]
    number, place = rng.choice(used)
    one = program.steps[number].inputs[place]
    names = sorted({instance.category for instance in sound.scene.instances})
    more = (Step("category", (0,), (names[0],)), Step("count", (number,)), Step("category", (0,), (names[-1],)))
    more += (Step("count", (number + 2,)), Step("compare", (number + 1, number + 3), ("more",)))
    return inserted(program, number, (*more, Step("choose", (number + 4, one, one))), place)


def _cancelled(sound: Sound, rng: random.Random) -> Program | None:
    """A number that is added and taken away again."""
    program, values = sound.program, sound.values
    last = len(program.steps) - 1
    ones = [
        n
        for n in sound.reference.used(program, values)
        if program.steps[n].operator in ONES and sound.reference.read(values[n], "digit") is not None
    ]
    if ones and rng.random() < 0.5:
        number: tuple[Step, ...] = (Step("read", (rng.choice(ones),), ("digit",)),)
    else:
        name = rng.choice(sound.scene.instances).category
        number = (Step("category", (0,), (name,)), Step("count", (last + 1,)))
    at = last + len(number)
    texts = [_told(program.steps, n) for n in range(last + 1)]
    if _told((*program.steps, *number), at) in texts:
        return None  # the number is there already, and needed
    steps = (*program.steps, *number, Step("subtract", (at, at)), Step("add", (last, at + 1)))
    return canonical(Program(steps=steps))


def _told(steps: tuple[Step, ...], number: int) -> tuple:
    step = steps[number]
    return step.operator, step.params, tuple(_told(steps, i) for i in step.inputs)


def _skippable(sound: Sound, rng: random.Random) -> Program | None:
    """A last move after which the count is what it was before it."""
    program, values = sound.program, sound.values
    moves = [
        (n, program.steps[n].inputs[0])
        for n, step in enumerate(program.steps)
        if step.operator in ("nearest", "farthest")
    ]
    if not moves:
        return None
    number, source = moves[-1]
    return _counted(
        sound,
        rng,
        number,
        lambda a, members, relation: a == len(sound.reference.related(values[source], members, relation)),
    )


def _all_related(sound: Sound, rng: random.Random) -> Program | None:
    """A count of things to the left of something that has all of them to its left."""
    program = sound.program
    ones = [n for n in sound.reference.used(program, sound.values) if program.steps[n].operator in ONES]
    return _counted(sound, rng, ones[-1], lambda a, members, _: a == len(members))


def _counted(sound: Sound, rng: random.Random, one: int, holds) -> Program | None:
    """Ends the program in a count of related things that is as wanted."""
    steps = sound.program.steps[: one + 1]
    descriptions = list(_descriptions(sound.scene))
    rng.shuffle(descriptions)
    for described, relation in product(descriptions, RELATIONS):
        draft = Draft(sound.reference, steps)
        members = 0
        for step in described:
            members = draft.add(step.operator, *(i and members for i in step.inputs), params=step.params)
        answer = draft.values[draft.add("count", draft.add("related", one, members, params=(relation,)))]
        if answer and holds(answer, draft.values[members], relation):
            return draft.program()
    return None


# ------------------------------------------------------------------------------------------- a referent that is not one


def not_unique(sound: Sound, rng: random.Random) -> Iterator[Planted]:
    """Yields programs and scenes in which a referring expression denotes no single instance."""
    for maker in (_without_adjective, _nobody, _several_related, _twin, _tied):
        made = maker(sound, rng)
        if made is not None:
            yield Planted(maker.__name__.strip("_").replace("_", " "), *made)


def _only_steps(sound: Sound) -> list[int]:
    used = sound.reference.used(sound.program, sound.values)
    return [n for n in used if sound.program.steps[n].operator == "only"]


def _without_adjective(sound: Sound, rng: random.Random) -> tuple[Scene, Program] | None:
    """ "The red cup" said of one of two cups."""
    program = sound.program
    choices = []
    for number in _only_steps(sound):
        described = program.steps[number].inputs[0]
        if program.steps[described].operator == "attribute":
            wider = program.steps[described].inputs[0]
            if len(sound.values[wider]) > 1:
                choices.append((number, wider))
    if not choices:
        return None
    number, wider = rng.choice(choices)
    return sound.scene, replaced(program, number, Step("only", (wider,)))


def _nobody(sound: Sound, rng: random.Random) -> tuple[Scene, Program] | None:
    """ "The purple cup" where none is purple."""
    names = _only_steps(sound)
    if not names:
        return None
    number = rng.choice(names)
    described = sound.program.steps[number].inputs[0]
    absent = [c for c in COLOURS if not sound.reference.attribute(sound.values[described], "colour", c)]
    new = (Step("attribute", (described,), ("colour", rng.choice(absent))),)
    return sound.scene, inserted(sound.program, number, new, 0)


def _several_related(sound: Sound, rng: random.Random) -> tuple[Scene, Program] | None:
    """ "The only cup to the right of it" where there are two."""
    program, values = sound.program, sound.values
    choices = []
    for number in _only_steps(sound):
        narrowed = program.steps[number].inputs[0]
        step = program.steps[narrowed]
        if step.operator == "related":
            one, members = (values[i] for i in step.inputs)
            choices += [
                (narrowed, step._replace(params=(relation,)))
                for relation in RELATIONS
                if len(sound.reference.related(one, members, relation)) > 1
            ]
    return (sound.scene, replaced(program, *rng.choice(choices))) if choices else None


def _twin(sound: Sound, rng: random.Random) -> tuple[Scene, Program] | None:
    """A second thing with the looks of the one that is named."""
    steps = sound.program.steps
    names = [n for n in _only_steps(sound) if steps[steps[n].inputs[0]].operator in ("category", "attribute")]
    if not names:
        return None
    model = sound.reference.things[sound.values[rng.choice(names)]]
    x, y = rng.randrange(WIDTH - 90), rng.randrange(HEIGHT - 90)
    twin = moved_to(model, x, y).model_copy(update={"instance_id": "twin"})
    return scene_of(sound.scene.image, [*sound.scene.instances, twin]), sound.program


def _tied(sound: Sound, rng: random.Random) -> tuple[Scene, Program] | None:
    """The winner's rival stands exactly as far to the side as the winner."""
    made = _rival_moved(sound, rng, 0.0)
    return made and made[:2]


def too_close(sound: Sound, rng: random.Random) -> Planted | None:
    """The rival comes second, by less than a person can be sure of."""
    made = _rival_moved(sound, rng, rng.uniform(0.1, 0.9) * ORDER_GAP)
    if made is None:
        return None
    scene, program, number, winner = made
    values = Reference(scene).run(program)
    return Planted("too close", scene, program) if values[number] == winner and values[-1] is not None else None


def _rival_moved(sound: Sound, rng: random.Random, lead: float) -> tuple[Scene, Program, int, str] | None:
    """Moves a rival of an extreme to a lead, as a share of the picture, behind the winner; earlier steps stay."""
    program, values = sound.program, sound.values
    used = sound.reference.used(program, values)
    choices = []
    for number in used:
        step = program.steps[number]
        if step.operator == "extreme" and step.params[0] in ("leftmost", "rightmost", "highest", "lowest"):
            choices += [(number, rival) for rival in sorted(values[step.inputs[0]] - {values[number]})]
    rng.shuffle(choices)
    for number, rival in choices:
        key = program.steps[number].params[0]
        winner = sound.reference.things[values[number]]
        thing = sound.reference.things[rival]
        axis = 0 if key in ("leftmost", "rightmost") else 1
        sign = 1 if key in ("leftmost", "highest") else -1
        wanted = winner.centroid_xy[axis] + sign * lead * (WIDTH, HEIGHT)[axis]
        corner = list(thing.box_xyxy[:2])
        corner[axis] += wanted - thing.centroid_xy[axis]
        placed = moved_to(thing, *corner)
        centroid = tuple(wanted if k == axis else value for k, value in enumerate(thing.centroid_xy))
        placed = placed.model_copy(update={"centroid_xy": centroid})
        others = [instance for instance in sound.scene.instances if instance.instance_id != rival]
        scene = scene_of(sound.scene.image, [*others, placed])
        if Reference(scene).run(program)[:number] == values[:number]:
            return scene, program, number, values[number]
    return None


def moved_to(thing: Instance, x: float, y: float) -> Instance:
    """Returns the same thing with its box's corner elsewhere; its cells and depth stay what they are."""
    dx, dy = x - thing.box_xyxy[0], y - thing.box_xyxy[1]
    box = tuple(value + (dx, dy)[k % 2] for k, value in enumerate(thing.box_xyxy))
    centroid = (thing.centroid_xy[0] + dx, thing.centroid_xy[1] + dy)
    return thing.model_copy(update={"box_xyxy": box, "centroid_xy": centroid})


# -------------------------------------------------------------------------------------------------------- random chains


def random_chain(rng: random.Random, scene: Scene, reference: Reference) -> Program | None:
    """Returns a chain as people would write one without proving anything; None where the dice led nowhere."""
    draft = Draft(reference)
    descriptions = list(_descriptions(scene))
    one = _start(rng, draft, descriptions)
    for _ in range(rng.randint(1, 3)):
        one = None if one is None or draft.values[one] is None else _move(rng, draft, descriptions, one)
    if one is None or draft.values[one] is None:
        return None
    _finish(rng, draft, descriptions, one)
    return draft.program() if isinstance(draft.values[-1], int) and 0 <= draft.values[-1] <= 20 else None


def _described(rng: random.Random, draft: Draft, descriptions: list[tuple[Step, ...]], least: int = 2) -> int:
    for _ in range(12):
        position, steps = 0, rng.choice(descriptions)
        trial = Draft(draft.reference, (Step("scene"), *steps))
        if len(trial.values[-1]) >= least:
            for step in steps:
                position = draft.add(step.operator, *(i and position for i in step.inputs), params=step.params)
            return position
    return 0


def _start(rng: random.Random, draft: Draft, descriptions: list[tuple[Step, ...]]) -> int | None:
    kind = rng.choice(("only", "extreme", "nth", "choose"))
    members = _described(rng, draft, descriptions, 1 if kind == "only" else 2)
    key = rng.choice(KEYS)
    if kind == "only":
        return draft.add("only", members)
    if kind == "extreme":
        return draft.add("extreme", members, params=(key,))
    if kind == "nth":
        return draft.add("nth", members, params=(key, rng.randint(1, 3)))
    counts = [draft.add("count", _described(rng, draft, descriptions, 1)) for _ in range(2)]
    truth = draft.add("compare", *counts, params=(rng.choice(("more", "fewer", "equal")),))
    branches = [draft.add("extreme", members, params=(k,)) for k in rng.sample(KEYS, 2)]
    return draft.add("choose", truth, *branches)


def _move(rng: random.Random, draft: Draft, descriptions: list[tuple[Step, ...]], one: int) -> int:
    members = _described(rng, draft, descriptions)
    kind = rng.choice(("nearest", "farthest", "related", "related", "same"))
    if kind in ("nearest", "farthest"):
        return draft.add(kind, one, members)
    if kind == "same":
        members = draft.add("same_attribute", one, members, params=(rng.choice(("colour", "material")),))
    else:
        members = draft.add("related", one, members, params=(rng.choice(RELATIONS),))
    if rng.random() < 0.3:
        return draft.add("only", members)
    return draft.add("extreme", members, params=(rng.choice(KEYS),))


def _number(rng: random.Random, draft: Draft, descriptions: list[tuple[Step, ...]], one: int) -> int:
    kind = rng.choice(("related", "related", "related", "same", "plain", "read", "rank", "between", "closer"))
    if kind == "read":
        return draft.add("read", one, params=("digit",))
    members = _described(rng, draft, descriptions)
    if kind == "rank":
        return draft.add("rank", one, members, params=(rng.choice(KEYS),))
    if kind in ("between", "closer"):
        other = draft.add("only", _described(rng, draft, descriptions, 1))
        members = draft.add(kind, one, other, members)
    elif kind == "related":
        members = draft.add("related", one, members, params=(rng.choice((*RELATIONS, "touching")),))
    elif kind == "same":
        members = draft.add("same_attribute", one, members, params=("colour",))
    return draft.add("count", members)


def _finish(rng: random.Random, draft: Draft, descriptions: list[tuple[Step, ...]], one: int) -> int:
    first = _number(rng, draft, descriptions, one)
    if rng.random() < 0.65:
        return first
    second = _number(rng, draft, descriptions, one)
    if rng.random() < 0.2:
        truth = draft.add("compare", first, second, params=(rng.choice(("more", "fewer")),))
        return draft.add("choose_number", truth, _number(rng, draft, descriptions, one), first)
    return draft.add(rng.choice(("add", "subtract", "multiply", "difference")), first, second)


# -------------------------------------------------------------------------------------------------------- too much luck


def too_lucky(sound: Sound, rng: random.Random, bound: float = 0.25) -> Iterator[Planted]:
    """Yields hops that choose, rightly, from a set of which too many wrong members lead to the answer all the same."""
    program, values, reference = sound.program, sound.values, sound.reference
    hops = [h for h in reference.hops(program, values) if program.steps[h].operator in SELECTS - {"only"}]
    descriptions = [
        (steps, Draft(reference, (Step("scene"), *steps)).values[-1]) for steps in _descriptions(sound.scene)
    ]
    rng.shuffle(descriptions)
    for hop in hops:
        at = [hop, *reference.relations(program, hop)][-1]
        gold = {i for i in reference.things if reference.answer_if(program, values, {hop: i}) == values[-1]}
        for steps, members in descriptions:
            wrong = members - {values[hop]}
            if values[hop] not in members or len(wrong & gold) <= bound * len(wrong):
                continue
            moved = tuple(s._replace(inputs=tuple(i and at + i - 1 for i in s.inputs)) for s in steps)
            made = inserted(program, at, moved, len(program.steps[at].inputs) - 1)
            found = reference.run(made)
            if found[-1] == values[-1] and reference.is_alive(made, found):
                if any(reference.luck(made, found, h) > bound for h in reference.hops(made, found)):
                    yield Planted("too lucky", sound.scene, made)


def lucky_digits(sound: Sound, rng: random.Random, bound: float = 0.25) -> Iterator[Planted]:
    """Yields chains that end in a number to be read, with digits put such that wrong turns read the same number.

    The gold digit goes to what a wrong member leads to, never to where a slip leads: no hop is dead, one is lucky.
    """
    reference, values = sound.reference, sound.values
    last = [n for n in reference.used(sound.program, values) if sound.program.steps[n].operator in ONES][-1]
    chain = canonical(Program(steps=sound.program.steps[: last + 1]))
    found = reference.run(chain)
    slips = {reference.answer_if(chain, found, changed) for _, changed in reference.slips(chain, found)}
    hops = [hop for hop in reference.hops(chain, found) if chain.steps[hop].operator in SELECTS]
    rng.shuffle(hops)
    for hop in hops:
        wrong = reference.wrong_members(chain, found, hop)
        ends = {i: reference.answer_if(chain, found, {hop: i}) for i in wrong}
        lucky = set(ends.values()) - slips - {None, found[-1]}
        if sum(end in lucky for end in ends.values()) > bound * len(wrong) and found[-1] not in slips:
            gold, *others = rng.sample(range(10), 10)
            numbers = {i: gold if i in lucky | {found[-1]} else rng.choice(others) for i in reference.things}
            scene = scene_of(
                sound.scene.image, [with_digit(thing, numbers[i]) for i, thing in reference.things.items()]
            )
            read = Step("read", (len(chain.steps) - 1,), ("digit",))
            yield Planted("lucky digits", scene, Program(steps=(*chain.steps, read)))


def with_digit(thing: Instance, number: int) -> Instance:
    """Returns the same thing carrying a number."""
    kept = [attribute for attribute in thing.attributes if attribute.key != "digit"]
    kept.append(Attribute(key="digit", value=str(number), confidence=1.0))
    return thing.model_copy(update={"attributes": tuple(sorted(kept, key=lambda attribute: attribute.key))})
