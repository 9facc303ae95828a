"""A benchmark's other process: what is measured about a process needs one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def figures_of(module: str, *arguments: object) -> dict[str, Any]:
    """Returns the JSON object that ``python -m module arguments`` prints last.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found
