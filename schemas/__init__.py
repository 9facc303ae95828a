"""Frozen records and their Arrow schemas."""
