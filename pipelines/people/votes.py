"""What the journal says, put in order: each annotator's vote on each question, and what follows from the votes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from annotation.journal import Assignment, Candidate, Journal, Ruling, Triage, Version
from pipelines.people.config import PeopleConfig
from schemas.annotation import Annotation, HumanVerdict, Kind, PeopleDecision, Purpose, Standing
from stages.decide import Ruling as Decided
from stages.decide import Vote, decide, decide_in_full


class Over(NamedTuple):
    """What goes before or over the rule."""

    rulings: Sequence[Ruling] = ()
    posteriors: Mapping[str, float] = MappingProxyType({})
    triage: Mapping[str, Triage] = MappingProxyType({})


class Ballot(NamedTuple):
    """One question with all that was said of it in its present round."""

    candidate: Candidate
    votes: tuple[Vote, ...]
    """One per annotator, in the order they came."""
    asked: frozenset[str]
    """Annotators it was sent to."""
    silent: frozenset[str]
    """Of these, who has said nothing yet."""


class Record(NamedTuple):
    """Everything the journal says."""

    ballots: tuple[Ballot, ...]
    history: tuple[Annotation, ...]
    """Every version of every answer, gold included."""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """The versions that count as votes on questions of the dataset."""
        return tuple(row for row in self.history if row.counts and row.purpose is not Purpose.GOLD)


def read_record(journal: Journal) -> Record:
    """Returns the ballots of all questions but gold, and the history of all."""
    candidates = journal.candidates()
    assignments = journal.assignments()
    by_annotation: dict[str, list[Version]] = defaultdict(list)
    for version in journal.versions():
        by_annotation[version.annotation_id].append(version)
    said: dict[str, list[Version]] = defaultdict(list)
    for versions in by_annotation.values():
        said[versions[0].key].append(versions[-1])
    votes = {assignment.key: _vote_of(by_annotation, said.get(assignment.key, ())) for assignment in assignments}
    history = _history(candidates, {a.key: a for a in assignments}, by_annotation, votes)
    return Record(_ballots(candidates, assignments, said, votes), history)


def rule_on(ballot: Ballot, config: PeopleConfig, over: Over) -> PeopleDecision:
    """Returns where a question stands.

    What a person ruled in this round goes over the rule. Where nobody was asked, the reward model may have decided.
    """
    candidate = ballot.candidate
    posterior = over.posteriors.get(candidate.question_id)
    rule, ruling = config.decide.name, None
    by = "rule"
    said = [r for r in over.rulings if r.question_id == candidate.question_id and r.round == candidate.round]
    if said and said[-1].act != "reopen":
        standing = Standing.CONFIRMED if said[-1].act == "confirm" else Standing.REJECTED
        ruling, by = Decided(standing, said[-1].answer, said[-1].reason, 0), "adjudication"
    elif candidate.purpose == Purpose.AUDIT:
        ruling, rule = decide_in_full(ballot.votes, candidate.own, config.decide), "all-4"
    elif not ballot.asked and not said:  # what a person opened again is for people
        ruling = _unasked(candidate, over.triage.get(candidate.question_id))
        by = "reward model" if ruling else by
    ruling = ruling or decide(ballot.votes, candidate.own, config.decide, posterior)
    return PeopleDecision(
        question_id=candidate.question_id,
        image_id=candidate.image_id,
        purpose=Purpose(candidate.purpose),
        round=candidate.round,
        rule=rule,
        standing=ruling.standing,
        answer=ruling.answer,
        own=candidate.own,
        votes=len(ballot.votes),
        agreeing=sum(vote.answer == candidate.own for vote in ballot.votes if vote.kind is Kind.ANSWER),
        posterior=posterior,
        reason=ruling.reason,
        decided_by="" if ruling.standing is Standing.OPEN else by,
    )


def _unasked(candidate: Candidate, verdict: Triage | None) -> Decided | None:
    """Returns what the reward model decides without people; None where they are to be asked."""
    if verdict is None or verdict.route == "people":
        return None
    text = f"reward model {verdict.model}: probability {verdict.probability:.4f}"
    if verdict.route == "accept":
        return Decided(Standing.CONFIRMED, candidate.own, text, 0)
    return Decided(Standing.REJECTED, None, text, 0)


def _vote_of(by_annotation: Mapping[str, list[Version]], said: Sequence[Version]) -> Version | None:
    """Returns the version that is the annotator's vote: the last valid one of the annotations that still stand."""
    valid = [
        version
        for last in said
        if last.kind != Kind.DELETED
        for version in by_annotation[last.annotation_id]
        if version.kind in (Kind.ANSWER, Kind.SKIP)
    ]
    return max(valid, key=lambda version: (version.updated_at, version.version, version.annotation_id), default=None)


def _ballots(
    candidates: Mapping[str, Candidate],
    assignments: Sequence[Assignment],
    said: Mapping[str, list[Version]],
    votes: Mapping[str, Version | None],
) -> tuple[Ballot, ...]:
    by_question: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in assignments:
        if assignment.round == candidates[assignment.question_id].round:
            by_question[assignment.question_id].append(assignment)
    ballots = []
    for candidate in candidates.values():
        if candidate.purpose == Purpose.GOLD:
            continue
        asked = by_question.get(candidate.question_id, [])
        cast = [(version, a.annotator) for a in asked if (version := votes[a.key]) is not None]
        cast.sort(key=lambda pair: (pair[0].created_at, pair[1]))
        silent = frozenset(
            a.annotator for a in asked if not any(version.kind != Kind.DELETED for version in said.get(a.key, ()))
        )
        found = tuple(
            Vote(name, Kind(v.kind), HumanVerdict(v.verdict) if v.verdict else None, v.answer) for v, name in cast
        )
        ballots.append(Ballot(candidate, found, frozenset(a.annotator for a in asked), silent))
    return tuple(ballots)


def _history(
    candidates: Mapping[str, Candidate],
    assignments: Mapping[str, Assignment],
    by_annotation: Mapping[str, list[Version]],
    votes: Mapping[str, Version | None],
) -> tuple[Annotation, ...]:
    rows = []
    for versions in by_annotation.values():
        for version in versions:
            assignment = assignments[version.key]
            candidate = candidates[assignment.question_id]
            vote = votes[version.key]
            counts = vote is not None and (vote.annotation_id, vote.version) == (version.annotation_id, version.version)
            rows.append(_row(version, assignment, candidate, counts and assignment.round == candidate.round))
    return tuple(rows)


def _row(version: Version, assignment: Assignment, candidate: Candidate, counts: bool) -> Annotation:
    agrees = None if version.answer is None or candidate.own is None else version.answer == candidate.own
    return Annotation(
        annotation_id=version.annotation_id,
        version=version.version,
        counts=counts,
        question_id=candidate.question_id,
        image_id=candidate.image_id,
        annotator=assignment.annotator,
        round=assignment.round,
        purpose=Purpose(candidate.purpose),
        kind=Kind(version.kind),
        verdict=HumanVerdict(version.verdict) if version.verdict else None,
        answer=version.answer,
        agrees=agrees,
        seconds=version.seconds,
        note=version.note,
        reported=version.reported,
        problem=version.problem,
        created_at=version.created_at,
        updated_at=version.updated_at,
    )
