"""A visit: one request on its way through, and all that was decided of it by now."""

from __future__ import annotations

from typing import NamedTuple

from kmproxy import validators
from kmproxy.acquaintance import Acquaintance
from kmproxy.asked import Asked
from kmproxy.forms.submission import Submission
from kmproxy.links.hosts import bare_host
from kmproxy.messages import Headers, Request, Response
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.tracking import TrackingCall


class Note(NamedTuple):
    """Something that was decided, for counters and the curious: words only, never an identity."""

    what: str
    """``arrival``, ``minted``, ``word``, ``form``, ``rejected`` or ``left-alone``."""

    provider: str
    """The vendor it concerns, or ``""``."""

    why: str
    """The rule or the reason."""


class Arrival(NamedTuple):
    """What a request comes to: an answer at once, or what goes on to the upstream."""

    request: Request
    domain: Domain
    headers: Headers
    target: bytes
    asked: Asked
    seen: Acquaintance
    """Whom it comes from, by what is known now."""

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
    def mark(self) -> bytes:
        """What tells a page made for this visitor from any other; ``b""`` for a nobody."""
        said = self.seen.query
        return validators.mark(self.domain.site.fingerprint, said) if said else b""

    def going_on(self, headers: Headers) -> Arrival:
        """The same with the ``headers`` that go on to the upstream."""
        return Arrival(self.request, self.domain, headers, *self[3:])


class Departure(NamedTuple):
    """The head as it leaves, and what the body goes through: None for as it is."""

    headers: Headers
    rewriter: PageRewriter | None = None
    notes: tuple[Note, ...] = ()
