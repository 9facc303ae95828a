"""Effects: flows, store, sources, command line."""
