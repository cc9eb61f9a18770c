"""Host patterns, and the host in a Host header."""

from __future__ import annotations

import pytest

from kmproxy.links.hosts import HostMap, bare_host

HOSTS = HostMap(
    [
        ("www.a.example", "www"),
        ("*.a.example", "below a"),
        ("*.deep.a.example", "below deep"),
        ("b.example", "b"),
        ("[::1]", "loopback"),
    ]
)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("www.a.example", "www"),
        ("shop.a.example", "below a"),
        ("x.y.a.example", "below a"),
        ("x.deep.a.example", "below deep"),
        ("deep.a.example", "below a"),
        ("x.www.a.example", "below a"),
        ("a.example", None),
        ("nota.example", None),
        ("a.example.evil.test", None),
        ("b.example", "b"),
        ("x.b.example", None),
        ("*.a.example", "below a"),
        ("[::1]", "loopback"),
        ("example", None),
        ("", None),
    ],
)
def test_the_most_specific_pattern_wins_and_a_wildcard_is_below_its_domain(
    host: str, found: str | None
) -> None:
    assert HOSTS.find(host) == found


def test_without_wildcards_only_the_very_host_is_found() -> None:
    hosts = HostMap([("b.example", 1)])

    assert [hosts.find(host) for host in ("b.example", "x.b.example")] == [1, None]


def test_a_value_that_is_false_is_still_found() -> None:
    assert HostMap([("a.example", 0), ("*.example", 1)]).find("a.example") == 0


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("a.example", "a.example"),
        ("A.Example:8080", "a.example"),
        ("a.example:", "a.example"),
        ("a.example.", "a.example"),
        ("a.example.:443", "a.example"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::1]:8080", "[2001:db8::1]"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("a.example:http", "a.example:http"),
        ("a.example:8\u00b2", "a.example:8\u00b2"),
        ("", ""),
        (":80", ""),
    ],
)
def test_the_host_of_an_authority_is_lower_case_without_port_and_final_dot(authority: str, host: str) -> None:
    assert bare_host(authority) == host
