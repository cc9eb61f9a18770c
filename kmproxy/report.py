"""What ``kmproxy check`` tells of a configuration that is right: scopes, links, upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

from rich.console import Console

from kmproxy.config import Config
from kmproxy.site import Domain, Site, Sites

_PATIENCE = 3.0
"""Seconds an upstream has to take a connection."""


async def report(config: Config, console: Console) -> None:
    """Print every site: whose cookies reach where, which links are decorated, who answers."""
    for site in Sites(config).all:
        reachable = await _reachable(site)
        vendors = ", ".join(provider.name for provider in site.providers)
        console.print(f"site {site.name} ({vendors})", markup=False)
        for domain in site.domains:
            for line in _about(domain, reachable):
                console.print(f"  {line}", markup=False)
        for line in _links(site):
            console.print(f"  {line}", markup=False)
        console.print()
    listening = ", ".join(config.server.listen)
    console.print(f"The configuration is right. `kmproxy serve` would listen on {listening}.", markup=False)


def _about(domain: Domain, reachable: dict[str, str]) -> Iterator[str]:
    yield domain.host
    for provider in domain.site.providers:
        scope = provider.scope(_example(domain))
        reach = f"{scope} and all below it" if scope else "this host alone (browsers refuse its parent)"
        yield f"  {provider.name} cookie on {reach}"
    for url in domain.upstreams:
        yield f"  upstream {url} {reachable[url]}"
    if not domain.upstreams:
        yield "  no upstream: linked to, not served here"


def _links(site: Site) -> Iterator[str]:
    hosts = [_example(domain) for domain in site.domains]
    crossed = [f"{a} -> {b}" for a in hosts for b in hosts if site.leads(a, b) is None]
    if not crossed:
        yield "no link is decorated: all domains share their cookies already"
    for pair in crossed:
        yield f"links {pair} are decorated"


def _example(domain: Domain) -> str:
    return domain.host.replace("*.", "any.", 1)


async def _reachable(site: Site) -> dict[str, str]:
    urls = sorted({url for domain in site.domains for url in domain.upstreams})
    return dict(zip(urls, await asyncio.gather(*map(_answers, urls)), strict=True))


async def _answers(url: str) -> str:
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except TimeoutError:
        return f"TAKES NO CONNECTION within {_PATIENCE:.0f} s"
    except OSError as error:
        return f"CAN'T BE REACHED: {error.strerror or error}"
    writer.close()
    return "takes connections"
