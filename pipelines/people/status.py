"""Where everything stands, in words: from the journal alone, so that it can be asked while no server runs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from annotation.journal import open_journal
from pipelines.people.agreement import alpha_of
from pipelines.people.config import FOLDER, read_config
from pipelines.people.learn import MODELS, current_model
from pipelines.people.sync import decide_all
from pipelines.people.tables import standings
from pipelines.people.votes import Record, read_record
from pipelines.store import Dataset
from schemas.annotation import Kind, Purpose
from schemas.reward_model import RewardModel


def status_lines(root: Path) -> Iterator[str]:
    """Yields the lines of `hopyard annotate status`. No text of an annotator is among them."""
    Dataset.open(root)
    if not (root / FOLDER / "journal.sqlite3").exists():
        yield f"{root}: no question is in front of people yet"
        return
    with open_journal(root / FOLDER, write=False) as journal:
        config = read_config(journal)
        record = read_record(journal)
        decisions = decide_all(journal, record, config)
        assignments = journal.assignments()
        problems = Counter(problem.kind for problem in journal.problems())
        details = {problem.kind: problem.detail for problem in journal.problems()}
    yield f"{len(decisions)} questions in front of people, by the rule {config.decide.name}"
    for (purpose, standing), count in sorted(standings(decisions).items()):
        yield f"  {purpose}: {count} {standing}"
    answered = {(row.question_id, row.round, row.annotator) for row in record.history if row.kind is not Kind.DELETED}
    waiting = Counter(
        a.annotator for a in assignments if a.state != "gone" and (a.question_id, a.round, a.annotator) not in answered
    )
    names = sorted({assignment.annotator for assignment in assignments})
    for name in names:
        yield f"  {name}: {_annotator_text(record, name)}, {waiting[name]} waiting"
    alpha = alpha_of(record)
    if alpha is not None:
        interval = f"[{alpha.low:.3f}, {alpha.high:.3f}]"
        yield f"agreement: Krippendorff's alpha {alpha.alpha:.3f} {interval}, {alpha.units} questions"
    model = current_model(root / FOLDER / MODELS)
    if model is not None:
        yield from model_lines(model)
    unreadable = sum(row.kind is Kind.PROBLEM for row in record.history)
    if unreadable:
        yield f"{unreadable} answers that could not be read as one (annotation_history)"
    for kind, count in sorted(problems.items()):
        yield f"{count} x {kind}: {details[kind]}"


def model_lines(model: RewardModel) -> Iterator[str]:
    """Yields what there is to know of a reward model."""
    now, state = model.test, "adopted" if model.adopted else "not adopted"
    auc = "not defined" if now.auc is None else f"{now.auc:.3f}"
    yield f"reward model {model.version}, {state}: {model.note}; fitted to {model.trained_on} questions"
    yield f"  frozen test split: {now.rows} questions, AUC {auc}, calibration error {now.calibration_error:.3f}"
    if model.accept_from is None:
        yield f"  accepts nothing unseen: an error of {model.target_error:g} cannot be shown with these labels"
    else:
        yield f"  accepts unseen from probability {model.accept_from:.4f} (error at most {model.target_error:g})"
    if model.drop_below is not None:
        yield f"  drops unseen below probability {model.drop_below:.4f}"


def _annotator_text(record: Record, name: str) -> str:
    own = [row for row in record.history if row.annotator == name and row.counts]
    gold = [row.agrees is True for row in own if row.purpose is Purpose.GOLD and row.kind is Kind.ANSWER]
    seconds = [row.seconds for row in own if row.seconds is not None]
    text = f"{len(own)} answers"
    if seconds:
        text += f", {median(seconds):.0f} s each"
    if gold:
        text += f", gold {sum(gold)} of {len(gold)} right"
    return text
