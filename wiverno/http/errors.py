"""The one exception of this room: what a peer sent is not HTTP as we accept it."""


class ProtocolError(Exception):
    """The peer broke the protocol or a limit; the connection can serve nothing more.

    Attributes:
        status: the status code to answer with.
        message: what is wrong, safe to log and to send: it names fields, never their values.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"
