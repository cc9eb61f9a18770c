"""Cookies: a tolerant reader of the Cookie header, a writer of Set-Cookie.

Analytics cookies stand beside whatever else a site has set: JSON, names without a
value, brackets. One of those must never cost the visitor's identity.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

Cookies = dict[str, bytes]
"""Name to raw value, percent-encoding and quotes kept."""

_DELETES = b"; Max-Age=0;"


def read(headers: Iterable[bytes]) -> Cookies:
    """The cookies of all Cookie header lines; of one name the first, as ``document.cookie`` has it.

    RFC 6265 §5.4: user agents list the most specific path first.
    """
    found: Cookies = {}
    for header in headers:
        for pair in header.split(b";"):
            name, equals, value = pair.partition(b"=")
            if equals:
                found.setdefault(name.strip().decode("latin-1"), value.strip())
    return found


def decode(raw: bytes) -> str | None:
    """A cookie's value as ``decodeURIComponent`` gives it; None for bytes that are not UTF-8.

    A broken escape stays as it is: servers set cookies, too, and not all of them encode.
    """
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def encode(value: str) -> str:
    """A value as ``decodeURIComponent`` reads it back, in characters no cookie parser trips over."""
    return quote(value, safe="")


def updated(cookies: Cookies, set_cookies: Iterable[bytes]) -> Cookies:
    """What the browser sends next, once it has these Set-Cookie values of ours."""
    found = dict(cookies)
    for header in set_cookies:
        name, _, value = header.partition(b";")[0].partition(b"=")
        if _DELETES in header:
            found.pop(name.decode("latin-1"), None)
        else:
            found[name.decode("latin-1")] = value
    return found


def others(set_cookies: Iterable[bytes], names: Container[str]) -> tuple[bytes, ...]:
    """The Set-Cookie values of ours for other cookies than those; of one name there is one scope."""
    return tuple(value for value in set_cookies if value.partition(b"=")[0].decode("latin-1") not in names)


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One Set-Cookie header, readable by the vendor's JavaScript, hence never HttpOnly."""

    name: str
    value: str
    max_age: int
    """Seconds; 0 deletes."""

    domain: str = ""
    """The cookie scope; ``""`` for this host alone."""

    def header(self, *, secure: bool) -> bytes:
        """The header's value; ``secure`` where the visitor came by https."""
        parts = [f"{self.name}={encode(self.value)}", "Path=/", f"Max-Age={self.max_age}", "SameSite=Lax"]
        if self.domain:
            parts.insert(1, f"Domain={self.domain}")
        if secure:
            parts.append("Secure")
        return "; ".join(parts).encode("latin-1")
