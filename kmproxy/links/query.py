"""The query of a request target, in raw bytes: what it says, and the target without some of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``name=value`` of a query, decoded."""

    name: str
    value: str | None
    """None where ``decodeURIComponent`` would throw: not UTF-8, or a broken escape."""


def component(raw: bytes) -> str | None:
    """``+`` as a space, then ``decodeURIComponent`` (ECMA-262 §19.2.6); None where that throws."""
    if b"%" in raw and not _escapes_are_whole(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return None


def parameters(target: bytes) -> list[Parameter]:
    """The parameters of ``target``, in order; pairs without ``=`` say nothing and are left out."""
    found = []
    for pair in _split(target)[1]:
        name, equals, value = pair.partition(b"=")
        decoded = component(name) if equals else None
        if decoded is not None:
            found.append(Parameter(decoded, component(value)))
    return found


def strip(target: bytes, unwanted: Callable[[str], bool]) -> bytes:
    """``target`` without the parameters whose name is ``unwanted``; every other byte as it was."""
    path, pairs, fragment = _split(target)
    kept = [pair for pair in pairs if not _is(pair, unwanted)]
    if len(kept) == len(pairs):
        return target
    return (path + b"?" + b"&".join(kept) if kept else path) + fragment


@lru_cache(maxsize=4096)
def encode(value: str) -> str:
    """Percent-encoded once; only RFC 3986 §2.3 unreserved characters stay."""
    return quote(value, safe="")


def _is(pair: bytes, unwanted: Callable[[str], bool]) -> bool:
    name = component(pair.partition(b"=")[0])
    return name is not None and unwanted(name)


def _split(target: bytes) -> tuple[bytes, list[bytes], bytes]:
    rest, mark, fragment = target.partition(b"#")
    path, question, query = rest.partition(b"?")
    return path, query.split(b"&") if question else [], mark + fragment


def _escapes_are_whole(raw: bytes) -> bool:
    return all(_is_hex(part[:2]) for part in raw.split(b"%")[1:])


def _is_hex(digits: bytes) -> bool:
    return len(digits) == 2 and all(digit in b"0123456789abcdefABCDEF" for digit in digits)
