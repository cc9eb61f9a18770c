"""The fixture of the doors' tests: a plugin of each module, for mypy knows only one ``conftest``."""

from __future__ import annotations

import pytest
from doors_engine import Kept, fixed


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    return fixed(monkeypatch)
