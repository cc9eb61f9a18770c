"""A browser, as far as the journey needs one: cookies for each host, a Referer, links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

from kmproxy.demo.names import MIXPANEL_COOKIE

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    url: str
    status: int
    location: str
    set_cookies: tuple[str, ...]
    text: str

    def link(self, start: str) -> str:
        """The first link whose URL begins with ``start``, or ``""``."""
        return next((url for url in self.links() if url.startswith(start)), "")

    def links(self) -> list[str]:
        """The URLs of all links, as a browser reads them: not those in comments and scripts."""
        parser = _Links()
        parser.feed(self.text)
        return parser.urls

    def shown(self, vendor: str) -> str:
        """The ID of ``vendor`` in the panel."""
        parser = _Panel(vendor)
        parser.feed(self.text)
        return parser.shown


@dataclass
class Browser:
    """One visitor; every host is looked for at ``port`` of 127.0.0.1."""

    session: aiohttp.ClientSession
    port: int
    agent: str = USER_AGENT
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    """Domain to name to value."""

    async def open(self, url: str, source: str = "") -> Page:
        """The page at ``url``: typed, or by a link on the page ``source``. Redirects are not followed."""
        parts = urlsplit(url)
        headers = {**_HEADERS, "User-Agent": self.agent, "Host": parts.netloc}
        headers |= _came_from(source, parts.netloc)
        host = parts.hostname or ""
        if sent := "; ".join(f"{name}={value}" for name, value in self.cookies_of(host).items()):
            headers["Cookie"] = sent
        target = url.partition(parts.netloc)[2].partition("#")[0]
        there = URL(f"http://127.0.0.1:{self.port}{target}", encoded=True)
        async with self.session.get(there, headers=headers, allow_redirects=False) as response:
            set_cookies = tuple(response.headers.getall("Set-Cookie", ()))
            for line in set_cookies:
                self._keep(host, line)
            location = response.headers.get("Location", "")
            return Page(url, response.status, location, set_cookies, await response.text())

    def cookies_of(self, host: str) -> dict[str, str]:
        """What is sent to ``host``."""
        kept = [named for domain, named in self.cookies.items() if _covers(domain, host)]
        return {name: value for named in kept for name, value in named.items()}

    def cookie(self, host: str, name: str) -> str:
        """The value of the cookie ``name`` on ``host``, or ``""``."""
        return unquote(self.cookies_of(host).get(name, ""))

    def distinct_id(self, host: str) -> str:
        """Mixpanel's ID on ``host``, or ``""``."""
        stored = json.loads(unquote(self.cookies_of(host).get(MIXPANEL_COOKIE, "")) or "{}")
        return str(stored.get("distinct_id", ""))

    def _keep(self, host: str, line: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        said = dict(attribute.lower().partition("=")[::2] for attribute in attributes)
        domain = said.get("domain") or host
        if _covers(domain, host):  # else a browser drops it
            self.cookies.setdefault(domain, {})[name] = value


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.urls.append(dict(attrs).get("href") or "")


class _Panel(HTMLParser):
    def __init__(self, vendor: str) -> None:
        super().__init__()
        self._vendor = vendor
        self._inside = False
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = ("data-vendor", self._vendor) in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.shown += data if self._inside else ""


def _came_from(source: str, netloc: str) -> dict[str, str]:
    """By the default policy, ``strict-origin-when-cross-origin``."""
    if not source:
        return {"Sec-Fetch-Site": "none"}
    there = urlsplit(source).netloc
    if there == netloc:
        return {"Sec-Fetch-Site": "same-origin", "Referer": source.partition("#")[0]}
    return {"Sec-Fetch-Site": "cross-site", "Referer": f"http://{there}/"}


def _covers(domain: str, host: str) -> bool:
    return host == domain or host.endswith("." + domain)
