"""Command lines of other servers as settings: gunicorn, waitress-serve, uwsgi and granian.

The words before the program (`exec`, `python -m`, `poetry run`, `NAME=VALUE`) are skipped; variables go into `env`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wiverno.config.errors import ConfigError, Origin, Problem

PROGRAMS: Final = ("gunicorn", "waitress-serve", "uwsgi", "granian")

_VARIABLE: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_RUNNERS: Final = ("exec", "env", "sudo", "poetry", "pipenv", "uv", "pdm", "hatch", "rye", "run", "nohup", "time", "-m")
_PYTHON: Final = re.compile(r"(?:.*/)?python[0-9.]*")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a program's options are written.

    Attributes:
        short: letters and other spellings of options → their names.
        flags: options without a value.
    """

    short: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()


GUNICORN: Final = Grammar(
    {
        "b": "bind", "w": "workers", "k": "worker_class", "t": "timeout", "c": "config", "n": "proc_name",
        "D": "daemon", "p": "pidfile", "u": "user", "g": "group", "m": "umask", "e": "raw_env",
        "R": "enable_stdio_inheritance",
        "access_logfile": "accesslog", "access_logformat": "access_log_format", "log_level": "loglevel",
        "log_file": "errorlog", "error_logfile": "errorlog", "log_config": "logconfig", "keep_alive": "keepalive",
        "preload": "preload_app", "pid": "pidfile", "env": "raw_env", "name": "proc_name",
        "log_config_json": "logconfig_json", "no_sendfile": "sendfile", "log_syslog": "syslog",
        "log_syslog_to": "syslog_addr", "paster": "paste",
    },
    frozenset(
        ("daemon", "reload", "preload_app", "check_config", "print_config", "spew", "enable_stdio_inheritance",
         "capture_output", "reuse_port", "sendfile", "proxy_protocol", "disable_redirect_access_to_syslog",
         "initgroups", "syslog", "strip_header_spaces", "do_handshake_on_connect", "suppress_ragged_eofs",
         "permit_obsolete_folding", "casefold_http_method", "enable_backlog_metric", "no_control_socket")
    ),
)  # fmt: skip
GRANIAN: Final = Grammar(
    {},
    frozenset(
        ("ws", "no_ws", "http1_keep_alive", "no_http1_keep_alive", "http1_pipeline_flush", "no_http1_pipeline_flush",
         "http2_adaptive_window", "no_http2_adaptive_window", "log", "no_log", "access_log", "no_access_log",
         "respawn_failed_workers", "no_respawn_failed_workers", "factory", "no_factory", "reload", "no_reload",
         "uvloop", "metrics", "no_metrics", "ssl_client_verify", "no_ssl_client_verify", "rt_metrics")
    ),
)  # fmt: skip


@dataclass
class CommandLine:
    """A command line, taken apart: options in their order, words without an option, variables before the program."""

    program: str
    options: list[tuple[str, str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def find_program(text: str) -> CommandLine:
    """Return the program of a command line, with the rest of it as `words`.

    Raises:
        ConfigError: it cannot be split into words, or none of the known programs is in it.
    """
    where = Origin("option", text="--from-command")
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError as error:
        raise ConfigError([Problem(f"is no command line: {error}".lower(), where)]) from None
    variables: dict[str, str] = {}
    for number, word in enumerate(words):
        program = word.rpartition("/")[2]
        if program in PROGRAMS:
            return CommandLine(program, words=words[number + 1 :], variables=variables)
        if program in ("uvicorn", "hypercorn", "daphne"):
            raise ConfigError([Problem(f"{program} serves ASGI applications, and wiverno serves WSGI only", where)])
        if match := _VARIABLE.fullmatch(word):
            variables[match[1]] = match[2]
        elif program not in _RUNNERS and not _PYTHON.fullmatch(word) and not word.startswith("-"):
            break
    known = ", ".join(PROGRAMS)
    message = f"names none of the programs that can be converted: {known}"
    raise ConfigError([Problem(message, where, hint="give the whole command, as in a Procfile or a unit")])


def read_options(line: CommandLine, grammar: Grammar, *, separator: str = "_") -> CommandLine:
    """Return a command line with its options: `(name, value, as written)`; a flag has the value "true".

    Args:
        line: the program and its words.
        grammar: the program's.
        separator: stands in names where the command line has `-`.
    """
    words = list(line.words)
    found = CommandLine(line.program, variables=line.variables)
    while words:
        word = words.pop(0)
        if word == "--":
            found.words += words
            break
        if not word.startswith("-") or word == "-":
            found.words.append(word)
            continue
        written, equals, value = word.partition("=")
        name = written.lstrip("-")
        is_short = not written.startswith("--")
        if is_short and len(name) > 1 and name[0] in grammar.short:
            name, equals, value = name[0], "=", name[1:] + (equals + value)  # -w4
        name = grammar.short.get(name.replace("-", separator), name.replace("-", separator))
        if name in grammar.flags and not equals:
            value = "true"
        elif not equals:
            is_flag = not words or (words[0].startswith("-") and not words[0][1:2].isdigit() and words[0] != "-")
            value = "true" if is_flag else words.pop(0)
        found.options.append((name, value, written))
    return found
