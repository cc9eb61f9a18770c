"""Where a WebSocket's frames end, however they are cut."""

from __future__ import annotations

import pytest

from kmproxy.proxy.frames import GOING_AWAY, GOING_AWAY_MASKED, Frames

FRAMES = [
    GOING_AWAY,
    GOING_AWAY_MASKED,
    b"\x89\0",
    b"\x81\x7d" + b"a" * 125,
    b"\x82\x7e\0\x7e" + b"\x82" * 126,
    b"\x82\xfe\1\0mask" + b"\xff" * 256,
    b"\x02\x7f\0\0\0\0\0\1\0\0" + b"\x81" * 65536,
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1 << 20])
def test_frames_are_whole_at_their_ends_only(size: int) -> None:
    frames, wire = Frames(), b"".join(FRAMES)
    ends = {sum(map(len, FRAMES[:number])) for number in range(len(FRAMES) + 1)}
    for place in range(0, len(wire), size):
        assert frames.are_whole == (place in ends)
        frames.see(wire[place : place + size])
    assert frames.are_whole


def test_frames_of_nothing_without_end_are_not_followed() -> None:
    frames = Frames()
    frames.see(b"\x89\0" * 30_000)
    assert not frames.are_whole
    frames.see(b"\x89\0")
    assert not frames.are_whole
