"""Randomness by name: the same choice in every run, whatever the order of work."""

import random


def is_chosen(seed: int, stage: str, record_id: str, share: float) -> bool:
    """Returns whether a record is among the drawn share of its kind."""
    return random.Random(f"{seed}:{stage}:{record_id}").random() < share
