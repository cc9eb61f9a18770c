"""Decorating: whether a URL leads to another domain of the site, and where its parameter goes.

The URL is read as a browser reads it (WHATWG URL, through ada); what is done to it is one
splice into its bytes, and the result is read again to prove that only the query grew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ada_url import URL

from kmproxy.links import entities
from kmproxy.links.query import component

# Stripped from both ends before a URL is parsed (WHATWG URL §4.4).
_C0_AND_SPACE = "".join(map(chr, range(0x21)))
# Dropped anywhere in it, before all else (ibidem).
_DROPPED = str.maketrans("", "", "\t\n\r")
_BARE_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*+:[/\\]*+|[/\\]{2,}+)[^/\\]*+")
_PROBE = "kmproxy=%2B"


class Skip(StrEnum):
    """Why a link is left as it is."""

    UNREADABLE = "unreadable-url"
    NOT_HTTP = "not-http"
    ELSEWHERE = "other-site"
    SHARED_SCOPE = "shared-cookie-scope"
    TAGGED = "already-tagged"
    UNSURE = "unsure"
    OPTED_OUT = "opted-out"
    OTHER_CLASS = "other-class"
    GET_BUTTON = "formaction-by-get"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where in a raw URL the parameters go, and what stands before them there."""

    offset: int
    lead: bytes
    """``?``, ``/?``, a separator, or nothing after one."""

    def filled(self, raw: bytes, parameters: bytes) -> bytes:
        """``raw``, the URL it was found in, with the parameters."""
        return raw[: self.offset] + self.lead + parameters + raw[self.offset :]


# A URL in which nothing is escaped, dropped or odd, so that it says itself what a parser makes of
# it: scheme, a host that is no address and not internationalised, port, path, query, fragment.
_CHARACTERS = rb"A-Za-z0-9._~!$'()*+,;=:@%/\-"


def _plain_url(separator: bytes) -> re.Pattern[bytes]:
    host = rb"(?![a-z0-9.-]*xn--)((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)(?::[0-9]{1,4})?"
    path, query = rb"(/[" + _CHARACTERS + rb"]*)?", rb"(\?(?:[" + _CHARACTERS + rb"?]|" + separator + rb")*)?"
    return re.compile(rb"https?://" + host + path + query + rb"(#[" + _CHARACTERS + rb"?]*)?")


_PLAIN = _plain_url(b"&")
_PLAIN_IN_HTML = _plain_url(b"&amp;")

Leads = Callable[[str], Skip | None]
"""Whether a host (as a URL parser writes it) is another domain of the site: None is a yes."""

Owns = Callable[[str], bool]
"""Whether a query parameter carries an identity already."""


def find_slot(raw: bytes, base: str, leads: Leads, owns: Owns, *, in_html: bool) -> Slot | Skip:
    """Where the parameters go in ``raw``, or why none do.

    ``raw`` is an attribute's value as it stands in the page (``in_html``, with character
    references) or a header's; ``base`` is the absolute URL it is resolved against. Bytes
    that are not UTF-8 are taken as Latin-1, which changes no ASCII byte's place.
    """
    plain = (_PLAIN_IN_HTML if in_html else _PLAIN).fullmatch(raw)
    if plain:
        return _plain_slot(plain, leads, owns, b"&amp;" if in_html else b"&")
    source = _text(raw)
    # A NUL in an attribute is U+FFFD (HTML §13.2.5.36 to 38), which no browser trims from a URL.
    shown = source.replace("\0", "\ufffd") if in_html else source
    value, places = entities.decode(shown) if in_html and "&" in shown else (shown, None)
    before = _parse(value, base)
    if before is None:
        return Skip.UNREADABLE
    if before.protocol not in ("http:", "https:"):
        return Skip.NOT_HTTP
    if refusal := leads(before.hostname):
        return refusal
    end = _end_of_query(value)
    if _is_tagged(before.search, owns):
        return Skip.TAGGED
    lead = _lead(value[:end], "&amp;" if in_html else "&")
    if lead == "" and places is not None and not _literal(source, places[end]):
        lead = "&amp;"
    after = _parse(value[:end] + lead.replace("&amp;", "&") + _PROBE + value[end:], base)
    if after is None or not _only_the_query_grew(before, after):
        return Skip.UNSURE
    offset = places[end] if places is not None else end
    return Slot(len(_bytes(source[:offset], raw)), lead.encode())


def _plain_slot(plain: re.Match[bytes], leads: Leads, owns: Owns, separator: bytes) -> Slot | Skip:
    """The same for a URL that needs no parser."""
    if refusal := leads(plain[1].decode()):
        return refusal
    query = plain[3]
    if query is None:
        return Slot(plain.end(2) if plain[2] else _end_of_host(plain), b"?" if plain[2] else b"/?")
    names = (component(pair.partition(b"=")[0]) for pair in query[1:].split(separator))
    if any(name is not None and owns(name) for name in names):
        return Skip.TAGGED
    ends_open = query == b"?" or query.endswith(separator)
    return Slot(plain.end(3), b"" if ends_open else separator)


def _end_of_host(plain: re.Match[bytes]) -> int:
    return plain.start(4) if plain[4] is not None else len(plain[0])


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(prefix: str, raw: bytes) -> bytes:
    encoded = prefix.encode()
    return encoded if raw.startswith(encoded) else prefix.encode("latin-1")


def _parse(value: str, base: str) -> URL | None:
    try:
        return URL(value, base)
    except ValueError:
        return None


def _end_of_query(value: str) -> int:
    """Before the fragment, or before the white space a browser drops at the end."""
    mark = value.find("#")
    return mark if mark >= 0 else len(value.rstrip(_C0_AND_SPACE))


def _is_tagged(search: str, owns: Owns) -> bool:
    names = (component(pair.partition("=")[0].encode()) for pair in search[1:].split("&"))
    return any(name is not None and owns(name) for name in names)


def _lead(value: str, separator: str) -> str:
    path, question, query = value.partition("?")
    if question:
        return separator if query and not query.endswith("&") else ""
    return "?" if _has_path(path) else "/?"


def _has_path(value: str) -> bool:
    """Whether something follows the authority: a query right after the host confuses some readers."""
    return not _BARE_HOST.fullmatch(value.strip(_C0_AND_SPACE).translate(_DROPPED))


def _literal(source: str, offset: int) -> bool:
    """Whether the separator before ``offset`` is written out, so that no reference runs into the name."""
    return source[:offset].endswith(("?", "&", "&amp;"))


def _only_the_query_grew(before: URL, after: URL) -> bool:
    search = before.search or "?"
    grown = {search + "&" + _PROBE}
    if search == "?" or search.endswith("&"):
        grown.add(search + _PROBE)
    if after.search not in grown:
        return False
    return _without_query(before) == _without_query(after)


def _without_query(url: URL) -> tuple[str, ...]:
    return (url.protocol, url.username, url.password, url.host, url.pathname, url.hash)
