"""Nothing sleeps to wait for something that can be asked for, and nothing stands in for what can run."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.files import ROOT, written_files


def sources() -> Iterator[tuple[Path, str]]:
    """Give the Python files of the package, the tests, the benchmarks and the examples, with their text."""
    for path in written_files("wiverno", "tests", "benchmarks", "examples"):
        if path.suffix == ".py":
            yield path, path.read_text(encoding="utf-8")


def is_sleep(node: ast.AST) -> bool:
    """Tell whether it is a call of time.sleep or asyncio.sleep."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep")


def test_each_sleep_has_a_reason() -> None:
    """A comment in its line says what it is: a load, a rate, a length, or a pause between two looks."""
    found = 0
    without = []
    for path, text in sources():
        if path.is_relative_to(ROOT / "tests" / "data"):
            continue  # examples of documents, as they are printed there
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and is_sleep(node):
                found += 1
                if "  # " not in lines[node.lineno - 1]:
                    without.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found > 50
    assert not without


def test_nothing_is_mocked() -> None:
    """Tests use real sockets, processes, signals, clients and applications."""
    using = [
        str(path.relative_to(ROOT))
        for path, text in sources()
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any(name.name.startswith(("unittest", "mock")) for name in node.names))
    ]
    assert not using
