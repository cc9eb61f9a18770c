"""A WSGI app's ``wsgi.input`` (PEP 3333), whose tracked form is seen as the app reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kmproxy.forms.submission import Submission

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream


class Input:
    """``stream``, and everything else it can do."""

    def __init__(self, stream: InputStream, form: Submission) -> None:
        self._stream = stream
        self._form = form
        # Readers ask whether there is a readinto, and use it past the others.
        if hasattr(stream, "readinto"):
            self.readinto = self._readinto

    def read(self, *size: Any) -> bytes:
        return self._seen(self._stream.read(*size), *size)

    def readline(self, *size: Any) -> bytes:
        data = self._stream.readline(*size)
        return self._seen(data, len(data) or 1)

    def readlines(self, *hint: Any) -> list[bytes]:
        lines = self._stream.readlines(*hint)
        self._seen(b"".join(lines), *hint)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            yield self._seen(line, len(line))
        self._form.end()

    def _readinto(self, buffer: Any) -> int | None:
        # PEP 3333 asks for none of this; the io classes that servers give have it.
        count: int | None = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        if count is not None:
            self._seen(bytes(memoryview(buffer)[:count]), len(buffer))
        return count

    def _seen(self, data: bytes, *size: Any) -> bytes:
        """``data`` that was asked for with ``size``: none, or all there is, is the end."""
        self._form.take(data)
        asked = size[0] if size and size[0] is not None else -1
        if asked < 0 or (asked and not data):
            self._form.end()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
