"""The one way to ask models: open a `ModelClient`, ask; every paid reply is kept before it is read."""
