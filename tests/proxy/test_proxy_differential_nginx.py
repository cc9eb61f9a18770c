"""A real nginx, asked directly and through kmproxy: the answers are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import origin_nginx
import pytest
from differential import HOST, Pair, ask, parsed, running

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")

TEXT = "".join(f"line {number}\n" for number in range(20_000))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("nginx")
    files = folder / "files"
    (files / "list" / "sub").mkdir(parents=True)
    (files / "up").mkdir()
    for name, content in {"a.txt": TEXT, "a.css": TEXT, "empty.txt": "", "sp ace|é.txt": "odd"}.items():
        (files / name).write_text(content)
    with origin_nginx.serving(folder) as url, running(folder, url) as found:
        yield Pair(int(url.rpartition(":")[2]), found.through)


def same(pair: Pair, request: bytes) -> bytes:
    """The answer, if it is the same either way; but a page varies on who asks for it."""
    answers = [_steady(ask(port, request)) for port in (pair.direct, pair.through)]
    direct, through = map(parsed, answers)
    if (b"Content-Type", b"text/html") in direct.fields and b" 30" not in answers[0][:12]:
        direct.fields.append((b"Vary", b"Cookie"))
    assert through == direct
    return answers[0]


def _steady(answer: bytes) -> bytes:
    """Without the time and the boundary of parts, which nginx counts."""
    return re.sub(rb"(?<=\r\nDate: )[^\r]*|0{10}\d{10}", b"", answer)


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        (b"GET /a.txt", b"", 200),
        (b"GET /a.css", b"Accept-Encoding: gzip\r\n", 200),
        (b"GET /a.css", b"Accept-Encoding: br, identity;q=0\r\n", 200),
        (b"HEAD /a.txt", b"", 200),
        (b"HEAD /a.css", b"Accept-Encoding: gzip\r\n", 200),
        (b"GET /empty.txt", b"", 200),
        (b"GET /a.txt", b"Range: bytes=5-9\r\n", 206),
        (b"GET /a.txt", b"Range: bytes=0-3,-4\r\n", 206),
        (b"GET /a.txt", b"Range: bytes=999999999-\r\n", 416),
        (b"GET /a.txt", b'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\nIf-None-Match: "x"\r\n', 200),
        (b"GET /a.txt", b'If-Match: "x"\r\n', 412),
        (b"GET /sp%20ace%7C%C3%A9.txt", b"", 200),
        (b"GET /list/../a.txt", b"", 200),
        (b"GET //list//./..//a.txt?", b"", 200),
        (b"GET /..", b"", 400),
        (b"GET /%zz", b"", 400),
        (b"GET /none", b"", 404),
        (b"GET /list", b"", 301),
        (b"GET /list/", b"", 200),
        (b"GET /away", b"", 307),
        (b"GET /locked", b"", 401),
        (b"GET /teapot", b"", 418),
        (b"GET /said/%7e?a=%zz&&b", b"X-Odd: caf\xe9\r\nCookie: {a}; b\r\nCookie: c\r\n", 200),
        (b"POST /a.txt", b"Content-Length: 3\r\n", 405),
        (b"PUT /said/", b"Content-Length: 3\r\n", 200),
        (b"DELETE /up/none", b"", 404),
        (b"MKCOL /up/none", b"", 409),
        (b"OPTIONS /a.txt", b"", 405),
        (b"PROPFIND /a.txt", b"", 405),
        (b"PATCH /a.txt", b"", 405),
        (b"PUT /small", b"Content-Length: 2000\r\n", 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_nginx_answers_the_same(pair: Pair, line: bytes, fields: bytes, status: int) -> None:
    length = re.search(rb"Content-Length: (\d+)", fields)
    body = b"x" * int(length[1]) if length else b""
    answer = same(pair, line + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_an_upload_is_what_nginx_stores(pair: Pair, framing: str, expect: bytes) -> None:
    content = TEXT.encode()[:200_000]
    framed = (
        b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
        if framing == "sized"
        else b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    )
    target = b"/up/%b" % uuid4().hex.encode()
    answer = ask(pair.through, b"PUT " + target + b" HTTP/1.1\r\n" + HOST + expect + framed)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 " if expect else b"HTTP/1.1 201 ")
    assert parsed(same(pair, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")).content == content


@pytest.mark.parametrize("version", [b"HTTP/1.0\r\nConnection: keep-alive", b"HTTP/1.1"])
def test_requests_on_one_connection_are_answered_in_turn_in_any_version(pair: Pair, version: bytes) -> None:
    head = b" " + version + b"\r\nHost: a.example\r\n\r\n"
    targets = [b"/said/1", b"/said/2?x", b"/teapot", b"/said/3"]
    asked = b"".join(b"GET " + target + head for target in targets[:-1])
    asked += b"GET /said/3 HTTP/1.1\r\nConnection: close\r\nHost: a.example\r\n\r\n"
    direct, through = (
        re.findall(rb"HTTP/1\.. (\d+)|GET (/said/\S+)", ask(port, asked))
        for port in (pair.direct, pair.through)
    )
    assert through == direct
    assert len(through) == 7


def test_two_hundred_pipelined_requests_are_answered_in_turn(pair: Pair) -> None:
    asked = [b"GET /said/%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % number for number in range(200)]
    answer = ask(pair.through, b"".join(asked) + b"GET /teapot HTTP/1.1\r\n" + HOST + b"\r\n")
    assert [int(number) for number in re.findall(rb"GET /said/(\d+)", answer)] == list(range(200))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 200
