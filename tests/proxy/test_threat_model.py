"""The threat model names the tests that hold it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()


def _named() -> list[tuple[str, str]]:
    """File and function of each test; a name without a file is of the file before it."""
    found, file = [], ""
    for path, name in re.findall(r"`(tests/[\w/]+\.py)?::(test_\w+)`", PAGE):
        file = path or file
        found.append((file, name))
    return found


@pytest.mark.parametrize(("file", "name"), _named())
def test_each_test_the_threat_model_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_each_threat_has_a_test_or_is_left_to_somebody() -> None:
    threats = re.findall(r"^\| \d\.\d+ \|.*$", PAGE, re.MULTILINE)
    assert len(threats) > 30
    assert [
        row for row in threats if "::test_" not in row and "the same" not in row and "5." not in row
    ] == []
