"""Step rewards for Hopyard's view process: pure functions, standard library only.

A response is one JSON object per line (``step, title, content, evidence, next_action``), an empty line, and the number
in a box. Boxes are ``x0, y0, x1, y1`` in pixels, half-open, origin at the top left.

- `step_rewards`: per step, does its evidence lie where the gold step's does (Acc@IoU)?
- `gated`: V-tableR1's four branches of outcome and process reward.
- `sr_signals`, `fit_weights`, `sr_reward`, `cooled`: SR-MCR's five label-free signals, weighed by their reliability.
- `step_of_tokens`: labels of steps to tokens.
- `compute_score` (verl) and `process_reward` (TRL) put the first two together.

Nothing raises on text from a model; what cannot be read as steps has no steps and earns no process reward.
"""

import importlib.util
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

VERSION = 2

Box = tuple[float, float, float, float]
_MOST_STEPS = 64
_MOST_CHARACTERS = 200_000


class Step:
    """One parsed step of a response."""

    def __init__(self, text: str, evidence: tuple[Box, ...], start: int, end: int, number: int) -> None:
        self.text = text
        """Title and content."""
        self.evidence = evidence
        self.start = start
        """First character in the response, in code points."""
        self.end = end
        """One past the last."""
        self.number = number
        """As the response states it; 0 where it states none."""


def parse_steps(response: object) -> list[Step]:
    """Returns the steps of a response, in order; lines that are no step are passed over."""
    if not isinstance(response, str) or len(response) > _MOST_CHARACTERS:
        return []
    steps: list[Step] = []
    start = 0
    for line in response.split("\n"):
        step = _step(line, start) if line.startswith("{") and line.endswith("}") else None
        if step is not None and len(steps) < _MOST_STEPS:
            steps.append(step)
        start += len(line) + 1
    return steps


def _step(line: str, start: int) -> Step | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    content = said.get("content") if isinstance(said, dict) else None
    if not isinstance(content, str):
        return None
    title, number = said.get("title"), said.get("step")
    evidence = said.get("evidence")
    boxes = [box for box in map(_box, evidence if isinstance(evidence, list) else []) if box is not None]
    text = f"{title}. {content}" if isinstance(title, str) else content
    stated = number if isinstance(number, int) and not isinstance(number, bool) else 0
    return Step(text, tuple(boxes), start, start + len(line), stated)


def _box(value: object) -> Box | None:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    if not all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in value):
        return None
    if not all(-1e6 < edge < 1e6 for edge in value):  # also what is not a number
        return None
    x0, y0, x1, y1 = (float(edge) for edge in value)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


# ------------------------------------------------------------------------------------------------------------- boxes


def iou(a: Box, b: Box) -> float:
    """Returns intersection over union in [0, 1]; 0 where either box is reversed or has no area."""
    overlap, union, _ = _areas(a, b)
    return overlap / union if union > 0 else 0.0


def giou(a: Box, b: Box) -> float:
    """Returns generalised IoU in [-1, 1] (Rezatofighi et al., 2019); -1 where either box is reversed or has no area."""
    overlap, union, hull = _areas(a, b)
    return overlap / union - (hull - union) / hull if union > 0 and hull > 0 else -1.0


def acc_at_iou(is_right: bool, found: Box | None, gold: Box, threshold: float = 0.5) -> float:
    """Returns 1.0 where the answer is right and the box overlaps enough, else 0.0 (MultihopSpatial)."""
    return 1.0 if is_right and found is not None and iou(found, gold) >= threshold else 0.0


def match_share(found: Sequence[Box], gold: Sequence[Box], threshold: float = 0.5) -> float:
    """Returns the F1 of boxes paired one to one, best overlap first; 1.0 where neither side has any."""
    if not found and not gold:
        return 1.0
    pairs = sorted(((iou(a, b), i, j) for i, a in enumerate(found[:64]) for j, b in enumerate(gold[:64])), reverse=True)
    used_found: set[int] = set()
    used_gold: set[int] = set()
    for overlap, i, j in pairs:
        if overlap >= threshold and i not in used_found and j not in used_gold:
            used_found.add(i)
            used_gold.add(j)
    return 2 * len(used_gold) / (len(found) + len(gold))


def _areas(a: Box, b: Box) -> tuple[float, float, float]:
    """Areas of intersection, union and smallest box around both; zeros where a box is reversed or empty."""
    if a[2] <= a[0] or a[3] <= a[1] or b[2] <= b[0] or b[3] <= b[1]:
        return 0.0, 0.0, 0.0
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return width * height, union, hull


# ------------------------------------------------------------------------------------------------------------- steps


def step_rewards(response: object, gold_boxes: Sequence[Sequence[Box]]) -> list[float]:
    """Returns per gold step how well the response's step at that place points at the same things, in [0, 1].

    A step that is missing earns 0. Steps are compared by position: a skipped hop costs itself and all after it.
    """
    steps = parse_steps(response)
    return [
        match_share(steps[number].evidence, boxes) if number < len(steps) else 0.0
        for number, boxes in enumerate(gold_boxes)
    ]


