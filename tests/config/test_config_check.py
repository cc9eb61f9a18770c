"""What each value may be, and which values contradict each other."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from kmproxy.config import load
from kmproxy.errors import ConfigError

MUST_START = (
    'must start with http://, https:// or unix:/, as in "http://10.0.0.5:8000" or "unix:/run/app.sock"'
)


WHOLE = "must be a whole number, as in 4"
NO_PATH = 'must be a path, as in "/healthz", with other characters than ASCII as %XX'


def site(*hosts: str, name: str = "acme", **more: object) -> dict[str, Any]:
    return {"name": name, "mixpanel": {"token": "t"}, "domain": [{"host": host} for host in hosts], **more}


def wrong(*sites: dict[str, Any], **tables: object) -> list[str]:
    """The problems of a configuration, without the name of its source."""
    try:
        load({**tables, "site": sites or [site("a.example.com")]})
    except ConfigError as error:
        return [str(problem).removeprefix("config: ") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "host",
    [
        "www.acme.example",
        "*.acme.example",
        "localhost",
        "shop.localhost",
        "10.0.0.5",
        "xn--bcher-kva.example",
        "my_shop.acme.example",
        "a" * 63 + ".example",
    ],
)
def test_a_host_is_a_lower_case_name_or_a_wildcard_above_one(host: str) -> None:
    assert wrong(site(host)) == []


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("http://www.acme.example", 'a host has no scheme; write "www.acme.example"'),
        ("https://Shop.acme.example:443/cart?a=b", 'a host has no scheme; write "shop.acme.example"'),
        ("//me:secret@www.acme.example", 'a host has no path; write "www.acme.example"'),
        ("www.acme.example/shop", 'a host has no path; write "www.acme.example"'),
        ("www.acme.example:8080", 'a host has no port; write "www.acme.example"'),
        ("*.acme.example:8080", 'a host has no port; write "*.acme.example"'),
        ("[::1]", "an IPv6 address can't be a domain; write a host name"),
        (" www.acme.example", 'a host has no spaces; write "www.acme.example"'),
        ("www.acme.example\n", 'a host has no spaces; write "www.acme.example"'),
        ("www.*.example", '"*" stands only at the start, with a dot after it; write "www.example"'),
        ("*", '"*" stands only at the start, with a dot after it; write "acme.example"'),
        ("Bücher.example", 'browsers send this host in its ASCII form; write "xn--bcher-kva.example"'),
        ("*.bücher.example", 'browsers send this host in its ASCII form; write "*.xn--bcher-kva.example"'),
        ("WWW.Acme.example", 'hosts are written in lower case; write "www.acme.example"'),
        ("www..acme.example", 'a dot stands only between two names; write "www.acme.example"'),
        (".acme.example", 'a dot stands only between two names; write "acme.example"'),
        ("acme.example.", 'a dot stands only between two names; write "acme.example"'),
        ("*.", 'this is not a host name; write "*.acme.example"'),
        ("-a.example", 'this is not a host name; write "acme.example"'),
        ("a" * 64 + ".example", 'this is not a host name; write "acme.example"'),
        ("a!b.example", 'this is not a host name; write "acme.example"'),
        ("*.10.0.0.5", 'an address has no hosts below it; write "10.0.0.5"'),
        ("*.com", 'anybody may own a host below com; name your own domain, as in "*.acme.com"'),
        ("*.co.uk", 'anybody may own a host below co.uk; name your own domain, as in "*.acme.co.uk"'),
        (
            "*.github.io",
            'anybody may own a host below github.io; name your own domain, as in "*.acme.github.io"',
        ),
    ],
)
def test_a_wrong_host_is_told_how_to_write_it(host: str, message: str) -> None:
    assert wrong(site(host)) == [f"site[0].domain[0].host: {message}"]


@pytest.mark.parametrize(
    "upstream",
    [
        "http://10.0.0.5:8000",
        "http://app",
        "http://[::1]:80",
        "http://my_app.Internal:65535",
        "https://app",
        "https://[::1]:8443",
        "unix:/run/app.sock",
        "unix:/" + "a" * 106,
    ],
)
def test_an_upstream_is_an_origin_or_a_socket(upstream: str) -> None:
    assert wrong(site(domain=[{"host": "a.example", "upstream": upstream}])) == []


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("unix:app.sock", 'a unix socket needs its full path, as in "unix:/run/app.sock"'),
        ("unix:///run/app.sock", 'one slash follows the colon; write "unix:/run/app.sock"'),
        ("unix:/" + "a" * 107, "a unix socket's path has at most 107 bytes; choose a shorter one"),
        (
            "http://unix:/run/app.sock:/",
            'a unix socket is written without http://, as in "unix:/run/app.sock"',
        ),
        ("app:8000", MUST_START),
        ("HTTP://app", MUST_START),
        ("wss://app", MUST_START),
        ("https://app/shop", 'the path comes from the request; write "http://host:port" without one'),
        ("https://app:70000", "there is no port 70000; write one from 1 to 65535"),
        ("http://me:secret@app", 'an upstream has no user name or password; write "http://host:port"'),
        ("http://app/", 'the path comes from the request; write "http://host:port" without one'),
        ("http://app?a=b", 'the path comes from the request; write "http://host:port" without one'),
        ("http://app:0", "there is no port 0; write one from 1 to 65535"),
        ("http://app:65536", "there is no port 65536; write one from 1 to 65535"),
        ("http://10.0.0.500", '10.0.0.500 is no IPv4 address; write four numbers, as in "10.0.0.5"'),
        ("http://[::g]", '[::g] is no IPv6 address; write one such as "[::1]"'),
        ("http://[10.0.0.5]", '[10.0.0.5] is no IPv6 address; write one such as "[::1]"'),
        ("http://", '"" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"'),
        ("http://a b", '"a b" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"'),
    ],
)
def test_a_wrong_upstream_is_told_how_to_write_it(upstream: str, message: str) -> None:
    found = wrong(site(domain=[{"host": "a.example", "upstream": ["http://app", upstream]}]))

    assert found == [f"site[0].domain[0].upstream[1]: {message}"]


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ({"balance": "random"}, 'balance: must be "round_robin" or "least_connections", not "random"'),
        ({"health_check": {}}, 'health_check.path: missing; write path = "…"'),
        ({"health_check": "/up"}, 'health_check: must be a table; write health_check = { path = "…" }'),
        ({"health_check": {"path": "up"}}, f"health_check.path: {NO_PATH}"),
        ({"health_check": {"path": "/a b"}}, f"health_check.path: {NO_PATH}"),
        ({"health_check": {"path": "/#a"}}, f"health_check.path: {NO_PATH}"),
        ({"health_check": {"path": "/a", "interval": 0}}, "health_check.interval: must be greater than 0"),
        (
            {"upstream_tls": {"ca": "no.pem"}},
            "upstream_tls.ca: no.pem can't be read: No such file or directory",
        ),
        (
            {"upstream_tls": {"ca": __file__}},
            f"upstream_tls.ca: {__file__} holds no certificate; write the name of a PEM file",
        ),
        (
            {"upstream_tls": {"server_name": "app:443"}},
            'upstream_tls.server_name: a host has no port; write "app"',
        ),
        (
            {"upstream_tls": {"verify": False}},
            "upstream_tls.verify: unknown key; known ones are ca, server_name",
        ),
    ],
)
def test_how_upstreams_are_asked_is_told_to_the_point(domain: dict[str, object], message: str) -> None:
    assert wrong(site(domain=[{"host": "a.example", "upstream": "https://app", **domain}])) == [
        f"site[0].domain[0].{message}"
    ]


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (
            {"health_check": {"path": "/"}},
            'health_check: there is no upstream to check; write upstream = "…"',
        ),
        (
            {"upstream": "http://app", "upstream_tls": {"server_name": "app"}},
            'upstream_tls: no upstream speaks TLS; write upstream = "https://…"',
        ),
        ({"upstream": "http://app", "upstream_tls": {"ca": "", "server_name": ""}}, None),
        ({"upstream": ["http://app", "https://app"], "upstream_tls": {"server_name": "app"}}, None),
    ],
)
def test_an_option_of_upstreams_that_does_nothing_is_told(
    domain: dict[str, object], message: str | None
) -> None:
    found = wrong(site(domain=[{"host": "a.example", **domain}]))

    assert found == ([f"site[0].domain[0].{message}"] if message else [])


@pytest.mark.parametrize(
    ("limit", "message"),
    [(0, None), (100, None), (-1, "must be at least 0"), (1.5, WHOLE), ("many", WHOLE)],
)
def test_a_limit_is_a_whole_number(limit: object, message: str | None) -> None:
    found = wrong(site(domain=[{"host": "a.example", "max_connections": limit}]))

    assert found == ([f"site[0].domain[0].max_connections: {message}"] if message else [])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("0.0.0.0:8080", None),
        ("localhost:0", None),
        ("[::]:8080", None),
        ("unix:/run/kmproxy.sock", None),
        ("unix:kmproxy.sock", 'a unix socket needs its full path, as in "unix:/run/kmproxy.sock"'),
        ("8080", 'must be host:port, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/path"'),
        ("localhost", 'must be host:port, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/path"'),
        (":8080", '":8080" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"'),
        ("::1:8080", '"::1:8080" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"'),
        ("0.0.0.0:65536", "there is no port 65536; write one from 0 to 65535"),
        ("1.2.3:80", '1.2.3 is no IPv4 address; write four numbers, as in "10.0.0.5"'),
    ],
)
def test_listeners_have_a_host_and_a_port_or_a_socket(address: str, message: str | None) -> None:
    assert wrong(server={"listen": ["a:1"], "admin": address}) == (
        [f"server.admin: {message}"] if message else []
    )
    assert wrong(server={"listen": [address]}) == ([f"server.listen[0]: {message}"] if message else [])


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"workers": 0, "drain_delay": 0, "drain_timeout": 0, "access_log": "-"}, []),
        ({"workers": -1}, ["server.workers: must be at least 0"]),
        ({"workers": 1.5}, ["server.workers: must be a whole number, as in 4"]),
        ({"workers": "two"}, ["server.workers: must be a whole number, as in 4"]),
        ({"drain_timeout": -1}, ["server.drain_timeout: must be at least 0"]),
        ({"listen": ["http://a:1"], "admin": "a:2"}, []),
        (
            {"listen": ["http://unix:/a"]},
            ['server.listen[0]: a unix socket never speaks TLS; write "unix:/path" alone'],
        ),
        (
            {"listen": ["http://a:1", "a:1"]},
            ['server.listen[1]: "a:1" is server.listen[0] too; write another address or port'],
        ),
        ({"tls": [{"cert": "a"}]}, ['server.tls[0].key: missing; write key = "…"']),
        (
            {"tls": [{"cert": "a", "key": "b"}], "listen": ["http://a:1", "unix:/a"]},
            [
                'server.tls: no address speaks TLS; add one such as "0.0.0.0:443" to server.listen',
                "server.tls[0].cert: a can't be read: No such file or directory",
                "server.tls[0].key: b can't be read: No such file or directory",
            ],
        ),
        (
            {"tls": [{"cert": "a", "key": "b"}], "listen": 5},
            [
                'server.listen: must be a list, as in ["…"]',
                'server.tls: no address speaks TLS; add one such as "0.0.0.0:443" to server.listen',
            ],
        ),
    ],
)
def test_how_a_server_runs(server: dict[str, object], expected: list[str]) -> None:
    assert sorted(wrong(server=server)) == expected


def test_the_admin_listener_can_be_turned_off() -> None:
    assert wrong(server={"admin": ""}) == []
    assert wrong(server={"listen": [""]}) == [
        'server.listen[0]: must be host:port, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/path"'
    ]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"listen": ["a:1", "b:1", "a:1"]}, ['server.listen[2]: "a:1" is server.listen[0] too']),
        ({"listen": ["a:1"], "admin": "a:1"}, ['server.admin: "a:1" is server.listen[0] too']),
        ({"listen": ["127.0.0.1:8081"]}, ['server.admin: "127.0.0.1:8081" is server.listen[0] too']),
        ({"admin": "0.0.0.0:8080"}, ['server.admin: "0.0.0.0:8080" is server.listen[0] too']),
        ({"listen": ["a:0", "a:0"]}, []),
        ({"listen": ["a:1", "unix:/a"], "admin": "a:2"}, []),
    ],
)
def test_no_address_is_listened_on_twice(server: dict[str, object], expected: list[str]) -> None:
    assert wrong(server=server) == [f"{message}; write another address or port" for message in expected]


_UNIX = 'whoever comes by a unix socket is "unix:", without a path'


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("10.0.0.0/8", None),
        ("10.0.0.5", None),
        (IPv4Network("10.0.0.0/8"), None),
        ("fd00::/8", None),
        ("unix:", None),
        ("10.0.0.1/8", '10.0.0.1/8 is one address and a prefix; for the network write "10.0.0.0/8"'),
        ("10.0.0.0/33", 'must be a network, as in "10.0.0.0/8", or one address'),
        ("*", 'must be a network, as in "10.0.0.0/8", or one address'),
        ("unix", _UNIX),
        ("unix:/run/kmproxy.sock", _UNIX),
        ("UNIX:", _UNIX),
        ("", 'must be a network, as in "10.0.0.0/8", or one address'),
        (5, 'must be a network, as in "10.0.0.0/8", or one address'),
    ],
)
def test_trusted_proxies_are_networks(network: object, message: str | None) -> None:
    found = wrong(server={"trusted_proxies": [network]})

    assert found == ([f"server.trusted_proxies[0]: {message}"] if message else [])


_SQLITE = 'must be sqlite:PATH, as in "sqlite:kmproxy-outbox.db", or "redis://host:6379/0"'
_DATABASE = 'a number follows the host, that of the database; write "redis://host:6379/0"'
_QUERY = "a redis URL has no query or fragment; in a password write ? as %3F and # as %23"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:outbox.db", None),
        ("sqlite:/var/lib/outbox.db", None),
        (
            "sqlite:///outbox.db",
            'the path follows the colon; write "sqlite:outbox.db" or "sqlite:/var/lib/outbox.db"',
        ),
        ("sqlite:", _SQLITE),
        ("outbox.db", _SQLITE),
        ("Redis://host", _SQLITE),
        ("postgres://me:secret@host/db", _SQLITE),
        ("redis://host", None),
        ("redis://host:6379", None),
        ("redis://host:6379/", None),
        ("redis://host:6379/0", None),
        ("rediss://user:s%40cr%2Ft@redis.acme.example:6380/12", None),
        ("redis://:secret@10.0.0.5", None),
        ("redis://[::1]:6379/0", None),
        ("redis:host", 'two slashes follow the colon; write "redis://host:6379/0"'),
        ("redis:/host", 'two slashes follow the colon; write "redis://host:6379/0"'),
        ("redis://", 'the host is missing; write "redis://host:6379/0"'),
        ("redis:///0", 'the host is missing; write "redis://host:6379/0"'),
        ("redis://:6379/0", 'the host is missing; write "redis://host:6379/0"'),
        ("redis://:secret@/0", 'the host is missing; write "redis://host:6379/0"'),
        ("redis://host/zero", _DATABASE),
        ("redis://host/0/1", _DATABASE),
        ("redis://host:6379/0 ", "a redis URL has no spaces; in a password write %20"),
        ("redis://host/0?db=1", _QUERY),
        ("redis://:sec#ret@host", _QUERY),
        ("redis://:se/cret@host", "in a password write / as %2F and @ as %40"),
        ("redis://:se@cret@host", "in a password write / as %2F and @ as %40"),
        ("redis://host:65536", "there is no port 65536; write one from 1 to 65535"),
        ("redis://10.0.0", '10.0.0 is no IPv4 address; write four numbers, as in "10.0.0.5"'),
        (
            "redis://:secret@one,two",
            '"one,two" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"',
        ),
    ],
)
def test_the_outbox_is_a_sqlite_file_or_in_redis(url: str, message: str | None) -> None:
    assert wrong(outbox={"url": url}) == ([f"outbox.url: {message}"] if message else [])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9000/km", None),
        ("ftp://host", 'must start with https:// or http://, as in "https://host"'),
        ("https://me:secret@host", 'an endpoint has no user name or password; write "https://host"'),
        (
            "https://host/?a=b",
            'an endpoint has no query or fragment; write "https://host" or "https://host/path"',
        ),
        ("https://host/a b", "an endpoint has no spaces; leave them out"),
        ("https://host:99999", "there is no port 99999; write one from 1 to 65535"),
        ("https:///a", '"" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"'),
    ],
)
def test_endpoints_are_http_urls_without_a_query(url: str, message: str | None) -> None:
    found = wrong(site("a.example", kissmetrics={"api_key": "k", "endpoint": url}))

    assert found == ([f"site[0].kissmetrics.endpoint: {message}"] if message else [])


def test_a_slash_at_the_end_of_an_endpoint_is_dropped() -> None:
    mixpanel = {"token": "t", "endpoint": "https://api-eu.mixpanel.com/"}
    config = load({"site": [site("a.example", mixpanel=mixpanel)]})

    assert config.site[0].mixpanel is not None
    assert config.site[0].mixpanel.endpoint == "https://api-eu.mixpanel.com"


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("", None),
        ("acme.example", None),
        ("www.acme.example", None),
        (".acme.example", 'a dot stands only between two names; write "acme.example"'),
        ("*.acme.example", 'the hosts below it are covered anyway; write "acme.example"'),
        ("Acme.example", 'hosts are written in lower case; write "acme.example"'),
        ("10.0.0.5", 'cookies of an address have no domain; write ""'),
        ("::1", 'cookies of an address have no domain; write ""'),
        ("co.uk", 'browsers refuse cookies for all of co.uk; write a domain below it, as in "acme.co.uk"'),
        (
            "other.example",
            '"other.example" covers no host of this site; '
            'write the domain above its hosts, or "" for the default',
        ),
    ],
)
def test_a_cookie_domain_covers_hosts_of_its_site(domain: str, message: str | None) -> None:
    found = wrong(site("www.acme.example", "www.blog.example", identity={"cookie_domain": domain}))

    assert found == ([f"site[0].identity.cookie_domain: {message}"] if message else [])


@pytest.mark.parametrize("domain", ["acme.example", "eu.acme.example"])
def test_a_cookie_domain_may_stand_above_or_below_a_wildcard(domain: str) -> None:
    assert wrong(site("*.acme.example", identity={"cookie_domain": domain})) == []


def test_a_cookie_domain_is_not_blamed_for_a_wrong_host() -> None:
    found = wrong(site("www.acme.example:80", identity={"cookie_domain": "acme.example"}))

    assert found == ['site[0].domain[0].host: a host has no port; write "www.acme.example"']


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("analytics:(yes|true)", None),
        ("(yes", "not a regular expression: missing ), unterminated subpattern at position 0"),
        ("a{99999999999}", "not a regular expression: the repetition number is too large"),
        ("", "must not be empty"),
    ],
)
def test_a_consent_pattern_is_a_regular_expression(pattern: str, message: str | None) -> None:
    found = wrong(site("a.example", consent={"cookie": {"name": "c", "pattern": pattern}}))

    assert found == ([f"site[0].consent.cookie.pattern: {message}"] if message else [])


@pytest.mark.parametrize("host", ["a.example.com", "*.example.com"])
def test_a_host_belongs_to_one_domain_of_one_site(host: str) -> None:
    advice = "a host belongs to one domain of one site, so keep one"

    assert wrong(site(host, "b.example.com", host)) == [
        f'site[0].domain[2].host: "{host}" is site[0].domain[0].host too; {advice}'
    ]
    assert wrong(site(host), site("b.example.com", host, name="b")) == [
        f'site[1].domain[1].host: "{host}" is site[0].domain[0].host too; {advice}'
    ]


def test_an_exact_host_may_stand_below_the_wildcard_of_another_site() -> None:
    assert wrong(site("*.a.example"), site("b.a.example", name="b")) == []


def test_domains_of_one_cookie_scope_and_without_upstreams_are_fine() -> None:
    assert wrong(site("www.acme.example", "shop.acme.example")) == []


def test_two_sites_have_two_names() -> None:
    assert wrong(site("a.example"), site("b.example")) == [
        'site[1].name: "acme" is the name of site[0] too; write another one'
    ]


@pytest.mark.parametrize("providers", [{}, {"kissmetrics": None, "mixpanel": None}])
def test_a_site_needs_a_provider(providers: dict[str, None]) -> None:
    assert wrong({"name": "a", "domain": [{"host": "a.example"}], **providers}) == [
        'site[0]: no provider; write kissmetrics = { api_key = "…" } or mixpanel = { token = "…" }'
    ]


def test_the_rules_between_values_hold_where_other_values_are_of_a_wrong_kind() -> None:
    first = {"name": 1, "domain": [{"host": "a.example"}, "b.example", {"host": 2}], "identity": 3}
    found = wrong(first, site("a.example", identity={"cookie_domain": 5}), server=6, outbox=7)

    assert [message.split(":")[0] for message in found] == [
        "server",
        "outbox",
        "site[0]",
        "site[0].name",
        "site[0].domain[1]",
        "site[0].domain[2].host",
        "site[0].identity",
        "site[1].domain[0].host",
        "site[1].identity.cookie_domain",
    ]
