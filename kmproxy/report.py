"""What ``kmproxy check`` tells of a configuration that is right: scopes, links, upstreams."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import cast

from rich.console import Console

from kmproxy.config import Config
from kmproxy.site import Domain, Site, Sites
from kmproxy.upstream import Address, Pool, UpstreamError, probe

_PATIENCE = 3.0
"""Seconds an upstream has to take a connection."""


async def report(config: Config, console: Console) -> None:
    """Print every site: whose cookies reach where, which links are decorated, who answers."""
    for site in Sites(config).all:
        vendors = ", ".join(provider.name for provider in site.providers)
        console.print(f"site {site.name} ({vendors})", markup=False)
        answers = await asyncio.gather(*map(_upstreams, site.domains))
        for domain, upstreams in zip(site.domains, answers, strict=True):
            for line in [*_about(domain), *upstreams]:
                console.print(f"  {line}", markup=False)
        for line in _links(site):
            console.print(f"  {line}", markup=False)
        console.print()
    listening = ", ".join(config.server.listen)
    console.print(f"The configuration is right. `kmproxy serve` would listen on {listening}.", markup=False)


def _about(domain: Domain) -> Iterator[str]:
    yield domain.host
    for provider in domain.site.providers:
        scope = provider.scope(_example(domain))
        reach = f"{scope} and all below it" if scope else "this host alone (browsers refuse its parent)"
        yield f"  {provider.name} cookie on {reach}"
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


async def _upstreams(domain: Domain) -> list[str]:
    said = await asyncio.gather(*(_answers(domain, url) for url in domain.upstreams))
    return [f"  upstream {url} {answer}" for url, answer in zip(domain.upstreams, said, strict=True)]


async def _answers(domain: Domain, url: str) -> str:
    address = Address.of(url, domain.upstream_tls.ca, domain.upstream_tls.server_name)
    try:
        async with asyncio.timeout(_PATIENCE):
            taken = await address.connect(_Taken)
    except TimeoutError:
        return f"TAKES NO CONNECTION within {_PATIENCE:.0f} s"
    except ssl.SSLCertVerificationError as error:
        return f"HAS NO CERTIFICATE TO BELIEVE: {error.verify_message}"
    except ssl.SSLError as error:
        return f"SPEAKS NO TLS WE UNDERSTAND: {error.reason}"
    except (OSError, UnicodeError) as error:
        return f"CAN'T BE REACHED: {getattr(error, 'strerror', None) or error}"
    taken.transport.abort()
    verified = "" if address.tls is None else ", its certificate is right"
    return f"takes connections{verified}{await _health(domain, address)}"


async def _health(domain: Domain, address: Address) -> str:
    if domain.health_check is None:
        return ""
    pool = Pool(address, timeouts=probe.TIMEOUTS)
    try:
        status = await probe.ask(pool, domain.checked_as, domain.health_check.path)
    except (UpstreamError, TimeoutError):
        return ", GIVES ITS HEALTH CHECK NO ANSWER"
    finally:
        pool.close()
    verb = "answers" if probe.is_right(status) else "FAILS"
    return f", {verb} its health check with {status}"


class _Taken(asyncio.Protocol):
    """A connection of which only that it is open is of interest."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
