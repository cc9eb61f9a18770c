"""The fixture of the doors' tests; a plugin, so that test modules may import the kits themselves."""

from __future__ import annotations

import pytest
from doors_engine import Kept, fixed


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    return fixed(monkeypatch)
