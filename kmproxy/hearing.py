"""Hearing: what an app says of its visitor, done as the vendors' JavaScript does it.

Sources: "How KISSmetrics Handles Identities" (the vendor's table); Mixpanel's JavaScript SDK,
``identify``, ``alias``, ``reset`` and ``track``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies
from kmproxy.identity.provider import Inbound, Provider, Randomness
from kmproxy.identity.visitor import NOBODY, Visitor
from kmproxy.identity.word import Word
from kmproxy.tracking import TrackingCall
from kmproxy.visit import Arrival, Note


def hear(arrival: Arrival, words: Iterable[Word], now: float, randomness: Randomness) -> Arrival:
    """``arrival`` with what the words, in their order, make of the visitor: cookies to set, calls to make."""
    for word in words:
        for provider, _ in arrival.seen:
            arrival = _Hearing(arrival, provider, now, randomness).heard(word)
    return arrival


@dataclass(frozen=True, slots=True)
class _Hearing:
    """One vendor that is told one word."""

    arrival: Arrival
    provider: Provider
    now: float
    randomness: Randomness

    def heard(self, word: Word) -> Arrival:
        match word.what:
            case "identify":
                return self.identify(word.value)
            case "alias":
                return self.alias(word.value)
            case "record":
                return self.record(word)
            case "clear":
                return self.clear()

    def identify(self, k: str | None) -> Arrival:
        if k is not None and self.provider.is_nobody(k):
            return self.clear()
        reason = self.provider.unfit(k)
        if k is None or reason:
            return self._rejected(f"identity-{reason}")
        decision = self.provider.identify(self._somebody_yet(), k)
        if decision.alias and self._is_head:
            return self._noted("word", "head-joins-nobody")
        return self._become(decision.visitor, decision.rule, self.provider.alias(decision, self.now))

    def clear(self) -> Arrival:
        before = self._visitor()
        after = self.provider.clear(before, self._fresh())
        if after == before:
            return self.arrival
        # The cookie's other contents were the one's who leaves.
        arrival = self._become(after, "cleared", [], {})
        return arrival._replace(fresh=arrival.fresh | {self.provider.name})

    def alias(self, other: str | None) -> Arrival:
        reason = self.provider.unfit(other)
        if other is None or reason:
            return self._rejected(f"identity-{reason}")
        if self._is_head:
            return self._noted("word", "head-joins-nobody")
        person = self._person()
        if person.identity is None:
            return self._rejected("nobody")
        if person.identity == other:
            return self._become(person, "own-id", [])
        calls = self.provider.alias_to(person, other, self.now)
        return self._become(person, "aliased", calls) if calls else self._rejected("alias-joins-nobody")

    def record(self, word: Word) -> Arrival:
        inbound = self.provider.event(word.value, word.properties)
        arrival = self._recorded(inbound) if inbound.event else self.arrival
        notes = [Note("rejected", self.provider.name, reason) for reason in inbound.rejected]
        return arrival._replace(notes=(*arrival.notes, *notes))

    def _recorded(self, inbound: Inbound) -> Arrival:
        if self._is_head:
            return self._rejected("head-records-nobody")
        person = self._person()
        if person.identity is None:
            return self._rejected("nobody")
        calls = self.provider.record(person, inbound, self._jar(), self.now, self.randomness)
        return self._become(person, "recorded", calls)

    def _become(
        self, after: Visitor, rule: str, calls: list[TrackingCall], jar: Cookies | None = None
    ) -> Arrival:
        """The visitor is ``after`` now; ``jar`` is what the cookies are made from, if not the browser's."""
        arrival, provider, before = self.arrival, self.provider, self._visitor()
        jar = self._jar() if jar is None else jar
        made = provider.set_cookies(arrival.host, jar, before, after, self.randomness)
        if after != before and not made:
            return self._rejected("cookie-too-large")
        secure = arrival.request.scheme == "https"
        written = {new.name: new.header(secure=secure) for new in made}
        replaced = provider.cookie_names if written else ()
        return arrival._replace(
            seen=arrival.seen.knowing(provider, after),
            cookies=(*cookie.others(arrival.cookies, written), *written.values()),
            minted=cookie.others(arrival.minted, replaced),
            calls=(*arrival.calls, *calls),
            notes=(*arrival.notes, Note("word", provider.name, rule)),
            fresh=arrival.fresh - {provider.name},
        )

    def _jar(self) -> Cookies:
        """The browser's cookies once it has this response; what is only minted may not go out with it."""
        return cookie.updated(self.arrival.asked.jar, self.arrival.cookies)

    def _visitor(self) -> Visitor:
        return self.provider.read(self._jar())

    def _somebody_yet(self) -> Visitor:
        """The visitor, but nobody where the ID was made for this very response: no deed was ever its."""
        return NOBODY if self.provider.name in self.arrival.fresh else self._visitor()

    def _person(self) -> Visitor:
        """The visitor; a new one becomes a person, as by ``KM.i()``."""
        visitor = self._visitor()
        if visitor.identity:
            return visitor
        minted = next(seen.visitor for seen in self.arrival.seen if seen.provider is self.provider)
        return minted if minted.identity else self._fresh()

    def _fresh(self) -> Visitor:
        return self.provider.mint(self.randomness) if self.arrival.domain.site.mint else NOBODY

    @property
    def _is_head(self) -> bool:
        """Nobody looks at a HEAD's answer, and an alias can't be undone."""
        return self.arrival.request.method == "HEAD"

    def _rejected(self, reason: str) -> Arrival:
        return self._noted("rejected", reason)

    def _noted(self, what: str, why: str) -> Arrival:
        return self.arrival._replace(notes=(*self.arrival.notes, Note(what, self.provider.name, why)))