def step_of_tokens(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """Returns per token the number of the step that its first character lies in, from 0; -1 outside all steps.

    ``offsets`` are a fast tokenizer's ``offset_mapping`` of the response, in code points like ``spans`` (half-open,
    ascending). Special tokens have an empty offset and belong to no step. A token that reaches over a step's end
    belongs to the step it starts in.
    """
    found: list[int] = []
    for start, end in offsets:
        inside = (n for n, (first, last) in enumerate(spans) if first <= start < last)
        found.append(next(inside, -1) if end > start else -1)
    return found


def last_token_rewards(
    offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]], rewards: Sequence[float]
) -> list[float]:
    """Returns per token the reward of its step where it is that step's last token, else 0."""
    steps = step_of_tokens(offsets, spans)
    last = {step: token for token, step in enumerate(steps) if step >= 0}
    return [rewards[step] if step >= 0 and last[step] == token else 0.0 for token, step in enumerate(steps)]


def gated(  # noqa: PLR0913 - the gate's own constants
    is_right: bool,
    process: float,
    base: float = 1.0,
    format_reward: float = 0.0,
    thresholds: tuple[float, float] = (0.3, 0.8),
    shares: tuple[float, float] = (0.5, 0.1),
) -> float:
    """Returns V-tableR1's reward of an outcome and its process reward in [0, 1].

    ========  =====================  ==========================
    right     process                reward
    ========  =====================  ==========================
    yes       above ``high``         base + format + alpha
    yes       below ``low``          format + beta (lucky guess)
    yes       between                base + format + alpha * process
    no        any                    format
    ========  =====================  ==========================

    ``thresholds`` are low and high, ``shares`` alpha and beta. A process reward that is no number counts as 0.
    """
    low, high = thresholds
    alpha, beta = shares
    process = process if process == process else 0.0
    if not is_right:
        return format_reward
    if process > high:
        return base + format_reward + alpha
    if process < low:
        return format_reward + beta
    return base + format_reward + alpha * process


# ------------------------------------------------------------------------------------------------- label-free signals

SIGNALS = ("semantic_alignment", "lexical_fidelity", "non_redundancy", "visual_grounding", "step_coherence")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_EMPTY_WORDS = frozenset(
    "a an and are as at be by do does for from go has have how in is it its look many more most much now of on one"
    " or other others out pick start take than that the them then there these things this to what where which with"
    " you".split()
)


def sr_signals(question: str, response: object, boxes: Sequence[Box]) -> dict[str, float]:
    """Returns SR-MCR's five signals of a response, each in [0, 1]; all 0 where it has no steps.

    ``boxes`` are those of everything that is in the picture, as far as known.

    - semantic_alignment: cosine of the letter trigrams of question and steps;
    - lexical_fidelity: share of the question's content words that the steps take up;
    - non_redundancy: 1 - mean over steps of the largest word overlap (Jaccard) with an earlier step;
    - visual_grounding: mean best IoU of the evidence boxes with known ones; 0 without evidence;
    - step_coherence: half for steps numbered in order, half for steps that take up a word of the one before.

    The signals look at words and boxes, not at truth: a fluent wrong trace can score well.
    """
    steps = parse_steps(response)
    if not steps:
        return dict.fromkeys(SIGNALS, 0.0)
    texts = [step.text for step in steps]
    words = [_content_words(text) for text in texts]
    asked = _content_words(question)
    said = set().union(*words)
    evidence = [box for step in steps for box in step.evidence]
    return {
        "semantic_alignment": _cosine(_trigrams(question), _trigrams(" ".join(texts))),
        "lexical_fidelity": len(asked & said) / len(asked) if asked else 1.0,
        "non_redundancy": 1.0 - _redundancy(words),
        "visual_grounding": sum(max((iou(a, b) for b in boxes), default=0.0) for a in evidence) / len(evidence)
        if evidence
        else 0.0,
        "step_coherence": (_in_order([step.number for step in steps]) + _linked(words)) / 2,
    }


def fit_weights(signals: Sequence[Mapping[str, float]], outcomes: Sequence[float]) -> dict[str, float]:
    """Returns reliability weights: each signal's correlation with the outcome where positive, else 0; they sum to 1.

    Without a positively correlated signal all weights are 0: nothing is known to be reliable. Correlations that chance
    alone would give (below 2 / sqrt(n)) count as none, so that noise gets no weight.
    """
    floor = 2 / math.sqrt(len(outcomes)) if outcomes else 1.0
    found = {name: _correlation([row[name] for row in signals], outcomes) for name in SIGNALS}
    kept = {name: value if value > floor else 0.0 for name, value in found.items()}
    total = sum(kept.values())
    return {name: value / total if total else 0.0 for name, value in kept.items()}


