"""The embedded eyes against the exact masks of scenes they were never trained or tuned on."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from training.scoring import HEADS, SceneScore, reliability, score_scenes, summarise

SCENES = 500
_QUICK = 12
_CHUNK = 10
_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
TARGETS = {"box_miou": 0.88, "recall_50": 0.90, "precision_50": 0.90, "crops_least": 0.97}
_TOLD = {
    "box_miou": "box prompt, mean IoU",
    "box_miou_small": "  things under 1,500 pixels",
    "point_miou": "innermost point, mean IoU",
    "recall_50": "automatic, recall at IoU 0.5",
    "precision_50": "automatic, precision at IoU 0.5",
    "recall_75": "automatic, recall at IoU 0.75",
    "exact_count": "scenes with every thing found and nothing else",
    "crops_least": "crops on predicted masks, least accurate attribute",
    "crops_all": "crops on predicted masks, every attribute right",
}


def run(plan: Plan) -> Iterator[Table]:
    """Yields the quality of the shipped weights, and how far their confidence can be trusted."""
    result = measure_eyes(plan.scenes or (_QUICK if plan.quick else SCENES), 2)
    judged = result["scenes"] >= SCENES
    rows = [_row(name, result[name], judged) for name in _TOLD if result[name] is not None]
    rows += [(f"  {head}", f"{share:.3f}", "", "-") for head, share in result["crops"].items()]
    title = f"embedded eyes on {result['scenes']} held-out rendered scenes, {result['things']} things"
    notes = ("shipped graphs through onnxruntime; exact visible masks at 512 x 384; scenes named report:scene:N",)
    yield Table(title, ("measure", "value", "target", ""), rows, notes)
    yield Table(
        "confidence of the crop classifier's readings, all attributes, predicted masks",
        ("confidence", "readings", "mean confidence", "right"),
        [
            (
                f"{row['from']:g} to {row['to']:g}",
                str(row["readings"]),
                f"{row['confidence']:.4f}",
                f"{row['right']:.4f}",
            )
            for row in result["reliability"]
        ],
    )


def measure_eyes(scenes: int, workers: int, weights: str = "") -> dict[str, Any]:
    """Returns the measures of the first scenes for reporting, taken in that many processes."""
    numbers = [range(start, min(start + _CHUNK, scenes)) for start in range(0, scenes, _CHUNK)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes:
        parts = list(processes.map(_score, numbers, [weights] * len(numbers)))
    scores = [score for part in parts for score in part]
    said = [one for score in scores for row in score.said for one in row]
    by_head = {head: reliability([one for one in said if one.head == head], _EDGES) for head in HEADS}
    return summarise(scores) | {"reliability": reliability(said, _EDGES), "reliability_by_head": by_head}


def _score(numbers: range, weights: str) -> list[SceneScore]:
    return score_scenes("report", numbers, weights)


def _row(name: str, value: float, judged: bool) -> tuple[str, ...]:
    target = TARGETS.get(name)
    if target is None:
        return _TOLD[name], f"{value:.3f}", "", "-"
    return _TOLD[name], f"{value:.3f}", f">= {target:.2f}", verdict_text(value >= target if judged else None)
