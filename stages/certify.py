"""The certificates of one program on one scene: proved by executing the program and every mutation of it.

In: a scene index and a program. Out: a `Certified` program with everything that is stored, or the reason it is
rejected. The certifier trusts nobody: it does not know how the program was found. The second executor's agreement
(the *answer* certificate), the text rules (*no_give_away*) and the balance (*prior*) are judged later, in their own
stages.
"""

import math
from typing import NamedTuple

from pydantic import Field

from schemas.drop import DropReason
from schemas.program import Program, Step
from schemas.question import HopKind
from schemas.record import Record
from stages.execute import check_program, execute, executed_steps, is_canonical, operator_of, unsupported_facts
from stages.hops import hop_kinds
from stages.mutations import Downstream, Mutation, choice_mutations, mutations_of, stray_members
from stages.operators.operator import Value, ValueType
from stages.scene_index import SceneIndex

VERSION = 1


class CertifyConfig(Record):
    """The bounds a certificate must meet."""

    max_luck: float = Field(default=0.25, ge=0, le=1)
    """Bound on the chance of gold when one hop goes to a random wrong member of its set."""
    min_margin: float = Field(default=1.0, ge=0)
    """Least distance of any perceptual fact from its decision line, in cut-offs."""
    min_answer: int = 0
    max_answer: int = 20
    min_hops: int = Field(default=1, ge=1)
    max_hops: int = Field(default=8, ge=1)
    both_kinds: bool = True
    """Whether a perception hop and an instance-chain hop are both required."""


class HopProof(NamedTuple):
    """What is known about one hop."""

    step: int
    kind: HopKind
    luck: float
    candidates: int
    """Members of the described set it chooses from, the referent included; 0 where it chooses none."""


class Certified(NamedTuple):
    """A program that holds every certificate the program alone can give."""

    program: Program
    values: tuple[Value | None, ...]
    executed: tuple[int, ...]
    hops: tuple[HopProof, ...]
    answer: int
    margin: float
    weakest_fact: str
    luck: float
    mutations: int
    """Number of mutated programs executed for necessity and luck."""


class Rejected(NamedTuple):
    """Why a program is not a question."""

    reason: DropReason
    detail: str


def certify(index: SceneIndex, program: Program, config: CertifyConfig) -> Certified | Rejected:
    """Returns the certified program, or the first rule it breaks, cheapest rule first.

    Raises:
        ValueError: the program is malformed (a bug of whoever made it, not a fact about the data).
    """
    if not is_canonical(program):
        return Rejected(DropReason.DEAD_HOP, "a step does not lead to the answer, or is repeated")
    missing = unsupported_facts(index, program)
    if missing:
        return Rejected(DropReason.UNSUPPORTED_FACT, "; ".join(missing))
    values = execute(index, program)
    answer = values[-1]
    if answer is None:
        return _undefined(program, values)
    if not config.min_answer <= answer <= config.max_answer:
        return Rejected(DropReason.ANSWER_OUT_OF_RANGE, f"{answer} is outside {config.min_answer}..{config.max_answer}")
    executed = executed_steps(program, values)
    kinds = hop_kinds(program, executed)
    refused = _check_hops(kinds, config)
    if refused is not None:
        return refused
    margin, fact = weakest_fact_of(index, program, values, executed)
    if margin < config.min_margin:
        return Rejected(
            DropReason.MARGIN_BELOW_CUTOFF, f"{fact} is {margin:.3f} of its cut-off, below {config.min_margin}"
        )
    return _prove_hops(
        index, Certified(program, tuple(values), tuple(executed), (), int(answer), margin, fact, 0.0, 0), kinds, config
    )


def certify_text(index: SceneIndex, program_json: str, config: CertifyConfig) -> Certified | Rejected:
    """Returns `certify` of a stored program; a malformed one raises ValueError."""
    program = Program.from_json(program_json)
    check_program(program)
    return certify(index, program, config)


def _undefined(program: Program, values: list[Value | None]) -> Rejected:
    first = next(n for n in executed_steps(program, values) if values[n] is None)
    step = program.steps[first]
    if step.operator in ("only", "extreme", "nth", "nearest", "farthest"):
        return Rejected(DropReason.NOT_UNIQUE, f"step {first} ({step.operator}) does not denote exactly one instance")
    return Rejected(DropReason.EXECUTION_UNDEFINED, f"step {first} ({step.operator}) is undefined")


