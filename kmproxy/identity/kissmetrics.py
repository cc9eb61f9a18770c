"""KISSmetrics: ``km_ai``/``km_ni``, ``kmi``/``kme``/``km_*``, ``GET /a``, ``/e``, ``/s``.

Facts from the vendor's pages "URL API", "API specifications" and "Identities".
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from urllib.parse import quote

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.provider import MAX_LENGTH, Inbound, Pairs, Randomness, accepted, refusal
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

    def __init__(self, api_key: str, endpoint: str, cookie_domain: str = "") -> None:
        self._key = api_key
        self._endpoint = endpoint.rstrip("/")
        self._cookie_domain = cookie_domain

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
            if reason := _event_refusal(event):
                event, rejected = None, [*rejected, f"event-{reason}"]
        properties = {}
        for name, value in said.items():
            if reason := _property_refusal(name, value):
                rejected.append(reason)
            else:
                properties[name[3:]] = value or ""
        return Inbound(identity, event, properties, tuple(rejected))

    def decide(self, policy: Policy, visitor: Visitor, k: str, evidence: Evidence) -> Decision:
        return decide(policy, visitor, k, kind(k), evidence)

    def mint(self, randomness: Randomness) -> Visitor:
        return Visitor(anonymous=b64encode(randomness(20)).decode())

    def set_cookies(
        self, host: str, cookies: Cookies, before: Visitor, after: Visitor, randomness: Randomness
    ) -> list[SetCookie]:
        changed = [("km_ai", before.anonymous, after.anonymous), ("km_ni", before.named, after.named)]
        scope = self.scope(host)
        return [SetCookie(name, new, FIVE_YEARS, scope) for name, old, new in changed if new and new != old]

    def alias(self, decision: Decision, now: float) -> list[TrackingCall]:
        if decision.alias is None:
            return []
        before, k = decision.alias
        return [self._call("/a", {"_n": k, "_p": before}, k, now)]

    def record(self, visitor: Visitor, inbound: Inbound, now: float) -> list[TrackingCall]:
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


def _event_refusal(event: str | None) -> str | None:
    if event is None:
        return "undecodable"
    if not event.strip():
        return "empty"
    return "too-long" if len(event) > MAX_LENGTH else None


def _property_refusal(name: str, value: str | None) -> str | None:
    """Names that begin with ``_`` would override the person or the time of the call."""
    if value is None:
        return "property-undecodable"
    if name[3:].startswith("_"):
        return "property-reserved"
    return None if 0 < len(name) - 3 <= MAX_LENGTH else "property-name-length"


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
