"""The benchmark's own environment: the peers at pinned versions, wiverno editable, wrk and libev from Debian.

Nothing here is installed into the project's environment. A peer that cannot be installed is not hidden: its name and
the reason go into the report.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = HERE / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "wiverno-benchmarks.json"
REQUIREMENTS = HERE / "requirements.txt"
RUN = HERE / ".run"
OWN = f"{ROOT}[http2]"

# Debian package → a file that shows it is there.
CLIENTS = (
    ("wrk", "wrk", "https://github.com/wg/wrk"),
    ("h2load", "nghttp2-client", "https://nghttp2.org"),
    ("curl", "curl", "https://curl.se"),
)  # command, Debian package, where it is from
LIBEV_HEADERS = ("/usr/include/ev.h", "/usr/local/include/ev.h", "/opt/homebrew/include/ev.h")


class NotReady(RuntimeError):
    """Something without which nothing can be measured is missing; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed.

    Attributes:
        missing: distribution → why it could not be installed.
    """

    missing: dict[str, str]


def inside() -> bool:
    """Whether this process already runs on the benchmark environment's Python."""
    return Path(sys.prefix) == VENV


def enter(arguments: list[str]) -> None:
    """Go on as `python -m benchmarks` inside the environment; does not return."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks", *arguments])


def prepare() -> Environment:
    """Make or refresh the environment; quick when nothing changed.

    Raises:
        NotReady: a load generator is missing, or the environment itself cannot be made.
    """
    _need_clients()
    digest = _digest()
    if STAMP.exists() and PYTHON.exists():
        stamp = json.loads(STAMP.read_text())
        if stamp["digest"] == digest and not stamp["missing"]:
            return Environment({})
    if not PYTHON.exists():
        print("making benchmarks/.venv …", flush=True)
        venv.create(VENV, with_pip=True)
    missing = _install_peers()
    failure = _pip("--constraint", str(ROOT / "constraints.txt"), "--editable", OWN)
    if failure:
        missing["wiverno"] = failure
    STAMP.write_text(json.dumps({"digest": digest, "missing": missing}))
    return Environment(missing)


def installed() -> Environment:
    """What `prepare` found, read back inside the environment."""
    return Environment(json.loads(STAMP.read_text())["missing"])


def _digest() -> str:
    parts = (REQUIREMENTS.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), OWN.encode(), sys.version.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _install_peers() -> dict[str, str]:
    """Install all at once, and where that fails one by one, so that one missing compiler costs one peer."""
    print("installing the peers …", flush=True)
    missing: dict[str, str] = {}
    if not any(Path(header).exists() for header in LIBEV_HEADERS):
        _apt_install("libev-dev")
    # uWSGI embeds the Python that it is compiled for: a wheel that pip has kept may be another one's.
    if _pip("--no-cache-dir", "--requirement", str(REQUIREMENTS)) is None:
        return missing
    for line in REQUIREMENTS.read_text().splitlines():
        requirement = line.strip()
        if not requirement or requirement.startswith("#"):
            continue
        failure = _pip("--no-cache-dir", requirement)
        if failure:
            name = requirement.partition("==")[0]
            hint = " (needs libev: apt-get install libev-dev)" if name == "bjoern" else ""
            missing[name] = failure + hint
            print(f"  {requirement}: not installed: {missing[name]}", flush=True)
    return missing


def _pip(*what: str) -> str | None:
    """Install; the last line of pip's complaint when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    complaints = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
    errors = [line for line in complaints if "error" in line.lower()] or complaints or ["pip failed"]
    return errors[0].strip()


def _need_clients() -> None:
    for command, package, home in CLIENTS:
        if shutil.which(command) is None:
            _apt_install(package)
        if shutil.which(command) is None:
            raise NotReady(f"{command} is missing: apt-get install {package} ({home})")


def _apt_install(package: str) -> None:
    """Install a Debian package when we may (root); otherwise say the command, and go on."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(f"not installed here (needs root): apt-get install {package}", file=sys.stderr, flush=True)
        return
    print(f"apt-get install {package} …", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([apt, "install", "-y", "-qq", package], stdout=subprocess.DEVNULL, env=quiet, check=False)


def python_headers_present() -> bool:
    """Whether compiled peers can be built at all."""
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()
