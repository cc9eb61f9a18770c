"""CRC-32 of a page in which some bytes change: the change alone, not the page, is summed.

CRC-32 is linear over XOR, and appending zeros to a message is multiplication in GF(2)[x]
by a power of x (RFC 1952 §8; "A painless guide to CRC error detection algorithms"). So the
checksum of a page with another text in its slots is the old one, XORed with a linear
function of the two texts' checksums: four table look-ups, however large the page.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

_POLYNOMIAL = 0xEDB88320


def _multiply(a: int, b: int) -> int:
    """The product modulo the polynomial, bits reflected: 0x80000000 is one."""
    product = 0
    mask = 0x80000000
    while mask:
        if a & mask:
            product ^= b
        mask >>= 1
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _powers() -> tuple[int, ...]:
    """x to the power of 8 times 2 to the n, for n = 0, 1, …: one byte of zeros, two, four, …"""
    found = [0x00800000]
    for _ in range(40):
        found.append(_multiply(found[-1], found[-1]))
    return tuple(found)


_ZERO_BYTES = _powers()


def _shift(zeros: int) -> int:
    """The factor by which ``zeros`` bytes of zeros after a message multiply its checksum."""
    factor = 0x80000000
    for n, power in enumerate(_ZERO_BYTES):
        if zeros >> n & 1:
            factor = _multiply(factor, power)
    return factor


def _tables(factor: int) -> tuple[tuple[int, ...], ...]:
    """Multiplication by ``factor``, a byte of the operand at a time."""
    bits = [_multiply(factor, 1 << bit) for bit in range(32)]
    tables = []
    for byte in range(4):
        table = [0] * 256
        for value in range(1, 256):
            lowest = value & -value
            table[value] = table[value ^ lowest] ^ bits[8 * byte + lowest.bit_length() - 1]
        tables.append(tuple(table))
    return tuple(tables)


@dataclass(frozen=True, slots=True)
class Crc32Patch:
    """The gzip trailer of a page, as a function of the text in its slots."""

    base: int
    """The checksum of the page with the marker, XORed with what the marker's own adds to it."""

    tables: tuple[tuple[int, ...], ...]
    size: bytes
    """ISIZE, the length modulo 2^32 (RFC 1952 §2.3.1)."""

    @classmethod
    def of(cls, pieces: Sequence[bytes], marker: bytes) -> Crc32Patch:
        """For the page that ``pieces`` make with ``marker``, or any text as long, between each two."""
        whole = zlib.crc32(marker.join(pieces))
        after = 0
        factor = 0
        for piece in reversed(pieces[1:]):
            after += len(piece)
            factor ^= _shift(after)
            after += len(marker)
        tables = _tables(factor)
        size = struct.pack("<I", (after + len(pieces[0])) & 0xFFFFFFFF)
        return cls(whole ^ _apply(tables, zlib.crc32(marker)), tables, size)

    def trailer(self, text: bytes) -> bytes:
        """CRC32 and ISIZE with ``text`` in the slots."""
        return struct.pack("<I", self.base ^ _apply(self.tables, zlib.crc32(text))) + self.size


def _apply(tables: tuple[tuple[int, ...], ...], value: int) -> int:
    a, b, c, d = tables
    return a[value & 255] ^ b[value >> 8 & 255] ^ c[value >> 16 & 255] ^ d[value >> 24]
