"""The vendor's table, every combination of it, in both policies."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from kmproxy.identity.visitor import (
    GUARDED,
    NOBODY,
    TABLES,
    Decision,
    Evidence,
    Kind,
    Policy,
    State,
    Visitor,
    decide,
    state_of,
)

A = Visitor(anonymous="A")
N = Visitor(anonymous="A", named="N")
ONLY_NAMED = Visitor(named="N")
RENAMED = Visitor(anonymous="N", named="N")
"""As the vendor's JavaScript leaves a visitor who was identified twice."""

VISITORS = (NOBODY, A, N, ONLY_NAMED, RENAMED)
YES, DOUBT, NO = Evidence.YES, Evidence.DOUBT, Evidence.NO
ANON, NAME = Kind.ANONYMOUS, Kind.NAMED
COMBINATIONS = list(product(get_args(Policy), VISITORS, ("K", "A", "N"), Kind, Evidence))


@pytest.mark.parametrize("evidence", Evidence)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("visitor", "k", "after", "alias"),
    [
        (NOBODY, "K", Visitor(named="K"), None),
        (A, "K", Visitor("A", "K"), ("A", "K")),
        (A, "A", Visitor("A", "A"), None),
        (N, "K", Visitor("K", "K"), None),
        (N, "A", Visitor("A", "A"), None),
        (N, "N", Visitor("N", "N"), None),
        (ONLY_NAMED, "K", Visitor("K", "K"), None),
        (RENAMED, "K", Visitor("K", "K"), None),
    ],
)
def test_exact_is_the_vendors_table_whatever_kind_and_evidence(
    visitor: Visitor, k: str, after: Visitor, alias: tuple[str, str] | None, kind: Kind, evidence: Evidence
) -> None:
    decision = decide("exact", visitor, k, kind, evidence)
    assert (decision.visitor, decision.alias) == (after, alias)


@pytest.mark.parametrize(
    ("visitor", "k", "kind", "evidence", "expected"),
    [
        # The same as exact for named IDs.
        (NOBODY, "K", NAME, YES, Decision("new-visitor-named", Visitor(named="K"))),
        (NOBODY, "K", NAME, DOUBT, Decision("new-visitor-named", Visitor(named="K"))),
        (NOBODY, "K", NAME, NO, Decision("new-visitor-named", Visitor(named="K"))),
        (A, "K", NAME, YES, Decision("anonymous-identified", Visitor("A", "K"), ("A", "K"))),
        (A, "K", NAME, DOUBT, Decision("anonymous-identified", Visitor("A", "K"), ("A", "K"))),
        (A, "K", NAME, NO, Decision("anonymous-identified", Visitor("A", "K"), ("A", "K"))),
        (N, "K", NAME, YES, Decision("named-switched", Visitor("K", "K"))),
        (N, "K", NAME, DOUBT, Decision("named-switched", Visitor("K", "K"))),
        (N, "K", NAME, NO, Decision("named-switched", Visitor("K", "K"))),
        (ONLY_NAMED, "K", NAME, NO, Decision("named-switched", Visitor("K", "K"))),
        (RENAMED, "K", NAME, NO, Decision("named-switched", Visitor("K", "K"))),
        # The visitor's own ID changes nothing, so that a later identify still aliases.
        (A, "A", ANON, YES, Decision("own-id", A)),
        (A, "A", ANON, DOUBT, Decision("own-id", A)),
        (A, "A", ANON, NO, Decision("own-id", A)),
        (A, "A", NAME, YES, Decision("own-id", A)),
        (N, "N", NAME, YES, Decision("own-id", N)),
        (N, "N", NAME, NO, Decision("own-id", N)),
        (N, "A", ANON, YES, Decision("own-id", N)),
        (N, "A", ANON, NO, Decision("own-id", N)),
        (ONLY_NAMED, "N", NAME, DOUBT, Decision("own-id", ONLY_NAMED)),
        (RENAMED, "N", NAME, DOUBT, Decision("own-id", RENAMED)),
        # An anonymous ID never replaces a name.
        (N, "K", ANON, YES, Decision("named-kept", N)),
        (N, "K", ANON, DOUBT, Decision("named-kept", N)),
        (N, "K", ANON, NO, Decision("named-kept", N)),
        (ONLY_NAMED, "K", ANON, YES, Decision("named-kept", ONLY_NAMED)),
        (RENAMED, "K", ANON, YES, Decision("named-kept", RENAMED)),
        # An anonymous ID counts when the click came from another of the site's domains.
        (NOBODY, "K", ANON, YES, Decision("anonymous-adopted", Visitor("K"))),
        (NOBODY, "K", ANON, DOUBT, Decision("anonymous-adopted", Visitor("K"))),
        (NOBODY, "K", ANON, NO, Decision("no-click-from-the-site", NOBODY)),
        (A, "K", ANON, YES, Decision("anonymous-joined", Visitor("K"), ("A", "K"))),
        (A, "K", ANON, DOUBT, Decision("no-click-from-the-site", A)),
        (A, "K", ANON, NO, Decision("no-click-from-the-site", A)),
    ],
)
def test_guarded_mends_what_the_vendor_warns_of(
    visitor: Visitor, k: str, kind: Kind, evidence: Evidence, expected: Decision
) -> None:
    assert decide("guarded", visitor, k, kind, evidence) == expected


