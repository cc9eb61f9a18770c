"""What these tests need of the machine: found, or else a skip that names it (in CI a failure)."""

from __future__ import annotations

import os
import shutil

import pytest


def redis_server() -> str:
    """The path of Debian's ``redis-server``."""
    return _program("redis-server", "redis-server")


def nginx() -> str:
    """The path of Debian's ``nginx``."""
    return _program("nginx", "nginx")


def openssl() -> str:
    """The path of Debian's ``openssl``."""
    return _program("openssl", "openssl")


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin")))
    if found:
        return found
    missing = f"not on this machine: {name} (Debian's package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
