"""Validators: entity tags that tell for whom, and under which configuration, a page was made.

A personal page leaves with the upstream's entity tag and a mark behind it, ``W/"33a6-km0f…"``;
the mark is taken off on the way back. So a copy is revalidated (304) for the visitor it was made
for, and for nobody else. RFC 9110 §8.8.3 (ETag), §13 (conditional requests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from kmproxy.config.model import Site as SiteConfig
from kmproxy.identity.provider import Provider
from kmproxy.messages import Headers, first, names, values, without
from kmproxy.version import __version__

_ENTITY_TAG = re.compile(rb'(?:W/)?"([^"]*)"')
_MARKED = re.compile(rb'(?:W/)?"([^"]*)-km([0-9a-f]{16})"')
# An opaque tag may hold commas; what is not quoted is no entity tag, but servers send such ones.
_ENTRY = re.compile(rb'(?:W/)?"[^"]*"|[^\s,]+')

_OF_A_COPY = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
"""What asks for less than the page, going by a copy."""

_OF_A_PLAIN_COPY = frozenset({b"if-none-match", b"if-modified-since"})
CONDITIONS = _OF_A_COPY | {b"if-match"}

_SAFE = ("GET", "HEAD")


def fingerprint(site: SiteConfig, providers: Iterable[Provider]) -> bytes:
    """16 bytes of everything but the visitor that shapes a page: the configuration, and kmproxy itself."""
    parameters = [f"{provider.name} {provider.parameter}" for provider in providers]
    hosts = sorted(domain.host for domain in site.domain)
    said = [__version__, site.links.model_dump_json(), site.identity.cookie_domain, *parameters, "", *hosts]
    return blake2b("\n".join(said).encode(), digest_size=16).digest()


@lru_cache(maxsize=4096)
def mark(fingerprint: bytes, parameters: bytes) -> bytes:
    """What tells this visitor's page from another's, or from one of another configuration."""
    return blake2b(fingerprint + parameters, digest_size=8).hexdigest().encode()


def marked(headers: Headers, mark: bytes) -> bytes:
    """The entity tag of a page made from the upstream's, or ``b""`` where that has none.

    Weak, for the same page may be compressed to other bytes the next time.
    """
    said = values(headers, b"etag")
    found = _ENTITY_TAG.fullmatch(said[0].strip()) if len(said) == 1 else None
    return b'W/"%b-km%b"' % (found[1], mark) if found else b""


def copies(method: str, headers: Headers, mark: bytes) -> list[bytes]:
    """The upstream's entity tags of the copies with this ``mark`` that the request asks about."""
    if method not in _SAFE or not first(headers, b"if-none-match"):
        return []
    found = map(_MARKED.fullmatch, _entries(headers))
    return [match[1] for match in found if match and match[2] == mark]


def is_conditional(headers: Headers) -> bool:
    """Whether ``for_upstream`` could have anything to do."""
    return names(headers).holds(CONDITIONS)


def for_upstream(method: str, headers: Headers, mark: bytes, *, page: bool) -> Headers:
    """The request with its conditions as the upstream understands them.

    ``mark`` is ``b""`` for a nobody; ``page`` tells that what is asked for will be shown as a page.
    """
    if first(headers, b"if-match"):
        headers = _unmarked(headers, b"if-match")
    if method not in _SAFE:
        return _unmarked(headers, b"if-none-match")
    if own := copies(method, headers, mark):
        return (*without(headers, _OF_A_COPY), (b"If-None-Match", _either_form(own)))
    if page and mark:
        # No other copy is this visitor's, and a part of a page can't be made personal.
        return without(headers, _OF_A_COPY)
    return _impersonal(headers) if first(headers, b"if-none-match") else headers


def _impersonal(headers: Headers) -> Headers:
    """The request without the copies that were made for somebody, and without ``*``: any copy at all."""
    entries = _entries(headers)
    kept = [entry for entry in entries if entry != b"*" and not _MARKED.fullmatch(entry)]
    if kept == entries:
        return headers
    # A server that no longer sees If-None-Match would go by the date (RFC 9110 §13.1.3).
    rest = without(headers, _OF_A_PLAIN_COPY)
    return (*rest, (b"If-None-Match", b", ".join(kept))) if kept else rest


def _unmarked(headers: Headers, name: bytes) -> Headers:
    """The entity tags as the upstream gave them: to change something is about its state, not a copy."""
    return tuple(
        (said, _MARKED.sub(rb'"\1", W/"\1"', value)) if said.lower() == name else (said, value)
        for said, value in headers
    )


def _entries(headers: Headers) -> list[bytes]:
    return _ENTRY.findall(b",".join(values(headers, b"if-none-match")))


def _either_form(opaque: list[bytes]) -> bytes:
    # Many servers compare bytes where RFC 9110 §8.8.3.2 has them compare weakly.
    return b", ".join(b'"%b", W/"%b"' % (tag, tag) for tag in opaque)
