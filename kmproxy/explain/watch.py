"""A page walked by the site's own scanner, with every link it looks at written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from kmproxy.config.model import Links
from kmproxy.links.decorate import Skip, Slot
from kmproxy.pages.elements import QUERY, Elements, Found
from kmproxy.pages.scanner import Scanner, State
from kmproxy.pages.syntax import NOWHERE, Attributes
from kmproxy.site import Site, resolve_base

_ALL = get_args(get_args(Links.model_fields["elements"].annotation)[0])
"""Every element that can be decorated."""

_URLS = (b"href", b"src", b"action", b"formaction")


class Outcome(NamedTuple):
    """What came of one link."""

    element: str
    place: int
    """Of the URL or, where it isn't written, of the tag's end; in bytes."""

    raw: bytes
    base: str
    kind: int
    found: Slot | Skip
    is_listed: bool
    """Whether the site decorates such elements; if not, there is a slot, which stays empty."""


def watch(site: Site, host: str, origin: str, page: bytes) -> tuple[list[Outcome], dict[str, int]]:
    """The links of a ``page`` of ``host``, in order, and what the scanner says of the page as a whole.

    Nothing is passed by for the sake of speed. Links of elements that the site does not decorate are
    there only if they would be decorated otherwise.
    """
    elements = _Watched(site)
    scanner = Scanner(elements, lambda raw, base: elements.judge(host, raw, base), resolve_base)
    walked = scanner.walk(State(base=origin), page, final=True)
    return elements.outcomes, walked.skipped


class _Watched(Elements):
    """All elements there are; what is said of them is written down on the way to the scanner."""

    def __init__(self, site: Site) -> None:
        super().__init__(_ALL, refresh=True, only_class=site.links.only_class)
        self.plain_links = False  # those would not be shown to us
        self.outcomes: list[Outcome] = []
        self._site = site
        self._element = b""
        self._found = Found(b"", 0)

    def look(
        self, name: bytes, attributes: Attributes, end: int, *, form_posts: bool
    ) -> Iterable[Found | Skip]:
        self._element = name
        for found in super().look(name, attributes, end, form_posts=form_posts):
            if isinstance(found, Skip):
                self._skipped(found, attributes, end)
            else:
                self._found = found
            yield found

    def judge(self, host: str, raw: bytes, base: str) -> Slot | Skip:
        """The site's word on the link that was looked at just now."""
        slot = self._site.slot(host, base, raw, in_html=True)
        is_listed = self._element in self._site.elements.names
        if is_listed or isinstance(slot, Slot):
            name, place = self._element.decode(), self._found.offset
            self.outcomes.append(Outcome(name, place, raw, base, self._found.kind, slot, is_listed))
        return slot

    def _skipped(self, skip: Skip, attributes: Attributes, end: int) -> None:
        urls: Iterator[tuple[bytes, int]] = (attributes[name] for name in _URLS if name in attributes)
        raw, place = next(urls, (b"", NOWHERE))
        if self._element in self._site.elements.names and (raw or place != NOWHERE):
            at = end if place == NOWHERE else place
            self.outcomes.append(Outcome(self._element.decode(), at, raw, "", QUERY, skip, is_listed=True))
