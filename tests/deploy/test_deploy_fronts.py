"""nginx and Caddy in front of kmproxy, with the files users get: what a browser and the origin see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deploy_stack import HOST, Front, Origin, front, kmproxy, origin, read_until


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    with (
        origin() as upstream,
        kmproxy(folder, upstream) as port,
        front(request.param, folder, port) as running,
    ):
        yield running


def test_a_browser_is_offered_http_2(browser: Front) -> None:
    with browser.connected("h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_the_origin_learns_of_the_visitor_and_no_lie(browser: Front) -> None:
    lies = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil.example\r\n"
    told = browser.get(
        "/a//b/%7Ec?x=1%2C2", lies + "Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
    ).decode()
    assert "GET /a//b/%7Ec?x=1%2C2 HTTP/1.1" in told
    assert f"\nHost: {HOST}\n" in told
    assert "X-Forwarded-For: 127.0.0.1, 127.0.0.1" in told
    assert "X-Forwarded-Proto: https" in told
    assert f"X-Forwarded-Host: {HOST}" in told
    assert "6.6.6.6" not in told
    assert "evil" not in told
    assert "gopher" not in told


def test_events_come_one_by_one(browser: Front) -> None:
    Origin.go_on.clear()
    with browser.connected("http/1.1") as connection:
        connection.sendall(f"GET /events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert b"first" in read_until(connection, b"data: first\n\n")
        Origin.go_on.set()
        assert b"second" in read_until(connection, b"data: second\n\n")


def test_a_cookie_is_secure_and_a_clean_url_comes_back(browser: Front) -> None:
    navigation = (
        "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nUser-Agent: Mozilla/5.0 Firefox/140.0\r\n"
    )
    answer = browser.get("/?kmi=ann", navigation)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b" 302 " in head
    assert b"location: /\r\n" in head
    assert b"km_ni=ann" in head
    assert b"; secure" in head
    assert "ann" not in browser.logs()
