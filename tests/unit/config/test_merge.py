"""Merging of layers: precedence, addresses, and the place of a problem."""

from __future__ import annotations

from wiverno.config.errors import Origin, Problem
from wiverno.config.formats.document import Layer
from wiverno.config.merge import Merged, has_inline_comment, locate, merge_layers, take_use

OPTION, FILE = Origin("option", text="--x"), Origin("file", "a.ini", 3)


def layer(origin: Origin, **values: object) -> Layer:
    return {name: (value, origin) for name, value in values.items()}


def winners(merged: Merged) -> dict[str, object]:
    return {name: entry.raw for name, entry in merged.winners.items()}


def test_a_higher_layer_overrides_a_lower_one() -> None:
    """The chain keeps every value, the effective one first."""
    merged = merge_layers([layer(OPTION, threads=8), layer(FILE, threads=4, port=1)], [])
    assert winners(merged) == {"threads": 8, "port": 1}
    assert [entry.raw for entry in merged.chains["threads"]] == [8, 4]


def test_unknown_and_duplicate_names_are_problems() -> None:
    """An alias beside its setting, a misspelt name and a setting of code alone are refused with their places."""
    problems: list[Problem] = []
    merge_layers([layer(FILE, backlog=1, request_queue_size=2, prot=3, sockets=())], problems)
    assert [problem.headline() for problem in problems] == [
        "a.ini:3: request_queue_size: is the same setting as backlog in a.ini:3",
        "a.ini:3: prot: unknown setting",
        "a.ini:3: sockets: can only be given in code",
    ]


def test_an_address_overrides_the_lower_layers_address() -> None:
    """The overridden setting names the one that excludes it."""
    merged = merge_layers([layer(OPTION, unix_socket="/run/a"), layer(FILE, host="x", port=1)], [])
    assert winners(merged) == {"unix_socket": "/run/a"}
    assert merged.replaced == dict.fromkeys(("host", "port"), "unix_socket (option --x)")


def test_a_port_alone_keeps_the_host_of_one_listen_address() -> None:
    """Otherwise a port in the environment would open the server to the world."""
    for written, host in (("127.0.0.1:80", "127.0.0.1"), ("[::1]:80", "::1"), ("127.0.0.1:${PORT}", "127.0.0.1")):
        merged = merge_layers([layer(OPTION, port="90"), layer(FILE, listen=written)], [])
        assert winners(merged) == {"port": "90", "host": host}
    several = merge_layers([layer(OPTION, port="90"), layer(FILE, listen="a:1 b:2")], [])
    assert winners(several) == {"port": "90"}


def test_a_problem_gets_place_and_spelling_of_its_value() -> None:
    """An INI value also gets a hint at a comment or quotes."""
    merged = merge_layers([layer(FILE, request_queue_size="5 ; five")], [])
    problem = locate(Problem("expected a whole number", key="backlog", value=5), merged)
    assert (problem.key, problem.origin, problem.value) == ("request_queue_size", FILE, "5 ; five")
    assert problem.hint is not None
    assert "no comments after a value" in problem.hint
    assert has_inline_comment("a #b")
    assert not has_inline_comment("a#b")


def test_the_nearest_layer_names_the_server() -> None:
    """`use` and Paste's own keys are no settings."""
    stack, use = take_use([layer(FILE, threads=4), layer(FILE, use="egg:wiverno", threads=2)])
    assert use == ("egg:wiverno", FILE)
    assert stack == [layer(FILE, threads=4), layer(FILE, threads=2)]
