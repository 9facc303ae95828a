"""Models that answer in this process."""
