"""English back to programs: a deterministic reader of the engine's own language, and what it may be compared by."""
