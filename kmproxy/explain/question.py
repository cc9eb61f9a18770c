"""What is asked of ``explain``: a request as a browser would send it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ada_url import URL

from kmproxy.errors import QuestionError
from kmproxy.messages import Headers, Request, first, without

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110 §5.6.2)."""

_OF_A_CLICK = frozenset({b"referer", b"sec-fetch-site"})

_BROWSER: Headers = (
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Sec-Fetch-Dest", b"document"),
    (b"Sec-Fetch-Mode", b"navigate"),
)


@dataclass(frozen=True)
class Html:
    """A page's text, and the name of the file it is from."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Question:
    """A request, and what is known of the pages around it."""

    url: str
    request: Request
    page: Html | None = None
    """What the request would be answered with."""

    click: Request | None = None
    """The request for the page that the click was on: the same browser's, with the same cookies."""

    fetch: bool = False
    """Ask the upstream for the page."""


def ask(
    url: str,
    came_from: str,
    cookies: Iterable[str],
    headers: Iterable[str],
    method: str,
    page: Path | None,
    *,
    fetch: bool,
) -> Question:
    """The words of a command line as a question. Raises QuestionError."""
    target, given = _url(url), _headers(headers, cookies)
    click = _url(came_from) if came_from else None
    if page and fetch:
        raise QuestionError("the page is either read from a file or fetched: say --page or --fetch")
    return Question(
        url,
        browser_request(_method(method), target, given, click),
        _html(page) if page else None,
        browser_request("GET", click, without(given, _OF_A_CLICK)) if click else None,
        fetch,
    )


def browser_request(method: str, url: URL, given: Headers, click: URL | None = None) -> Request:
    """What a browser sends for ``url`` after a click on a page; ``given`` headers replace its own.

    By default (``strict-origin-when-cross-origin``) another site is told the page's origin only.
    """
    own: Headers = ((b"Host", url.host.encode()), *_BROWSER)
    if click:
        own = (*own, (b"Referer", f"{click.origin}/".encode()))
    elif not first(given, b"referer"):
        own = (*own, (b"Sec-Fetch-Site", b"none"))
    replaced = frozenset(name.lower() for name, _ in given)
    target = (url.pathname + url.search).encode()
    return Request(method, url.protocol[:-1], url.host, target, (*without(own, replaced), *given))


def _url(text: str) -> URL:
    """An absolute http or https URL."""
    try:
        url = URL(text.strip())
    except ValueError:
        hint = f"; write https://{text.strip()}" if _looks_like_host(text) else ""
        raise QuestionError(f'"{text}" is no URL{hint}') from None
    if url.protocol in ("http:", "https:"):
        return url
    if _looks_like_host(text):  # "localhost:8080/" has the scheme "localhost"
        raise QuestionError(f'"{text}" is no URL; write https://{text.strip()}')
    raise QuestionError(f'"{text}" is neither http nor https')


def _looks_like_host(text: str) -> bool:
    return re.match(r"\s*[\w-]+(?:(?:\.[\w-]+)+|:\d)", text) is not None


def _headers(given: Iterable[str], cookies: Iterable[str]) -> Headers:
    """``Name: value`` lines and ``NAME=VALUE`` cookies as headers."""
    headers = tuple(map(_header, given))
    pairs = tuple(map(_cookie, cookies))
    return (*headers, (b"Cookie", b"; ".join(pairs))) if pairs else headers


def _header(line: str) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or re.search(r"[\r\n\0]", value):
        raise QuestionError(f'"{line}" is no header; write it as in "Accept-Language: en"')
    if name.lower() == "host":
        raise QuestionError("the host is the URL's; write another URL instead of a Host header")
    return name.encode(), _encoded(value.strip())


def _cookie(pair: str) -> bytes:
    if "=" not in pair or re.search(r"[\r\n\0]", pair):
        raise QuestionError(f'"{pair}" is no cookie; write it as in km_ni=ann%40acme.example')
    return _encoded(pair.strip())


def _encoded(text: str) -> bytes:
    """What was typed may be in no encoding at all (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def _method(text: str) -> str:
    """A method that is served."""
    method = text.upper()
    if not _TOKEN.fullmatch(method) or method in ("CONNECT", "TRACE"):
        raise QuestionError(f'"{text}" is no method that is served; write GET, HEAD, POST …')
    return method


def _html(path: Path) -> Html:
    try:
        return Html(str(path), path.read_bytes())
    except OSError as error:
        raise QuestionError(f"{path} can't be read: {error.strerror}") from error
