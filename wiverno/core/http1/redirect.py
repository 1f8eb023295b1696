"""A connection of the plain port beside TLS: every request is redirected to https, or is an ACME challenge's.

The leader answers it, in its own `ready`: no request of this port enters the application, its threads or its queue.
All else is as on other ports: limits, deadlines, eviction, access log, metrics, drain. A body is not received; the
response says that the connection closes. While a challenge's file is read, the connection is RUNNING, as it is while a
thread runs a request.
"""

from functools import partial
from typing import Final

from wiverno.core.http1.connection import Connection
from wiverno.core.http1.followed import FollowedConnection
from wiverno.core.http1.states import RUNNING
from wiverno.core.net.challenges import Challenges
from wiverno.core.net.redirects import ANSWER, Answer, answer_challenge
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.http.errors import ProtocolError
from wiverno.http.redirects import challenge_token
from wiverno.wsgi.outcomes import KEEP

READ_TIMEOUT: Final = 5.0  # seconds that a challenge's file may take


class RedirectConnection(Connection):
    """The same connection, whose requests the leader answers itself."""

    __slots__ = ()

    def ready(self, events: int) -> None:
        """Take an event; answer a request that is complete."""
        if super().ready(events) is None:
            return
        redirects, environ = self._context.redirects, self.environ
        assert redirects is not None
        try:
            redirects.check_host(environ)
            token = challenge_token(environ["PATH_INFO"]) if redirects.challenges is not None else None
            if token is None:
                self._respond(redirects.redirect(environ))
                if self._context.recorder is not None:
                    self._context.recorder.count_redirect()
                return
        except ProtocolError as error:
            self.answer(error.status, error.message)
            return
        if redirects.challenges is None or not token or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            self._respond(answer_challenge(environ["REQUEST_METHOD"], None))
        else:
            self._read(redirects.challenges, token)

    def _begin_body(self, length: int, *, waits: bool) -> Connection | None:
        """Answer without the body: the client sends it again, to the other address."""
        self.gateway.keep_alive = False
        self._must_linger = True
        return self

    def _read(self, challenges: Challenges, token: str) -> None:
        """Have a challenge's file read; the response follows when that is done."""
        call = self._loop.call_soon_threadsafe
        if not challenges.read(token, lambda content: call(partial(self._take_challenge, content))):
            self.answer(503, "too many challenges are being read", retry_after=1)
            return
        self.hand_off()
        self._loop.watch(self, self.deadline())

    def _take_challenge(self, content: bytes | None) -> None:
        """Answer with what was read, unless it took too long (leader)."""
        if self.state == RUNNING:
            self._respond(answer_challenge(self.environ["REQUEST_METHOD"], content))

    def _respond(self, answer: Answer) -> None:
        environ, self.environ = self.environ, NO_ENVIRON
        environ[ANSWER] = answer
        outcome = self.gateway.respond(environ)
        if outcome != KEEP or self.needs_finish or self.state == RUNNING:
            self.finish_response(outcome)

    def deadline(self) -> float:
        """Return when it expires; the file of a challenge may take a few seconds."""
        return self.since + READ_TIMEOUT if self.state == RUNNING else super().deadline()

    def expire(self) -> None:
        """Act on the deadline."""
        if self.state == RUNNING:
            self.answer(503, "the challenge could not be read in time", retry_after=1)
        else:
            super().expire()


class FollowedRedirectConnection(FollowedConnection, RedirectConnection):
    """The same, with lines in the debug log."""

    __slots__ = ()
