"""What these tests need of the machine: found, or else a skip that names it (in CI a failure)."""

from __future__ import annotations

import os
import shutil

import pytest


def redis_server() -> str:
    """The path of Debian's ``redis-server``."""
    found = shutil.which("redis-server", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin")))
    if found:
        return found
    missing = "not on this machine: redis-server (Debian's package redis-server)"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
