"""The stand-in without errors of its own, to be named on the command line of `python -m benchmarks.scripted_server`."""

from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.stand_in import StandIn

ANSWERS = StandIn(Rates(skill=0.7, spread=0.5)).answers()
"""An answer function per job; only solvers err, or every question would be too easy."""
