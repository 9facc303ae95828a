"""Routing decides on every candidate once, by quotas over the whole dataset, whatever the order they come in."""

import hashlib
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import Decision, Route
from stages.route import Candidate, RouteConfig, route
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene

CONFIG = RouteConfig()
FINISHES = ("count", "same", "rank", "counts_apart", "read", "measure", "read_plus_count")
CAPPED = CONFIG.capped


def candidates_of(seed: int, images: int = 80, per_image: int = 6) -> list[Candidate]:
    """Small counts crowd out large ones, as in scenes; read numbers are even."""
    rng = random.Random(seed)
    found: list[Candidate] = []
    for image in range(images):
        for number in range(rng.randint(0, per_image)):
            finish = rng.choice(FINISHES)
            forms, sides = ("0 category", "1 category"), ("left", "right")
            words = "|".join((finish, rng.choice(forms), f"reuse {rng.randint(0, 1)}", "cup", rng.choice(sides)))
            answer = rng.randint(0, 9) if finish in CAPPED else min(rng.randint(1, 6) for _ in range(2))
            family = hashlib.sha256(f"{seed} {image} {number}".encode()).hexdigest()[:32]
            full = Candidate(family, f"image {image}", family, "full", "shape", f"full|{words}", answer, 4, 2.0)
            found.append(full)
            for variant in ("half", "single"):
                if rng.random() < 0.4:
                    shorter = full._replace(question_id=f"{variant}{family}", variant=variant, hop_count=2)
                    found.append(shorter._replace(cell=f"{variant}|{words}"))
    return found


def accepted(candidates: list[Candidate], decisions: tuple[Decision, ...]) -> list[Candidate]:
    kept = {decision.question_id for decision in decisions if decision.route is Route.ACCEPT}
    return [candidate for candidate in candidates if candidate.question_id in kept]


def decide(candidates: list[Candidate], config: RouteConfig, seed: int) -> tuple[Decision, ...]:
    return tuple(route(candidates, config, seed))


SEEDS = st.integers(0, 200)
CONFIGS = st.builds(
    RouteConfig,
    per_image=st.integers(1, 5),
    min_cell=st.sampled_from([1, 10, 40, 1000]),
    min_support=st.integers(1, 4),
    cap=st.sampled_from([1.0, 1.25, 3.0]),
)


@given(seed=SEEDS, config=CONFIGS)
def test_every_candidate_gets_one_decision_with_a_reason(seed: int, config: RouteConfig) -> None:
    candidates = candidates_of(seed)
    decisions = decide(candidates, config, seed)
    assert [decision.question_id for decision in decisions] == sorted(c.question_id for c in candidates)
    image_of = {candidate.question_id: candidate.image_id for candidate in candidates}
    for decision in decisions:
        assert decision.image_id == image_of[decision.question_id]
        assert decision.route in (Route.ACCEPT, Route.DROP)
        assert decision.reason


@given(seed=SEEDS, config=CONFIGS, cut=st.integers(0, 300))
def test_the_order_and_the_shards_they_come_in_change_nothing(seed: int, config: RouteConfig, cut: int) -> None:
    candidates = candidates_of(seed)
    expected = decide(candidates, config, seed)
    shuffled = random.Random(seed + 1).sample(candidates, len(candidates))
    assert decide(shuffled, config, seed) == expected
    assert decide([*candidates[cut:], *candidates[:cut]], config, seed) == expected
    assert decide(candidates, config, seed) == expected


def test_nothing_comes_of_nothing() -> None:
    assert decide([], CONFIG, 0) == ()


@given(seed=SEEDS, config=CONFIGS)
def test_no_image_has_more_full_questions_than_wanted(seed: int, config: RouteConfig) -> None:
    candidates = candidates_of(seed)
    kept = accepted(candidates, decide(candidates, config, seed))
    per_image = Counter(candidate.image_id for candidate in kept if candidate.variant == "full")
    assert max(per_image.values(), default=0) <= config.per_image


@given(seed=SEEDS, config=CONFIGS)
def test_a_variant_is_kept_only_with_its_full_question(seed: int, config: RouteConfig) -> None:
    candidates = candidates_of(seed)
    kept = accepted(candidates, decide(candidates, config, seed))
    families = {candidate.question_id for candidate in kept if candidate.variant == "full"}
    assert {candidate.family_id for candidate in kept} == families


