"""Putting a program together step by step."""

from schemas.program import Param, Program, Step, canonical_program
from stages.sampling.described import Described


class Builder:
    """Collects the steps of a program over step 0, the scene; the same step twice is one step."""

    def __init__(self) -> None:
        """Starts with the scene."""
        self.steps: list[Step] = [Step("scene")]
        self._number_of: dict[Step, int] = {self.steps[0]: 0}

    def add(self, operator: str, inputs: tuple[int, ...], params: tuple[Param, ...] = ()) -> int:
        """Appends a step, unless it is there already; returns its number."""
        step = Step(operator, inputs, params)
        number = self._number_of.setdefault(step, len(self.steps))
        if number == len(self.steps):
            self.steps.append(step)
        return number

    def describe(self, described: Described) -> int:
        """Appends the steps of a described set; returns the number of the set's step."""
        position = 0
        for number, category in enumerate(described.categories):
            added = self.add("category", (0,), (category,))
            position = self.add("union", (position, added)) if number else added
        for pair in described.adjectives:
            position = self.add("attribute", (position,), pair)
        return position

    def program(self) -> Program:
        """Returns the canonical program that ends in the last step."""
        return canonical_program(self.steps)
