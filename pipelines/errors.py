"""The two ways a command ends early: something the user can put right, and a broken promise of our own."""


class UserError(Exception):
    """Bad input or options. The message is one line that says what to do; the command line exits with 2."""


class BusyError(UserError):
    """Another run is at work on the dataset. Waiting, or the next tick of a schedule, mends it."""


class NothingToDoError(UserError):
    """There is nothing to work on yet."""


class ConservationError(RuntimeError):
    """A stage lost or invented records: ``taken`` is not ``kept + dropped + failed``. Always a bug, always fatal."""
