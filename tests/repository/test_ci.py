"""What .ci/run makes of tests that fail, and whether it installs what the tests ask for."""

import ast
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.files import ROOT, written_files


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("second_try", ROOT / ".ci" / "second_try.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


second_try = load_script()
A, B, C = "tests/a.py::test_a", "tests/a.py::test_b[x]", "tests/a.py::test_b[y]"
FLAKY = "failed first and passed then: it is flaky"


def runs(cache: Path, *outcomes: tuple[int, list[str]]) -> Callable[[str], int]:
    """Stand for `make test`: each call leaves a list of failed tests and returns a status."""
    left = list(outcomes)
    arguments = ["", second_try.AGAIN]

    def make(given: str) -> int:
        assert given == arguments.pop(0)
        status, failed = left.pop(0)
        cache.write_text(json.dumps(dict.fromkeys(failed, True)))
        return status

    return make


@pytest.mark.parametrize(
    ("outcomes", "listed", "is_good", "words"),
    [
        ([(0, [])], {}, True, ""),
        ([(1, [A]), (1, [A])], {}, False, f"error: {A} failed twice"),
        ([(1, [A]), (1, [A])], {A: "known"}, False, f"error: {A} failed twice"),
        ([(1, [A]), (0, [])], {}, False, f"error: {A} {FLAKY}"),
        ([(1, [A]), (0, [])], {A: "of a bug in the kernel"}, True, "as is known: of a bug in the kernel"),
        ([(1, [A, B]), (0, [])], {A: "known"}, False, f"error: {B} {FLAKY}"),
        ([(1, [B, C]), (0, [])], {B.partition("[")[0]: "known"}, True, "as is known: known"),
        ([(1, [B, C]), (0, [])], {B: "known"}, False, f"error: {C} {FLAKY}"),
        ([(1, [A, B]), (1, [B])], {A: "known"}, False, f"error: {B} failed twice"),
        # What is no failure of a test gets no second try: other tests may not have run.
        ([(2, ["tests/a.py"])], {}, False, "error: tests/a.py can't be imported"),
        ([(2, ["tests/a.py", A])], {A: "known"}, False, "error: tests/a.py can't be imported"),
        ([(3, [])], {}, False, "error: no test failed, but pytest did"),
        ([(1, [A]), (3, [])], {A: "known"}, False, "error: no test failed in the second run, but pytest did"),
    ],
)
def test_two_runs(
    tmp_path: Path, outcomes: list[tuple[int, list[str]]], listed: dict[str, str], is_good: bool, words: str
) -> None:
    """Only what passes at once, or fails once and is listed, is good."""
    cache = tmp_path / "lastfailed"
    cache.write_text(json.dumps({"tests/old.py::test_of_another_run": True}))
    verdict = second_try.run(runs(cache, *outcomes), cache, listed)
    assert verdict.is_good is is_good
    assert words in "\n".join(verdict.lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tests/a.py::test_a", "tests/flaky.txt:2: tests/a.py::test_a: the reason is missing"),
        ("tests/a.py::test_a #", "the reason is missing"),
        ("tests/gone.py::test_a # why", "tests/gone.py::test_a: there is no such test"),
        ("tests/a.py # why", "there is no such test"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").touch()
    good = "# a comment"
    assert second_try.read_list(f"{good}\n\n{B} # why # so\n", tmp_path) == {B: "why # so"}
    with pytest.raises(second_try.ListError, match=re.escape(words)):
        second_try.read_list(f"{good}\n{line}\n", tmp_path)


def test_the_list_is_right() -> None:
    """Its lines have reasons, and their tests exist."""
    listed = second_try.read_list((ROOT / "tests" / "flaky.txt").read_text(encoding="utf-8"))
    for name in listed:
        path, _, function = name.partition("::")
        assert f"def {function.partition('[')[0].rpartition('::')[2]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_ci_installs_what_tests_ask_for() -> None:
    """Every program that a test of `make test` names stands in .ci/run with its package."""
    needed = dict(re.findall(r"^need (\S+) (\S+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE))
    missing = []
    for path in (path for path in written_files("tests") if path.suffix == ".py"):
        if "tests.support.programs" not in (text := path.read_text(encoding="utf-8")):
            continue
        tree = ast.parse(text)
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        if {"long", "test_programs.py"} & set(path.parts) or "tests.support.programs" not in [
            node.module for node in imported
        ]:
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "program"):
                continue
            name = ast.literal_eval(node.args[0])
            package = next((ast.literal_eval(one.value) for one in node.keywords if one.arg == "package"), name)
            if needed.get(name) != package:
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno}: need {name} {package}")
    assert not missing


MAY_SKIP = {
    "support/programs.py": "leave_out, which fails where CI is set",
    "integration/dev/test_dev_watching.py": "user namespaces: the kernel or the container allows them or does not",
    "integration/dropin/test_documents.py": "privileged ports: a container may have none",
    "integration/http/test_clients.py": "httpbin can't be installed on this Python",
    "unit/test_tables.py": "the Python has no GIL",
}
SYSTEMS = re.compile(r"sys\.platform|os\.name|hasattr\(os,|Path\('/proc/|HAS_IPV6|os\.sched_getaffinity")


def test_tests_are_left_out_only_for_what_ci_cannot_install() -> None:
    """Everything else goes through `leave_out`, so that CI fails without it."""
    skips: set[str] = set()
    conditions = []
    for path in written_files("tests"):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called.endswith((".skip", ".importorskip")):
                skips.add(path.relative_to(ROOT / "tests").as_posix())
            elif called.endswith(".skipif") and not SYSTEMS.search(condition := ast.unparse(node.args[0])):
                conditions.append(f"{path.relative_to(ROOT)}:{node.lineno}: {condition}")
    assert skips == set(MAY_SKIP)
    assert not conditions


def test_what_takes_minutes_is_left_out_of_ci() -> None:
    """Every file of tests/long has the mark that only `make test-long` selects."""
    unmarked = [
        path.name for path in (ROOT / "tests" / "long").glob("test_*.py") if "mark.long" not in path.read_text()
    ]
    assert not unmarked
