"""The one error that is meant for the user."""


class InputError(ValueError):
    """Something the user gave is wrong. The message says what, in which file and row, and what to do."""
