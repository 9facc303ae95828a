"""Views: accepted questions as rows for supervised training, preferences, step rewards, options, boxes, contrasts."""
