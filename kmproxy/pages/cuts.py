"""Where a page is cut: at places its content names, so that what two pages share is cut alike."""

from __future__ import annotations

MIN_CHUNK = 6_144
WINDOW = 4_096
"""Bytes after ``MIN_CHUNK`` among which a cut is looked for."""

LONGEST = MIN_CHUNK + WINDOW
"""Bytes of the longest chunk."""

MIN_SPLIT = 384
"""Bytes from which on a stretch beside a difference is worth a chunk of its own."""

_LEAST_HEAD = 12
_HEAD = 64
_LONG_HEAD = 192
"""Bytes by which a place is found again, at least, within what is alike, and behind it."""

_SLACK = 8_192
"""Bytes by which a difference may be longer than what stood there before."""

_ATTEMPTS = 6

_TAG = 23
"""Bytes of a tag, behind its ``<``, that name a place."""


def end_of_chunk(data: bytes, start: int) -> int:
    """Where the chunk that begins at ``start`` ends, given all of the page or enough of it.

    It ends before the tag of the window that is the last by the alphabet: most shifts of the
    window leave that the same, so that cuts fall together again behind a difference.
    """
    least = start + MIN_CHUNK
    if len(data) <= least + WINDOW:
        return len(data)
    tags = data[least : least + WINDOW].split(b"<")[1:]
    return data.index(b"<" + max(tags)[:_TAG], least) if tags else least + WINDOW


def alike(old: bytes, data: bytes, start: int) -> tuple[list[tuple[int, int]], int]:
    """The longer stretches of ``data`` from ``start`` on that ``old`` holds, too, from tag to tag;
    and where ``old`` ends in ``data``, or -1."""
    spans: list[tuple[int, int]] = []
    if len(old) < MIN_SPLIT:
        return spans, -1
    at, here, limit = 0, start, start + len(old) + _SLACK
    for _ in range(_ATTEMPTS):
        same = _common(old, at, data, here)
        if at + same == len(old):
            return (spans if same < MIN_SPLIT else [*spans, (here, here + same)]), here + same
        end = data.rfind(b"<", here + MIN_SPLIT, here + same)
        if end > 0:
            spans.append((here, end))
        at, here = _meeting(old, at + same, data, here + same, limit)
        if at < 0:
            break
    return spans, -1


def found_again(head: bytes, data: bytes, start: int, length: int) -> int:
    """Where what begins like ``head`` is in ``data``, after a difference of about ``length`` bytes; or -1."""
    return data.find(head[:_LONG_HEAD], start, start + length + _SLACK) if len(head) >= _LEAST_HEAD else -1


def _common(a: bytes, at: int, b: bytes, here: int) -> int:
    """How many bytes are the same from ``at`` in ``a`` and from ``here`` in ``b`` on."""
    same, differ = 0, min(len(a) - at, len(b) - here)
    if a[at : at + differ] == b[here : here + differ]:
        return differ
    while differ - same > 1:
        middle = (same + differ) // 2
        if a[at + same : at + middle] == b[here + same : here + middle]:
            same = middle
        else:
            differ = middle
    return same


def _meeting(old: bytes, at: int, data: bytes, here: int, limit: int) -> tuple[int, int]:
    """The next tag of ``old`` that is in ``data``, too, and its places in both; or -1."""
    for _ in range(_ATTEMPTS):
        at = old.find(b"<", at + 1)
        if not 0 <= at <= len(old) - _LEAST_HEAD:
            break
        place = data.find(old[at : at + _HEAD], here, limit)
        if place >= 0:
            return at, place
    return -1, -1
