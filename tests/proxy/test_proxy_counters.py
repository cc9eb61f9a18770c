"""Where workers count: nothing is left behind, and nothing is taken from others."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from kmproxy.serving import counters
from kmproxy.serving.counters import Counters


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_supervisor_left_is_removed_and_a_live_ones_is_not(folder: Path) -> None:
    alive, killed = Counters(), Counters()
    for one in (alive, killed):
        (one.path / "counter_0.db").write_bytes(b"1")
    os.close(killed.lock)
    other = folder / "other"
    other.mkdir()
    new = Counters()
    assert set(folder.iterdir()) == {alive.path, new.path, other}
    assert (alive.path / "counter_0.db").read_bytes() == b"1"
    for one in (alive, new):
        one.remove()
    assert set(folder.iterdir()) == {other}


def test_a_worker_that_outlives_its_supervisor_keeps_the_folder(folder: Path) -> None:
    killed = Counters()
    inherited = os.dup(killed.lock)
    os.close(killed.lock)
    Counters().remove()
    assert killed.path.exists()
    os.close(inherited)
    Counters().remove()
    assert not killed.path.exists()


def test_somebody_elses_folder_and_what_a_link_leads_to_are_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "target"
    target.mkdir()
    (folder / "kmproxy-counters-link").symlink_to(target)
    Counters().remove()
    assert target.exists()
    left = Counters()
    os.close(left.lock)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    Counters().remove()
    assert left.path.exists()


def test_who_starts_at_the_same_moment_and_loses_the_folder_makes_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = counters._locked
    lost: list[Path] = []

    def sweep_before(path: Path) -> int:
        if not lost:
            lost.append(path)
            counters._remove_if_left(path)
        return lock(path)

    monkeypatch.setattr(counters, "_locked", sweep_before)
    made = Counters()
    assert made.path.exists()
    assert lost
    assert made.path not in lost
    made.remove()
