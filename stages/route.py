"""Route: which certified candidates are accepted, so that answers cannot be guessed from the words.

In: all candidates of the dataset that every judge passed, as small rows. Out: one decision each. Dropped: what would
unbalance the answers of its cell, what exceeds the wanted number per image, a variant whose family's full question was
not accepted.

Within a cell (finish, form of the last description, how often it was chosen from before and how long the program is,
its words, direction) the accepted answers of a count are uniform over ``1..m``. Supports of different cells are nested,
so the best guess from the words alone is always 1, whatever the words: that is chance. Numbers read off things are even
by themselves and are only capped. Images that offer few candidates choose first, and an image left without a question
takes the place of an equal one of an image that has several. The decision is global: it sees every
shard, so quotas cannot drift apart between workers.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from pydantic import Field

from schemas.decision import Decision, Route
from schemas.question import Variant
from schemas.record import Record

VERSION = 2

_FINEST = 6
"""Levels of a cell; fewer are taken where it is small, but never less than variant and finish."""


class RouteConfig(Record):
    """The balance wanted."""

    per_image: int = Field(default=4, ge=1)
    """Most full questions accepted per image."""
    min_cell: int = Field(default=25, ge=1)
    """A cell with fewer candidates is balanced together with its siblings, one level up."""
    min_support: int = Field(default=2, ge=1)
    """Fewest distinct answers of a balanced cell; a cell that cannot reach it gives nothing."""
    cap: float = Field(default=1.25, ge=1)
    """Most often any number may occur in a capped cell, relative to the median number."""
    capped: tuple[str, ...] = ("read", "measure", "read_plus_count")
    """Finishes whose numbers are even by themselves."""


class Candidate(NamedTuple):
    """What routing needs to know of a question."""

    question_id: str
    image_id: str
    family_id: str
    variant: str
    shape: str
    cell: str
    answer: int
    hop_count: int
    margin: float


class _Balanced(NamedTuple):
    refused: dict[str, str]
    """Question id -> why."""
    accepted: dict[str, str]
    """Question id -> how the answers of its cell are spread."""
    cells: Set[str]
    """Names of the cells."""


def route(candidates: Sequence[Candidate], config: RouteConfig, seed: int) -> Iterator[Decision]:
    """Returns one decision per candidate, ordered by question id; independent of the order they come in.

    All is decided on return; the records are made one by one, so that a large dataset never holds all of them.
    """
    offers = Counter(candidate.image_id for candidate in candidates)
    ordered = sorted(candidates, key=lambda c: (offers[c.image_id], _ticket(seed, c.question_id)))
    full = [candidate for candidate in ordered if candidate.variant == Variant.FULL]
    reasons = _balance(full, config).refused
    reasons |= _per_image([c for c in full if c.question_id not in reasons], config)
    kept = _balance([c for c in full if c.question_id not in reasons], config)
    reasons |= kept.refused
    accepted = _cover(full, kept, reasons)
    shorter = [candidate for candidate in ordered if candidate.variant != Variant.FULL]
    for candidate in shorter:
        if candidate.family_id not in accepted:
            reasons[candidate.question_id] = "the full question of its family was not accepted"
    kept = _balance([c for c in shorter if c.question_id not in reasons], config)
    accepted |= kept.accepted
    reasons |= kept.refused
    return (
        Decision(
            question_id=candidate.question_id,
            image_id=candidate.image_id,
            route=Route.DROP if candidate.question_id in reasons else Route.ACCEPT,
            reason=reasons.get(candidate.question_id) or accepted[candidate.question_id],
        )
        for candidate in sorted(candidates)
    )


def _cover(full: Sequence[Candidate], kept: _Balanced, reasons: dict[str, str]) -> dict[str, str]:
    """Returns what is accepted once images without a question took places of equal cell and answer; updates reasons."""
    accepted = dict(kept.accepted)
    images = Counter(candidate.image_id for candidate in full if candidate.question_id in accepted)
    holders: dict[tuple[str, int], list[Candidate]] = defaultdict(list)
    for candidate in full:
        if candidate.question_id in accepted:
            holders[_place(candidate, kept.cells), candidate.answer].append(candidate)
    for candidate in full:
        if images[candidate.image_id]:
            continue
        place = holders[_place(candidate, kept.cells), candidate.answer]
        giver = max(place, key=lambda holder: images[holder.image_id], default=None)
        if giver is None or images[giver.image_id] < 2:
            continue
        place.remove(giver)
        images.subtract([giver.image_id])
        images.update([candidate.image_id])
        accepted[candidate.question_id] = accepted.pop(giver.question_id)
        reasons[giver.question_id] = "its place went to an image that had no question"
        del reasons[candidate.question_id]
    return accepted


def _place(candidate: Candidate, cells: Set[str]) -> str:
    """Returns the finest of the balanced cells that the candidate belongs to, or nothing."""
    levels = _levels(candidate.cell)
    return next((name for depth in range(_FINEST, 1, -1) if (name := "|".join(levels[:depth])) in cells), "")


def _ticket(seed: int, question_id: str) -> str:
    """A fixed random order."""
    return hashlib.sha256(f"{seed}:route:{question_id}".encode()).hexdigest()


def _per_image(candidates: Sequence[Candidate], config: RouteConfig) -> dict[str, str]:
    """Returns the refusals that keep each image at its number, spread over finishes and hop counts first."""
    by_image: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_image[candidate.image_id].append(candidate)
    refused: dict[str, str] = {}
    for rows in by_image.values():
        for candidate in _spread(rows)[config.per_image :]:
            refused[candidate.question_id] = f"the image has {config.per_image} questions already"
    return refused


def _spread(rows: Sequence[Candidate]) -> list[Candidate]:
    """Returns rows so that each finish kind comes round before any comes twice."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int, Candidate]] = []
    for position, candidate in enumerate(rows):
        kind = _levels(candidate.cell)[1]
        turns.append((seen[kind], position, candidate))
        seen[kind] += 1
    return [candidate for _, _, candidate in sorted(turns)]


