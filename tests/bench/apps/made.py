"""An app's pages: the upstream's, kept as if they were made."""

from __future__ import annotations

import gzip
import urllib.request
from functools import cache


def page(upstream: int, path: str) -> bytes:
    """The page as the upstream has it, in bytes of its own as if it had just been made."""
    return bytes(bytearray(_page(upstream, path)))


@cache
def _page(upstream: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream}{path}") as answer:
        found: bytes = answer.read()
    return found


@cache
def gzipped(upstream: int, path: str) -> bytes:
    """The same, compressed beforehand."""
    return gzip.compress(page(upstream, path), 6, mtime=0)
