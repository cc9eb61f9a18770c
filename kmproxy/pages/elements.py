"""Elements that lead somewhere: which of their attributes, and how a parameter gets along.

HTML: ``a``, ``area`` (§4.6), ``iframe`` (§4.8.5), forms (§4.10.21), meta refresh (§4.2.5.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kmproxy.links import entities
from kmproxy.links.decorate import Skip
from kmproxy.links.refresh import url_span
from kmproxy.pages.syntax import NOWHERE, Attributes

QUERY = 0
"""Kind of a slot within a URL: ``kmi=…``, percent-encoded, between ``&amp;``."""

FIELDS = 1
"""Kind of a slot right inside a form that is sent by GET: hidden inputs, for GET drops its action's query."""

_ATTRIBUTES = {b"a": b"href", b"area": b"href", b"iframe": b"src"}
_SUBMITTERS = frozenset({b"button", b"input"})
_NOTHING = (b"", NOWHERE)


class Found(NamedTuple):
    """A URL in a tag."""

    raw: bytes
    offset: int
    kind: int = QUERY
    after: int | None = None
    """Where the slot is, if not in the URL itself."""


class Elements:
    """What a site decorates: ``[site.links]``, ready to be asked."""

    def __init__(self, elements: Iterable[str], *, refresh: bool = False, only_class: str = "") -> None:
        wanted = {name.encode() for name in elements}
        self.names = frozenset(wanted | (_SUBMITTERS if b"form" in wanted else set()))
        if refresh:
            self.names |= {b"meta"}
        self._only_class = only_class.encode()
        self.has_forms = b"form" in wanted
        self.plain_links = b"a" in wanted and not only_class
        """Whether any ``<a>`` is a link that has not opted out."""

    def look(
        self, name: bytes, attributes: Attributes, end: int, *, form_posts: bool
    ) -> Iterable[Found | Skip]:
        """The URLs of a start tag that ends at ``end``, or why there is none to look at."""
        if name == b"meta":
            return _refresh(attributes)
        if attributes.get(b"data-kmproxy", _NOTHING)[0].lower() == b"off":
            return (Skip.OPTED_OUT,)
        if self._only_class and self._only_class not in attributes.get(b"class", _NOTHING)[0].split():
            return (Skip.OTHER_CLASS,)
        if name in _ATTRIBUTES:
            return _written(attributes, _ATTRIBUTES[name])
        return self._form(attributes, end) if name == b"form" else _submitter(attributes, form_posts)

    def posts(self, attributes: Attributes) -> bool:
        """Whether a form is sent by POST (§4.10.21.6: anything unknown is GET)."""
        return _method(attributes, b"method") == b"post"

    def _form(self, attributes: Attributes, end: int) -> Iterable[Found | Skip]:
        if self.posts(attributes):
            return _written(attributes, b"action")
        if b"action" not in attributes or _method(attributes, b"method") == b"dialog":
            return ()
        raw, offset = attributes[b"action"]
        return (Found(raw, offset, FIELDS, end),)


def _written(attributes: Attributes, name: bytes) -> Iterator[Found | Skip]:
    if name in attributes:
        raw, offset = attributes[name]
        yield Skip.UNSURE if offset == NOWHERE else Found(raw, offset)


def _submitter(attributes: Attributes, form_posts: bool) -> Iterable[Found | Skip]:
    """A ``formaction`` takes the parameter along by POST only; GET drops its query."""
    if b"formaction" not in attributes:
        return ()
    posts = form_posts if b"formmethod" not in attributes else _method(attributes, b"formmethod") == b"post"
    return _written(attributes, b"formaction") if posts else (Skip.GET_BUTTON,)


def _method(attributes: Attributes, name: bytes) -> bytes:
    return attributes.get(name, _NOTHING)[0].strip().lower()


def _refresh(attributes: Attributes) -> Iterator[Found]:
    """The URL in ``<meta http-equiv=refresh content="5; url=…">``."""
    raw, offset = attributes.get(b"content", _NOTHING)
    if offset == NOWHERE or attributes.get(b"http-equiv", _NOTHING)[0].strip().lower() != b"refresh":
        return
    # Latin-1 keeps every byte's place; the URL itself is read again from its bytes.
    value, places = entities.decode(raw.decode("latin-1"))
    span = url_span(value)
    if span:
        start, end = (places[at] for at in span)
        yield Found(raw[start:end], offset + start)
