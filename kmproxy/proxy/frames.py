"""WebSocket frames (RFC 6455 §5.2), as far as a proxy must know them that has to end between two."""

from __future__ import annotations

from sys import maxsize

GOING_AWAY = b"\x88\x02\x03\xe9"
"""A server's close frame with 1001 (§7.4.1)."""

GOING_AWAY_MASKED = b"\x88\x82\0\0\0\0\x03\xe9"
"""A client's, which has to be masked: with zeros, for it hides nothing."""


_MOST = 8192
"""Steps that are taken through one piece, two a frame: who sends frames of nothing must not keep us busy, and
is never said goodbye to."""


class Frames:
    """Is shown what passes in one direction, and knows whether a frame is under way."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def are_whole(self) -> bool:
        return not self._left and not self._head

    def see(self, data: bytes) -> None:
        """``data`` passes."""
        place = steps = 0
        while place < len(data):
            steps += 1
            if steps > _MOST:
                self._left = maxsize
                return
            if self._left:
                step = min(self._left, len(data) - place)
                self._left -= step
            else:
                step = min(max(_length_of_head(self._head) - len(self._head), 1), len(data) - place)
                self._read(self._head + data[place : place + step])
            place += step

    def _read(self, head: bytes) -> None:
        if len(head) < 2 or len(head) < _length_of_head(head):
            self._head = head
            return
        self._head = b""
        said = head[1] & 0x7F
        self._left = said if said < 126 else int.from_bytes(head[2 : 4 if said == 126 else 10], "big")


def _length_of_head(head: bytes) -> int:
    """How long a frame's head is, as far as ``head``, its beginning, tells."""
    if len(head) < 2:
        return 2
    said = head[1] & 0x7F
    return 2 + (2 if said == 126 else 8 if said == 127 else 0) + (4 if head[1] & 0x80 else 0)
