"""The cast: the stage, two visitors, and what a step leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from kmproxy.demo.browser import Browser, Page
from kmproxy.demo.stage import Stage
from kmproxy.demo.walk import UnexpectedError, expect_equal


@dataclass(frozen=True, slots=True)
class Identity:
    """A visitor's IDs with both vendors."""

    kissmetrics: str
    mixpanel: str

    def __str__(self) -> str:
        return f"{self.kissmetrics} · {short(self.mixpanel, 20)}"


@dataclass
class Cast:
    """Who takes part."""

    stage: Stage
    visitor: Browser
    second: Browser
    pages: dict[str, Page] = field(default_factory=dict)
    """The last page of each host that a step looked at."""
    links: dict[str, str] = field(default_factory=dict)
    """The decorated link to each host."""

    def visitor_on(self, host: str) -> Identity:
        """The first visitor, as the cookies of ``host`` have it."""
        return identity(self.visitor, host)

    async def page(self, browser: Browser, url: str, source: str = "") -> Page:
        """The page at ``url``, which must be one."""
        page = await browser.open(url, source)
        expect_equal("status", 200, page.status)
        return page

    def decorated(self, page: str, host: str, who: Identity) -> str:
        """The first link to ``host`` on the last page of the host ``page``; it must carry ``who``."""
        link = self.pages[page].link(self.stage.url(host, ""))
        query = {name: values[-1] for name, values in parse_qs(urlsplit(link).query).items()}
        if not query:
            raise UnexpectedError(f"a link to {host} with both IDs", link)
        expect_equal(
            f"on the link to {host}", who, Identity(query.get("kmi", ""), query.get("distinct_id", ""))
        )
        return link


def identity(browser: Browser, host: str) -> Identity:
    """A visitor, as the cookies of ``host`` have it."""
    named = browser.cookie(host, "km_ni")
    return Identity(named or browser.cookie(host, "km_ai"), browser.distinct_id(host))


def short(text: str, length: int) -> str:
    """The beginning of ``text``."""
    return text if len(text) <= length else text[: length - 1] + "…"
