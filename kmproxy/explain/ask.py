"""The words of a command line as a question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ada_url import URL

from kmproxy.explain.question import (
    Html,
    Question,
    QuestionError,
    browser_request,
    read_headers,
    read_method,
    read_page,
    read_url,
)
from kmproxy.explain.settings import Settings


@dataclass(frozen=True)
class _Click:
    """Where the click was."""

    url: str = ""
    page: Html | None = None


def ask(
    settings: Settings,
    url: str,
    came_from: Iterable[str],
    cookies: Iterable[str],
    headers: Iterable[str],
    method: str,
    page: Path | None,
    *,
    fetch: bool,
) -> Question:
    """Raises QuestionError where they make no sense."""
    target = read_url(url)
    click = _click(settings, target, list(came_from))
    request = browser_request(read_method(method), target, read_headers(headers, cookies), click.url)
    html = read_page(page) if page else None
    return Question(url, request, html, click.url, click.page, fetch)


def _click(settings: Settings, target: URL, said: list[str]) -> _Click:
    urls = [read_url(one).href for one in said if _is_url(one)]
    files = [read_page(Path(one)) for one in said if not _is_url(one)]
    if len(urls) > 1 or len(files) > 1:
        raise QuestionError("--from is one page: its URL, a file with its HTML, or both")
    page = files[0] if files else None
    if page and not urls:
        urls = [_guessed(settings, target, page.name)]
    return _Click(urls[0] if urls else "", page)


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http:", "https:"))


def _guessed(settings: Settings, target: URL, name: str) -> str:
    """The origin of the only domain the page can be on."""
    host = _other_domain(settings, target.hostname)
    if host is None:
        raise QuestionError(f"on which page is {name}? Say its URL, too: --from https://… --from {name}")
    return f"{target.protocol}//{host}/"


def _other_domain(settings: Settings, host: str) -> str | None:
    """The one domain of the site of ``host`` whose links to it are decorated; None if there are more."""
    domain = settings.sites.find(host)
    domains = domain.site.domains if domain else ()
    hosts = [one.host for one in domains if one.site.leads(one.host, host) is None]
    return hosts[0] if len(hosts) == 1 and not hosts[0].startswith("*.") else None
