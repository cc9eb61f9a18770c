"""KISSmetrics: ``km_ai``/``km_ni``, ``kmi``/``kme``/``km_*``, ``GET /a``, ``/e``, ``/s``.

Facts from the vendor's pages "URL API", "API specifications" and "Identities".
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.provider import (
    Inbound,
    Pairs,
    Randomness,
    accepted,
    event_refusal,
    property_refusal,
    recordable,
    refusal,
)
from kmproxy.identity.scope import covers, registrable_domain
from kmproxy.identity.visitor import NOBODY, Decision, Evidence, Kind, Policy, Visitor, decide
from kmproxy.tracking import TrackingCall

FIVE_YEARS = 157_680_000
"""Seconds a ``km_*`` cookie lives; browsers cut it to 400 days."""

NOBODY_WORDS = frozenset({"null", "nil", "''", '""', "'null'", '"null"', "'nil'", '"nil"'})
"""What the vendor's JavaScript takes for "nobody"."""

FORBIDDEN = NOBODY_WORDS | {"undefined"}
"""IDs that are never a person's: crowds would share them."""

# base64 of 20 bytes; the older kind, made by the vendor's server, is base64url without padding.
_ANONYMOUS = re.compile(r"[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|[A-Za-z0-9_-]{26}[AEIMQUYcgkosw048]")
_PLUS_LOST = re.compile(r"[A-Za-z0-9+/ ]{26}[AEIMQUYcgkosw048]=")
_PADDING_LOST = re.compile(r"(?=[^+/]*[+/])[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]")


class KissmetricsProvider:
    """One API key. ``cookie_domain`` is the page's ``KM_COOKIE_DOMAIN``, if it sets one."""

    name = "kissmetrics"
    parameter = "kmi"
    cookie_names = ("km_ai", "km_ni")
    keeps_elsewhere = False

    def __init__(self, api_key: str, endpoint: str, cookie_domain: str = "") -> None:
        self._key = api_key
        self._endpoint = endpoint.rstrip("/")
        self._cookie_domain = cookie_domain

    def opted_out(self, cookies: Cookies) -> str | None:
        # "IP Blocking and Filtering": pages don't load the library where that cookie is, whatever it holds.
        return "km-ignore" if "km_ignore" in cookies else None

    def owns(self, parameter: str, *, events: bool) -> bool:
        if parameter in ("kmi", "km_i"):
            return True
        return events and (parameter == "kme" or parameter.startswith("km_"))

    def scope(self, host: str) -> str:
        if self._cookie_domain and covers(self._cookie_domain, host):
            return self._cookie_domain
        return registrable_domain(host) or ""

    def read(self, cookies: Cookies) -> Visitor:
        return _visitor(cookies.get("km_ai", b""), cookies.get("km_ni", b""))

    def inbound(self, pairs: Pairs) -> Inbound:
        said = {_canonical(name): value for name, value in pairs}
        rejected = []
        identity = None
        if "kmi" in said:
            identity = repaired(said.pop("kmi"))
            if reason := refusal(identity, FORBIDDEN):
                identity, rejected = None, [f"identity-{reason}"]
        event = None
        if "kme" in said:
            event = said.pop("kme")
            if reason := event_refusal(event):
                event, rejected = None, [*rejected, f"event-{reason}"]
        given = {name[3:]: value for name, value in said.items()}
        properties, dropped = recordable(given, _property_refusal)
        return Inbound(identity, event, properties, (*rejected, *dropped))

    def event(self, name: str | None, properties: Mapping[str, str]) -> Inbound:
        if reason := event_refusal(name):
            return Inbound(rejected=(f"event-{reason}",))
        kept, dropped = recordable(properties, _property_refusal)
        return Inbound(event=name, properties=kept, rejected=dropped)

    def decide(self, policy: Policy, visitor: Visitor, k: str, evidence: Evidence) -> Decision:
        return decide(policy, visitor, k, kind(k), evidence)

    def is_nobody(self, identity: str) -> bool:
        return not identity.strip() or identity.strip().lower() in NOBODY_WORDS

    def unfit(self, identity: str | None) -> str | None:
        return refusal(identity, FORBIDDEN)

    def identify(self, visitor: Visitor, k: str) -> Decision:
        return self.decide("exact", visitor, k, Evidence.YES)

    def clear(self, visitor: Visitor, fresh: Visitor) -> Visitor:
        # "Nothing happens" to an anonymous visitor.
        return fresh if visitor.named else visitor

    def mint(self, randomness: Randomness) -> Visitor:
        return Visitor(anonymous=b64encode(randomness(20)).decode())

    def set_cookies(
        self, host: str, cookies: Cookies, before: Visitor, after: Visitor, randomness: Randomness
    ) -> list[SetCookie]:
        changed = [("km_ai", before.anonymous, after.anonymous), ("km_ni", before.named, after.named)]
        scope = self.scope(host)
        return [
            SetCookie(name, new or "", FIVE_YEARS if new else 0, scope)
            for name, old, new in changed
            if new != old
        ]

    def alias(self, decision: Decision, now: float) -> list[TrackingCall]:
        if decision.alias is None:
            return []
        before, k = decision.alias
        return [self._call("/a", {"_n": k, "_p": before}, k, now)]

    def alias_to(self, visitor: Visitor, other: str, now: float) -> list[TrackingCall]:
        person = visitor.identity
        return [self._call("/a", {"_n": other, "_p": person}, person, now)] if person else []

    def record(
        self, visitor: Visitor, inbound: Inbound, cookies: Cookies, now: float, randomness: Randomness
    ) -> list[TrackingCall]:
        person = visitor.identity
        if person is None or not inbound.records:
            return []
        said = {**inbound.properties, "_p": person}
        if inbound.event:
            return [self._call("/e", {**said, "_n": inbound.event}, person, now)]
        return [self._call("/s", said, person, now)]

    def _call(self, path: str, said: dict[str, str], person: str, now: float) -> TrackingCall:
        # _d=1 makes the vendor keep _t, so that a call sent again is the same call.
        said = {**said, "_k": self._key, "_t": str(int(now)), "_d": "1"}
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in said.items())
        return TrackingCall(self.name, person, "GET", f"{self._endpoint}{path}?{query}")


