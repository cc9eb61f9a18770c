"""What these tests need of the machine: found, or else a skip that names it (in CI a failure)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

_TESTS = Path(__file__).parent


def program(name: str, package: str) -> str:
    """The path of a program that a Debian package brings."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin")))
    return found or missing(f"{name} (Debian's package {package})")


def command() -> str:
    """The path of ``kmproxy``, as it was installed beside this Python."""
    found = shutil.which("kmproxy", path=str(Path(sys.executable).parent))
    return found or missing("the command kmproxy (pip install -e .)")


def sdk() -> Path:
    """The folder of Mixpanel's browser SDK as it is published."""
    folder = _TESTS / "browser" / "node_modules" / "mixpanel-browser" / "dist"
    return folder if folder.is_dir() else missing("mixpanel-browser (npm install --prefix tests/browser)")


def missing(what: str) -> NoReturn:
    """Skip the test that asks, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not on this machine: {what}", pytrace=False)
    pytest.skip(f"not on this machine: {what}")