@pytest.mark.parametrize(("policy", "visitor", "k", "kind", "evidence"), COMBINATIONS)
def test_every_combination_has_an_answer_that_merges_and_loses_nobody(
    policy: Policy, visitor: Visitor, k: str, kind: Kind, evidence: Evidence
) -> None:
    decision = decide(policy, visitor, k, kind, evidence)
    assert decision.rule in {rule.name for rule in TABLES[policy]}
    if state_of(visitor) is not State.ANONYMOUS or k == visitor.anonymous:
        assert decision.alias is None, "only an anonymous visitor is ever aliased, and not with itself"
    if decision.alias:
        assert decision.alias == (visitor.identity, k)
        assert decision.visitor.identity == k
    if visitor.identity:
        assert decision.visitor.identity, "nobody becomes nobody"
    if decision.visitor.identity != visitor.identity:
        assert decision.visitor.identity == k


@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize("evidence", [DOUBT, NO])
def test_guarded_never_aliases_an_anonymous_id_without_evidence(visitor: Visitor, evidence: Evidence) -> None:
    decision = decide("guarded", visitor, "K", ANON, evidence)
    assert decision.alias is None
    if visitor.identity:
        assert decision.visitor == visitor


@pytest.mark.parametrize("policy", get_args(Policy))
@pytest.mark.parametrize(
    ("visitor", "k", "kind", "evidence"), list(product(VISITORS, ("K", "A", "N"), Kind, Evidence))
)
def test_a_second_arrival_with_the_same_id_changes_nothing_more(
    policy: Policy, visitor: Visitor, k: str, kind: Kind, evidence: Evidence
) -> None:
    once = decide(policy, visitor, k, kind, evidence)
    twice = decide(policy, once.visitor, k, kind, evidence)
    assert twice.alias is None
    assert twice.visitor.identity == once.visitor.identity


def test_every_guarded_rule_is_reached_by_some_combination() -> None:
    reached = {decide(*combination).rule for combination in COMBINATIONS if combination[0] == "guarded"}
    assert reached == {rule.name for rule in GUARDED}


@pytest.mark.parametrize(
    ("visitor", "state", "identity"),
    [
        (NOBODY, State.NEW, None),
        (A, State.ANONYMOUS, "A"),
        (N, State.NAMED, "N"),
        (ONLY_NAMED, State.NAMED, "N"),
        (Visitor("", ""), State.NEW, ""),
    ],
)
def test_the_named_id_is_the_identity_if_there_is_one(
    visitor: Visitor, state: State, identity: str | None
) -> None:
    assert (state_of(visitor), visitor.identity) == (state, identity)
