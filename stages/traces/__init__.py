"""Reasoning traces: their text, the claims they make, and the same traces gone wrong at a known step."""