@given(seed=SEEDS, config=CONFIGS)
def test_counts_within_a_cell_are_uniform_from_one_on(seed: int, config: RouteConfig) -> None:
    """With every cell its own, exactly; with small ones joined, the larger answer is never the likelier."""
    candidates = candidates_of(seed)
    kept = accepted(candidates, decide(candidates, config, seed))
    depth = 6 if config.min_cell == 1 else 2
    cells: dict[str, Counter[int]] = defaultdict(Counter)
    for candidate in kept:
        cells["|".join(candidate.cell.split("|")[:depth])][candidate.answer] += 1
    for name, counts in cells.items():
        if name.split("|")[1] in CAPPED:
            continue
        assert set(counts) == set(range(1, max(counts) + 1)), name
        numbers = [counts[answer] for answer in sorted(counts)]
        assert numbers == sorted(numbers, reverse=True)
        assert len(numbers) >= config.min_support
        if config.min_cell == 1:
            assert len(set(numbers)) == 1


@given(seed=SEEDS)
def test_no_image_stays_without_a_question_where_another_could_spare_an_equal_one(seed: int) -> None:
    candidates = candidates_of(seed)
    full = [candidate for candidate in candidates if candidate.variant == "full"]
    kept = accepted(full, decide(candidates, RouteConfig(min_cell=1), seed))
    held = Counter(candidate.image_id for candidate in kept)
    spare = {(candidate.cell, candidate.answer) for candidate in kept if held[candidate.image_id] > 1}
    assert held
    for candidate in full:
        assert held[candidate.image_id] or (candidate.cell, candidate.answer) not in spare


@given(seed=SEEDS)
def test_read_numbers_are_capped_and_otherwise_left_alone(seed: int) -> None:
    config = RouteConfig(min_cell=1, per_image=100)
    candidates = [c for c in candidates_of(seed) if c.variant == "full" and c.cell.split("|")[1] in CAPPED]
    kept = accepted(candidates, decide(candidates, config, seed))
    before: dict[str, Counter[int]] = defaultdict(Counter)
    after: dict[str, Counter[int]] = defaultdict(Counter)
    for rows, counts in ((candidates, before), (kept, after)):
        for candidate in rows:
            counts["|".join(candidate.cell.split("|")[:6])][candidate.answer] += 1
    for name, counts in before.items():
        assert set(after[name]) == set(counts)
        median = sorted(counts.values())[len(counts) // 2]
        assert max(after[name].values()) <= max(1, int(median * config.cap))


def test_a_cell_with_one_answer_gives_nothing() -> None:
    one = [c._replace(answer=1, cell="full|count|left|0 category|cup") for c in candidates_of(3) if c.variant == "full"]
    assert accepted(one, decide(one, CONFIG, 0)) == []


def test_an_answer_of_none_is_never_accepted_of_a_count() -> None:
    found = [c._replace(answer=c.answer - 1) if c.cell.split("|")[1] not in CAPPED else c for c in candidates_of(5)]
    kept = accepted(found, decide(found, CONFIG, 0))
    assert all(candidate.answer > 0 or candidate.cell.split("|")[1] in CAPPED for candidate in kept)


def test_the_seed_decides_among_equals() -> None:
    candidates = candidates_of(8)
    kept = [{c.question_id for c in accepted(candidates, decide(candidates, CONFIG, seed))} for seed in (1, 2)]
    assert kept[0] != kept[1]


def test_an_image_with_several_finishes_keeps_them_apart() -> None:
    """Six candidates of three kinds and room for three: one of each."""
    rows = []
    for image in range(60):
        for number, finish in enumerate(("read", "read", "read", "read", "measure", "read_plus_count")):
            name = f"{image} {number}"
            cell = f"full|{finish}|a|b|c"
            rows.append(Candidate(name, f"image {image}", name, "full", "s", cell, (image * 7 + number) % 10, 3, 1.0))
    kept = accepted(rows, decide(rows, RouteConfig(per_image=3, cap=100), 0))
    per_image: dict[str, list[str]] = defaultdict(list)
    for candidate in kept:
        per_image[candidate.image_id].append(candidate.cell.split("|")[1])
    assert all(sorted(kinds) == ["measure", "read", "read_plus_count"] for kinds in per_image.values())


@pytest.mark.parametrize("config", [RouteConfig(), RouteConfig(min_cell=5)])
def test_guessing_the_likeliest_answer_of_each_finish_is_guessing_one(config: RouteConfig) -> None:
    """On real candidates: nothing beats "1" for counts, whichever finish the words betray."""
    candidates = [
        Candidate(q.question_id, q.image_id, q.family_id, q.variant, q.shape, q.cell, q.answer, q.hop_count, q.margin)
        for number in range(60)
        for q in synthesize(random_scene(f"route {number}"), SynthesizeConfig(), 2, "c").questions
    ]
    kept = accepted(candidates, decide(candidates, config, 0))
    assert len(kept) > 100
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for candidate in kept:
        counts["|".join(candidate.cell.split("|")[:2])][candidate.answer] += 1
    for name, answers in counts.items():
        if name.split("|")[1] not in CAPPED:
            assert answers[1] == max(answers.values())
