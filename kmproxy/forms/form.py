"""A tracked form as it is configured, and what one that was filled in says.

``application/x-www-form-urlencoded`` is read as WHATWG URL §5.1 has it, but for what is not UTF-8: that
is dropped, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from kmproxy.forms import fields
from kmproxy.links.query import component

MAX_FIELDS = 256
"""Fields that are looked at; what follows them is not."""

MAX_VALUE = 255
"""Characters of a name or a value that leaves; what is longer was written, not chosen."""

MAX_PROPERTIES = 4096
"""Bytes of all properties of an event as they stand in a URL."""


class Filled(NamedTuple):
    """What a submitted form says."""

    identity: str | None
    """Of the first field, in the form's order, that tells who filled it in."""

    properties: Mapping[str, str]
    rejected: tuple[str, ...] = ()
    """Why some fields were dropped: words, never names or values."""


class _Field(NamedTuple):
    name: str
    plain: str
    value: str


@dataclass(frozen=True, slots=True)
class Form:
    """One ``[[site.form]]``."""

    event: str
    identify_from: tuple[str, ...]
    ignore: tuple[str, ...]
    is_vendors: Callable[[str], bool]
    """Whether a parameter is an analytics service's own: that is heard elsewhere."""

    def filled(self, body: bytes) -> Filled:
        """What ``body``, a whole one, says."""
        rejected: list[str] = []
        kept = self._harmless(list(self._read(body, rejected)), rejected)
        return Filled(self._identity(kept), _properties(kept, rejected), tuple(rejected))

    def _identity(self, kept: list[_Field]) -> str | None:
        identifying = fields.matcher(self.identify_from)
        named = (field for field in kept if identifying.fullmatch(field.plain))
        return next((value.strip() for _, name, value in named if fields.is_somebody(name, value)), None)

    def _read(self, body: bytes, rejected: list[str]) -> Iterator[_Field]:
        """The fields that say something, in the form's order."""
        pairs = body.split(b"&", MAX_FIELDS)
        if len(pairs) > MAX_FIELDS:
            rejected.append("too-many-fields")
        for pair in pairs[:MAX_FIELDS]:
            raw_name, _, raw_value = pair.partition(b"=")
            name, value = component(raw_name), component(raw_value)
            if name is None or value is None:
                rejected.append("field-undecodable")
            elif len(name) > MAX_VALUE:
                rejected.append("field-too-long")
            elif name and value.strip() and not self.is_vendors(name):
                yield _Field(name, fields.plain(name), value)

    def _harmless(self, found: list[_Field], rejected: list[str]) -> list[_Field]:
        passwords = {field.value for field in found if fields.is_password(field.plain)}
        ignored = fields.matcher(self.ignore)
        kept = []
        for field in found:
            if ignored.fullmatch(field.plain):
                continue
            if reason := _refusal(field, passwords):
                rejected.append(reason)
            else:
                kept.append(field)
        return kept


def _refusal(field: _Field, passwords: set[str]) -> str | None:
    """Why a field never leaves, or None."""
    name, plain, value = field
    if fields.is_secret(plain) or value in passwords:
        return "field-secret"
    if name[0] in "_$":
        # Mixpanel would take $user_id for its own; frameworks put an underscore before what is theirs.
        return "field-reserved"
    if len(value) > MAX_VALUE:
        return "field-too-long"
    if "\n" in value or "\r" in value:
        # Only a textarea's (HTML §4.10.5.1.2), which the library does not take.
        return "field-text"
    return "field-card-number" if fields.holds_card_number(value) else None


def _properties(kept: list[_Field], rejected: list[str]) -> dict[str, str]:
    """As the library makes them: of one name the last, lists sorted and joined by commas."""
    found: dict[str, str] = {}
    for raw_name, _, value in kept:
        name = fields.property_name(raw_name)
        if name.endswith("[]"):
            name = name[:-2]
            items = found[name].split(",") if name in found else []
            value = ",".join(sorted([*items, value.replace(",", " ")]))
        if name:
            found[name] = value
    room, fitting = MAX_PROPERTIES, {}
    for name, value in found.items():
        room -= len(quote(name, safe="")) + len(quote(value, safe="")) + len("&=")
        if room < 0:
            rejected.append("too-many-properties")
            break
        fitting[name] = value
    return fitting


class Forms:
    """The tracked forms of a site, by the method and the path they are sent with and to."""

    def __init__(self, forms: Iterable[tuple[str, str, Form]]) -> None:
        self._all = {(method, unquote_to_bytes(path)): form for method, path, form in forms}

    def __bool__(self) -> bool:
        return bool(self._all)

    def find(self, method: str, target: bytes) -> Form | None:
        """The form that a request with ``method`` for ``target`` submits, or None."""
        path = target.partition(b"#")[0].partition(b"?")[0]
        return self._all.get((method, unquote_to_bytes(path)))
