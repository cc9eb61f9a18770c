"""A page kept compressed, with the places for the visitor's parameters patchable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kmproxy.pages.checksum import Crc32Patch
from kmproxy.pages.codings import CodingError, decoder
from kmproxy.pages.marked import (
    Deflater,
    Encoder,
    brotli_encoder,
    compress,
    marker,
    two_texts,
    zstd_encoder,
)

# CM = 8, no flags, no time, no hint, OS unknown (RFC 1952 §2.3).
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(frozen=True, slots=True)
class CompressedTemplate:
    """Compressed bytes, between each two of which the text goes in verbatim."""

    coding: bytes
    parts: tuple[bytes, ...]
    crc: Crc32Patch | None = None
    """For gzip, whose trailer depends on the text."""

    def fill(self, text: bytes) -> bytes:
        """The page with ``text``, of the length the template was made for, in every slot."""
        filled = text.join(self.parts)
        return filled + self.crc.trailer(text) if self.crc else filled


_ENCODERS: dict[bytes, tuple[Callable[[], Encoder], ...]] = {
    b"gzip": (Deflater,),
    # From quality 5 on brotli chooses codes by the two bytes before, which a text's end would change.
    b"br": (lambda: brotli_encoder(4),),
    # Only the slow levels look at every place where a copy might begin.
    b"zstd": (lambda: zstd_encoder(6), lambda: zstd_encoder(12), lambda: zstd_encoder(16)),
}

CODINGS = frozenset(_ENCODERS)
"""Codings that templates can be kept in."""


def build(pieces: Sequence[bytes], length: int, coding: bytes) -> CompressedTemplate | None:
    """A verified template of the page ``pieces`` make with a text of ``length`` bytes between each two.

    None where no encoder yields one. Takes milliseconds: not for the path of a request.
    """
    noise = marker(pieces, length)
    for encoder in _ENCODERS[coding]:
        for sparing in (True, False):
            parts = compress(encoder(), pieces, noise, sparing=sparing)
            template = _template(coding, parts, pieces, noise)
            if all(_decoded(template, text) == text.join(pieces) for text in two_texts(pieces, length)):
                return template
    return None


def _template(
    coding: bytes, parts: tuple[bytes, ...], pieces: Sequence[bytes], noise: bytes
) -> CompressedTemplate:
    if coding != b"gzip":
        return CompressedTemplate(coding, parts)
    return CompressedTemplate(coding, (GZIP_HEAD + parts[0], *parts[1:]), Crc32Patch.of(pieces, noise))


def _decoded(template: CompressedTemplate, text: bytes) -> bytes | None:
    stream = decoder(template.coding)
    try:
        return stream.write(template.fill(text)) + stream.finish()
    except CodingError:
        return None
