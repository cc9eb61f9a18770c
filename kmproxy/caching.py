"""Caching: response headers that stay true when a body is made for one visitor.

RFC 9111 (caching), RFC 9110 §8.8 (validators), §14 (ranges), RFC 9530 (digests).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from kmproxy import validators
from kmproxy.messages import Headers, Names, first, names, values, without
from kmproxy.names import Pick

_NONE: frozenset[bytes] = frozenset()
_CONTROL = frozenset({b"cache-control"})
_VARY = frozenset({b"vary"})
TELLING = _CONTROL | _VARY
"""The names (in lower case) of what is said to caches and can go on being said to the visitor's own."""

OF_THE_BODY = frozenset(
    b"content-length etag last-modified accept-ranges trailer"
    b" content-md5 digest content-digest repr-digest unencoded-digest".split()
)
"""They speak of the upstream's bytes, which are not the ones that leave."""

# They tell a shared cache more than Cache-Control does: RFC 9213, Akamai, nginx, LiteSpeed.
_SHARED_CACHES = frozenset(
    {b"surrogate-control", b"edge-control", b"x-accel-expires", b"x-litespeed-cache-control"}
)
_DIRECTIVE = re.compile(rb"""(?:[^,"]|"(?:[^"\\]|\\.)*"?)+""", re.DOTALL)
_SHARED_DIRECTIVES = frozenset({b"public", b"s-maxage", b"private", b"proxy-revalidate"})


class Privacy(NamedTuple):
    """What becomes of a head so that no shared cache keeps what it is of."""

    keep: Pick
    """What takes out of it what stays."""

    said: Headers
    """What is said instead of the rest."""


def privacy(known: Names, fields: Headers, unwanted: frozenset[bytes] = OF_THE_BODY) -> Privacy:
    """For a head of these names and, of ``TELLING``, these ``fields``: as for a body of its own."""
    control = (b"Cache-Control", _not_shared(b",".join(values(fields, b"cache-control"))))
    vary = _varying(b",".join(values(fields, b"vary")))
    keep, _ = known.rest(unwanted | (TELLING if vary else _CONTROL) | _for_shared_caches(known))
    return Privacy(keep, (control, (b"Vary", vary)) if vary else (control,))


def personal(headers: Headers, mark: bytes, privacy: Privacy) -> Headers:
    """The headers of a body of its own: the visitor's own validator, no shared cache."""
    kept = (*privacy.keep(headers), *privacy.said)
    etag = validators.marked(headers, mark)
    return (*kept, (b"ETag", etag)) if etag else kept


def private(headers: Headers) -> Headers:
    """No shared cache may keep this; what was said of the visitor's own cache stays."""
    found = privacy(names(headers), headers, _NONE)
    return (*found.keep(headers), *found.said)


def unstored(headers: Headers) -> Headers:
    """No cache at all may keep this."""
    unwanted = _for_shared_caches(names(headers)) | {b"cache-control", b"expires", b"etag", b"last-modified"}
    return (*without(headers, unwanted), (b"Cache-Control", b"no-store"))


def vary_on_cookie(headers: Headers) -> Headers:
    """Other cookies, another page."""
    vary = _varying(b",".join(values(headers, b"vary")))
    return (*without(headers, _VARY), (b"Vary", vary)) if vary else headers


def forbids_transforming(headers: Headers) -> bool:
    """``Cache-Control: no-transform`` (RFC 9111 §5.2.2.6)."""
    said = b",".join(values(headers, b"cache-control")).lower()
    return b"no-transform" in said and b"no-transform" in map(_name, _directives(said))


def is_attachment(headers: Headers) -> bool:
    """A body that is saved, not shown: so is one of an unknown disposition (RFC 6266 §4.2)."""
    disposition = first(headers, b"content-disposition")
    if not disposition:
        return False
    disposition = disposition.partition(b";")[0].strip().lower()
    # Where the type was forgotten (``filename="a.html"``), browsers show the page.
    return disposition not in (b"", b"inline") and b"=" not in disposition


def _not_shared(said: bytes) -> bytes:
    """A Cache-Control that lets the visitor's own cache do what it might, and no other."""
    kept = [directive for directive in _directives(said) if _name(directive) not in _SHARED_DIRECTIVES]
    return b", ".join([b"private", *kept])


@lru_cache(maxsize=1024)
def _varying(said: bytes) -> bytes:
    """A Vary with ``Cookie`` in it; ``b""`` where ``said`` needs no change."""
    named = [name for part in said.split(b",") if (name := part.strip())]
    if not {b"cookie", b"*"}.isdisjoint(name.lower() for name in named):
        return b""
    return b", ".join([*named, b"Cookie"])


def _directives(said: bytes) -> list[bytes]:
    """What a Cache-Control says; a comma within quotes is none (``private="a, b"``)."""
    return [directive for found in _DIRECTIVE.findall(said) if (directive := found.strip())]


def _name(directive: bytes) -> bytes:
    return directive.partition(b"=")[0].strip().lower()


def _for_shared_caches(known: Names) -> frozenset[bytes]:
    """The names of headers that speak to some shared cache alone, ``CDN-Cache-Control``'s kin among them."""
    return _SHARED_CACHES.union(name for name in known.places if name.endswith(b"cdn-cache-control"))
