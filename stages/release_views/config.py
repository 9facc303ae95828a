"""The choices of the views: shares, numbers of rows, words."""

from pydantic import Field, model_validator

from schemas.record import Record


class Shares(Record):
    """How many of the summary agent's rows are of which kind; shares of 1."""

    best: float = Field(default=0.5, ge=0, le=1)
    """A right trace to be confirmed."""
    flawed: float = Field(default=0.3, ge=0, le=1)
    """A wrong trace to be found out."""
    plain: float = Field(default=0.2, ge=0, le=1)
    """The question alone."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> "Shares":
        total = self.best + self.flawed + self.plain
        if abs(total - 1) > 1e-9:
            raise ValueError(f"best + flawed + plain are {total}, they must be 1")
        return self


class ViewConfig(Record):
    """What views ask for and how many rows they make of a question."""

    summary: Shares = Shares()
    pairs: int = Field(default=2, ge=1)
    """Most preference pairs of one question, each with another flaw."""
    flawed_responses: int = Field(default=1, ge=0)
    """Most flawed responses of one question in the view process, beside the gold one."""
    min_length_ratio: float = Field(default=0.8, gt=0, le=1)
    max_length_ratio: float = Field(default=1.25, ge=1)
    """Bounds of the characters of a rejected over those of a chosen response."""
    options: int = Field(default=4, ge=2, le=10)
    contrasts: int = Field(default=1, ge=1)
    """Most contrast pairs of one question."""
    reasoning_instruction: str = (
        "Look closely at the picture and give only the reasoning process: one JSON object per line with the keys step, "
        "title, content, evidence (boxes [x0, y0, x1, y1] in pixels) and next_action (continue or summary)."
    )
    response_instruction: str = (
        "Look closely at the picture and reason step by step: one JSON object per line with the keys step, title, "
        "content, evidence (boxes [x0, y0, x1, y1] in pixels) and next_action (continue or summary). After an empty "
        "line put the final number in \\boxed{}."
    )
    summary_instruction: str = (
        "Here is a reasoning process. Determine whether it is correct. If it is, answer from it; if it is not, say "
        "which step is the first wrong one and answer the question from the picture. Put the final number in \\boxed{}."
    )
    option_instruction: str = "Look closely at the picture and reason step by step. Put the letter in \\boxed{}."
    box_instruction: str = (
        "Look closely at the picture and reason step by step. Put the box of that one thing in \\boxed{} as "
        "[x0, y0, x1, y1]: pixels of the picture, origin at the top left."
    )
