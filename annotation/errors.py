"""What can go wrong with a Label Studio server, by what a caller can do about it."""


class LabelStudioError(Exception):
    """Something about the server or what it holds that a person has to put right. The message is one line."""


class ServerUnreachable(LabelStudioError):
    """No answer, a broken connection or an overloaded server: the same command later goes on."""


class Refused(LabelStudioError):
    """The server answered and said no."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
