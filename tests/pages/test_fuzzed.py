"""The fuzzer's targets (``tests/fuzz``), on its seeds and on what it once found."""

from __future__ import annotations

import pytest
from pages_fuzz import SEEDS, TARGETS, in_time

FOUND = [
    # A page in an encoding that is left alone was let out again at every later pause.
    ("codings", b"\x23\x61\x03\x09\x09\x09\x09<!doctype html><meta charset=utf-7>" + b"<p>x" * 30),
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_fuzzers_targets_hold_for_its_seeds(target: str) -> None:
    for number, seed in enumerate(SEEDS):
        in_time(TARGETS[target], bytes([number % 128, 3, 9, 4, 1, 1, 1]) + seed)


@pytest.mark.parametrize(("target", "data"), FOUND)
def test_what_was_found_once_holds(target: str, data: bytes) -> None:
    in_time(TARGETS[target], data)