def _check_hops(kinds: dict[int, HopKind], config: CertifyConfig) -> Rejected | None:
    if not config.min_hops <= len(kinds) <= config.max_hops:
        return Rejected(
            DropReason.HOP_COUNT_OUT_OF_RANGE, f"{len(kinds)} hops, wanted {config.min_hops}..{config.max_hops}"
        )
    if config.both_kinds and len(set(kinds.values())) < 2:
        present = next(iter(kinds.values()))
        return Rejected(DropReason.MISSING_HOP_KIND, f"all hops are {present} hops")
    return None


def weakest_fact_of(
    index: SceneIndex, program: Program, values: list[Value | None], executed: list[int]
) -> tuple[float, str]:
    """Returns the least margin of the executed steps, in cut-offs, and the fact it belongs to."""
    least, fact = math.inf, "none"
    for number in executed:
        step, output = program.steps[number], values[number]
        operator = operator_of(step.operator)
        if output is None:
            continue
        if operator.output is ValueType.ONE and index.visibility(output) < least:
            least, fact = index.visibility(output), "visibility"
        if operator.fact == "none":
            continue
        margin = operator.margin(index, tuple([values[i] for i in step.inputs]), step.params, output)  # type: ignore[misc]
        if margin < least:
            least, fact = margin, operator.fact
    return (least, fact) if math.isfinite(least) else (least, "none")


def _prove_hops(
    index: SceneIndex, found: Certified, kinds: dict[int, HopKind], config: CertifyConfig
) -> Certified | Rejected:
    program, values, gold = found.program, list(found.values), found.answer
    downstream = Downstream(index, program, values)
    proofs: list[HopProof] = []
    total = 0
    for mutation in choice_mutations(program, found.executed):
        total += 1
        if downstream.answer_of(mutation) == gold:
            return _dead(program, mutation)
    for hop, kind in kinds.items():
        mutations = mutations_of(program, hop, index, values)
        for mutation in mutations:
            if downstream.answer_of(mutation) == gold:
                return _dead(program, mutation)
        if _is_idle(downstream, program, hop, gold):
            return Rejected(DropReason.DEAD_HOP, f"any value of step {hop} leaves the answer as it is")
        strays = index.members(stray_members(program, hop, values))
        hits = sum(downstream.answer_if(hop, stray) == gold for stray in strays)
        total += len(mutations) + len(strays)
        proof = _hop_proof(program, hop, kind, (hits, len(strays)))
        if proof.luck > config.max_luck:
            detail = f"hop at step {hop}: {hits} of {len(strays)} wrong members give {gold}"
            return Rejected(DropReason.LUCK_ABOVE_BOUND, detail)
        proofs.append(proof)
    return found._replace(hops=tuple(proofs), luck=max(proof.luck for proof in proofs), mutations=total)


def _is_idle(downstream: Downstream, program: Program, hop: int, gold: int) -> bool:
    """Whether a perceived number or truth could be anything: added and taken away again, or times nothing."""
    if operator_of(program.steps[hop].operator).output is ValueType.ONE:
        return False
    if any(downstream.answer_if(hop, other) != gold for other in (0, 1, 1000)):
        return False
    numbers = {v for v, step in zip(downstream.values, program.steps, strict=True) if _is_number(step)}
    return all(downstream.answer_if(hop, other) == gold for other in numbers - {None})


def _is_number(step: Step) -> bool:
    return operator_of(step.operator).output is ValueType.NUMBER


def _hop_proof(program: Program, hop: int, kind: HopKind, counted: tuple[int, int]) -> HopProof:
    hits, strays = counted
    if operator_of(program.steps[hop].operator).output is not ValueType.ONE:
        return HopProof(hop, kind, 0.0, 0)
    return HopProof(hop, kind, hits / strays if strays else 1.0, strays + 1)


def _dead(program: Program, mutation: Mutation) -> Rejected:
    operator = program.steps[mutation.step].operator
    return Rejected(
        DropReason.DEAD_HOP, f"{mutation.kind} of step {mutation.step} ({operator}) leaves the answer as it is"
    )
