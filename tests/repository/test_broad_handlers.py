"""A handler of every exception that goes on says why it may."""

import ast

from tests.support.files import ROOT, written_files


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether it takes Exception, BaseException, or has no class."""
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


def test_broad_handlers_have_a_reason() -> None:
    """A comment beside `except` or in its block; handlers that raise pass the exception on and need none."""
    found = 0
    without = []
    for path in written_files("wiverno"):
        if path.suffix != ".py":
            continue
        lines = (text := path.read_text(encoding="utf-8")).splitlines()
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.ExceptHandler) and catches_everything(node)):
                continue
            found += 1
            if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                continue
            block = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            if "# noqa: BLE001\n" in block or "#" not in block:
                without.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found > 50
    assert not without
