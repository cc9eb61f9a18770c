"""nginx and Caddy in front of kmproxy, with the files users get: what a browser and the origin see."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_kit import run
from deploy_origin import ASSET, PAGE, Origin, origin
from deploy_stack import HOST, Front, front, kmproxy, read_until
from needs import program

NAVIGATION = (
    *("--header", "Sec-Fetch-Dest: document"),
    *("--header", "Sec-Fetch-Mode: navigate"),
    *("--user-agent", "Mozilla/5.0 Firefox/140.0"),
)
VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    with (
        origin() as upstream,
        kmproxy(folder, upstream) as port,
        front(request.param, folder, port) as running,
    ):
        yield running


@pytest.fixture(autouse=True)
def rested() -> None:
    Origin.go_on.clear()
    Origin.left.clear()


def test_a_browser_is_offered_http_2(browser: Front) -> None:
    with browser.connected("h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"


@VERSIONS
def test_the_origin_learns_of_the_visitor_and_no_lie(version: str, browser: Front) -> None:
    lies = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil.example")
    also = ("Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6")
    said = [option for lie in (*lies, *also) for option in ("--header", lie)]
    told = run(browser.asking("/a//b/%7Ec?x=1%2C2", *said, version=version))
    assert "GET /a//b/%7Ec?x=1%2C2 HTTP/1.1" in told
    assert f"\nHost: {HOST}\n" in told
    assert "X-Forwarded-For: 127.0.0.1, 127.0.0.1" in told
    assert "X-Forwarded-Proto: https" in told
    assert f"X-Forwarded-Host: {HOST}" in told
    assert "6.6.6.6" not in told
    assert "evil" not in told
    assert "gopher" not in told


def test_many_streams_at_once_bring_what_kmproxy_gives(browser: Front, tmp_path: Path) -> None:
    ann = (*NAVIGATION, "--header", "Cookie: km_ni=ann")
    page = subprocess.check_output(browser.asking_behind("/page", *ann))
    assert page == PAGE.replace(b"%2C", b"%2C&amp;kmi=ann")

    each = ("--parallel", "--parallel-max", "100", "--write-out", "%{http_version} ")
    many = browser.asking("/{page,asset}?n=[1-60]", *ann, *each, "--output", tmp_path / "#1.#2")
    said = subprocess.check_output(many, stderr=subprocess.DEVNULL, text=True)
    assert said.split() == ["2"] * 120
    assert {path.read_bytes() for path in tmp_path.glob("page.*")} == {page}
    assert {path.read_bytes() for path in tmp_path.glob("asset.*")} == {ASSET}


def test_uploads_arrive_as_they_were_sent(browser: Front, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(ASSET * 8)
    each = ("--parallel", "--data-binary", f"@{tmp_path}/sent", "--output", f"{tmp_path}/said.#1")
    run(browser.asking("/?n=[1-10]", *each))
    said = [path.read_text() for path in tmp_path.glob("said.*")]
    assert said == [hashlib.sha256(ASSET * 8).hexdigest()] * 10


@VERSIONS
def test_events_come_one_by_one(version: str, browser: Front) -> None:
    with subprocess.Popen(browser.asking("/events", version=version), stdout=subprocess.PIPE) as curl:
        assert curl.stdout
        assert curl.stdout.readline() == b"data: first\n"
        Origin.go_on.set()
        assert curl.stdout.read() == b"\ndata: second\n\n"


@VERSIONS
def test_the_origin_works_no_more_for_who_has_left(version: str, browser: Front) -> None:
    with subprocess.Popen(browser.asking("/endless", version=version), stdout=subprocess.PIPE) as curl:
        assert curl.stdout
        assert curl.stdout.readline() == b": still there\n"
        curl.terminate()
    assert Origin.left.wait(10)


@VERSIONS
def test_a_page_cut_short_is_never_told_as_whole(version: str, browser: Front) -> None:
    if browser.name == "caddy" and _caddys_version() < (2, 8):
        pytest.skip("Caddy before 2.8 tells it as whole, as its file says")
    cut = subprocess.run(browser.asking("/cut", version=version), stdout=subprocess.PIPE, check=False)
    assert cut.stdout == PAGE
    assert cut.returncode == (92 if version == "2" else 18)  # a stream not closed cleanly, a partial file


def _caddys_version() -> tuple[int, ...]:
    numbers = run([program("caddy", "caddy"), "version"]).removeprefix("v").split(".")
    return int(numbers[0]), int(numbers[1])


def test_a_websocket_passes_both_ways(browser: Front) -> None:
    with browser.connected("http/1.1") as connection:
        offer = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n"
        connection.sendall(f"GET /chat HTTP/1.1\r\nHost: {HOST}\r\n{offer}\r\n".encode())
        assert b" 101 " in read_until(connection, b"\r\n\r\n")
        connection.sendall(ASSET + b"over")
        assert read_until(connection, b"over") == ASSET + b"over"


@VERSIONS
def test_a_cookie_is_secure_and_a_clean_url_comes_back(version: str, browser: Front) -> None:
    head = run(browser.asking("/?kmi=ann", *NAVIGATION, "--include", version=version)).lower()
    assert f"http/{version} 302 " in head
    assert "location: /\n" in head
    assert "km_ni=ann" in head
    assert "; secure" in head
    assert "ann" not in browser.logs()