def kind(identity: str) -> Kind:
    """Anonymous IDs are told by their shape: a link does not say which it carries."""
    return Kind.ANONYMOUS if _ANONYMOUS.fullmatch(identity) else Kind.NAMED


def repaired(identity: str | None) -> str | None:
    """An anonymous ID with its ``+`` and ``=`` back, which careless encoding loses on the way."""
    if identity is None:
        return None
    if _PLUS_LOST.fullmatch(identity):
        return identity.replace(" ", "+")
    return identity + "=" if _PADDING_LOST.fullmatch(identity) else identity


def _canonical(parameter: str) -> str:
    return {"km_i": "kmi", "km_e": "kme"}.get(parameter, parameter)


def _property_refusal(name: str, value: str | None) -> str | None:
    """Names that begin with ``_`` would override the person or the time of the call."""
    reserved = value is not None and name.startswith("_")
    return "property-reserved" if reserved else property_refusal(name, value)


def _is_somebody(raw: bytes) -> bool:
    """Whether the vendor's JavaScript takes the cookie's value for a person."""
    value = cookie.decode(raw)
    return value is None or bool(value.strip() and value.lower() not in NOBODY_WORDS)


@lru_cache(maxsize=4096)
def _visitor(km_ai: bytes, km_ni: bytes) -> Visitor:
    named = _identity(km_ni)
    if named is None and _is_somebody(km_ni):
        # A name we can't use is a name all the same: the anonymous ID beside it belongs to
        # that person already and must not be aliased with another.
        return NOBODY
    return Visitor(anonymous=_identity(km_ai), named=named)


def _identity(raw: bytes) -> str | None:
    return accepted(cookie.decode(raw), FORBIDDEN)
