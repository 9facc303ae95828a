"""Text models that answer without the picture: from the words of the question and of its program."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from schemas.program import Program
from stages.route import RouteConfig

Answers = NDArray[np.int64]
FOLDS = 2


class Asked(NamedTuple):
    """An accepted question as a blind model sees it, with its answer."""

    image_id: str
    question: str
    program: str
    """JSON, as stored."""
    answer: int
    cell: str

    @property
    def kind(self) -> str:
        """The kind of finish."""
        return self.cell.split("|")[1]


class _Fold(NamedTuple):
    """What is learnt from and what is asked."""

    train: csr_matrix
    test: csr_matrix
    answers: Answers
    """Of the training questions."""
    train_asked: Sequence[Asked]
    test_asked: Sequence[Asked]


def fold_of(image_id: str) -> int:
    """Returns the fold of an image: all its questions are learnt from, or all are asked."""
    return hashlib.sha256(f"blind:{image_id}".encode()).digest()[0] % FOLDS


def predict_all(asked: Sequence[Asked]) -> dict[str, Answers]:
    """Returns the answers of every model to every question, each learnt from other images.

    ``chance`` is the most frequent answer that routing aims at for the question's kind of finish: 1 where answers are
    uniform over ``1..m``, the most frequent one learnt where they are only capped. ``learnt chance`` is the most
    frequent one learnt for every kind, ``majority`` the most frequent answer of all questions learnt from.
    """
    folds = np.array([fold_of(one.image_id) for one in asked])
    found = {name: np.zeros(len(asked), dtype=np.int64) for name in _MODELS}
    for fold in range(FOLDS):
        here = folds == fold
        prepared = _prepare([one for one, is_here in zip(asked, here, strict=True) if not is_here], _take(asked, here))
        for name, model in _MODELS.items():
            found[name][here] = model(prepared)
    return found


def _take(asked: Sequence[Asked], where: NDArray[np.bool_]) -> list[Asked]:
    return [one for one, is_here in zip(asked, where, strict=True) if is_here]


def _prepare(train: Sequence[Asked], test: Sequence[Asked]) -> _Fold:
    """Counts words and pairs of words, of the question and of the program, that occur at least three times."""
    parts = []
    for read, pattern in ((lambda one: one.question, r"(?u)\b\w+\b"), (_program_words, r"\S+")):
        counter = CountVectorizer(ngram_range=(1, 2), min_df=3, binary=True, token_pattern=pattern)
        learnt = counter.fit_transform([read(one) for one in train])
        parts.append((learnt, counter.transform([read(one) for one in test])))
    stacked = [csr_matrix(hstack(sides), dtype=np.float64) for sides in zip(*parts, strict=True)]
    return _Fold(stacked[0], stacked[1], np.array([one.answer for one in train]), train, test)


def _program_words(one: Asked) -> str:
    steps = Program.from_json(one.program).steps
    return " ".join("_".join([step.operator, *map(str, step.params)]).replace(" ", "-") for step in steps)


def _by_majority(key: Callable[[Asked], Sequence[str]], least: int = 1) -> Callable[[_Fold], Answers]:
    """Returns a model that gives the most frequent answer under the finest key seen ``least`` times."""

    def answer(fold: _Fold) -> Answers:
        seen: dict[str, Counter[int]] = {}
        for one in fold.train_asked:
            for name in key(one):
                seen.setdefault(name, Counter())[one.answer] += 1
        common = {name: counts.most_common(1)[0][0] for name, counts in seen.items() if counts.total() >= least}
        overall = Counter(fold.answers.tolist()).most_common(1)[0][0]
        return np.array(
            [next((common[name] for name in key(one) if name in common), overall) for one in fold.test_asked]
        )

    return answer


def _by_target(fold: _Fold) -> Answers:
    """Answers 1 where routing makes counts uniform from 1 on, else what is most frequent of the kind."""
    learnt = _by_majority(lambda one: (one.kind,))(fold)
    balanced = np.array([one.kind not in RouteConfig().capped for one in fold.test_asked])
    return np.where(balanced, 1, learnt)


def _levels(one: Asked) -> Sequence[str]:
    """Returns the question's cell and what contains it, the finest first."""
    parts = one.cell.split("|")
    return ["|".join(parts[:depth]) for depth in range(len(parts), 1, -1)]


def _logistic(fold: _Fold) -> Answers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose: it generalises better
        return LogisticRegression(C=0.03, max_iter=100).fit(fold.train, fold.answers).predict(fold.test)


def _bayes(fold: _Fold) -> Answers:
    return MultinomialNB(alpha=1.0).fit(fold.train, fold.answers).predict(fold.test)


def _boosting(fold: _Fold) -> Answers:
    """Learns from the words that go most with an answer: trees need few and dense columns."""
    chosen = SelectKBest(chi2, k=min(250, fold.train.shape[1])).fit(fold.train, fold.answers)
    model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, early_stopping=False, random_state=0)
    model.fit(chosen.transform(fold.train).toarray(), fold.answers)
    return model.predict(chosen.transform(fold.test).toarray())


_MODELS: dict[str, Callable[[_Fold], Answers]] = {
    "majority": _by_majority(lambda _: ("",)),
    "chance": _by_target,
    "learnt chance": _by_majority(lambda one: (one.kind,)),
    "table of cells": _by_majority(_levels, least=8),
    "naive Bayes": _bayes,
    "logistic regression": _logistic,
    "gradient boosting": _boosting,
}
REFERENCES = ("majority", "chance", "learnt chance")
