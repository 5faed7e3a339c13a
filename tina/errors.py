"""The exceptions that stand for what a user, or a scheduler, can mend; told in words."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one sentence; entry points print it and exit with 2, no traceback."""


TRY_LATER = 75
"""The exit code with which a run asks to be started again: what it lacks may be back then (EX_TEMPFAIL)."""


class TryLater(Exception):
    """What is missing, in one sentence; it may be back later. What was done is saved, and entry points exit with 75."""
