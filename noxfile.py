"""The tests on every Python that is supported: nox, or nox -s tests-3.13.

A Python that is not installed is an error here, not a test that is left out. On Debian, `sudo make test-pythons` makes
those that its stable release does not have, and 3.13t as well.
"""

import nox

nox.options.error_on_missing_interpreters = True
nox.needs_version = ">=2024.10.9"
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests; what is given after -- goes to pytest."""
    pip = ["--constraint", "constraints.txt"]
    session.install("--upgrade", "pip>=25.1", silent=True)  # dependency groups (PEP 735)
    session.install(*pip, "--group", "test", "--editable", ".[templates,metrics,http2,models,sessions]")
    session.run("python", "-m", "pytest", *session.posargs)
