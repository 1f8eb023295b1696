"""The route table: which route wins, what else a path answers, and that the number of routes does not matter."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

import pytest

from wiverno.web.patterns import CONVERTERS, Converter, PatternError, parse_pattern
from wiverno.web.route_tree import Route, RouteTable


def table_of(*rows: tuple[str, str]) -> RouteTable:
    """Make a table from (method, pattern); each route is called what its pattern says."""
    table = RouteTable()
    for method, text in rows:
        add(table, method, text)
    return table


def add(table: RouteTable, methods: str, text: str) -> None:
    pattern = parse_pattern(text)
    names = tuple(parameter.name for parameter in pattern.parameters)
    table.add(Route(pattern, tuple(methods.split()), lambda request: None, text, parameter_names=names))


def found(table: RouteTable, path: str, method: str = "GET") -> tuple[str, dict[str, object]] | set[str]:
    got = table.find(method, path)
    return (got[0].name, got[1]) if isinstance(got, tuple) else set(got)


@pytest.mark.parametrize(
    ("patterns", "path", "winner", "values"),
    [
        (["/a/{x}", "/a/b"], "/a/b", "/a/b", {}),
        (["/a/{x}", "/a/{x:int}"], "/a/7", "/a/{x:int}", {"x": 7}),
        (["/a/{x}", "/a/{x:int}"], "/a/b", "/a/{x}", {"x": "b"}),
        (["/a/{x:float}", "/a/{x:int}"], "/a/7", "/a/{x:int}", {"x": 7}),
        (["/a/{x:float}", "/a/{x:int}"], "/a/7.5", "/a/{x:float}", {"x": 7.5}),
        (["/{x}", "/v{x}"], "/v1", "/v{x}", {"x": "1"}),
        (["/{x}", "/v{x}"], "/v", "/{x}", {"x": "v"}),
        (["/{x}.json", "/{x}"], "/a.json", "/{x}.json", {"x": "a"}),
        (["/{x}.{y}", "/{x}"], "/a.b.c", "/{x}.{y}", {"x": "a", "y": "b.c"}),
        (["/{a}-{b:int}"], "/x-y-5", "/{a}-{b:int}", {"a": "x-y", "b": 5}),
        (["/{p:path}", "/{x}/end"], "/a/end", "/{x}/end", {"x": "a"}),
        (["/{p:path}", "/{p:path}/edit"], "/a/b/edit", "/{p:path}/edit", {"p": "a/b"}),
        (["/{p:path}", "/{p:path}/edit"], "/edit", "/{p:path}", {"p": "edit"}),
        (["/{p:path}/v{n:int}"], "/a/b/v3", "/{p:path}/v{n:int}", {"p": "a/b", "n": 3}),
        (["/{p:path}"], "/a/", "/{p:path}", {"p": "a/"}),
        (["/{a}/x", "/{b}/y"], "/7/y", "/{b}/y", {"b": "7"}),
        (["/a/{x}/c", "/{y}/b/d"], "/a/b/d", "/{y}/b/d", {"y": "a"}),
        (["/a.b"], "/a.b", "/a.b", {}),
        (["/{{x}}"], "/{x}", "/{{x}}", {}),
        (["/é/{x}"], "/é/ü", "/é/{x}", {"x": "ü"}),
    ],
)
def test_the_most_specific_route_wins_in_any_order(
    patterns: list[str], path: str, winner: str, values: dict[str, object]
) -> None:
    for order in (patterns, patterns[::-1]):
        assert found(table_of(*(("GET", text) for text in order)), path) == (winner, values)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/a", "/a/"), ("/a/", "/a"), ("/a", "/A"), ("/a.b", "/axb"), ("/a+", "/aa"), ("/{x}", "/"), ("/{x}/", "//"),
        ("/{x:int}", "/x"), ("/{x:int}", "/7/"), ("/v{x}", "/v"), ("/{x}.json", "/.json"), ("/{p:path}", "/"),
        ("/{p:path}/edit", "/edit"), ("/{p:path}/edit", "//edit"), ("/{a}-{b}", "/" + "-" * 400),
    ],
)  # fmt: skip
def test_what_does_not_match(pattern: str, path: str) -> None:
    assert found(table_of(("GET", pattern)), path) == set()


def test_a_path_without_the_method_tells_all_it_answers() -> None:
    table = table_of(("GET", "/a/b"), ("POST", "/a/{x}"), ("PUT", "/{p:path}"))
    assert found(table, "/a/b", "DELETE") == {"GET", "HEAD", "POST", "PUT"}
    assert found(table, "/a/b", "POST") == ("/a/{x}", {"x": "b"})
    assert found(table, "/a/b", "PUT") == ("/{p:path}", {"p": "a/b"})


def test_head_comes_with_get_until_it_has_its_own() -> None:
    table = table_of(("GET", "/a"))
    assert found(table, "/a", "HEAD") == ("/a", {})
    own = table_of(("GET", "/a/{x}"), ("HEAD", "/a/{y}"))
    assert found(own, "/a/1", "HEAD") == ("/a/{y}", {"y": "1"})
    first = table_of(("HEAD", "/a/{y}"), ("GET", "/a/{x}"))
    assert found(first, "/a/1", "HEAD") == ("/a/{y}", {"y": "1"})


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("/a", "/a", "GET /a: <lambda> already answers this"),
        ("/a/{x}", "/a/{y}", "already answers this as /a/{x}"),
        ("/{p:path}", "/{q:path}", "already answers this as /{p:path}"),
        ("/{a}-{b:int}", "/{c}-{d:int}", "already answers this as /{a}-{b:int}"),
    ],
)
def test_conflicts_are_refused(first: str, second: str, message: str) -> None:
    table = table_of(("GET", first))
    with pytest.raises(PatternError, match="already answers") as caught:
        add(table, "POST GET", second)
    assert message.replace("<lambda>", "") in str(caught.value).replace("add.<locals>.<lambda>", "")
    assert found(table, first.replace("{x}", "1"), "POST") != (second, {}), "a refused route leaves nothing behind"


def test_a_long_path_costs_little() -> None:
    """16 KiB of slashes against patterns made to backtrack."""
    table = table_of(("GET", "/{p:path}/edit"), ("GET", "/{a}/{b}/{c}/x"), ("GET", "/{a}-{b}-{c}"))
    for path in ("/" + "a/" * 8000, "/" * 16000, "/" + "-" * 16000):
        assert timeit.timeit(lambda path=path: table.find("GET", path), timer=time.thread_time, number=10) < 1.0  # type: ignore[misc]


def _cost(find: Callable[[], object]) -> float:
    return min(timeit.repeat(find, timer=time.thread_time, number=2000, repeat=7))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/r{}/x", "/r7/x"),
        ("/r{}/{{id:int}}/x", "/r7/5/x"),
        ("/p/page-{}-{{id}}", "/p/page-7-a"),
        ("/{{id}}/r{}", "/5/r7"),
        ("/f/{{p:path}}/r{}", "/f/a/b/r7"),
    ],
)
def test_two_thousand_routes_cost_what_ten_do(pattern: str, path: str) -> None:
    few, many = RouteTable(), RouteTable()
    for table, count in ((few, 10), (many, 2_000)):
        for number in range(count):
            add(table, "GET", pattern.format(number))
    assert isinstance(few.find("GET", path), tuple)
    # The machine may be busy; what must never pass is a cost that grows with the routes (two hundredfold here).
    for _ in range(5):
        if _cost(lambda: many.find("GET", path)) < 1.5 * _cost(lambda: few.find("GET", path)):
            return
    pytest.fail(f"{pattern}: searching 2,000 routes takes longer than searching 10")


class Short(Converter):
    rank = 60
    spans_segments = True

    def parse(self, text: str) -> object:
        if len(text) > 3:
            raise ValueError(text)
        return text


def test_two_kinds_of_spanning_parameters_stand_beside_each_other() -> None:
    table = RouteTable()
    for text in ("/{p:path}", "/{s:short}", "/{s:short}/end"):
        pattern = parse_pattern(text, {**CONVERTERS, "short": SHORT})
        names = tuple(parameter.name for parameter in pattern.parameters)
        table.add(Route(pattern, ("GET",), lambda request: None, text, parameter_names=names))
    assert found(table, "/a/b") == ("/{s:short}", {"s": "a/b"})
    assert found(table, "/a/b/c") == ("/{p:path}", {"p": "a/b/c"})
    assert found(table, "/a/b/end") == ("/{s:short}/end", {"s": "a/b"})


SHORT = Short()
