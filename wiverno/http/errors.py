"""The exceptions of this room: what a peer sent is not HTTP as we accept it, or asks for another protocol."""


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


class WebSocketRefusedError(ProtocolError):
    """The client asks for a WebSocket, which an application of PEP 3333 cannot speak.

    501, as for every function that a server does not have (RFC 9110 §15.6.2): balancers do not count it as a failure of
    the server (HAProxy, "observe layer7"), and the client does not try again with another field, as after 426.
    """

    def __init__(self) -> None:
        super().__init__(501, "WebSockets are not served here: WSGI (PEP 3333) has requests and responses only")