def _levels(cell: str) -> list[str]:
    return cell.split("|")


def _balance(candidates: Sequence[Candidate], config: RouteConfig) -> _Balanced:
    refused: dict[str, str] = {}
    accepted: dict[str, str] = {}
    cells = _cells(candidates, config.min_cell)
    for name, rows in cells.items():
        kind = _levels(name)[1]
        capped = kind in config.capped
        quota = _capped(rows, config) if capped else _uniform(rows, config)
        spread = f"answers {'capped' if capped else 'uniform'} over {len(quota)} values in the cell {name}"
        taken: Counter[int] = Counter()
        full = {
            answer: f"answer {answer} has its quota of {quota.get(answer, 0)} in the cell {name}"
            for answer in {candidate.answer for candidate in rows}
        }
        for candidate in rows:
            if taken[candidate.answer] >= quota.get(candidate.answer, 0):
                refused[candidate.question_id] = full[candidate.answer]
            else:
                taken[candidate.answer] += 1
                accepted[candidate.question_id] = spread
    return _Balanced(refused, accepted, cells.keys())


def _cells(candidates: Iterable[Candidate], least: int) -> dict[str, list[Candidate]]:
    """Returns candidates by the finest cell that is large enough: all levels, or fewer of them."""
    rows: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        rows["|".join(_levels(candidate.cell)[:_FINEST])].append(candidate)
    for depth in range(_FINEST - 1, 1, -1):
        for name in [name for name in rows if len(_levels(name)) > depth and len(rows[name]) < least]:
            rows["|".join(_levels(name)[:depth])].extend(rows.pop(name))
    return dict(rows)


def _uniform(rows: Sequence[Candidate], config: RouteConfig) -> dict[int, int]:
    """Returns equal quotas over 1..m: the widest m that accepts at least half as many as the best m does."""
    counts = Counter(candidate.answer for candidate in rows)
    shares: dict[int, int] = {}
    for support in range(config.min_support, max(counts, default=0) + 1):
        shares[support] = min(counts[answer] for answer in range(1, support + 1))
    best = max((support * share for support, share in shares.items()), default=0)
    wide = [support for support, share in shares.items() if share and 2 * support * share >= best]
    return dict.fromkeys(range(1, max(wide) + 1), shares[max(wide)]) if wide else {}


def _capped(rows: Sequence[Candidate], config: RouteConfig) -> dict[int, int]:
    """Returns for every answer at most the median number of times (times the cap)."""
    counts = Counter(candidate.answer for candidate in rows)
    median = sorted(counts.values())[len(counts) // 2] if counts else 0
    limit = max(1, int(median * config.cap))
    return {answer: min(number, limit) for answer, number in counts.items()}
