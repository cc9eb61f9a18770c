"""Sites and domains, made ready when the configuration is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ada_url import URL

from kmproxy import validators
from kmproxy.config.model import Config
from kmproxy.config.model import Domain as DomainConfig
from kmproxy.config.model import Form as FormConfig
from kmproxy.config.model import Site as SiteConfig
from kmproxy.forms.form import Form, Forms
from kmproxy.identity.consent import ConsentRule
from kmproxy.identity.kissmetrics import KissmetricsProvider
from kmproxy.identity.mixpanel import MixpanelProvider
from kmproxy.identity.provider import Provider
from kmproxy.identity.scope import covers, is_address
from kmproxy.links.decorate import Skip, Slot, find_slot
from kmproxy.links.entities import decode
from kmproxy.links.hosts import HostMap
from kmproxy.pages.chunks import ChunkCache
from kmproxy.pages.elements import Elements
from kmproxy.pages.negotiated import Negotiated
from kmproxy.pages.scanner import Scanner
from kmproxy.pages.syntax import any_case
from kmproxy.pages.templates import Templates

_REMEMBERED = 1024
"""Bytes of the longest link whose slot is remembered."""


CHUNK_BYTES = 64 << 20
TEMPLATE_BYTES = 64 << 20
"""What pages seen before may take of the memory of a process."""


class Memory(NamedTuple):
    """What is remembered of pages; nothing of any visitor."""

    chunks: ChunkCache
    templates: Templates
    negotiated: Negotiated | None
    """None where an app is left to compress its pages by itself."""


class Domain:
    """One configured host name (or wildcard) of a site."""

    def __init__(self, site: Site, config: DomainConfig) -> None:
        self.site = site
        self.host = config.host
        self.upstreams = config.upstream
        self.balance = config.balance
        self.max_connections = config.max_connections
        self.health_check = config.health_check
        self.checked_as = config.host.removeprefix("*.")
        """The host that a health check asks for."""
        self.upstream_tls = config.upstream_tls


class Site:
    """The domains that share one identity, and the vendors that keep it."""

    def __init__(self, config: SiteConfig, memory: Memory) -> None:
        self.name = config.name
        self.links = config.links
        self.arrival = config.arrival
        self.mint = config.identity.mint
        self.memory = memory
        self.elements = Elements(
            config.links.elements, refresh=config.links.redirects, only_class=config.links.only_class
        )
        self.scanner = lru_cache(maxsize=1024)(self._scanner)
        agreed = config.consent.cookie
        said = (agreed.name, agreed.pattern) if agreed else ()
        self.consent = ConsentRule(config.consent.respect, *said)
        self.providers = tuple(_providers(config))
        self.forms = Forms((form.method.upper(), form.path, self._form(form)) for form in config.form)
        self.fingerprint = validators.fingerprint(config, self.providers)
        self.domains = tuple(Domain(self, domain) for domain in config.domain)
        self._hosts = HostMap((domain.host, domain) for domain in self.domains)
        self._remembered_slot = lru_cache(maxsize=16_384)(self._slot)
        self.leads = lru_cache(maxsize=4096)(self._leads)

    def owns(self, parameter: str) -> bool:
        """Whether a query parameter carries an identity of this site."""
        return any(provider.owns(parameter, events=False) for provider in self.providers)

    def comes_from(self, page_host: str, host: str) -> bool:
        """Whether a link to ``host`` that carries the visitor may have been on a page of ``page_host``."""
        page_host = page_host.removesuffix(".")
        return self._hosts.find(page_host) is not None and self.leads(page_host, host) is None

    def _form(self, config: FormConfig) -> Form:
        return Form(
            config.event,
            config.identify_from,
            config.ignore,
            lambda name: any(provider.owns(name, events=True) for provider in self.providers),
        )

    def _leads(self, page_host: str, host: str) -> Skip | None:
        """Whether a link on ``page_host`` to ``host`` leaves the cookies behind but not the site."""
        host = host.removesuffix(".")
        if self._hosts.find(host) is None:
            return Skip.ELSEWHERE
        if host == page_host or all(self._share(p, page_host, host) for p in self.providers):
            return Skip.SHARED_SCOPE
        return None

    def _share(self, provider: Provider, page_host: str, host: str) -> bool:
        scope = provider.scope(page_host)
        return bool(scope) and covers(scope, host)

    def slot(self, page_host: str, base: str, raw: bytes, *, in_html: bool) -> Slot | Skip:
        """Where the parameters go in a link's raw bytes; remembered, for pages repeat their links."""
        find = self._remembered_slot if len(raw) <= _REMEMBERED else self._slot
        return find(page_host, base, raw, in_html)

    def _scanner(self, page_host: str) -> Scanner:
        """The rules for the pages of one host."""
        hosts = self._led_to(page_host)
        patterns = None if hosts is None else tuple(map(_pattern, hosts))
        names = None if hosts is None else tuple(host.removeprefix("*").encode() for host in hosts)
        return Scanner(
            self.elements,
            lambda raw, base: self.slot(page_host, base, raw, in_html=True),
            resolve_base,
            patterns,
            names,
        )

    def _led_to(self, page_host: str) -> list[str] | None:
        """The hosts that a page of ``page_host`` may lead to; None where they can be written in many ways."""
        hosts = [domain.host for domain in self.domains]
        if any(is_address(host) or "xn--" in host for host in hosts):
            return None
        return [host for host in hosts if host[0] == "*" or self.leads(page_host, host) is None]

    def _slot(self, page_host: str, base: str, raw: bytes, in_html: bool) -> Slot | Skip:
        return find_slot(raw, base, lambda host: self.leads(page_host, host), self.owns, in_html=in_html)


def _pattern(host: str) -> bytes:
    """How a host, or any host below a wildcard, may be written in a URL."""
    below = rb"(?:[A-Za-z0-9-]+\.)+" if host[0] == "*" else b""
    return below + any_case(host.removeprefix("*.").encode())


class Sites:
    """Every host that is served, and the domain it belongs to."""

    def __init__(self, config: Config, negotiated: Negotiated | None = None) -> None:
        memory = Memory(ChunkCache(CHUNK_BYTES), Templates(TEMPLATE_BYTES), negotiated)
        self.all = tuple(Site(site, memory) for site in config.site)
        self._hosts = HostMap((domain.host, domain) for site in self.all for domain in site.domains)

    def find(self, host: str) -> Domain | None:
        """The domain that ``host`` (lower case, no port) is, or None: answer 421."""
        return self._hosts.find(host)

    def warm_up(self) -> None:
        """Make what the first page of each host would wait a tenth of a second for."""
        for site in self.all:
            for domain in site.domains:
                if not domain.host.startswith("*"):
                    site.scanner(domain.host)


def resolve_base(raw: bytes, document: str) -> str:
    """The base URL of a ``<base href>``; the document's own where it can't be one (HTML §4.2.3)."""
    try:
        url = URL(decode(raw.decode("utf-8", "replace"))[0], document)
    except ValueError:
        return document
    return url.href if url.protocol in ("http:", "https:") else document


def _providers(config: SiteConfig) -> Iterable[Provider]:
    if config.kissmetrics:
        vendor = config.kissmetrics
        yield KissmetricsProvider(vendor.api_key, vendor.endpoint, config.identity.cookie_domain)
    if config.mixpanel:
        project = config.mixpanel
        yield MixpanelProvider(project.token, project.endpoint, project.id_merge)
