"""The two ways a command ends early: something the user can put right, and a broken promise of our own."""


class UserError(Exception):
    """Bad input or options. The message is one line that says what to do; the command line exits with 2."""


class ConservationError(RuntimeError):
    """A stage lost or invented records: ``taken`` is not ``kept + dropped + failed``. Always a bug, always fatal."""
