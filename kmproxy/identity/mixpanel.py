"""Mixpanel: the cookie ``mp_<token>_mixpanel`` and the parameter ``distinct_id``.

Facts from the vendor's page "Identifying users" and from the JavaScript SDK (2.46 and later).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.mixpanel_calls import DEVICE, IdMerge, MixpanelCalls
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
from kmproxy.identity.visitor import Decision, Evidence, Kind, Policy, Visitor, decide
from kmproxy.tracking import TrackingCall

ONE_YEAR = 31_536_000
"""Seconds the SDK lets its cookie live."""

MAX_COOKIE = 4096
"""Bytes of name and value; browsers drop a larger cookie whole (RFC 6265 §6.1)."""

_NOBODY_WORDS = frozenset(
    {"anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "<nil>"}
    | {"0", "-1", "true", "false", "[]", "{}", "00000000-0000-0000-0000-000000000000"}
)
FORBIDDEN = _NOBODY_WORDS | {DEVICE} | {DEVICE + word for word in _NOBODY_WORDS}
"""IDs the vendor refuses, since whole crowds would share them."""

# What SDKs before 2.46 made: five groups of hexadecimal digits, as of a UUID; without ``$device:``.
_BARE_DEVICE = re.compile(r"(?=.{32})[0-9a-f]+(?:-[0-9a-f]+){4}", re.IGNORECASE)

_QUEUES = {f"__mp{verb}" for verb in ("s", "so", "us", "a", "ap", "r", "u")}
_NOT_OF_EVENTS = _QUEUES | {"$people_distinct_id", "__alias", "__timers"}
"""What the SDK's cookie holds beside super properties."""

_LAST_TWO_LABELS = re.compile(r"[a-z0-9][a-z0-9-]*\.[a-z]+$")
_COUNTRY_GUESS = re.compile(r"[a-z0-9][a-z0-9-]+\.[a-z.]{2,6}$")


def sdk_domain(host: str) -> str:
    """The Domain the vendor's SDK writes its cookie to on ``host``; ``""`` for this host alone.

    The SDK guesses by the length of the last label and knows no Public Suffix List. Its
    guess must be matched, not bettered: a second cookie of the name in another scope would
    freeze the identity. Only where browsers refuse the guess (a public suffix, or above
    one) is there none to match.
    """
    top = host.rpartition(".")[2]
    guess = _LAST_TWO_LABELS if len(top) > 4 or top in ("com", "org") else _COUNTRY_GUESS
    found = guess.search(host)
    own = registrable_domain(host)
    return found[0] if found and own and covers(own, found[0]) else ""


