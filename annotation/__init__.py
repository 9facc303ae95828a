"""People: Label Studio projects, tasks out and answers in."""
