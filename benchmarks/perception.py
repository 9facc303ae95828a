"""Perception to answers: how often a published answer is wrong because a scene was not seen as it is.

Scenes are rendered, so the truth is known. Each is looked at as a run of the embedded profile does, questions are made
of what was seen, and every program is executed again on the exact scene: another answer, or none, is wrong. One
pass of looking serves all rows of the table, from believing everything to the default trust.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

import stages.rendering.scene as renderer
from benchmarks.plan import Plan
from benchmarks.rendered import described_scene
from benchmarks.table import Table, verdict_text
from schemas.instance import Instance
from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from stages.doubt import TrustConfig, doubt_of
from stages.execute import execute
from stages.perceive import CROP_FACTS, Ask, Eyes, Looked, decide, describe_seen, look, open_eyes
from stages.rendering.config import RenderConfig
from stages.scene_index import SceneIndex
from stages.segment import SegmentConfig
from stages.segmenters.domain import distance_of, open_domain
from stages.segmenters.embedded import EmbeddedConfig
from stages.synthesize import SynthesizeConfig, synthesize
from stages.view_solver import solve_in_views
from stages.views import VIEWS, view_of
from tests.makers import make_image

SCENES = 600
WANTED = 5_000
"""Questions that the target is judged on."""
MOST_WRONG = 0.005
ASKED = SynthesizeConfig(per_image=16, oversample=1.0)
DEFAULT = SegmentConfig().trust
_BLIND = TrustConfig(
    min_mask=0,
    min_category=0,
    min_attribute=0,
    max_unexplained=1,
    min_shown=0,
    max_spread=99,
    min_again=0,
    views=(),
    view_iou=0,
)
LEVELS: dict[str, TrustConfig] = {
    "believe everything": _BLIND,
    "sure names": _BLIND.model_copy(
        update={"min_category": DEFAULT.min_category, "min_attribute": DEFAULT.min_attribute}
    ),
    "and nothing unexplained": DEFAULT.model_copy(
        update={"views": (), "view_iou": 0, "max_spread": 99.0, "min_again": 0.0}
    ),
    "and one centre each": DEFAULT.model_copy(update={"views": (), "view_iou": 0, "min_again": 0.0}),
    "and the same asked again": DEFAULT.model_copy(update={"views": (), "view_iou": 0}),
    "and the same when flipped": DEFAULT.model_copy(update={"views": DEFAULT.views[:1]}),
    "default: and in every view": DEFAULT,
}
"""Each believes less than the one before."""
COCO = Path(__file__).resolve().parent.parent.parent / "shared" / "coco" / "images"


class Tally(NamedTuple):
    """One level over some scenes."""

    scenes: int
    kept: int
    questions: int
    wrong: int
    wrong_before_views: int
    """Wrong answers among those that the views failed as well."""


def run(plan: Plan) -> Iterator[Table]:
    """Yields the curve from perception to answers, then the domain check."""
    count = 8 if plan.quick else (plan.scenes or SCENES)
    names = [f"perception:{number}" for number in range(count)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tallies = list(pool.map(tally_scene, names, chunksize=4))
        yield curve(tallies)
        yield domain_table(list(pool.map(domain_distances, names[: 8 if plan.quick else 200], chunksize=4)))


def tally_scene(name: str) -> dict[str, Tally]:
    """Returns what each level makes of one rendered scene; ``exact`` makes questions of the exact masks."""
    picture, exact = exact_scene(name)
    eyes = open_eyes(EmbeddedConfig(), prompted=False)
    looked = look(picture, eyes, Ask(), SegmentConfig())  # places and views only where the default trust gets so far
    tallies = {level: tally_level(exact, looked, picture, eyes, trust) for level, trust in LEVELS.items()}
    return tallies | {"exact masks": _count(exact, exact, {})}


def tally_level(exact: Scene, looked: Looked, picture: NDArray[np.uint8], eyes: Eyes, trust: TrustConfig) -> Tally:
    """Returns what one level makes of what was seen."""
    doubt = doubt_of(looked.seen, eyes.evidence(picture), trust)
    views = {name: looked.views[name] for name in trust.views if name in looked.views}
    seen = decide(exact.image, looked._replace(doubt=doubt, views=views), "bench", SegmentConfig(trust=trust))
    described = None if seen.refused is not None else describe_seen(exact.image, seen.instances)
    if described is None:
        return Tally(1, 0, 0, 0, 0)
    scene = Scene(
        image=exact.image,
        instances=described.instances,
        categories=described.categories,
        supports=frozenset(CROP_FACTS),
    )
    return _count(scene, exact, seen.views)


def exact_scene(name: str) -> tuple[NDArray[np.uint8], Scene]:
    """Returns the picture of a rendered scene and everything the renderer knows of it."""
    drawn = renderer.render_scene(name, RenderConfig())
    height, width = drawn.image.shape[:2]
    image = make_image(width=width, height=height, image_id=hashlib.sha256(name.encode()).hexdigest())
    return drawn.image, described_scene(image, drawn.things)


def _count(scene: Scene, exact: Scene, views: Mapping[str, Sequence[Instance]]) -> Tally:
    questions = synthesize(scene, ASKED, 0, "bench").questions
    rows = {row.question_id: row for row in solve_in_views(scene, views, questions, ASKED.margins)}
    stable = [one for one in questions if one.question_id not in rows or rows[one.question_id].stability == 1]
    index = SceneIndex(exact, ASKED.margins)
    wrong = sum(_is_wrong(index, one) for one in stable)
    return Tally(1, int(bool(stable)), len(stable), wrong, sum(_is_wrong(index, one) for one in questions))


def _is_wrong(exact: SceneIndex, question: Question) -> bool:
    return execute(exact, Program.from_json(question.program))[-1] != question.answer


def curve(tallies: Sequence[dict[str, Tally]]) -> Table:
    """Returns the table of levels: how many scenes and questions remain, and how many answers are wrong."""
    rows = []
    for level in ("exact masks", *LEVELS):
        here = [one[level] for one in tallies]
        scenes, kept, questions, wrong, before = (sum(column) for column in zip(*here, strict=True))
        share = wrong / questions if questions else 0.0
        judged = level in ("exact masks", list(LEVELS)[-1]) and questions >= WANTED
        limit = 0.0 if level == "exact masks" else MOST_WRONG
        rows.append(
            (
                level,
                f"{kept / scenes:.1%}",
                f"{questions:,}",
                f"{wrong:,}",
                f"{share:.2%}",
                _upper(here),
                f"{before:,}",
                verdict_text(share <= limit if judged else None),
            )
        )
    notes = (
        f"{len(tallies):,} rendered scenes of 512x384 that no training saw; {ASKED.per_image} families per scene with "
        "their variants. Wrong: the program gives another answer, or none, on the exact scene.",
        "Each row believes less than the one before. Upper: 97.5% quantile of the share, resampling scenes. Before "
        "views: wrong answers without failing those that change in a harmless view.",
        f"Target: at most {MOST_WRONG:.1%} wrong at the default, none with exact masks, over {WANTED:,} questions.",
    )
    headings = ("what is believed", "scenes kept", "questions", "wrong", "share", "upper", "before views", "")
    return Table("Perception to answers", headings, rows, notes)


def _upper(tallies: Sequence[Tally]) -> str:
    wrong = np.array([one.wrong for one in tallies], dtype=float)
    asked = np.array([one.questions for one in tallies], dtype=float)
    if not asked.sum():
        return "-"
    drawn = np.random.default_rng(0).integers(0, len(wrong), (1_000, len(wrong)))
    shares = wrong[drawn].sum(axis=1) / np.maximum(asked[drawn].sum(axis=1), 1)
    return f"{np.quantile(shares, 0.975):.2%}"


def domain_distances(name: str) -> dict[str, float]:
    """Returns how far a rendered scene and each of its harmless views is from the domain, in limits."""
    picture, model = renderer.render_scene(f"domain check:{name}", RenderConfig()).image, open_domain()
    shown = {"plain": picture} | {view: view_of(view, picture).pixels for view in VIEWS}
    return {view: distance_of(pixels, model) / model.limit for view, pixels in shown.items()}


def domain_table(scenes: Sequence[dict[str, float]]) -> Table:
    """Returns how many rendered pictures the domain check turns away, and how many photos it lets in."""
    model = open_domain()
    rows = []
    for view in scenes[0]:
        away = np.array([one[view] for one in scenes])
        rows.append((f"rendered, {view}", f"{len(away):,}", f"{(away > 1).sum():,} turned away", f"{away.max():.2f}"))
    if COCO.is_dir():
        photos = np.array([distance_of(_open(path), model) / model.limit for path in sorted(COCO.iterdir())])
        rows.append(("photos", f"{len(photos):,}", f"{(photos <= 1).sum():,} let in", f"{photos.min():.2f}"))
    notes = ("Distance in limits: the farthest of the rendered, the nearest of the photos.",)
    return Table("Domain check", ("pictures", "number", "errors", "distance"), rows, notes)


def _open(path: Path) -> NDArray[np.uint8]:
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
