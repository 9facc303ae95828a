"""A reward model: what predicts, before anybody is asked, whether people would agree on a question's own answer.

Plain numbers in a JSON file, read by the fields below and nothing else: a file from elsewhere can do no harm.
"""

from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class RoundMetrics(Record):
    """How good a model is on the frozen test split."""

    auc: float | None
    """None where the test split holds one kind of outcome only."""
    calibration_error: float
    """Expected difference between predicted and observed share, over ten bins of equal size."""
    brier: float
    rows: int = Field(ge=0)
    agreed: int = Field(ge=0)


class RewardModel(Record):
    """A logistic model over standardized features, calibrated on predictions for rows that it was not fitted to."""

    version: int = Field(ge=1)
    adopted: bool
    """False where the stop rule kept the model before it."""
    note: str
    """Why it was adopted or not."""
    features: tuple[str, ...]
    fills: tuple[float, ...]
    """Stand in for missing values; also the means that are subtracted."""
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    """Of the standardized features, then of their being missing."""
    intercept: float
    slope: float
    """Of the calibration: probability = logistic(slope * score + shift)."""
    shift: float
    accept_from: float | None
    """Questions from this probability on are accepted unseen; None where the target error cannot be shown."""
    drop_below: float | None
    """Questions below this probability are dropped unseen; None where that would lose too many good ones."""
    target_error: float = Field(gt=0, lt=1)
    trained_on: int = Field(ge=0)
    labels_digest: str
    """Of the questions and outcomes it was fitted to and tested on."""
    test: RoundMetrics
    before: RoundMetrics | None
    """The model before it, on the same rows."""
