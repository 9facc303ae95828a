"""What every row of a view says about where it comes from."""

from typing import Any

from schemas.release_row import EmbeddedImage, Message
from stages.publish import IMAGE_TAG, Accepted, tier_of

_COPIED = ("question_id", "image_id", "family_id", "variant", "style", "hop_count", "config_hash", "seed")


def origin_of(accepted: Accepted, picture: EmbeddedImage) -> dict[str, Any]:
    """Returns the fields of `schemas.view_rows.ViewRow` but its id."""
    question, image = accepted.question, accepted.image
    return {
        "images": (picture,),
        "answer": str(question.answer),
        "tier": tier_of(accepted),
        "split": image.split,
        "licence": image.licence,
        "image_uri": image.uri,
        **{name: getattr(question, name) for name in _COPIED},
    }


def user(text: str) -> tuple[Message, ...]:
    """Returns a prompt of one message."""
    return (Message(role="user", content=text),)


def tagged(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Returns the messages with the picture's placeholder in front of the first."""
    first = messages[0].model_copy(update={"content": IMAGE_TAG + messages[0].content})
    return (first, *messages[1:])


def assistant(text: str) -> tuple[Message, ...]:
    """Returns a reply of one message."""
    return (Message(role="assistant", content=text),)
