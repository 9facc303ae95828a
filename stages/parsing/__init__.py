"""Replies of models to records. Every parser ends in a record or in an `Unreadable`; none ever raises."""
