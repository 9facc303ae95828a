"""Benchmarks: what the factory manages per second, and whether its questions can be guessed. Run by `make bench`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported: figures are per core
