"""The one error that a person at the command line is meant to read."""


class UserError(Exception):
    """Something the user can put right; its text is one clear line, printed without a traceback.

    `status` is the exit status of the command: 2 when what was asked for is wrong (an option, a
    file, a name).
    """

    status = 2


class Failed(UserError):
    """The request was fine and was tried, but it did not work out: exit status 1."""

    status = 1
