"""Errors that a user can fix. A stage prints such an error as one message, without a traceback, and exits with 1."""


class UserError(Exception):
    """Something in the input, the settings or the environment is wrong; the message says what, where and what to do."""
