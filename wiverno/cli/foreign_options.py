"""gunicorn's options on wiverno's command line: each is answered with what takes its place."""

from wiverno.config.convert.command_line import GUNICORN
from wiverno.config.convert.gunicorn import describe_left, find_setting
from wiverno.config.settings import SETTINGS

_OTHERS = {
    "config": "--config FILE names wiverno's own file; wiverno config convert makes it from a gunicorn.conf.py",
    "worker_class": "there is one kind of worker, with threads: --threads",
}


def describe_foreign(option: str) -> str:
    """Return what takes the place of an option such as `-b` or `--bind`; "" if it is not one of gunicorn's."""
    written = option.lstrip("-").replace("-", "_")
    name = GUNICORN.short.get(written, written)
    if name in _OTHERS:
        return _OTHERS[name]
    setting = find_setting(name)
    return f"gunicorn's {option} is {SETTINGS[setting].option} here" if setting else describe_left(name)
