"""The text that `wiverno config init` writes: a configuration to start from, with comments.

The comments list every group of settings with its defaults, so the file can be completed without a manual.
"""

from __future__ import annotations

from wiverno.config.fields.field import Setting
from wiverno.config.output.explain import format_toml
from wiverno.config.settings import SETTINGS

_TOML_HEAD = """\
#:schema {schema}
# (for editors; `wiverno config schema -o wiverno.schema.json` writes it)
#
# wiverno run --config {name}       or: pserve {name}
# wiverno config check {name}       every mistake at once, without starting
# wiverno config explain threads    what a setting means and where its value comes from

# extends = "base.toml"             # tables merge key by key; arrays and values replace

[app]
use = "{app}"   # module:attribute; or egg:Dist#name, call:module:function, config:other.ini#name
# factory = true                    # the attribute makes the application: create_app(**settings)

[app.settings]
# database_url = "${{DATABASE_URL}}"                   # from the environment; unset is an error with this line
# secret_key = "${{file:/run/secrets/secret_key}}"

# [[middleware]]                    # the first is the outermost
# use = "yourproject.middleware:Timing"   # Timing(app, **settings)
# settings = {{ header = "X-Time" }}

# [[static]]                        # files that the server sends itself
# path = "/static"
# directory = "public"

[server]
host = "127.0.0.1"
port = "${{PORT:-8000}}"
threads = 4
"""

_TOML_TAIL = """
[logging.handlers.console]          # logging.config.dictConfig
class = "logging.StreamHandler"

[logging.root]
level = "INFO"
handlers = ["console"]
"""

_INI_HEAD = """\
# pserve {name}                     or: wiverno run --config {name}
# pserve {name} http_port=9000      another port
# wiverno config check {name}       every mistake at once, without starting

[app:main]
use = egg:wiverno
app = {app}

[server:main]
use = egg:wiverno
host = 127.0.0.1
# Not called "port": PasteDeploy drops a section's key when a variable has the same name.
port = ${{http_port:-8000}}
threads = 4
"""

_INI_TAIL = """
[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = plain

[logger_root]
level = INFO
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain

[formatter_plain]
format = %(asctime)s %(levelname)s [%(name)s] %(message)s
"""

_WRITTEN = ("host", "port", "threads")


def template(name: str, *, ini: bool = False, app: str = "yourproject:app", schema: str | None = None) -> str:
    """Return the text of a new configuration.

    Args:
        name: the file it is for, as it stands in the comments.
        ini: INI instead of TOML.
        app: the application, `module:attribute`.
        schema: where the editor finds the JSON Schema; None is `wiverno.schema.json` beside the file.
    """
    head, tail = (_INI_HEAD, _INI_TAIL) if ini else (_TOML_HEAD, _TOML_TAIL)
    start = head.format(name=name, app=app, schema=schema or "./wiverno.schema.json")
    return start + _defaults(ini) + tail


def _defaults(ini: bool) -> str:
    """Return the other settings as comments with their defaults, by group."""
    groups: dict[str, list[str]] = {}
    for entry in SETTINGS.values():
        if entry.code_only or entry.inert or entry.name in _WRITTEN:
            continue
        groups.setdefault(entry.group, []).append(_line(entry, ini))
    lines = []
    for group, entries in groups.items():
        lines += ["", f"# {group}", *entries]
    return "\n".join([*lines, ""])


def _line(entry: Setting, ini: bool) -> str:
    value = entry.type.text(entry.default) if ini else format_toml(entry.type.native(entry.default))
    if ini:
        # INI has no comments after a value: the meaning stands above.
        return f"# {entry.meaning}\n# {entry.name} = {value}"
    return f"# {entry.name} = {value}   # {entry.meaning}"
