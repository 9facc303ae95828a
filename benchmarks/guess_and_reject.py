"""The reference for the engine: draw a program of the same shape at random, execute it, keep it if it is certified.

This is how CLEVR makes its questions. It is helped along a little: it starts from an anchor that is known to denote one
instance, and it names only categories, colours and relations that the scene has. It uses the same certifier.
"""

import random
import time
from collections.abc import Sequence
from itertools import cycle

from schemas.program import Program
from schemas.scene import Scene
from stages.certify import Certified, certify
from stages.sampling.builder import Builder
from stages.sampling.draw import Drawer
from stages.sampling.search import World
from stages.scene_index import SceneIndex
from stages.synthesize import SynthesizeConfig

_MOST_DRAWS = 2_000
"""Draws spent on one scene."""


def certified_per_second(scenes: Sequence[Scene], config: SynthesizeConfig, budget_seconds: float) -> float:
    """Returns how many distinct certified programs guessing finds per processor second, within such a budget."""
    rng = random.Random("guess and reject")
    started, kept = time.process_time(), 0
    deadline = started + budget_seconds
    for scene in cycle(scenes):
        kept += _kept_on(rng, scene, config, deadline)
        if time.process_time() >= deadline:
            break
    return kept / (time.process_time() - started)


def _kept_on(rng: random.Random, scene: Scene, config: SynthesizeConfig, deadline: float) -> int:
    index = SceneIndex(scene, config.margins)
    world = World(index)
    if not world.several or not world.makers:
        return 0
    drawer = Drawer(rng, world, config.shapes)
    found: set[str] = set()
    for draw in range(_MOST_DRAWS):
        program = _guess(rng, world, drawer)
        if program is not None and isinstance(certify(index, program, config.certify), Certified):
            found.add(program.to_json())
        if len(found) >= config.per_image or (draw % 32 == 0 and time.process_time() >= deadline):
            break
    return len(found)


def _guess(rng: random.Random, world: World, drawer: Drawer) -> Program | None:
    """Returns a program of a drawn shape whose moves and finish are chosen without looking where they lead."""
    if not drawer.shapes:
        return None
    shape = rng.choices(drawer.shapes, cum_weights=drawer.totals)[0]
    start = rng.choice(world.index.members(drawer.starts[shape.anchor]))
    anchor = drawer.anchors.draw(rng, shape.anchor, start, 0)
    if anchor is None:
        return None
    builder = Builder()
    one = anchor.build(builder)
    for _ in range(shape.moves):
        described = builder.describe(rng.choice(world.choosable))
        one = rng.choice(world.kinds).build(builder, one, described)
    world.finish(rng.choice(world.makers[shape.finish])).build(builder, one)
    return builder.program()
