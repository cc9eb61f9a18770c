"""What an analytics vendor is to kmproxy. A third vendor is one new file that fits this."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.visitor import Decision, Evidence, Policy, Visitor
from kmproxy.tracking import TrackingCall

Randomness = Callable[[int], bytes]
"""As ``os.urandom``: that many random bytes."""

Pairs = Sequence[tuple[str, str | None]]
"""Query parameters, decoded, in order; None for a value that can't be decoded."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

MAX_LENGTH = 255
"""Characters in an identity or an event name; both vendors refuse more."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a provider reads from an arriving URL, or from an event of the app's own."""

    identity: str | None = None
    event: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    """Why some were dropped, for the counters: words, never values."""

    @property
    def records(self) -> bool:
        """Whether there is an event or a property to record."""
        return bool(self.event or self.properties)


class Provider(Protocol):
    """A vendor with its key: pure, so that all doors decide alike."""

    @property
    def name(self) -> str: ...

    @property
    def parameter(self) -> str:
        """The query parameter that carries the identity on a decorated link."""

    @property
    def cookie_names(self) -> tuple[str, ...]:
        """The cookies a visitor is known by."""

    @property
    def keeps_elsewhere(self) -> bool:
        """Whether the vendor's JavaScript may keep the ID where no server sees it, and delete the cookie."""

    def opted_out(self, cookies: Cookies) -> str | None:
        """Why the vendor's JavaScript leaves this browser alone, by what its cookies say, or None."""

    def owns(self, parameter: str, *, events: bool) -> bool:
        """Whether a query parameter is this vendor's; with ``events`` those that record, too."""

    def scope(self, host: str) -> str:
        """The Domain of this vendor's cookie on ``host``; ``""`` for a host-only cookie."""

    def read(self, cookies: Cookies) -> Visitor:
        """The visitor these cookies tell of."""

    def inbound(self, pairs: Pairs) -> Inbound:
        """What the parameters this vendor owns say."""

    def decide(self, policy: Policy, visitor: Visitor, k: str, evidence: Evidence) -> Decision:
        """What the arriving identity ``k`` makes of ``visitor``."""

    def mint(self, randomness: Randomness) -> Visitor:
        """A first-time visitor, as the vendor's own JavaScript would make one."""

    def set_cookies(
        self, host: str, cookies: Cookies, before: Visitor, after: Visitor, randomness: Randomness
    ) -> list[SetCookie]:
        """The cookies that turn ``before`` into ``after``; none where they would not fit.

        ``cookies`` are the browser's; what else a vendor keeps in its cookie stays.
        """

    def alias(self, decision: Decision, now: float) -> list[TrackingCall]:
        """The calls that tell the vendor of ``decision.alias``; ``now`` in Unix seconds."""

    def record(
        self, visitor: Visitor, inbound: Inbound, cookies: Cookies, now: float, randomness: Randomness
    ) -> list[TrackingCall]:
        """The calls for an event and its properties."""

    def is_nobody(self, identity: str) -> bool:
        """Whether to ``identify`` as this is to ``clear``."""

    def unfit(self, identity: str | None) -> str | None:
        """Why an app may not ``identify`` or ``alias`` with this, or None if it may."""

    def identify(self, visitor: Visitor, k: str) -> Decision:
        """What the vendor's ``identify`` makes of ``visitor``."""

    def clear(self, visitor: Visitor, fresh: Visitor) -> Visitor:
        """Who is there after a logout: ``visitor`` still, or ``fresh``."""

    def alias_to(self, visitor: Visitor, other: str, now: float) -> list[TrackingCall]:
        """The calls that tell the vendor ``other`` is ``visitor``, too; none where it can't be told."""

    def event(self, name: str | None, properties: Mapping[str, str]) -> Inbound:
        """An event of the app's own, without what the vendor does not take."""


def event_refusal(event: str | None) -> str | None:
    """Why nothing can be recorded under this name, or None if it can."""
    if event is None:
        return "undecodable"
    if not event.strip():
        return "empty"
    if _SURROGATE.search(event):
        return "surrogate"
    return "too-long" if len(event) > MAX_LENGTH else None


def property_refusal(name: str, value: str | None) -> str | None:
    """Why this property of an event is dropped, or None."""
    if value is None:
        return "property-undecodable"
    if _SURROGATE.search(name + value):
        return "property-surrogate"
    return None if 0 < len(name) <= MAX_LENGTH else "property-name-length"


def recordable(
    properties: Mapping[str, str | None], refused: Callable[[str, str | None], str | None]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The properties that can be recorded, and why others can't."""
    reasons = {name: refused(name, value) for name, value in properties.items()}
    kept = {name: value or "" for name, value in properties.items() if not reasons[name]}
    return kept, tuple(reason for reason in reasons.values() if reason)


def refusal(identity: str | None, forbidden: frozenset[str]) -> str | None:
    """Why ``identity`` may not be anybody's ID, or None if it may.

    ``forbidden`` holds the vendor's own list, in lower case.
    """
    if identity is None:
        return "undecodable"
    if not identity.strip():
        return "empty"
    if len(identity) > MAX_LENGTH:
        return "too-long"
    if _CONTROL.search(identity):
        return "control-character"
    if _SURROGATE.search(identity):
        # Half a character: JSON can say it ("\ud800"), UTF-8 can't.
        return "surrogate"
    return "forbidden" if identity.strip().lower() in forbidden else None


def accepted(identity: str | None, forbidden: frozenset[str]) -> str | None:
    """``identity`` if it may be somebody's, else None."""
    return None if refusal(identity, forbidden) else identity
