"""A directory with a configuration for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from explain_kit import Explainer


@pytest.fixture
def explainer(tmp_path: Path) -> Explainer:
    return Explainer(tmp_path)
