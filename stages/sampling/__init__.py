"""Drawing programs: which sets can be described, where moves land, and the search backward from a wanted answer."""