class MixpanelProvider:
    """One project token."""

    name = "mixpanel"
    parameter = "distinct_id"
    keeps_elsewhere = True
    """The SDK deletes the cookie if its ``persistence`` is ``localStorage``, or an opt-out is kept there."""

    def __init__(self, token: str, endpoint: str, id_merge: IdMerge) -> None:
        self._calls = MixpanelCalls(token, endpoint, id_merge)
        self._id_merge = id_merge
        self._cookie = f"mp_{token}_mixpanel"
        self._opt = f"__mp_opt_in_out_{token}"
        self.cookie_names = (self._cookie,)
        self._visitor = lru_cache(maxsize=4096)(self._read)

    def opted_out(self, cookies: Cookies) -> str | None:
        """As the SDK: an opt-in outweighs ``mp_optout``, which is for all projects."""
        opted = cookies.get(self._opt)
        out = opted == b"0" or (opted != b"1" and cookies.get("mp_optout", b"") != b"")
        return "opted-out" if out else None

    def owns(self, parameter: str, *, events: bool) -> bool:
        return parameter == self.parameter

    def scope(self, host: str) -> str:
        return sdk_domain(host)

    def read(self, cookies: Cookies) -> Visitor:
        return self._visitor(cookies.get(self._cookie, b""))

    def _read(self, raw: bytes) -> Visitor:
        stored = _properties(raw)
        distinct, device, user = (_identity(stored, key) for key in ("distinct_id", "$device_id", "$user_id"))
        anonymous = DEVICE + device if device else None
        if user is None and distinct and self._is_user(distinct, device):
            user = distinct
        if user is None and distinct and not self._derives(distinct, device):
            anonymous = distinct
        return Visitor(anonymous, user)

    def _is_user(self, distinct: str, device: str | None) -> bool:
        """Whether a ``distinct_id`` without a ``$user_id`` beside it is a user all the same."""
        if distinct == device or distinct.startswith(DEVICE):
            return False
        return device is not None or self.kind(distinct) is Kind.NAMED

    def _derives(self, distinct: str, device: str | None) -> bool:
        """Whether the vendor makes ``$device:`` and the device of a bare one (simplified merge)."""
        return self._id_merge == "simplified" and distinct == device

    def inbound(self, pairs: Pairs) -> Inbound:
        if not pairs:
            return Inbound()
        identity = pairs[-1][1]
        reason = refusal(identity, FORBIDDEN)
        return Inbound(rejected=(f"identity-{reason}",)) if reason else Inbound(identity)

    def decide(self, policy: Policy, visitor: Visitor, k: str, evidence: Evidence) -> Decision:
        # The vendor's identify refuses a device, so "as identify does" has no meaning for
        # one: a seeded cookie takes it.
        if policy == "exact" and k.startswith(DEVICE):
            policy, evidence = "guarded", Evidence.YES
        decision = decide(policy, visitor, k, self.kind(k), evidence)
        if decision.visitor.anonymous == decision.visitor.named == k:
            # Unlike km_ai, the device stays itself when another name is switched to.
            return replace(decision, visitor=replace(decision.visitor, anonymous=visitor.anonymous))
        return decision

    def is_nobody(self, identity: str) -> bool:
        return False

    def unfit(self, identity: str | None) -> str | None:
        # "distinct_id cannot have $device: prefix", says the SDK, and changes nothing.
        is_device = identity is not None and identity.startswith(DEVICE)
        return refusal(identity, FORBIDDEN) or ("device" if is_device else None)

    def identify(self, visitor: Visitor, k: str) -> Decision:
        """As the SDK's, but that nobody who has a name is joined with another (``$identify``)."""
        if k == visitor.identity:
            return Decision("own-id", visitor)
        return self.decide("exact", visitor, k, Evidence.YES)

    def clear(self, visitor: Visitor, fresh: Visitor) -> Visitor:
        """As ``mixpanel.reset()``: another device, whoever it was."""
        return fresh if visitor.identity else visitor

    def kind(self, identity: str) -> Kind:
        """A ``distinct_id`` says itself whether it is a device, but for old SDKs' in an original merge.

        There the bare ID is the person's, and may be a device's or a user's: taken for a
        device, it joins nobody without evidence.
        """
        bare = self._id_merge == "original" and _BARE_DEVICE.fullmatch(identity)
        return Kind.ANONYMOUS if bare or identity.startswith(DEVICE) else Kind.NAMED

    def mint(self, randomness: Randomness) -> Visitor:
        return Visitor(anonymous=DEVICE + _uuid(randomness))

    def set_cookies(
        self, host: str, cookies: Cookies, before: Visitor, after: Visitor, randomness: Randomness
    ) -> list[SetCookie]:
        if after == before:
            return []
        if after.identity is None:
            return [SetCookie(self._cookie, "", 0, self.scope(host))]
        # The SDK makes no device of its own where it finds a distinct_id, so both are given.
        stored = {**_properties(cookies.get(self._cookie, b"")), "distinct_id": after.identity}
        if after.anonymous:
            stored["$device_id"] = after.anonymous.removeprefix(DEVICE)
        elif _identity(stored, "$device_id") is None:
            stored["$device_id"] = _uuid(randomness)
        if after.named:
            stored["$user_id"] = after.named
        else:
            stored.pop("$user_id", None)
        # To identify as the alias beside a distinct_id would not change that.
        stored.pop("__alias", None)
        made = SetCookie(self._cookie, json.dumps(stored, separators=(",", ":")), ONE_YEAR, self.scope(host))
        fits = len(self._cookie) + len(cookie.encode(made.value)) <= MAX_COOKIE
        return [made] if fits else []

    def alias(self, decision: Decision, now: float) -> list[TrackingCall]:
        if decision.alias is None:
            return []
        before, k = decision.alias
        if decision.visitor.named:
            return [self._calls.identify(before, k, now)]
        # Two devices can be joined in a project with the original merge only.
        return [self._calls.merge(before, k, now)] if self._id_merge == "original" else []

    def alias_to(self, visitor: Visitor, other: str, now: float) -> list[TrackingCall]:
        if visitor.identity is None:
            return []
        if self._id_merge == "original":
            return [self._calls.alias(visitor.identity, other, now)]
        # There an alias "has no functionality": a device joins a user, and two users never join.
        return [] if visitor.named else [self._calls.identify(visitor.identity, other, now)]

    def event(self, name: str | None, properties: Mapping[str, str]) -> Inbound:
        if reason := event_refusal(name):
            return Inbound(rejected=(f"event-{reason}",))
        kept, dropped = recordable(properties, property_refusal)
        return Inbound(event=name, properties=kept, rejected=dropped)

    def record(
        self, visitor: Visitor, inbound: Inbound, cookies: Cookies, now: float, randomness: Randomness
    ) -> list[TrackingCall]:
        """As ``mixpanel.track``: the cookie's super properties go along."""
        if visitor.identity is None or not inbound.event:
            return []
        stored = _properties(cookies.get(self._cookie, b""))
        said = {name: value for name, value in stored.items() if name not in _NOT_OF_EVENTS}
        said |= inbound.properties
        return [self._calls.track(visitor, inbound.event, said, now, _uuid(randomness))]


def _properties(raw: bytes) -> dict[str, Any]:
    """The SDK's super properties; empty where it would start anew (no JSON object)."""
    try:
        stored = json.loads(cookie.decode(raw) or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _refuse(constant: str) -> None:
    """``NaN`` and ``Infinity`` are Python's, not JSON's (RFC 8259 §6): the SDK could not read them back."""
    raise ValueError(constant)


def _uuid(randomness: Randomness) -> str:
    """A UUIDv4 (RFC 9562 §5.4), as a ``$device_id`` is one."""
    return str(uuid.UUID(bytes=randomness(16), version=4))


def _identity(stored: dict[str, Any], key: str) -> str | None:
    value = stored.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # identify(12345) is kept as the number.
        value = str(value)
    return accepted(value, FORBIDDEN) if isinstance(value, str) else None
