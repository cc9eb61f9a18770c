"""What kmproxy does not mean to change does not change: the same asked directly and through it, compared."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from differential import HOST, ScriptedPair, ask, running

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedPair]:
    with running(tmp_path_factory.mktemp("differential")) as found:
        yield found


METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
    "MKACTIVITY",
    "CHECKOUT",
    "MERGE",
    "M-SEARCH",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "PURGE",
    "MKCALENDAR",
    "LINK",
    "UNLINK",
    "ACL",
    "BIND",
]


@pytest.mark.parametrize("method", METHODS)
def test_every_registered_method_passes(pair: ScriptedPair, method: str) -> None:
    direct, through = pair.requests(f"{method} /x HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert through == direct


TARGETS = [
    *("/", "//", "//a", "///a//b", "/a?", "/a??b", "/a?b=", "/?", "/%zz", "/%", "/a/../b", "/a/./b/.", "/.."),
    *("/a|b", "/%7Euser/%41%2f", "/?a=1%2C2&flag&;u=%E9", "/[]{}^`\\", '/"<>', "/a;p=1/b;q", "/a:b@c", "/*"),
    *(
        "/a+b?c+d",
        "/?http://b.example/?x",
        "/http://b.example/",
        "/a#b",
        "/?a#b",
        "/" + "a" * 20_000,
        "/@evil",
    ),
    *("/%00", "/%0d%0a", "/a=b&c", "/?q=a/b?c", "/~!$&'()*+,;=:@-._"),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:30])
def test_every_odd_target_passes(pair: ScriptedPair, target: str) -> None:
    direct, through = pair.requests(f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert through == direct


def test_the_server_as_a_whole_can_be_asked_for_its_options(pair: ScriptedPair) -> None:
    direct, through = pair.requests(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")
    assert through == direct


@pytest.mark.parametrize("form", ["http://a.example/x?y#z", "HTTP://A.example/x?y#z"])
def test_absolute_form_is_asked_for_as_origin_form(pair: ScriptedPair, form: str) -> None:
    direct, through = pair.requests(f"GET {form} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert through == direct._replace(start=[b"GET", b"/x?y#z"])


FIELDS = [
    b"X-Empty:\r\n",
    b"x-lower: 1\r\nX-TWICE: a\r\nx-Twice: b\r\nX-Twice:\r\n",
    b"!#$%&'*+.^`|~: token\r\n",
    b"X-Inner: a \t b,  c\r\n",
    b"X-Bytes: " + bytes([9, *range(32, 127), *range(128, 256)]) + b".\r\n",
    b"X-Utf8: \xf0\x9f\x90\x99\r\n",
    b'Cookie: {bad}; [x]=1; n; a b="c\\054"; =; km_x\r\nCookie: second=1\r\n',
    b"Cookie: " + b"x" * 30_000 + b"\r\n",
    b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(200)),
    b'Accept-Encoding: br;q=0, zstd, *\r\nRange: bytes=0-,5-9\r\nIf-Range: "x"\r\n',
    b'If-None-Match: "x", W/"y"\r\nIf-Modified-Since: then\r\n',
    b"User-Agent:\r\nAccept:\r\nReferer: about:blank\r\nOrigin: null\r\n",
    b"Authorization: Basic eDp5\r\nDate: never\r\nVia: 1.0 fred\r\nMax-Forwards: 0\r\nTraceparent: 00\r\n",
]


@pytest.mark.parametrize("fields", FIELDS, ids=lambda fields: fields[:12])
def test_request_fields_keep_case_order_duplicates_and_bytes(pair: ScriptedPair, fields: bytes) -> None:
    direct, through = pair.requests(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    assert through == direct


def test_a_write_that_may_only_create_is_still_told_so(pair: ScriptedPair) -> None:
    direct, through = pair.requests(
        b"PUT / HTTP/1.1\r\n" + HOST + b'If-None-Match: *\r\nIf-Match: "x"\r\n\r\n'
    )
    assert through == direct


BODY = bytes(range(256)) * 150
UPLOADS = {
    "sized": b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "empty": b"Content-Length: 0\r\n\r\n",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "empty chunked": b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk extensions": b'Transfer-Encoding: chunked\r\n\r\n3;a="b";c\r\nabc\r\n0;d\r\n\r\n',
    "compressed": b"Content-Encoding: gzip\r\nContent-Length: 23\r\n\r\n" + gzip.compress(b"abc", mtime=0),
    "wrongly told compressed": b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "both": b"Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("upload", UPLOADS)
def test_request_bodies_pass_however_they_are_framed(pair: ScriptedPair, method: str, upload: str) -> None:
    direct, through = pair.requests(f"{method} / HTTP/1.1\r\n".encode() + HOST + UPLOADS[upload])
    assert through == direct


def test_every_status_passes_with_its_reason_fields_and_body(pair: ScriptedPair) -> None:
    differing = []
    for status in range(200, 600):
        body = b"" if status in (204, 304) else b"Content-Length: 3\r\n\r\nabc"
        head = b"HTTP/1.1 %d Odd Reason %d\r\nX-A: 1\r\nLocation: /x\r\n" % (status, status)
        direct, through = pair.answers_of(head + (body or b"\r\n"))
        if through != direct:
            differing.append((direct, through))
    assert differing == []


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"Content-Length: 2\r\n\r\nok"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "without a reason": b"HTTP/1.1 200 \r\n" + SIZED,
    "with an odd reason": b"HTTP/1.1 299 Tr\xe8s  bien!\t:\r\n" + SIZED,
    "without a type": OK + SIZED,
    "without any field": OK + b"Connection: close\r\n\r\nok",
    "with fields twice": OK
    + b"Set-Cookie: a=1\r\nX: 1\r\nset-cookie: b=2\r\nX: 2\r\nSet-Cookie: a=1\r\n"
    + SIZED,
    "with odd names": OK + b"x-empty:\r\n!#$%&'*+.^_`|~: 1\r\nETAG: W/x\r\ncontent-LENGTH: 2\r\n\r\nok",
    "with odd bytes": OK + b"X-B: " + bytes([9, *range(32, 127), *range(128, 256)]) + b".\r\n" + SIZED,
    "with a name in latin-1": OK + b'Content-Disposition: attachment; filename="caf\xe9.txt"\r\n' + SIZED,
    "with many fields": OK + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + SIZED,
    "with a long field": OK + b"Content-Security-Policy: " + b"x" * 30_000 + b"\r\n" + SIZED,
    "with what servers say": OK
    + b"Server: x\r\nDate: never\r\nVia: 1.0 fred\r\nAge: 1\r\nRefresh: 5\r\n"
    + SIZED,
    "with validators": OK
    + b'ETag: "1"\r\nContent-MD5: x\r\nAccept-Ranges: bytes\r\nLast-Modified: -\r\n'
    + SIZED,
    "chunked": OK + CHUNKED + b"1\r\na\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "chunked, of no bytes": OK + CHUNKED + b"0\r\n\r\n",
    "chunked, with all the trimmings": OK + CHUNKED + b'2;a="b"\r\nok\r\n0;x\r\nX-Trailer: 1\r\n\r\n',
    "close-delimited": OK + b"Connection: close\r\n\r\n" + BODY,
    "close-delimited, of no bytes": OK + b"Connection: close\r\n\r\n",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\n" + BODY,
    "compressed": OK
    + b"Content-Encoding: gzip\r\nContent-Length: 23\r\n\r\n"
    + gzip.compress(b"abc", mtime=0),
    "told to be compressed": OK + b"Content-Encoding: gzip\r\n" + SIZED,
    "in an unknown coding": OK + b"Content-Encoding: x-odd\r\n" + SIZED,
    "of parts": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\n" + SIZED,
    "not modified, with a length": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1234\r\n\r\n',
    "a redirect elsewhere": b"HTTP/1.1 302 Found\r\nLocation: HTTP://b.example:99/../x?%zz#f\r\n" + SIZED,
    "a page that is none": OK + b"Content-Type: text/plain\r\nContent-Length: 36\r\n\r\n"
    b'<a href="http://b.example/">b</a>\xff\r\0',
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_pass_however_odd_they_are(pair: ScriptedPair, answer: str) -> None:
    direct, through = pair.answers_of(ANSWERS[answer])
    assert through == direct


@pytest.mark.parametrize(
    "answer", ["chunked", "close-delimited", "compressed", "of HTTP/1.0", "with fields twice"]
)
def test_a_client_of_http_1_0_gets_the_same_content(pair: ScriptedPair, answer: str) -> None:
    direct, through = pair.answers_of(ANSWERS[answer], b"GET / HTTP/1.0\r\n")
    assert through == direct


@pytest.mark.parametrize("framing", [b"Content-Length: 1234\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_the_answer_to_head_has_the_fields_of_the_one_to_get(pair: ScriptedPair, framing: bytes) -> None:
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nX: 1\r\n" + framing + b"\r\n"
    pair.upstream.reply = reply
    answer = ask(pair.through, b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
    length = framing if framing.startswith(b"Content-Length") else b""
    assert answer == b"HTTP/1.1 200 OK\r\nX: 1\r\n" + length + b"Connection: close\r\n\r\n"
