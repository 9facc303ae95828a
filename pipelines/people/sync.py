"""Push and pull with everything around them: choose the questions, ask, read, decide, and keep what was decided.

Every function here may be killed at any moment and called again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from annotation.client import Client, check_identity
from annotation.errors import LabelStudioError
from annotation.journal import Assignment, Candidate, Journal, Problem, Triage, open_journal
from annotation.pull import Pulled, pull
from annotation.push import Place, Pushed, push
from annotation.to_label_studio import (
    Storage,
    bucket_image,
    bucket_storage,
    local_image,
    local_storage,
    task_key,
)
from annotation.workplace import Annotator, Workplace
from pipelines.bucket import BucketPath
from pipelines.bucket import place as place_of
from pipelines.errors import UserError
from pipelines.people.candidates import find_candidates, find_gold, share_of, write_pictures
from pipelines.people.config import FOLDER, PeopleConfig, change_config, read_config
from pipelines.people.learn import MODELS, current_model, priorities, triage
from pipelines.people.posterior import posteriors_of
from pipelines.people.tables import commit_record
from pipelines.people.votes import Over, Record, read_record, rule_on
from pipelines.store import Dataset
from schemas.annotation import PeopleDecision, Purpose, Standing
from schemas.decision import Route
from stages.dispatch import Waiting, dispatch


class Session(NamedTuple):
    """A dataset with its journal, and a server with its team."""

    dataset: Dataset
    journal: Journal
    client: Client
    workplace: Workplace
    team: tuple[Annotator, ...]


class PushReport(NamedTuple):
    """What pushing did."""

    added: int
    """Questions that are new in front of people."""
    assigned: int
    pushed: Pushed
    unable: int
    """Questions whose picture cannot be read."""


class PullReport(NamedTuple):
    """What pulling did and where things stand now."""

    pulled: Pulled
    decisions: tuple[PeopleDecision, ...]
    changed: bool
    """The tables say something new."""


@contextmanager
def open_session(root: Path, workplace: Workplace) -> Iterator[Session]:
    """Gives a dataset and the server of a workplace, to this process alone.

    Raises:
        LabelStudioError: there is no server or no team, the server cannot be reached, or another process is at work.
    """
    dataset = Dataset.open(root)
    connection = workplace.connection()
    team = tuple(annotator for annotator in workplace.read_team() if annotator.user_id)
    if not team:
        raise LabelStudioError("there are no annotators yet: hopyard annotate team add NAME...")
    with Client(connection) as client:
        check_identity(client)
        with open_journal(root / FOLDER) as journal:
            yield Session(dataset, journal, client, workplace, team)


def push_step(session: Session, changes: Mapping[str, object]) -> PushReport:
    """Puts questions in front of people: new ones, and the next label of those that are open."""
    config = change_config(session.journal, changes)
    added = session.journal.add_candidates(find_candidates(session.dataset, config.audit, config.seed))
    if config.gold:
        session.journal.add_candidates(find_gold(Path(config.gold), config.seed))
    _consult(session, config)
    record = read_record(session.journal)
    assigned = _assign(session, record, config)
    place, unable = _place(session, config)
    return PushReport(added, assigned, push(session.client, session.journal, session.team, place), unable)


def pull_step(session: Session, full: bool = False) -> PullReport:
    """Reads what people said, decides what is decided, and keeps both."""
    pulled = pull(session.client, session.journal, full)
    record = read_record(session.journal)
    decisions = decide_all(session.journal, record, read_config(session.journal))
    return PullReport(pulled, decisions, commit_record(session.dataset, record, decisions))


def decide_all(journal: Journal, record: Record, config: PeopleConfig) -> tuple[PeopleDecision, ...]:
    """Returns where every question stands, by question id."""
    said = journal.triage()
    priors = {name: verdict.probability for name, verdict in said.items()}
    posteriors = posteriors_of(record, priors) if config.decide.rule == "posterior" else {}
    over = Over(journal.rulings(), posteriors, said)
    return tuple(rule_on(ballot, config, over) for ballot in record.ballots)


def _consult(session: Session, config: PeopleConfig) -> None:
    """Lets the reward model, where one was learned, say which questions need not be asked, and which come first."""
    model = current_model(session.dataset.root / FOLDER / MODELS)
    if model is None:
        return
    journal = session.journal
    candidates = journal.candidates()
    asked = {assignment.question_id for assignment in journal.assignments()}
    fresh = {c.question_id for c in candidates.values() if c.purpose == Purpose.PEOPLE and c.question_id not in asked}
    verdicts = [v for v in triage(session.dataset, model, config) if v.question_id in candidates]
    audited = [v for v in verdicts if v.audited and v.route is not Route.PEOPLE and v.question_id in fresh]
    journal.set_purposes((Purpose.AUDIT.value, verdict.question_id) for verdict in audited)
    journal.set_priorities(
        (priority, name) for name, priority in priorities(verdicts, config.seed).items() if name in fresh
    )
    journal.set_triage(Triage(v.question_id, model.version, v.probability, v.route.value) for v in verdicts)


def _assign(session: Session, record: Record, config: PeopleConfig) -> int:
    """Writes down who is asked what next, gold mixed in, and returns how many that is."""
    journal = session.journal
    decisions = {d.question_id: d for d in decide_all(journal, record, config)}
    queues = _queues(session, record)
    waiting = [
        Waiting(
            question_id=ballot.candidate.question_id,
            asked=ballot.asked,
            outstanding=len(ballot.silent & queues.keys()),  # who left the team will not say anything
            wanted=_wanted(len(ballot.silent & queues.keys()), decisions[ballot.candidate.question_id], config),
            in_full=ballot.candidate.purpose == Purpose.AUDIT,
            priority=ballot.candidate.priority,
        )
        for ballot in record.ballots
        if decisions[ballot.candidate.question_id].standing is Standing.OPEN
    ]
    candidates = journal.candidates()
    _mean_again(journal, candidates, {one.question_id for one in waiting})
    pairs = list(dispatch(waiting, queues, config.dispatch, config.seed))
    pairs += _gold(journal, candidates, Counter(name for _, name in pairs), config)
    pairs.sort(key=lambda pair: share_of(config.seed, "order", *pair))  # gold is not to be found by its place
    journal.add_assignments(_assignment(journal, candidates[question], name) for question, name in pairs)
    return len(pairs)


def _mean_again(journal: Journal, candidates: Mapping[str, Candidate], still_open: Set[str]) -> None:
    """Takes up what was not asked for want of a picture: its file may be readable by now."""
    answered = {version.key for version in journal.versions()}
    lost = []
    for assignment in journal.assignments(state="gone"):
        candidate = candidates[assignment.question_id]
        wanted = assignment.question_id in still_open or candidate.purpose == Purpose.GOLD
        if wanted and assignment.round == candidate.round and assignment.key not in answered:
            lost.append((assignment.key, None))
    journal.mark("meant", lost)


def _wanted(outstanding: int, decision: PeopleDecision, config: PeopleConfig) -> int:
    """Returns how many labels an open question lacks, those that are outstanding included."""
    if decision.purpose is Purpose.AUDIT:
        return 4 - decision.votes
    rule = config.decide
    most = {"unanimous-4": 4, "unanimous-2": 2}.get(rule.rule, rule.most_labels)
    return max(1 + outstanding if rule.rule == "posterior" and outstanding == 0 else 1, most - decision.votes)


def _queues(session: Session, record: Record) -> dict[str, int]:
    """Returns how many tasks each annotator has not answered, gold included."""
    answered = {(row.question_id, row.round, row.annotator) for row in record.history if row.kind != "deleted"}
    queues = {annotator.name: 0 for annotator in session.team}
    for assignment in session.journal.assignments():
        key = (assignment.question_id, assignment.round, assignment.annotator)
        if assignment.state != "gone" and key not in answered and assignment.annotator in queues:
            queues[assignment.annotator] += 1
    return queues


def _gold(
    journal: Journal, candidates: Mapping[str, Candidate], fresh: Mapping[str, int], config: PeopleConfig
) -> list[tuple[str, str]]:
    """Returns the gold that keeps each annotator's share, in an order of each annotator's own."""
    gold = [candidate.question_id for candidate in candidates.values() if candidate.purpose == Purpose.GOLD]
    had: dict[str, set[str]] = {name: set() for name in fresh}
    real = Counter(fresh)
    for assignment in journal.assignments():
        if candidates[assignment.question_id].purpose == Purpose.GOLD:
            had.setdefault(assignment.annotator, set()).add(assignment.question_id)
        else:
            real[assignment.annotator] += 1
    pairs = []
    for name in fresh:
        wanted = round(config.gold_share / (1 - config.gold_share) * real[name]) - len(had[name])
        left = sorted(set(gold) - had[name], key=lambda question: share_of(config.seed, "gold", name, question))
        pairs += [(question, name) for question in left[: max(0, wanted)]]
    return pairs


def _assignment(journal: Journal, candidate: Candidate, name: str) -> Assignment:
    key = task_key(journal.identity, candidate.question_id, candidate.question, name, candidate.round)
    return Assignment(key, candidate.question_id, name, candidate.round, "meant")


def _place(session: Session, config: PeopleConfig) -> tuple[Place, int]:
    """Writes the pictures of what is meant to be asked; a question without one is noted and not asked this time."""
    journal, candidates = session.journal, session.journal.candidates()
    meant = journal.assignments(state="meant")
    names: dict[str, str] = {}
    problems: dict[str, str] = {}
    folder, storage, address = _pictures(session, config)
    folder.mkdir(parents=True, exist_ok=True)
    for dataset, gold in _sources(session.dataset, config):
        images = {
            candidates[a.question_id].picture
            for a in meant
            if (candidates[a.question_id].purpose == Purpose.GOLD) == gold
        }
        if images:
            try:
                found, wrong = write_pictures(dataset, images, folder)
            except OSError as error:
                raise UserError(f"pictures cannot be written to {folder}: {error}") from error
            names |= found
            problems |= wrong
    lost = [a for a in meant if candidates[a.question_id].picture not in names]
    for assignment in lost:
        picture = candidates[assignment.question_id].picture
        detail = f"question {assignment.question_id} is not asked: {problems.get(picture, 'its picture is gone')}"
        journal.add_problem(Problem("no picture", "", "", detail))
    journal.mark("gone", [(assignment.key, None) for assignment in lost])
    place = Place(session.dataset.root.resolve().name, storage, lambda picture: address(names[picture]))
    return place, len({assignment.question_id for assignment in lost})


def _pictures(session: Session, config: PeopleConfig) -> tuple[Path, Storage, Callable[[str], str]]:
    """Returns where pictures are written, how the server is told of it, and the address of a picture by its name."""
    identity = session.journal.identity
    if config.pictures is None:
        folder = session.workplace.media.resolve() / identity
        return folder, local_storage(folder), lambda name: local_image(identity, name)
    folder = place_of(config.pictures)
    if not isinstance(folder, BucketPath):
        raise UserError(f"--pictures is {config.pictures!r}; write s3://BUCKET/FOLDER")
    own = folder / identity
    bucket, prefix = own.bucket, own.key
    return own, bucket_storage(bucket, prefix), lambda name: bucket_image(bucket, prefix, name)


def _sources(dataset: Dataset, config: PeopleConfig) -> Sequence[tuple[Dataset, bool]]:
    return [(dataset, False), *([(Dataset.open(Path(config.gold)), True)] if config.gold else [])]
