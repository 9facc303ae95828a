"""`hopyard doctor`: what a run leans on, and what mends it."""
