"""Files that are copied unchanged into every release."""
