"""Global test settings: one numeric thread, and Hypothesis profiles that do not race the clock."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("hopyard", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.load_profile("hopyard")
