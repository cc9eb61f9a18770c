"""An engine that stands still and an outbox in memory, for every door of the folder."""

from __future__ import annotations

import pytest
from doors_engine import Kept, fixed


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    return fixed(monkeypatch)
