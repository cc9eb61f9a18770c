"""The visitor of the request that an app is at, behind any of the middlewares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmproxy.engine import Engine
from kmproxy.identity.word import Word
from kmproxy.links.decorate import Skip
from kmproxy.visit import Arrival

KEYS: list[Any] = ["kmproxy.visitor"]
"""Where the middlewares leave it: in the scope, the environ or the request."""


class CurrentVisitor:
    """Who asks, and what the app says of them: as the vendors' JavaScript of the same names would.

    What is said takes effect with the response: cookies, tracking calls, and the identity on its links.
    """

    def __init__(self, engine: Engine, arrival: Arrival | None) -> None:
        self._engine = engine
        self.arrival = arrival
        """After all that was said; None where the request is for none of the configured domains."""

    @property
    def identity(self) -> str | None:
        """The named ID if there is one, else the anonymous ID; None for a visitor who is not followed."""
        return next((visitor.identity for _, visitor in self._seen if visitor.identity), None)

    @property
    def anonymous_id(self) -> str | None:
        """The anonymous ID, also of a visitor who has a name."""
        return next((visitor.anonymous for _, visitor in self._seen if visitor.identity), None)

    def identify(self, identity: object) -> None:
        """The visitor has logged in, or said who they are; ``""`` keeps an anonymous one as they are."""
        self._say(Word("identify", str(identity)))

    def alias(self, identity: object) -> None:
        """The visitor is also known by ``identity``. It can't be undone."""
        self._say(Word("alias", str(identity)))

    def clear(self) -> None:
        """The visitor has logged out: whoever comes next is somebody else."""
        self._say(Word("clear"))

    def record(self, event: str, **properties: object) -> None:
        """The visitor did something."""
        self._say(Word("record", event, {name: str(value) for name, value in properties.items()}))

    def link(self, url: str) -> str:
        """``url`` with the visitor's parameters if it leads to another domain of the site, else as it is."""
        if self.arrival is None or not (parameters := self.arrival.seen.query):
            return url
        raw = url.encode()
        slot = self.arrival.domain.site.slot(self.arrival.host, self.arrival.origin, raw, in_html=False)
        if isinstance(slot, Skip):
            return url
        return slot.filled(raw, parameters).decode()

    @property
    def _seen(self) -> tuple[Any, ...]:
        return self.arrival.seen if self.arrival else ()

    def _say(self, word: Word) -> None:
        if self.arrival is not None:
            self.arrival = self._engine.hear(self.arrival, [word])


def visitor(request: Any) -> CurrentVisitor:
    """The visitor behind ``request``.

    That is Starlette's, FastAPI's, Django's, Flask's or aiohttp's, or a bare scope or environ.
    Raises LookupError where no middleware of kmproxy is in front of the app.
    """
    for place in _places(request):
        for key in KEYS:
            if isinstance(found := place.get(key), CurrentVisitor):
                return found
    raise LookupError("no middleware of kmproxy is in front of this request")


def link(url: str, request: Any) -> str:
    """``url`` with the visitor's identity, for templates, e-mails and JSON.

    As it is, where it does not lead to another domain of the site, or the visitor is not followed.
    In HTML, escape it as any other URL. Raises LookupError as ``visitor``.
    """
    return visitor(request).link(url)


def _places(request: Any) -> Iterator[Mapping[Any, Any]]:
    if isinstance(request, Mapping):
        yield request
    for name in ("scope", "environ"):
        place = getattr(request, name, None)
        if isinstance(place, Mapping):
            yield place
