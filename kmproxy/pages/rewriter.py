"""The rewriter: a page's body as the upstream sends it in, as this visitor gets it out."""

from __future__ import annotations

from kmproxy.pages.charset import HALF_MARKS, begins_in_utf16
from kmproxy.pages.codings import CodingError, decoder, encoder
from kmproxy.pages.scanner import Scanner


class PageRewriter:
    """Decodes, scans, fills, encodes; all as streams.

    ``text`` goes into every slot. A body that turns out not to be in its ``coding`` before
    anything was let out leaves as it came; one that breaks later can't be mended and raises.
    """

    def __init__(self, coding: bytes, scanner: Scanner, text: bytes) -> None:
        self._decoder = decoder(coding)
        self._encoder = encoder(coding)
        self._scanner = scanner
        self._text = text
        self._raw: list[bytes] | None = []
        """What came in before anything was let out; None from then on."""
        self._first = b""
        """A decoded first byte that may be half a byte order mark."""
        self._passing = False
        self.left_alone = ""
        """Why the page was let by as it came, if it was."""

    @property
    def decorated(self) -> int:
        """Links decorated by now."""
        return self._scanner.decorated

    @property
    def skipped(self) -> dict[str, int]:
        """Links left alone by now, by reason."""
        return dict(self._scanner.skipped)

    def write(self, data: bytes) -> bytes:
        """What can be let out. Raises CodingError once the body can't be what it claimed."""
        if self._passing:
            return data
        if self._raw is not None:
            self._raw.append(data)
        try:
            plain = self._decoder.write(data)
        except CodingError:
            return self._give_up("wrong-coding")
        if self._raw is None:
            return self._fill(plain)
        self._first += plain
        if not self._first or self._first in HALF_MARKS:
            return b""
        if begins_in_utf16(self._first):
            return self._give_up("charset")
        self._raw = None
        return self._fill(self._first)

    def finish(self) -> bytes:
        """The rest. Raises CodingError where the body was cut short: it must not look whole."""
        if self._passing or (self._raw is not None and not any(self._raw)):
            return b""
        try:
            rest = self._decoder.finish()
        except CodingError:
            return self._give_up("wrong-coding")
        if self._raw is not None:
            rest = self._first + rest
        return self._fill(rest) + self._last() + self._encoder.finish()

    def salvage(self) -> bytes:
        """What is held back, for a body that breaks off; it does not end the encoded stream.

        To be let out before the connection is cut, after ``write`` or ``finish`` raised, or
        where the upstream went away.
        """
        if self._passing:
            return b""
        return self._last() if self._raw is None else self._give_up("broken-off")

    def _fill(self, plain: bytes) -> bytes:
        return self._encoded(self._scanner.feed(plain)) if plain else b""

    def _last(self) -> bytes:
        return self._encoded(self._scanner.finish())

    def _encoded(self, pieces: list[bytes]) -> bytes:
        filled = self._text.join(pieces)
        return self._encoder.write(filled) if filled else b""

    def _give_up(self, reason: str) -> bytes:
        if self._raw is None:
            raise CodingError("the body breaks off")
        self._passing = True
        self.left_alone = reason
        return b"".join(self._raw)
