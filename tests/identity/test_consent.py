"""Whom kmproxy leaves alone."""

from __future__ import annotations

import pytest

from kmproxy.identity import cookies as cookie
from kmproxy.identity.consent import ConsentRule
from kmproxy.messages import Headers

GPC = ((b"Sec-GPC", b"1"),)
DNT = ((b"DNT", b"1"),)


@pytest.mark.parametrize(
    ("respect", "headers", "refusal"),
    [
        (("gpc",), (), None),
        (("gpc",), GPC, "gpc"),
        (("gpc",), ((b"sec-gpc", b" 1 "),), "gpc"),
        (("gpc",), ((b"Sec-GPC", b"0"),), None),
        (("gpc",), ((b"Sec-GPC", b"true"),), None),
        (("gpc",), DNT, None),
        (("gpc", "dnt"), DNT, "dnt"),
        (("gpc", "dnt"), GPC + DNT, "gpc"),
        (("dnt",), GPC, None),
        (("dnt",), ((b"DNT", b"0"),), None),
        ((), GPC + DNT, None),
    ],
)
def test_a_signal_that_is_respected_means_no(
    respect: tuple[str, ...], headers: Headers, refusal: str | None
) -> None:
    assert ConsentRule(respect).refusal(headers, {}) == refusal


@pytest.mark.parametrize(
    ("pattern", "header", "refusal"),
    [
        ("analytics:yes", b"consent=analytics%3Ayes", None),
        ("analytics:yes", b"consent=marketing:no|analytics:yes", None),
        ("analytics:yes", b"consent=analytics:no", "consent-cookie"),
        ("analytics:yes", b"consent=", "consent-cookie"),
        ("analytics:yes", b"other=analytics:yes", "consent-cookie"),
        ("analytics:yes", b"", "consent-cookie"),
        ("^yes$", b"consent=yes", None),
        ("^yes$", b"consent=no; consent=yes", "consent-cookie"),
        # A pattern that finds itself in nothing is no word of the visitor's.
        (".*", b"", "consent-cookie"),
        (".*", b"consent=%E9", "consent-cookie"),
        ("^(?!.*no)", b"other=1", "consent-cookie"),
        (".*", b"consent=x", None),
    ],
)
def test_with_a_consent_cookie_only_visitors_who_agreed_are_followed(
    pattern: str, header: bytes, refusal: str | None
) -> None:
    rule = ConsentRule((), "consent", pattern)
    assert rule.refusal((), cookie.read([header])) == refusal


def test_a_signal_outweighs_the_cookie() -> None:
    rule = ConsentRule(("gpc",), "consent", "yes")
    assert rule.refusal(GPC, cookie.read([b"consent=yes"])) == "gpc"
