"""The visitor, and what an arriving identity does to one: the vendor's table as data.

Source: "How KISSmetrics Handles Identities" (the vendor's table of ``identify`` and
``kmi``), and for ``guarded`` what the vendor's own pages warn of: an anonymous ID that
arrives as a name is never aliased again, and an alias can't be undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

Policy = Literal["guarded", "exact"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser as one provider knows it."""

    anonymous: str | None = None
    named: str | None = None

    @property
    def identity(self) -> str | None:
        """What ``KM.i()`` and ``mixpanel.get_distinct_id()`` return."""
        return self.named or self.anonymous


NOBODY = Visitor()


class State(Enum):
    """What is known of a visitor before the arrival."""

    NEW = "new"
    ANONYMOUS = "anonymous"
    NAMED = "named"


class Kind(Enum):
    """What an arriving ID is."""

    ANONYMOUS = "anonymous"
    NAMED = "named"


class Evidence(Enum):
    """Whether the click came from another of the site's domains."""

    YES = "yes"
    DOUBT = "doubt"
    NO = "no"


ANY_KIND = frozenset(Kind)
ANY_EVIDENCE = frozenset(Evidence)
ANY_STATE = frozenset(State)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: when it holds, and what it does with the arriving ID K."""

    name: str
    states: frozenset[State] = ANY_STATE
    kinds: frozenset[Kind] = ANY_KIND
    evidence: frozenset[Evidence] = ANY_EVIDENCE
    own: frozenset[Literal["anonymous", "named"]] | None = None
    """Which of the visitor's own IDs K is (one of these); None: it does not matter."""

    set_anonymous: bool = False
    """The anonymous ID (``km_ai``) becomes K."""

    set_named: bool = False
    """The named ID (``km_ni``) becomes K."""

    alias: bool = False
    """K and the ID the visitor had are the same person, for good."""


_NEW = frozenset({State.NEW})
_ANONYMOUS = frozenset({State.ANONYMOUS})
_NAMED = frozenset({State.NAMED})
_K_ANONYMOUS = frozenset({Kind.ANONYMOUS})
_K_NAMED = frozenset({Kind.NAMED})
_SURE = frozenset({Evidence.YES})
_NOT_REFUTED = frozenset({Evidence.YES, Evidence.DOUBT})

# The first row that holds decides.
EXACT: tuple[Rule, ...] = (
    Rule("new-visitor", _NEW, set_named=True),
    Rule("own-id", _ANONYMOUS, own=frozenset({"anonymous"}), set_named=True),
    Rule("anonymous-identified", _ANONYMOUS, set_named=True, alias=True),
    Rule("named-switched", _NAMED, set_named=True, set_anonymous=True),
)

GUARDED: tuple[Rule, ...] = (
    Rule("own-id", own=frozenset({"anonymous", "named"})),
    Rule("new-visitor-named", _NEW, _K_NAMED, set_named=True),
    Rule("anonymous-identified", _ANONYMOUS, _K_NAMED, set_named=True, alias=True),
    Rule("named-switched", _NAMED, _K_NAMED, set_named=True, set_anonymous=True),
    Rule("named-kept", _NAMED, _K_ANONYMOUS),
    Rule("anonymous-adopted", _NEW, _K_ANONYMOUS, _NOT_REFUTED, set_anonymous=True),
    Rule("anonymous-joined", _ANONYMOUS, _K_ANONYMOUS, _SURE, set_anonymous=True, alias=True),
    Rule("no-click-from-the-site", kinds=_K_ANONYMOUS),
)

TABLES: dict[Policy, tuple[Rule, ...]] = {"exact": EXACT, "guarded": GUARDED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What an arrival makes of a visitor."""

    rule: str
    visitor: Visitor
    """After the arrival."""

    alias: tuple[str, str] | None = None
    """The ID the visitor had, and K: one person, to be told to the vendor."""


def state_of(visitor: Visitor) -> State:
    """What is known of ``visitor``."""
    if visitor.named:
        return State.NAMED
    return State.ANONYMOUS if visitor.anonymous else State.NEW


def decide(policy: Policy, visitor: Visitor, k: str, kind: Kind, evidence: Evidence) -> Decision:
    """The row of ``policy`` that holds for ``visitor`` arriving with the ID ``k``."""
    own = {name for name in ("anonymous", "named") if getattr(visitor, name) == k}
    rule = _first(TABLES[policy], state_of(visitor), kind, evidence, own)
    after = replace(
        visitor,
        anonymous=k if rule.set_anonymous else visitor.anonymous,
        named=k if rule.set_named else visitor.named,
    )
    before = visitor.identity
    return Decision(rule.name, after, (before, k) if rule.alias and before else None)


def _first(rules: Iterable[Rule], state: State, kind: Kind, evidence: Evidence, own: set[str]) -> Rule:
    """The row that holds; every table ends in one for each state."""
    return next(
        rule
        for rule in rules
        if state in rule.states
        and kind in rule.kinds
        and evidence in rule.evidence
        and (rule.own is None or rule.own & own)
    )
