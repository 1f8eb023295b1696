"""What a configuration gives to the process that loads the application: directory, import path, variables.

The process that loads the application changes itself, before the import: each worker, or the only process. A supervisor
that does not load it only extends its import path, for the handlers that [logging] names; so a reload can change all.
"""

from __future__ import annotations

import os
import sys

from wiverno.config.environment import set_for_application
from wiverno.config.settings import Adjustments
from wiverno.files import SetupError, error_text, make_absolute


def prepare_process(settings: Adjustments) -> None:
    """Enter `chdir`, extend the import path, and set the variables of `env`; harmless when done before.

    Raises:
        SetupError: the directory cannot be entered.
    """
    extend_import_path(settings)
    set_for_application(settings.env)
    if settings.chdir is None:
        return
    try:
        os.chdir(make_absolute(settings.chdir))
    except OSError as error:
        raise SetupError(error.errno, f"chdir: {settings.chdir}: {error_text(error).lower()}") from error


def extend_import_path(settings: Adjustments) -> None:
    """Put the directories of `pythonpath`, then `chdir`, before all others of the import path."""
    home = [make_absolute(settings.chdir)] if settings.chdir is not None else []
    start = home[0] if home else None
    extra = [os.path.join(start, path) if start is not None else make_absolute(path) for path in settings.pythonpath]
    for path in reversed([*extra, *home]):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
