"""A visit: one request on its way through, and all that was decided of it by now."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kmproxy import validators
from kmproxy.forms.submission import Submission
from kmproxy.identity.provider import Provider
from kmproxy.identity.visitor import Visitor
from kmproxy.links.hosts import bare_host
from kmproxy.links.query import encode
from kmproxy.messages import Headers, Request, Response, first
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.tracking import TrackingCall

_SHOWN = frozenset({b"document", b"iframe", b"frame", b"fencedframe"})


class Note(NamedTuple):
    """Something that was decided, for counters and the curious: words only, never an identity."""

    what: str
    """``arrival``, ``minted``, ``word``, ``form``, ``rejected`` or ``left-alone``."""

    provider: str
    """The vendor it concerns, or ``""``."""

    why: str
    """The rule or the reason."""


class Seen(NamedTuple):
    """The visitor as one provider knows it, after the arrival."""

    provider: Provider
    visitor: Visitor


class Arrival(NamedTuple):
    """What a request comes to: an answer at once, or what goes on to the upstream."""

    request: Request
    domain: Domain
    headers: Headers
    target: bytes
    seen: tuple[Seen, ...] = ()
    """Empty where the visitor is not to be followed."""

    answer: Response | None = None
    cookies: tuple[bytes, ...] = ()
    """Set-Cookie values that go out with whatever the upstream answers."""

    minted: tuple[bytes, ...] = ()
    """Set-Cookie values of a first-time visitor; they go out with a page only."""

    calls: tuple[TrackingCall, ...] = ()
    """To be on disk before anything leaves."""

    notes: tuple[Note, ...] = ()
    fresh: frozenset[str] = frozenset()
    """Providers whose visitor logged out just now: of the new one nobody has been told."""

    form: Submission | None = None
    """What the request's body goes through on its way to whoever reads it, where it is a tracked form."""

    coding: bytes = b""
    """What the app would compress the page in, had it not been asked for a plain one."""

    @property
    def host(self) -> str:
        """The host asked for: lower case, no port."""
        return bare_host(self.request.host)

    @property
    def origin(self) -> str:
        """The page's origin with a slash: all that matters of its URL for where its links lead."""
        return f"{self.request.scheme}://{self.request.host}/"

    @property
    def is_known(self) -> bool:
        """Whether any provider has an identity for the visitor."""
        return any(visitor.identity for _, visitor in self.seen)

    @property
    def is_new_to_some(self) -> bool:
        """Whether any provider has no identity for the visitor."""
        return not all(visitor.identity for _, visitor in self.seen)

    @property
    def mark(self) -> bytes:
        """What tells a page made for this visitor from any other; ``b""`` for a nobody."""
        said = self.parameters("&")
        return validators.mark(self.domain.site.fingerprint, said) if said else b""

    @property
    def asks_for_page(self) -> bool:
        """Whether the answer will be shown as a page: by itself, in a frame, or put in place by a script."""
        method, headers = self.request.method, self.request.headers
        if method not in ("GET", "HEAD"):
            return False
        return (
            first(headers, b"sec-fetch-dest") in _SHOWN or b"text/html" in first(headers, b"accept").lower()
        )

    def knowing(self, provider: Provider, visitor: Visitor) -> tuple[Seen, ...]:
        """``seen`` with ``visitor`` for one of the providers."""
        return tuple(Seen(p, visitor if p is provider else before) for p, before in self.seen)

    def parameters(self, separator: str) -> bytes:
        """The visitor's parameters as they stand on a link, ``&`` or ``&amp;`` between them."""
        return _written(
            tuple([(provider.parameter, visitor.identity) for provider, visitor in self.seen]), separator
        )


@lru_cache(maxsize=4096)
def _written(said: tuple[tuple[str, str | None], ...], separator: str) -> bytes:
    return separator.join(f"{name}={encode(value)}" for name, value in said if value).encode()


class Departure(NamedTuple):
    """The head as it leaves, and what the body goes through: None for as it is."""

    headers: Headers
    rewriter: PageRewriter | None = None
    notes: tuple[Note, ...] = ()
