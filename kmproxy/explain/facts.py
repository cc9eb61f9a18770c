"""What an explanation says, before it is put in words or in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kmproxy.identity.visitor import Visitor


@dataclass(frozen=True)
class Reference:
    """A value of the configuration that decided something."""

    place: str
    """As in ``site[0].arrival.policy``."""

    value: Any
    file: str
    line: int
    """From 1; 0 where the file does not say it and the default holds."""

    def __str__(self) -> str:
        said = f"{self.place} = {json.dumps(self.value, ensure_ascii=False)}"
        return f"{self.file}:{self.line}: {said}" if self.line else f"{said} (default)"


@dataclass(frozen=True)
class Decision:
    """Something that was decided, and by what."""

    what: str
    """``request``, ``evidence``, or what a ``Note`` is of: ``arrival``, ``minted``, ``rejected`` …"""

    provider: str
    why: str
    """The name of the rule or the reason."""

    words: str
    config: Reference | None = None


@dataclass(frozen=True)
class Known:
    """The visitor before and after the request, as one provider knows them."""

    provider: str
    before: Visitor
    after: Visitor
    scope: str
    """The Domain of the provider's cookie here; ``""`` for this host alone."""

    config: Reference | None


@dataclass(frozen=True)
class Cookie:
    """A cookie that would be set."""

    name: str
    value: str
    scope: str
    max_age: int
    """Seconds; 0 deletes."""

    only_with_page: bool
    """A first-time visitor's goes out with a page only."""


@dataclass(frozen=True)
class Call:
    """A tracking call that would be queued."""

    provider: str
    person: str
    method: str
    endpoint: str
    says: Any
    """Its query, and its body where it has one."""


@dataclass(frozen=True)
class Answer:
    """What kmproxy would answer by itself."""

    status: int
    location: str
    config: Reference | None


@dataclass(frozen=True)
class Link:
    """A URL of a page or of its headers."""

    line: int
    """In the page, from 1; 0 in a header."""

    element: str
    """``a``, ``form`` …, or the header's name."""

    url: str
    """As it is written."""

    leads_to: str
    becomes: str | None
    """The URL as it would be, or the hidden inputs of a form; None where it is left alone."""

    why: str = ""
    """Why it is left alone."""

    words: str = ""
    config: Reference | None = None
    """What decided; of a decorated link, the domain it leads to."""


@dataclass(frozen=True)
class Page:
    """What would become of a page."""

    url: str
    source: str
    """What it comes from: a file, the upstream, or the link that was clicked."""

    parameters: str
    """What its decorated links carry."""

    left_alone: Decision | None = None
    """Why the whole page leaves as it came, if it does."""

    links: tuple[Link, ...] = ()
    decisions: tuple[Decision, ...] = ()
    cookies: tuple[Cookie, ...] = ()
    calls: tuple[Call, ...] = ()
    """What its headers make be set and queued."""


@dataclass(frozen=True)
class Explanation:
    """All that would happen to a request."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    site: Reference
    domain: Reference
    upstreams: tuple[str, ...]
    visitor: tuple[Known, ...]
    decisions: tuple[Decision, ...]
    cookies: tuple[Cookie, ...]
    calls: tuple[Call, ...]
    answer: Answer | None
    target: str
    """What the upstream, or the app, is asked for."""

    click: Page | None
    """The page of the click, as far as it is known: with the one link to the URL."""

    page: Page | None
    """What the URL is answered with, in the end."""
