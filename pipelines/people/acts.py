"""What a person may do over the rule: decide a question, or open it again. Both are recorded and nothing is lost."""

from pathlib import Path

from annotation.journal import Journal, Ruling, open_journal
from pipelines.errors import UserError
from pipelines.people.config import FOLDER, read_config
from pipelines.people.sync import decide_all
from pipelines.people.tables import commit_record
from pipelines.people.votes import read_record
from pipelines.store import Dataset


def adjudicate(root: Path, question: str, answer: int | None, reason: str) -> str:
    """Confirms a question with a number, or rejects it without one; returns what to tell.

    Raises:
        UserError: there is no such question in front of people.
    """
    dataset = Dataset.open(root)
    with open_journal(root / FOLDER) as journal:
        name = _find(journal, question)
        round_number = journal.candidates()[name].round
        act = "reject" if answer is None else "confirm"
        journal.add_ruling(Ruling(name, round_number, act, answer, reason))
        _commit(dataset, journal)
    return f"{name}: {'rejected' if answer is None else f'confirmed with {answer}'}"


def reopen(root: Path, question: str, reason: str) -> str:
    """Begins another round of a question; returns what to tell.

    Raises:
        UserError: there is no such question in front of people.
    """
    dataset = Dataset.open(root)
    with open_journal(root / FOLDER) as journal:
        name = _find(journal, question)
        number = journal.reopen(name, reason)
        _commit(dataset, journal)
    return f"{name}: round {number} begins with the next push"


def _find(journal: Journal, question: str) -> str:
    names = [name for name in journal.candidates() if question and name.startswith(question)]
    if len(names) != 1:
        found = "no question" if not names else f"{len(names)} questions"
        raise UserError(f"{found} in front of people begin with {question!r}")
    return names[0]


def _commit(dataset: Dataset, journal: Journal) -> None:
    record = read_record(journal)
    commit_record(dataset, record, decide_all(journal, record, read_config(journal)))
