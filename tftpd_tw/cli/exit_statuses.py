"""How commands end: the exit statuses of those that are clients, and the errors that lead to them."""

TRANSFERRED, FAILED, WRONG_OPTIONS, NO_ANSWER, LOCAL = range(5)
"""The last one is for the file, pipe or terminal at this end."""

OF_A_TRANSFER = (
    "The status is 0 if the file is transferred; 1 if the server refuses it, or the transfer fails; 2 if the"
    " options are wrong; 3 if the server cannot be reached, or does not answer any more; 4 if the local file"
    " cannot be read or written; 130 if Ctrl-C ends it."
)


class CommandError(Exception):
    """A command ends with ``exit_status``, and with one line, which is empty where nobody need be told."""

    def __init__(self, exit_status: int, line: str) -> None:
        super().__init__(line)
        self.exit_status = exit_status


class Interrupted(CommandError):
    """A signal has ended it: the status is that of a shell, 130 for Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number, "interrupted")
