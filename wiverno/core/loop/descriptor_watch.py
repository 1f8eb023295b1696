"""Check once a second that the descriptors that the server depends on are still its own.

A closed listening socket makes no event, a closed pipe to the supervisor none either, and a leader that waits in
epoll_wait(2) does not notice that its epoll descriptor is gone. A server that has lost one of them ends with a failure:
other threads may have opened files under the same numbers since, and it would write into those.
"""

from collections.abc import Callable, Iterable

from wiverno.core.loop.descriptors import Descriptor, DescriptorLostError
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import EVERY_SECOND, Repeating


def watch_descriptors(
    loop: Loop, watched: Callable[[], Iterable[Descriptor]], on_lost: Callable[[Exception], None],
    on_check: Callable[[], None],
) -> None:  # fmt: skip
    """Check the loop's poller and what `watched` returns once a second.

    Args:
        loop: its leader checks.
        watched: returns the descriptors.
        on_lost: called with the error if one is lost.
        on_check: called after each check that found none lost.
    """

    def check() -> None:
        try:
            loop.poller.check()
            for descriptor in watched():
                descriptor.check()
        except DescriptorLostError as error:
            on_lost(error)
        else:
            on_check()

    Repeating(loop, EVERY_SECOND, check)
