"""gunicorn's options on wiverno's command line are answered with what takes their place."""

import pytest
from click.testing import CliRunner

from wiverno.cli.group import group


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-b", ":8000"], "No such option '-b': gunicorn's -b is --listen here"),
        (["--bind=:8000"], "No such option '--bind': gunicorn's --bind is --listen here"),
        (["--timeout", "30"], "'--timeout': gunicorn's --timeout is --request-timeout here"),
        (["--access-logfile", "-"], "'--access-logfile': gunicorn's --access-logfile is --access-log here"),
        (["-k", "gthread"], "'-k': there is one kind of worker, with threads: --threads"),
        (["-c", "gunicorn.conf.py"], "'-c': --config FILE names wiverno's own file"),
        (["--reload"], "'--reload': wiverno run dev reloads"),
        (["-D"], "'-D': wiverno stays in the foreground"),
        (["--prot", "1"], "Did you mean"),
    ],
)
def test_what_takes_its_place(words: list[str], text: str) -> None:
    """The message names wiverno's option, or says why there is none."""
    done = CliRunner().invoke(group, ["run", *words, "shop:app"])
    assert done.exit_code == 2
    assert text in done.output
