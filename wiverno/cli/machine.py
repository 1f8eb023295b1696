"""What a start needs of this machine: the user, the group, the directory and the certificates that settings name.

`wiverno config check` looks for them before a start does. The places of sockets, logs and the pid file are not looked
for: a service manager makes them when it starts the service (RuntimeDirectory=, LogsDirectory=).
"""

from collections.abc import Iterator

from wiverno.config.errors import Problem
from wiverno.config.loader import LoadedConfig
from wiverno.config.settings import Adjustments
from wiverno.config.validation import why_unusable
from wiverno.core.ownership import owner
from wiverno.files import SetupError, error_text


def find_missing(loaded: LoadedConfig) -> tuple[list[Problem], list[str]]:
    """Return problems with what is missing or unusable, and warnings of what this user may not read.

    The check need not run as the user who starts the server.
    """
    problems, warnings = [], list[str]()
    for name, reason, is_denied in _reasons(loaded.adjustments):
        if is_denied:
            warnings.append(f"{name}: {reason}: not checked, because this user may not read it")
        else:
            problems.append(Problem(reason, loaded.origins[name][0][1], name))
    return problems, warnings


def _reasons(settings: Adjustments) -> Iterator[tuple[str, str, bool]]:
    """Yield settings, what is wrong with their values, and whether that may be due to this user."""
    for name, user, group in (("user", settings.user, None), ("group", None, settings.group)):
        try:
            owner(user, group)
        except SetupError as error:
            yield name, error_text(error).removeprefix(f"{name}: "), False
    if settings.chdir is not None and (reason := why_unusable(settings.chdir)):
        yield "chdir", reason, reason.endswith(("can't be read by this user", "Permission denied"))
    if settings.certfile is None:
        return
    from wiverno.core.net.certificates import Certificates

    try:
        Certificates(settings)
    except SetupError as error:
        name, _, reason = error_text(error).partition(" ")
        yield name, reason, isinstance(error.__cause__, PermissionError)
