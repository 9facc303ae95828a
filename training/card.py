"""The model card's data, ``card.json``: how the weights were made, what they were measured to do, what a run needs."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

CARD = "card.json"


def read_card(folder: Path) -> dict[str, Any]:
    """Returns the card of a folder of weights, an empty one where there is none."""
    path = folder / CARD
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return card


def update_card(folder: Path, section: str, content: dict[str, Any]) -> None:
    """Replaces one section of a folder's card."""
    card = read_card(folder) | {section: content}
    unfinished = folder / f".{CARD}.{os.getpid()}"
    unfinished.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / CARD)


def digests(folder: Path) -> dict[str, str]:
    """Returns the first half of the SHA-256 of every file of weights."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".onnx", ".safetensors"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:32] for path in files}
