"""The one exception that stands for a mistake of the user's, told in words."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one sentence; entry points print it and exit with 2, no traceback."""
