"""Defects planted by construction are all rejected, each for its reason; sound questions are proved by brute force."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from schemas.drop import DropReason
from schemas.program import Program
from schemas.question import Question
from schemas.verdict import Outcome
from stages.certify import Certified, CertifyConfig, Rejected, certify, certify_text
from stages.judge import JudgeConfig, judge
from stages.scene_index import SceneIndex
from tests.layouts import random_scene
from tests.planted import (
    Planted,
    Sound,
    dead_hops,
    lucky_digits,
    not_unique,
    random_chain,
    sound_questions,
    too_close,
    too_lucky,
)
from tests.reference import CHOICES, Reference

WANTED = 1000
ONE_RULE = CertifyConfig(min_margin=0, max_luck=1, both_kinds=False, min_hops=1, max_hops=40)
"""No other rule can be what rejects."""
ALL_RULES = CertifyConfig(max_hops=40)


def planted(maker: Callable[[Sound, random.Random], Iterable[Planted]], wanted: int, name: str) -> list[Planted]:
    """Returns as many defects of each kind as it takes, kinds in turn."""
    by_kind: dict[str, list[Planted]] = {}
    for number, sound in enumerate(sound_questions()):
        for defect in maker(sound, random.Random(f"{name} {number}")):
            by_kind.setdefault(defect.kind, []).append(defect)
    share = -(-wanted // len(by_kind))
    found = [defect for defects in by_kind.values() for defect in defects[:share]]
    rest = [defect for defects in by_kind.values() for defect in defects[share:]]
    return found + rest[: max(0, wanted - len(found))]


def verdict_of(defect: Planted, config: CertifyConfig) -> str:
    found = certify_text(SceneIndex(defect.scene), defect.program.to_json(), config)
    return found.reason if isinstance(found, Rejected) else "accepted"


def test_a_thousand_questions_with_a_dead_hop_are_rejected() -> None:
    defects = planted(dead_hops, WANTED, "dead")
    reasons = Counter((defect.kind, verdict_of(defect, ONE_RULE)) for defect in defects)
    assert {reason for _, reason in reasons} == {DropReason.DEAD_HOP}, reasons
    assert len(reasons) == 9
    assert reasons.total() >= WANTED
    assert all(verdict_of(defect, ALL_RULES) != "accepted" for defect in defects)


def test_a_thousand_wrong_answers_are_rejected() -> None:
    sounds = sound_questions()[:WANTED]
    rng = random.Random("wrong")
    wrong = [_with_answer(sound, rng) for sound in sounds]
    assert all(forged.answer != sound.values[-1] for forged, sound in zip(wrong, sounds, strict=True))
    scenes = list({sound.scene.image.image_id: sound.scene for sound in sounds}.values())
    verdicts = judge(scenes, wrong, JudgeConfig())
    fails = Counter(v.judge for v in verdicts if v.outcome is Outcome.FAIL and "stored" in v.reason)
    assert fails["second_executor"] == fails["certificates"] == WANTED
    honest = judge(scenes, [sound.question for sound in sounds], JudgeConfig())
    assert all(verdict.outcome is Outcome.PASS for verdict in honest)


def _with_answer(sound: Sound, rng: random.Random) -> Question:
    gold = sound.question.answer
    near = [gold - 1, gold + 1]
    others = [value for value in sound.values if isinstance(value, int) and value != gold]
    counts = [len(value) for value in sound.values if isinstance(value, frozenset) and len(value) != gold]
    return sound.question.model_copy(update={"answer": int(rng.choice([*near, *near, *others, *counts]))})


def test_a_thousand_referents_that_are_not_one_are_rejected() -> None:
    defects = planted(not_unique, WANTED, "not unique")
    for defect in defects:
        values = Reference(defect.scene).run(defect.program)
        assert values[-1] is None
    reasons = Counter((defect.kind, verdict_of(defect, CertifyConfig())) for defect in defects)
    assert {reason for _, reason in reasons} == {DropReason.NOT_UNIQUE}, reasons
    assert len(reasons) == 5
    assert reasons.total() >= WANTED


def test_referents_that_win_by_too_little_are_rejected() -> None:
    defects = planted(_too_close, 400, "close")
    assert len(defects) >= 300
    assert {verdict_of(defect, CertifyConfig()) for defect in defects} == {DropReason.MARGIN_BELOW_CUTOFF}


def _too_close(sound: Sound, rng: random.Random) -> Iterator[Planted]:
    found = too_close(sound, rng)
    if found is not None:
        yield found


def test_a_thousand_questions_with_too_much_luck_are_rejected() -> None:
    config = CertifyConfig(both_kinds=False, min_hops=1)
    found: list[Planted] = []
    batches = itertools.count()
    while len(found) < WANTED * 1.1:
        for number, sound in enumerate(sound_questions(name=f"planted{next(batches) or ''}")):
            rng = random.Random(f"lucky {number}")
            found += lucky_digits(sound, rng)
            found += too_lucky(sound, rng) if number < 200 else ()
    reasons = Counter((defect.kind, verdict_of(defect, config)) for defect in found)
    assert (
        reasons["lucky digits", DropReason.LUCK_ABOVE_BOUND] + reasons["too lucky", DropReason.LUCK_ABOVE_BOUND]
        >= WANTED
    )
    # a wider set may also come nearer to a decision line
    assert {reason for _, reason in reasons} <= {DropReason.LUCK_ABOVE_BOUND, DropReason.MARGIN_BELOW_CUTOFF}, reasons
    assert reasons["lucky digits", DropReason.MARGIN_BELOW_CUTOFF] == 0


def test_a_thousand_accepted_questions_are_proved_again_by_brute_force() -> None:
    for sound in sound_questions()[:WANTED]:
        question, reference, program, values = sound.question, sound.reference, sound.program, sound.values
        assert values[-1] == question.answer
        assert reference.dead(program, values) == []
        assert reference.idle(program, values) == []
        hops = reference.hops(program, values)
        assert {hop.step: hop.kind for hop in question.hops} == hops
        for hop in question.hops:
            assert hop.luck == reference.luck(program, values, hop.step) <= 0.25
        assert question.luck == max(hop.luck for hop in question.hops)
        assert question.strict == (question.luck == 0)


@pytest.mark.parametrize("bound", [0.0, 0.25])
def test_random_chains_are_judged_as_the_reference_judges_them(bound: float) -> None:
    """Whatever the chain: accepted, dead or lucky by brute force is accepted, dead or lucky by the certifier."""
    config = CertifyConfig(min_margin=0, max_luck=bound, both_kinds=False, min_hops=1, max_hops=40)
    seen: Counter[str] = Counter()
    rng = random.Random(f"chains {bound}")
    for number in range(60):
        scene = random_scene(f"chains {bound} {number}")
        reference, index = Reference(scene), SceneIndex(scene)
        chains = (random_chain(rng, scene, reference) for _ in range(80))
        for program in itertools.islice(filter(None, chains), 40):
            found = certify(index, program, config)
            if isinstance(found, Rejected) and found.reason is DropReason.MARGIN_BELOW_CUTOFF:
                continue  # centres and edges disagree: less than no margin
            expected = _expected(reference, program, bound)
            seen[expected] += 1
            assert (found.reason if isinstance(found, Rejected) else "accepted") == expected, program.to_json()
            if isinstance(found, Certified):
                values = reference.run(program)
                assert found.answer == values[-1]
                assert {hop.step: hop.luck for hop in found.hops} == {
                    hop: reference.luck(program, values, hop) for hop in reference.hops(program, values)
                }
    assert min(seen[kind] for kind in ("accepted", "dead_hop", "luck_above_bound")) >= 20, seen


def _expected(reference: Reference, program: Program, bound: float) -> str:
    values = reference.run(program)
    dead = {*reference.dead(program, values), *reference.idle(program, values)}
    if any(program.steps[number].operator in CHOICES for number in dead):
        return "dead_hop"
    for hop in reference.hops(program, values):
        if hop in dead:
            return "dead_hop"
        if reference.luck(program, values, hop) > bound:
            return "luck_above_bound"
    return "accepted"
