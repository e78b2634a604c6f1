"""The errors that a user can mend. A stage prints them as one message, without a traceback, and exits with 1."""


class UserError(Exception):
    """Something in the input, the settings or the environment is wrong; the message says what, where and what to do."""
