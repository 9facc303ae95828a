"""A bound on what a dataset may cost: a request that could break it is not sent, and the run ends."""

from pipelines.errors import UserError
from pipelines.models.spec import ModelSpec
from schemas.model_request import ModelRequest

BYTES_PER_TOKEN = 2
"""Tokenizers need one token per three to four bytes of ordinary text; this is on the safe side."""
PIXELS_PER_TOKEN = 196
"""One token per 14 x 14 patch, unmerged: more than current models take."""


class BudgetSpentError(UserError):
    """The budget does not allow another request. What was paid for is kept; with more money it goes on."""


def most_money(request: ModelRequest, spec: ModelSpec) -> float:
    """Returns what one sending of the request can cost at most, by the prices of its model."""
    texts = (part.text for message in request.messages for part in message.parts)
    tokens = sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN
    tokens += sum(1 for message in request.messages for part in message.parts if part.image_id) * (
        spec.max_pixels // PIXELS_PER_TOKEN
    )
    tokens += len(request.json_schema or "")
    per_input, per_output = spec.money_per_token
    return tokens * per_input + request.n * request.sampling.max_tokens * per_output


def check_budget(budget: float | None, specs: list[ModelSpec]) -> None:
    """Checks that a budget can bind.

    Raises:
        UserError: it is negative, or no model has a price.
    """
    if budget is None:
        return
    if not budget >= 0:
        raise UserError(f"the budget is {budget:g}; it must not be negative")
    if not any(spec.input_price or spec.output_price for spec in specs):
        raise UserError("a budget needs prices: set input_price and output_price of the models (money per 1e6 tokens)")
