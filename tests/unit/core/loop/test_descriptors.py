"""Descriptors that something else may close, and what is noticed of it."""

import os
import socket
from collections.abc import Iterator

import pytest

from wiverno.core.loop.descriptors import Descriptor, DescriptorLostError, detach_lost


@pytest.fixture
def pipe() -> Iterator[int]:
    """A descriptor that the test may close."""
    reading, writing = os.pipe()
    yield reading
    os.close(writing)
    try:
        os.close(reading)
    except OSError:
        pass


def test_a_descriptor_is_ours_until_its_number_stands_for_something_else(pipe: int) -> None:
    """Closed, or closed and used again: the loss is told with its name and number."""
    found = Descriptor(pipe, "the wake-up pipe")
    found.check()
    os.close(pipe)
    assert not found.is_ours()
    reading, writing = os.pipe()
    os.dup2(writing, pipe)
    assert not found.is_ours()
    with pytest.raises(DescriptorLostError) as caught:
        found.check()
    assert str(caught.value) == (f"the wake-up pipe (descriptor {pipe}) was closed by something else in this process")
    for number in {reading, writing}:
        os.close(number)


def test_what_the_system_can_not_tell_is_ours(pipe: int) -> None:
    os.close(pipe)
    assert Descriptor(pipe, "closed before").is_ours()


def test_a_socket_whose_number_is_a_pipe_now_does_not_close_it(pipe: int) -> None:
    sock, other = socket.socketpair()
    number = sock.fileno()
    detach_lost(other)
    assert other.fileno() >= 0
    os.dup2(pipe, number)
    detach_lost(sock)
    assert sock.fileno() == -1
    os.fstat(number)
    os.close(number)
    other.close()
