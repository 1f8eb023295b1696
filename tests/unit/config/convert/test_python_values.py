"""Values of Python expressions, found without running them."""

from __future__ import annotations

import ast
import os

import pytest

from wiverno.config.convert.python_values import Dotted, Evaluator, Names, Reference, Unreadable

KNOWN = {
    "os": Dotted("os"),
    "multiprocessing": Dotted("multiprocessing"),
    "getenv": Dotted("os.getenv"),
    "Path": Dotted("pathlib.Path"),
    "n": 3,
    "port": Reference("${PORT:-80}"),
    "names": {"a": [1, 2]},
}


def evaluator() -> Evaluator:
    return Evaluator(Names(values=dict(KNOWN), reasons={"lost": "read()"}), "/srv/shop")


def value(text: str) -> object:
    return evaluator().value(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a' 'b' + 'c'", "abc"),
        ("-n * 2 + 1 // 2", -6),
        ("n if n > 2 else 0", 3),
        ("n == 3 and 'yes'", "yes"),
        ("0 or 'no'", "no"),
        ("not n", False),
        ("[n, 'x', (1, 2)]", [3, "x", [1, 2]]),
        ("{'a': {'b': True}}", {"a": {"b": True}}),
        ("names['a'][1]", 2),
        ("max(2, n, 1)", 3),
        ("'%s:%s' % ('h', n)", "h:3"),
        ("f'{n}-x'", "3-x"),
        ("'{}:{}'.format('h', n)", "h:3"),
        ("','.join(['a', 'b']).upper()", "A,B"),
        ("names.get('b', 5)", 5),
        ("os.path.join(os.path.dirname(__file__), 'x.log')", "/srv/shop/x.log"),
        ("str(Path('/a'))", "/a"),
        ("os.environ['A']", Reference("${A}", has_default=False)),
        ("os.environ.get('A')", Reference("${A}", has_default=False, may_be_unset=True)),
        ("int(os.environ.get('A', 4))", Reference("${A:-4}")),
        ("getenv('A', default='x')", Reference("${A:-x}")),
        ("os.getenv('A') or '5'", Reference("${A:-5}")),
        ("os.getenv('A', 'x').lower()", Reference("${A:-x}")),
        ("'0.0.0.0:' + os.getenv('PORT', '1')", Reference("0.0.0.0:${PORT:-1}")),
        ("f'0.0.0.0:{port}'", Reference("0.0.0.0:${PORT:-80}")),
        ("'${x}:%s' % port", Reference("$${x}:${PORT:-80}")),
        ("'0.0.0.0:{}'.format(port)", Reference("0.0.0.0:${PORT:-80}")),
        ("str(pathlib.Path(__file__).resolve().parent.parent)", "/srv"),
        ("pathlib.Path('run').absolute() / 'shop' / 'shop.pid'", "/srv/shop/run/shop/shop.pid"),
        ("pathlib.Path('/srv', 'run').joinpath('shop.pid').name", "shop.pid"),
        ("pathlib.Path('run').as_posix()", "run"),
    ],
)
def test_values(text: str, expected: object) -> None:
    """Constants, arithmetic, text, and variables of the environment as `${NAME:-default}`."""
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "open('x').read()", "socket.gethostname()", "n()", "int(port) * 2", "port + 1", "port if port else 1",
        "[x for x in names]", "lambda: 1", "lost", "1 / 0", "int('x')", "'x' * 10 ** 9", "{**names}", "f'{n:>5}'",
        "os.getenv('A', [1])", "os.getenv('A', '}')", "os.environ", "names[port]", "1 < n < 5", "max(port, 2)",
        "n.real", "os.listdir('/')", "max(*names)", "os.getenv(**names)", "not port", "[os]",
        "pathlib.Path('x').read_text()", "pathlib.Path('x').stem", "pathlib.Path('x') / port",
        "pathlib.Path('x').joinpath(port)",
        "'{:>1000000000}'.format(1)", "'%1000000000d' % 5", "[0] * 10000 * 10000", "names.clear()",
    ],
)  # fmt: skip
def test_what_is_computed(text: str) -> None:
    """Everything else is unreadable; nothing is called that could have an effect."""
    evaluated = None
    if text != "os.environ":
        with pytest.raises(Unreadable):
            value(text)
    else:
        evaluated = value(text)
        assert evaluated == Dotted("os.environ")


def test_what_depends_on_the_machine() -> None:
    """Processors and directories are taken as they are here, and that is said."""
    one = evaluator()
    node = ast.parse("multiprocessing.cpu_count() * 2 + 1", mode="eval").body
    assert one.value(node) == (os.cpu_count() or 1) * 2 + 1
    assert one.machine == ["from the number of processors"]
    one = evaluator()
    assert one.value(ast.parse("len(os.sched_getaffinity(0))", mode="eval").body) == os.cpu_count()
    assert one.value(ast.parse("os.path.abspath('x')", mode="eval").body) == "/srv/shop/x"
    assert one.machine == ["from the number of processors", "from this directory"]
