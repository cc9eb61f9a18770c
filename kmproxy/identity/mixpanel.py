"""Mixpanel: ``mp_<token>_mixpanel``, ``distinct_id``, ``POST /track`` and ``/import``.

Facts from the vendor's pages "Identifying users", "Ingestion API: identity" and "Event
deduplication", and from the JavaScript SDK's cookies (2.46 and later).
"""

from __future__ import annotations

import json
import re
import uuid
from base64 import b64encode
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.provider import Inbound, Pairs, Randomness, accepted, refusal
from kmproxy.identity.scope import covers, registrable_domain
from kmproxy.identity.visitor import Decision, Evidence, Kind, Policy, Visitor, decide
from kmproxy.tracking import TrackingCall

ONE_YEAR = 31_536_000
"""Seconds the SDK lets its cookie live."""

MAX_COOKIE = 4096
"""Bytes of name and value; browsers drop a larger cookie whole (RFC 6265 §6.1)."""

DEVICE = "$device:"
"""What an anonymous ``distinct_id`` begins with."""

_NOBODY_WORDS = frozenset(
    {"anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "<nil>"}
    | {"0", "-1", "true", "false", "[]", "{}", "00000000-0000-0000-0000-000000000000"}
)
FORBIDDEN = _NOBODY_WORDS | {DEVICE} | {DEVICE + word for word in _NOBODY_WORDS}
"""IDs the vendor refuses, since whole crowds would share them."""

# What SDKs before 2.46 made: five groups of hexadecimal digits, as of a UUID; without ``$device:``.
_BARE_DEVICE = re.compile(r"(?=.{32})[0-9a-f]+(?:-[0-9a-f]+){4}", re.IGNORECASE)

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

    def __init__(self, token: str, endpoint: str, id_merge: Literal["simplified", "original"]) -> None:
        self._token = token
        self._endpoint = endpoint.rstrip("/")
        self._id_merge = id_merge
        self._cookie = f"mp_{token}_mixpanel"
        self._visitor = lru_cache(maxsize=4096)(self._read)

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

    def kind(self, identity: str) -> Kind:
        """A ``distinct_id`` says itself whether it is a device, but for old SDKs' in an original merge.

        There the bare ID is the person's, and may be a device's or a user's: taken for a
        device, it joins nobody without evidence.
        """
        bare = self._id_merge == "original" and _BARE_DEVICE.fullmatch(identity)
        return Kind.ANONYMOUS if bare or identity.startswith(DEVICE) else Kind.NAMED

    def mint(self, randomness: Randomness) -> Visitor:
        return Visitor(anonymous=DEVICE + _device(randomness))

    def set_cookies(
        self, host: str, cookies: Cookies, before: Visitor, after: Visitor, randomness: Randomness
    ) -> list[SetCookie]:
        if after == before or after.identity is None:
            return []
        # The SDK makes no device of its own where it finds a distinct_id, so both are given.
        stored = {**_properties(cookies.get(self._cookie, b"")), "distinct_id": after.identity}
        if after.anonymous:
            stored["$device_id"] = after.anonymous.removeprefix(DEVICE)
        elif _identity(stored, "$device_id") is None:
            stored["$device_id"] = _device(randomness)
        if after.named:
            stored["$user_id"] = after.named
        else:
            stored.pop("$user_id", None)
        made = SetCookie(self._cookie, json.dumps(stored, separators=(",", ":")), ONE_YEAR, self.scope(host))
        fits = len(self._cookie) + len(cookie.encode(made.value)) <= MAX_COOKIE
        return [made] if fits else []

    def alias(self, decision: Decision, now: float) -> list[TrackingCall]:
        if decision.alias is None:
            return []
        before, k = decision.alias
        if decision.visitor.named:
            return [self._identify(before, k, now)]
        # Two devices can be joined in a project with the original merge only.
        return [self._merge(before, k, now)] if self._id_merge == "original" else []

    def record(self, visitor: Visitor, inbound: Inbound, now: float) -> list[TrackingCall]:
        return []

    def _identify(self, device: str, user: str, now: float) -> TrackingCall:
        """Simplified merge joins a device and a user at the first event that holds both."""
        said = {"distinct_id": user, "$identified_id": user, "$anon_id": device}
        if self._id_merge == "simplified":
            bare = device.removeprefix(DEVICE)
            said = {"distinct_id": user, "$user_id": user, "$device_id": bare, "$anon_distinct_id": device}
        return self._post("/track?verbose=1&ip=0", "$identify", said, user, (device, user), now)

    def _merge(self, before: str, k: str, now: float) -> TrackingCall:
        token = b64encode(f"{self._token}:".encode()).decode()
        call = self._post("/import?strict=1", "$merge", {"$distinct_ids": [before, k]}, k, (before, k), now)
        return replace(call, headers=(*call.headers, ("Authorization", f"Basic {token}")))

    def _post(
        self, path: str, event: str, said: dict[str, Any], person: str, pair: tuple[str, str], now: float
    ) -> TrackingCall:
        properties = {
            **said,
            "token": self._token,
            "time": int(now),
            "$insert_id": sha256(json.dumps([event, *pair, int(now)]).encode()).hexdigest()[:36],
        }
        body = json.dumps([{"event": event, "properties": properties}]).encode()
        headers = (("Content-Type", "application/json"),)
        return TrackingCall(self.name, person, "POST", self._endpoint + path, headers, body)


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


def _device(randomness: Randomness) -> str:
    """A ``$device_id``: a UUIDv4 (RFC 9562 §5.4)."""
    return str(uuid.UUID(bytes=randomness(16), version=4))


def _identity(stored: dict[str, Any], key: str) -> str | None:
    value = stored.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # identify(12345) is kept as the number.
        value = str(value)
    return accepted(value, FORBIDDEN) if isinstance(value, str) else None
