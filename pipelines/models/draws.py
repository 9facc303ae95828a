"""Several answers to one request: by one sending where the server can, by one each where it gives only one."""

from collections.abc import Sequence

from schemas.model_reply import ModelReply
from schemas.model_request import ModelRequest


def single_draws(request: ModelRequest, given: int) -> list[ModelRequest]:
    """Returns requests for one answer each, for those that are missing. Each is a draw, and so a key, of its own."""
    return [request.model_copy(update={"n": 1, "draw": request.draw + number}) for number in range(given, request.n)]


def first_draws(reply: ModelReply, wanted: int) -> ModelReply:
    """Returns the reply with at most so many answers: some servers give more than they were asked for."""
    if len(reply.texts) <= wanted:
        return reply
    return reply.model_copy(update={"texts": reply.texts[:wanted], "finish_reasons": reply.finish_reasons[:wanted]})


def join_draws(request: ModelRequest, key: str, bulk: ModelReply | None, singles: Sequence[ModelReply]) -> ModelReply:
    """Returns one reply with the answers of several; costs are added up. Where all failed it is the first failure.

    A draw that failed is missing among the texts; `error` is set only where none succeeded.
    """
    replies = [*([] if bulk is None else [bulk]), *singles]
    answered = [reply for reply in replies if reply.error is None]
    first = (answered or replies)[0]
    return first.model_copy(
        update={
            "request_key": key,
            "subject_id": request.subject_id,
            "prompt_hash": request.prompt_hash,
            "texts": tuple(text for reply in answered for text in reply.texts),
            "finish_reasons": tuple(reason for reply in answered for reason in reply.finish_reasons),
            "raw": "",
            "input_tokens": sum(reply.input_tokens for reply in replies),
            "output_tokens": sum(reply.output_tokens for reply in replies),
            "usage_known": all(reply.usage_known for reply in replies),
            "money": sum(reply.money for reply in replies),
            "seconds": max(reply.seconds for reply in replies),
            "attempts": sum(reply.attempts for reply in replies),
            "degraded": tuple(dict.fromkeys((*first.degraded, "n"))),
        }
    )
