"""Procedural pictures of things on a table, with exact masks."""
