"""The peers, installed where they are missing; what can't be had is left out, and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PEERS = Path(__file__).parent / ".peers"
MITMDUMP = PEERS / "mitmproxy" / "bin" / "mitmdump"
LOL_HTML = PEERS / "lol-html"
FLASK_COMPRESS = PEERS / "flask-compress"

_INSTALL_DEBIAN = Path(__file__).parents[1] / "tools" / "install-debian"


class MissingError(Exception):
    """Something can't be had, and why."""


def needed() -> None:
    """What nothing can be measured without. Raises MissingError."""
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")):
        if not _which(program):
            _debian(package)


def peers(wanted: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Install the ``wanted`` ones; gives those that can't be had, and why."""
    PEERS.mkdir(exist_ok=True)
    (PEERS / ".gitignore").write_text("*\n")
    for name, install in _INSTALLERS.items():
        if name not in wanted:
            continue
        try:
            install()
        except MissingError as missing:
            yield name, str(missing)


def lua() -> None:
    """nginx's Lua module; the upstream makes its unique pages with it, too."""
    from .upstream import lua_modules

    if not lua_modules():
        _debian("libnginx-mod-http-lua")
        if not lua_modules():
            raise MissingError("this nginx has no Lua module")


def _apache() -> None:
    if not _which("apache2"):
        _debian("apache2-bin")


def _mitmproxy() -> None:
    """In an environment of its own: it pins much of what kmproxy stands on."""
    if MITMDUMP.exists():
        return
    venv = MITMDUMP.parents[1]
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], "mitmproxy's own environment")
    _run(
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "mitmproxy"], "mitmproxy from PyPI"
    )


def _lol_html() -> None:
    """Beside the project, not in it: it is in the way of nothing, and is measured in this process."""
    if not (LOL_HTML / "lolhtml.pyi").exists():
        target = ["--quiet", "--target", str(LOL_HTML), "python-lolhtml"]
        _run([sys.executable, "-m", "pip", "install", *target], "lol-html's Python binding from PyPI")


def _flask_compress() -> None:
    if not (FLASK_COMPRESS / "flask_compress").exists():
        target = ["--quiet", "--no-deps", "--target", str(FLASK_COMPRESS), "flask-compress", "backports.zstd"]
        _run([sys.executable, "-m", "pip", "install", *target], "Flask-Compress from PyPI")


_INSTALLERS = {
    "nginx-lua": lua,
    "apache": _apache,
    "mitmproxy": _mitmproxy,
    "lol-html": _lol_html,
    "flask-compress": _flask_compress,
    "flask-kmproxy-compress": _flask_compress,
}


def _which(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def _debian(package: str) -> None:
    _run([str(_INSTALL_DEBIAN), package], f"{package} from Debian")


def _run(command: list[str], what: str) -> None:
    print(f"installing {what}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it failed").splitlines()
        raise MissingError(f"{what}: {said[-1]}")
