"""ProtocolError: a status and a message."""

from wiverno.http.errors import ProtocolError


def test_tells_status_and_message() -> None:
    """The error carries what to answer, and reads well in a log."""
    error = ProtocolError(431, "too many header fields")
    assert (error.status, error.message, str(error)) == (431, "too many header fields", "431: too many header fields")
