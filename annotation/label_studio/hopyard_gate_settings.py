"""Label Studio's settings with the gate in front. Runs in the server's environment, not in ours."""

# The base first: while the second module loads, it reads settings back through Django.
from label_studio.core.settings.base import *  # noqa: F403

SENTRY_DSN = ""

from label_studio.core.settings.label_studio import *  # noqa: E402, F403

MIDDLEWARE = [*MIDDLEWARE, "hopyard_gate.Gate"]  # noqa: F405

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # Readers and one writer at a time, instead of one at all; a writer waits for its turn from the start.
    DATABASES["default"]["OPTIONS"] = {  # noqa: F405
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
    }