def sr_reward(signals: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Returns the weighted mean of the signals, in [0, 1]."""
    return sum(weights.get(name, 0.0) * signals.get(name, 0.0) for name in SIGNALS)


def cooled(reward: float, spread: float, strength: float = 0.5) -> float:
    """Returns a reward damped where a model is sure of it: high reward, little spread over its rollouts (SR-MCR).

    ``spread`` is the standard deviation of the rewards within a group, at most 0.5. Monotone: more spread never lowers
    it, more strength never raises it, and 0 and 1 of spread 0.5 stay what they are.
    """
    sure = 1.0 - min(max(spread, 0.0), 0.5) / 0.5
    return reward * (1.0 - strength * sure * reward)


def _content_words(text: str) -> set[str]:
    words = (word.removesuffix("s") if len(word) > 3 else word for word in _WORD.findall(text.lower()))
    return {word for word in words if word not in _EMPTY_WORDS}


def _trigrams(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in sorted(_content_words(text)):
        padded = f" {word} "
        for start in range(len(padded) - 2):
            counts[padded[start : start + 3]] = counts.get(padded[start : start + 3], 0) + 1
    return counts


def _cosine(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    dot = sum(count * b.get(piece, 0) for piece, count in a.items())
    size = math.sqrt(sum(n * n for n in a.values())) * math.sqrt(sum(n * n for n in b.values()))
    return min(1.0, dot / size) if size else 0.0


def _redundancy(words: Sequence[set[str]]) -> float:
    """Mean over the steps after the first of the largest Jaccard overlap with an earlier one."""
    if len(words) < 2:
        return 0.0
    overlaps = [max(_jaccard(words[n], words[m]) for m in range(n)) for n in range(1, len(words))]
    return sum(overlaps) / len(overlaps)


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def _in_order(numbers: Sequence[int]) -> float:
    """Share of neighbours that are numbered upwards by one; 1.0 for a single step."""
    pairs = list(zip(numbers, numbers[1:], strict=False))
    return sum(b == a + 1 for a, b in pairs) / len(pairs) if pairs else 1.0


def _linked(words: Sequence[set[str]]) -> float:
    """Share of steps that take up a word of the one before; 1.0 for a single step."""
    pairs = list(zip(words, words[1:], strict=False))
    return sum(bool(a & b) for a, b in pairs) / len(pairs) if pairs else 1.0


def _correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Pearson's r; 0 where either side does not vary."""
    n = len(xs)
    if n < 3:
        return 0.0
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    xx, yy = sum((x - mean_x) ** 2 for x in xs), sum((y - mean_y) ** 2 for y in ys)
    return xy / math.sqrt(xx * yy) if xx > 1e-12 and yy > 1e-12 else 0.0


# ---------------------------------------------------------------------------------------------------------- trainers


def compute_score(
    data_source: object = None,
    solution_str: object = None,
    ground_truth: object = None,
    extra_info: object = None,
    **kwargs: object,
) -> float:
    """Returns the gated reward of one reply, for verl; the row's column ``steps`` must arrive in ``kwargs``."""
    right = _beside().score(solution_str, ground_truth) == 1.0
    return gated(right, _process(solution_str, kwargs.get("steps")))


def process_reward(
    completions: object = None, solution: object = None, steps: object = None, **kwargs: object
) -> list[float]:
    """Returns the gated reward per completion, for TRL; the columns ``solution`` and ``steps`` are the row's."""
    replies = list(completions) if isinstance(completions, (list, tuple)) else []
    rights = _beside().hopyard_reward(replies, solution)
    rows = list(steps) if isinstance(steps, (list, tuple)) else []
    rows += [None] * (len(replies) - len(rows))
    return [
        gated(right == 1.0, _process(_text(reply), row))
        for reply, right, row in zip(replies, rights, rows, strict=False)
    ]


def _process(response: object, steps: object) -> float:
    """Mean of the step rewards over the gold steps of a row; 0 where it has none."""
    rows = steps if isinstance(steps, (list, tuple)) else []
    gold = [row.get("gold_boxes_xyxy") for row in rows if isinstance(row, dict)]
    boxes = [[box for box in map(_box, row) if box is not None] for row in gold if isinstance(row, (list, tuple))]
    rewards = step_rewards(response, boxes)
    return sum(rewards) / len(rewards) if rewards else 0.0


def _text(completion: object) -> object:
    """The text of a TRL completion: a string, or messages whose last one holds a string or typed blocks."""
    if isinstance(completion, (list, tuple)) and completion:
        last = completion[-1]
        completion = last.get("content") if isinstance(last, dict) else last
    if isinstance(completion, (list, tuple)):
        parts = [block.get("text") for block in completion if isinstance(block, dict)]
        completion = "".join(part for part in parts if isinstance(part, str))
    return completion


@cache
def _beside() -> ModuleType:
    """The answer's reward, from the file that ships beside this one."""
    place = Path(__file__).with_name("hopyard_reward.py")
    spec = importlib.util.spec_from_file_location("hopyard_reward_beside", place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} is missing: it ships with this file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
