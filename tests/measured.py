"""Coverage of a process that a test starts, where nothing else runs what it runs; each costs its tracing."""

from __future__ import annotations

import os
from pathlib import Path

from coverage import Coverage

_ROOT = Path(__file__).parents[1]
_ASKED = {"COVERAGE_PROCESS_START": f"{_ROOT}/pyproject.toml", "COVERAGE_FILE": f"{_ROOT}/.coverage"}


def environment() -> dict[str, str]:
    """For a process whose coverage counts if that of the tests does; it must end by itself."""
    return {**os.environ, **_ASKED} if Coverage.current() else {**os.environ}
