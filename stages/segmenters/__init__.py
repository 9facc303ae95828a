"""Segmentation back-ends: where masks come from."""
