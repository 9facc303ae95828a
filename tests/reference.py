"""A slow evaluator of programs, written from the design alone. It shares nothing with `stages`: they are held to it.

Sets are frozensets of instance ids, one instance is its id, undefined is None. A hop is proved by doing what it must
not survive: its value is replaced and the whole program evaluated again.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import product

from schemas.program import Program, Step
from schemas.scene import Scene

RELATES = {"related", "same_attribute", "between", "closer"}
SELECTS = {"only", "extreme", "nth", "nearest", "farthest"}
PERCEIVES = {"count", "exists", "read", "measure", "rank"}
CHOICES = {"choose", "choose_number"}
DESCRIBES = {"scene", "category", "attribute", "region", "union", "intersect", "except", "set_of"}
ONES = SELECTS | {"choose", "instance"}
OPPOSITE = {"left": "right", "above": "below", "front": "behind", "leftmost": "rightmost", "highest": "lowest"}
OPPOSITE |= {"largest": "smallest", "frontmost": "backmost", "nearest": "farthest", "more": "fewer"}
OPPOSITE |= {second: first for first, second in OPPOSITE.items()}
NUMBERS = range(-1, 30)


class Reference:
    """One scene as plain dictionaries."""

    def __init__(self, scene: Scene) -> None:
        self.things = {instance.instance_id: instance for instance in scene.instances}
        self.looks = {i: {a.key: a.value for a in thing.attributes} for i, thing in self.things.items()}
        self.middle = (scene.image.width / 2, scene.image.height / 2)
        self.cells = {
            i: {(span.y, x) for span in thing.spans for x in range(span.x0, span.x1)}
            for i, thing in self.things.items()
        }
        self.relatives: dict[tuple[str, str], frozenset[str]] = {}
        self.scores: dict[tuple[str, str], float] = {}

    def run(self, program: Program) -> list:
        """Returns the value of every step."""
        values: list = []
        for step in program.steps:
            values.append(self.step(step, values))
        return values

    def answer_if(self, program: Program, values: list, changed: Mapping[int, object]):
        """Returns the answer where some steps have other values than they had."""
        first = min(changed)
        found = values[:first]
        for number in range(first, len(program.steps)):
            found.append(changed[number] if number in changed else self.step(program.steps[number], found))
        return found[-1]

    def step(self, step: Step, values: list):
        given = [values[i] for i in step.inputs]
        if step.operator in CHOICES:
            return None if given[0] is None else given[1] if given[0] else given[2]
        if any(value is None for value in given):
            return None
        return getattr(self, step.operator if step.operator not in ("except",) else "except_")(*given, *step.params)

    def scene(self):
        return frozenset(self.things)

    def instance(self, name):
        return name if name in self.things else None

    def set_of(self, one):
        return frozenset({one})

    def category(self, members, name):
        return frozenset(i for i in members if self.things[i].category == name)

    def attribute(self, members, key, value):
        return frozenset(i for i in members if self.looks[i].get(key) == value)

    def region(self, members, half):
        axis = 0 if half in ("left half", "right half") else 1
        sign = 1 if half in ("right half", "lower half") else -1
        return frozenset(i for i in members if sign * (self.things[i].centroid_xy[axis] - self.middle[axis]) > 0)

    def union(self, first, second):
        return first | second

    def intersect(self, first, second):
        return first & second

    def except_(self, first, second):
        return first - second

    def related(self, one, members, relation):
        if (one, relation) not in self.relatives:
            found = frozenset(i for i in self.things if i != one and self._stands(relation, i, one))
            self.relatives[one, relation] = found
        return members & self.relatives[one, relation]

    def _stands(self, relation: str, a: str, b: str) -> bool:
        """Whether a stands in the relation to b."""
        first, second = self.things[a], self.things[b]
        (ax, ay), (bx, by) = first.centroid_xy, second.centroid_xy
        if relation == "inside":
            inner, outer = first.box_xyxy, second.box_xyxy
            return all(inner[k] >= outer[k] for k in (0, 1)) and all(inner[k] <= outer[k] for k in (2, 3))
        if relation == "touching":
            steps = list(product((-1, 0, 1), repeat=2))
            return bool({(y + dy, x + dx) for y, x in self.cells[a] for dy, dx in steps} & self.cells[b])
        if relation in ("front", "behind"):
            if first.depth is None or second.depth is None:
                return False
            return first.depth < second.depth if relation == "front" else first.depth > second.depth
        return {"left": ax < bx, "right": ax > bx, "above": ay < by, "below": ay > by}[relation]

    def same_attribute(self, one, members, key):
        value = self.looks[one].get(key)
        return None if value is None else frozenset(i for i in members if i != one and self.looks[i].get(key) == value)

    def between(self, one, other, members):
        low, high = sorted(self.things[i].centroid_xy[0] for i in (one, other))
        return frozenset(i for i in members if low < self.things[i].centroid_xy[0] < high)

    def closer(self, one, other, members):
        limit = self.far(one, other)
        return frozenset(i for i in members if i not in (one, other) and self.far(one, i) < limit)

    def far(self, a: str, b: str) -> float:
        dx, dy = (p - q for p, q in zip(self.things[a].centroid_xy, self.things[b].centroid_xy, strict=True))
        return dx * dx + dy * dy

    def only(self, members):
        return next(iter(members)) if len(members) == 1 else None

    def extreme(self, members, key):
        return self.nth(members, key, 1)

    def nth(self, members, key, place):
        if not 1 <= place <= len(members):
            return None
        scores = {i: self.score(i, key) for i in members}
        wanted = sorted(scores.values())[place - 1]
        return self.only([i for i in members if scores[i] == wanted])

    def score(self, i: str, key: str) -> float:
        if (i, key) not in self.scores:
            self.scores[i, key] = self._score(i, key)
        return self.scores[i, key]

    def _score(self, i: str, key: str) -> float:
        thing = self.things[i]
        if key in ("frontmost", "backmost") and thing.depth is None:
            return math.inf
        x, y = thing.centroid_xy
        front = thing.depth or 0.0
        return {
            "leftmost": x,
            "rightmost": -x,
            "highest": y,
            "lowest": -y,
            "smallest": thing.area,
            "largest": -thing.area,
            "frontmost": front,
            "backmost": -front,
        }[key]

    def nearest(self, one, members):
        return self._by_distance(one, members, min)

    def farthest(self, one, members):
        return self._by_distance(one, members, max)

    def _by_distance(self, one, members, best):
        distances = {i: self.far(one, i) for i in members if i != one}
        return self.only([i for i in distances if distances[i] == best(distances.values())]) if distances else None

    def count(self, members):
        return len(members)

    def exists(self, members):
        return bool(members)

    def read(self, one, key):
        value = self.looks[one].get(key, "")
        return int(value) if value and set(value) <= set("0123456789") else None

    measure = read

    def rank(self, one, members, key):
        scores = [self.score(i, key) for i in members]
        own = self.score(one, key)
        return 1 + sum(s < own for s in scores) if one in members and scores.count(own) == 1 else None

    def add(self, first, second):
        return first + second

    def subtract(self, first, second):
        return first - second

    def multiply(self, first, second):
        return first * second

    def difference(self, first, second):
        return abs(first - second)

    def compare(self, first, second, how):
        return {"more": first > second, "fewer": first < second, "equal": first == second}[how]

    # ------------------------------------------------------------------------------------------------ hops and proofs

    def used(self, program: Program, values: list) -> list[int]:
        """Returns the steps the answer rests on; of a choice, the branch taken."""
        found: set[int] = set()

        def visit(number: int) -> None:
            found.add(number)
            step = program.steps[number]
            inputs = step.inputs
            if step.operator in CHOICES:
                inputs = (inputs[0], inputs[1] if values[inputs[0]] else inputs[2])
            for i in inputs:
                visit(i)

        visit(len(program.steps) - 1)
        return sorted(found)

    def hops(self, program: Program, values: list) -> dict[int, str]:
        """Returns the hops: reading a number or a count, and finding one thing by looking at others."""
        found = {}
        for number in self.used(program, values):
            step = program.steps[number]
            if step.operator in PERCEIVES:
                found[number] = "perception"
            elif step.operator in SELECTS and any(self._rests_on_one(program, i) for i in step.inputs):
                found[number] = "instance_chain"
            elif step.operator in SELECTS - {"only"}:
                found[number] = "perception"
        return found

    def _rests_on_one(self, program: Program, number: int) -> bool:
        step = program.steps[number]
        return step.operator in ONES or any(self._rests_on_one(program, i) for i in step.inputs)

    def relations(self, program: Program, number: int) -> Iterator[int]:
        """Yields the relations that the set of a step comes through, innermost last."""
        while program.steps[number := program.steps[number].inputs[-1]].operator in RELATES:
            yield number

    def slips(self, program: Program, values: list) -> Iterator[tuple[int, dict[int, object]]]:
        """Yields (hop, changed values) for every slip that must not leave the answer as it is."""
        for number in self.used(program, values):
            step = program.steps[number]
            if step.operator in CHOICES:
                yield number, {number: values[step.inputs[2] if values[step.inputs[0]] else step.inputs[1]]}
        for hop in self.hops(program, values):
            yield from ((hop, changed) for changed in self._slips_of(program, values, hop))

    def _slips_of(self, program: Program, values: list, hop: int) -> Iterator[dict[int, object]]:
        step = program.steps[hop]
        on_the_way = list(self.relations(program, hop)) if step.operator not in ("read", "measure") else []
        for number in on_the_way:
            relation = program.steps[number]
            yield {number: values[relation.inputs[-1]]}
            if relation.params and relation.params[0] in OPPOSITE:
                yield {number: self.step(relation._replace(params=(OPPOSITE[relation.params[0]],)), values)}
        if step.operator == "rank":
            yield {hop: self.step(step._replace(params=(OPPOSITE[step.params[0]],)), values)}
        if step.operator in SELECTS:
            ones = [i for n in (hop, *on_the_way) for i in program.steps[n].inputs if program.steps[i].operator in ONES]
            if ones:
                yield {hop: values[ones[0]]}
        if step.operator not in SELECTS - {"only"}:
            return
        if step.operator in OPPOSITE:
            yield {hop: self.step(step._replace(operator=OPPOSITE[step.operator]), values)}
        else:
            yield {hop: self.step(step._replace(params=(OPPOSITE[step.params[0]], *step.params[1:])), values)}
        given = [values[i] for i in step.inputs]
        rest = given[-1] - {values[hop]}
        yield {hop: getattr(self, step.operator)(*given[:-1], rest, *step.params)}
        yield {hop: self.only(given[-1] - set(given[:-1]))}

    def dead(self, program: Program, values: list) -> list[int]:
        """Returns the hops that some slip leaves without effect, in the order they are met; choices first."""
        found = []
        for hop, changed in self.slips(program, values):
            if hop not in found and self.answer_if(program, values, changed) == values[-1]:
                found.append(hop)
        return found

    def is_alive(self, program: Program, values: list) -> bool:
        """Returns whether no slip leaves the answer as it is."""
        slips = self.slips(program, values)
        return all(self.answer_if(program, values, changed) != values[-1] for _, changed in slips)

    def idle(self, program: Program, values: list) -> list[int]:
        """Returns the perceived numbers and truths that could be anything: the answer would be the same."""
        found = []
        for hop in self.hops(program, values):
            if program.steps[hop].operator in PERCEIVES:
                others = (
                    [not values[hop]] if isinstance(values[hop], bool) else [n for n in NUMBERS if n != values[hop]]
                )
                if all(self.answer_if(program, values, {hop: other}) == values[-1] for other in others):
                    found.append(hop)
        return found

    def luck(self, program: Program, values: list, hop: int) -> float:
        """Returns the share of wrong members of the described set from which the answer is reached all the same."""
        if program.steps[hop].operator not in SELECTS:
            return 0.0
        wrong = self.wrong_members(program, values, hop)
        hits = sum(self.answer_if(program, values, {hop: i}) == values[-1] for i in wrong)
        return hits / len(wrong) if wrong else 1.0

    def wrong_members(self, program: Program, values: list, hop: int) -> frozenset[str]:
        """Returns what a hop could be mistaken for: the described set it chooses from, without the right one."""
        described = [hop, *self.relations(program, hop)][-1]
        return values[program.steps[described].inputs[-1]] - {values[hop]}
