"""The head of a message, in the bytes that travel."""

from __future__ import annotations

from kmproxy.names import Headers


def head(start: bytes, headers: Headers) -> bytes:
    """The ``start`` line and the ``headers`` as given, the empty line included.

    Raises ValueError where a part could be read as more than that part: CR, LF or NUL (RFC 9110 §5.5).
    """
    lines = [start, *map(b": ".join, headers), b"", b""]
    # All of them at once: a look at each would be two dozen.
    said = b"".join(lines)
    if b"\n" in said or b"\r" in said or b"\0" in said:
        raise ValueError("a part of a message's head holds CR, LF or NUL")
    return b"\r\n".join(lines)
