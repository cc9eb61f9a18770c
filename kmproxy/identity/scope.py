"""The cookie scope: the Domain a provider's cookie is written to.

Hosts in one scope already share the visitor's identity. What counts as a registrable
domain comes from the Public Suffix List (https://publicsuffix.org/list/).
"""

from __future__ import annotations

import ipaddress
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> PublicSuffixList:
    """The list that ships with the package: read once, on first use, from disk."""
    return PublicSuffixList()


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address: a cookie for one can have no Domain (RFC 6265 §5.1.3)."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_public_suffix(host: str) -> bool:
    """Whether browsers refuse cookies for the whole of ``host`` (``co.uk``, ``github.io``)."""
    return bool(_suffixes().is_public(host))


@lru_cache(maxsize=4096)
def registrable_domain(host: str) -> str | None:
    """The public suffix and one label more; None for an address or a public suffix itself.

    >>> registrable_domain("www.shop.acme.co.uk")
    'acme.co.uk'
    """
    if is_address(host):
        return None
    found: str | None = _suffixes().privatesuffix(host)
    return found


def covers(scope: str, host: str) -> bool:
    """Whether a cookie written to ``scope`` reaches ``host`` (RFC 6265 §5.1.3 domain-match)."""
    return host == scope or host.endswith("." + scope)
