"""A request that can be read in two ways goes nowhere: raw bytes to ``kmproxy serve``, on both parsers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from raw import OK, Served, serving

HOST = b"Host: a.example\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module", params=["in C", "in Python"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"AIOHTTP_NO_EXTENSIONS": "1"} if request.param == "in Python" else {}
    with serving(tmp_path_factory.mktemp("raw"), **environment) as served:
        yield served


@pytest.fixture
def served(running: Served) -> Served:
    running.origin.received.clear()
    running.origin.answer = OK
    return running


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def field(line: bytes) -> bytes:
    return get(fields=HOST + line + b"\r\n")


REFUSED = {
    # Two lengths, or one that is none (RFC 9112 §6.3).
    "length-and-chunks": (post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "chunks-and-length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"), 400),
    "two-lengths": (post(b"Content-Length: 0", b"Content-Length: 44", body=NEXT), 400),
    "one-length-twice": (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 400),
    "a-list-of-lengths": (post(b"Content-Length: 3, 3", body=b"abc"), 400),
    "a-signed-length": (post(b"Content-Length: +3", body=b"abc"), 400),
    "a-negative-length": (post(b"Content-Length: -3", body=b"abc"), 400),
    "a-length-in-hex": (post(b"Content-Length: 0x3", body=b"abc"), 400),
    "a-length-in-words": (post(b"Content-Length: 3 3", body=b"abc"), 400),
    "a-length-of-nothing": (post(b"Content-Length:", body=NEXT), 400),
    "a-length-beyond-64-bits": (post(b"Content-Length: 18446744073709551617", body=b"abc"), (400, 413)),
    "a-length-of-5000-digits": (post(b"Content-Length: 1" + b"0" * 5000, body=b"abc"), (400, 413)),
    "two-spellings-of-length": (post(b"Content-Length: 0", b"content-length: 44", body=NEXT), 400),
    # Transfer codings (RFC 9112 §6.1, §7).
    "gzip-then-chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    "chunked-twice": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), (400, 501)),
    "chunked-not-last": (post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), 400),
    "identity": (post(b"Transfer-Encoding: identity", b"Content-Length: 3", body=b"abc"), 400),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "chunked-in-quotes": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 400),
    "chunked-with-a-parameter": (post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"), 400),
    "chunked-after-a-vertical-tab": (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    "no-coding": (post(b"Transfer-Encoding:", b"Content-Length: 3", body=b"abc"), 400),
    "two-codings": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"), 400),
    "chunks-in-http-1.0": (
        b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
        400,
    ),
    # Chunks.
    "a-chunk-size-that-is-none": (chunked(b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    "no-chunk-size": (chunked(b"\r\nabc\r\n0\r\n\r\n"), 400),
    "a-negative-chunk-size": (chunked(b"-1\r\nabc\r\n0\r\n\r\n"), 400),
    "a-signed-chunk-size": (chunked(b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    "a-chunk-size-with-0x": (chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "a-chunk-size-with-a-space": (chunked(b"3 \r\nabc\r\n0\r\n\r\n"), 400),
    "a-chunk-longer-than-its-size": (chunked(b"3\r\nabcd\r\n0\r\n\r\n"), 400),
    "a-chunk-without-its-end": (chunked(b"3\r\nabc0\r\n\r\n" + NEXT), 400),
    "a-chunk-size-ended-by-lf": (chunked(b"3\nabc\r\n0\r\n\r\n"), 400),
    "a-chunk-ended-by-lf": (chunked(b"3\r\nabc\n0\r\n\r\n"), 400),
    "a-chunk-extension-with-lf": (chunked(b"3;x\nabc\r\n0\r\n\r\n" + NEXT), 400),
    # Lines and fields (RFC 9112 §2.2, §5).
    "lines-ended-by-lf": (b"GET / HTTP/1.1\nHost: a.example\n\n", 400),
    "one-line-ended-by-lf": (b"GET / HTTP/1.1\r\nHost: a.example\nX: 1\r\n\r\n", 400),
    "lines-ended-by-cr": (b"GET / HTTP/1.1\rHost: a.example\r\r\r\n\r\n", 400),
    "a-bare-cr": (field(b"X: a\rb"), 400),
    "a-folded-field": (field(b"X: a\r\n b"), 400),
    "a-folded-framing-field": (post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), 400),
    "a-folded-first-field": (get(fields=b" X: 1\r\n" + HOST), 400),
    "a-space-before-the-colon": (post(b"Content-Length : 3", body=b"abc"), 400),
    "a-space-before-a-name": (field(b"X: 1\r\n\tY: 2"), 400),
    "a-space-in-a-name": (field(b"X Y: 1"), 400),
    "markup": (b"GET /<script>alert(1)</script> HTTP/1.1\r\n<script>\r\n\r\n", 400),
    "a-field-without-a-name": (field(b": 1"), 400),
    "a-field-without-a-colon": (field(b"X"), 400),
    "a-null-in-a-value": (field(b"X: a\0b"), 400),
    "a-null-in-a-name": (field(b"X\0Y: a"), 400),
    "a-control-in-a-value": (field(b"X: a\x01b"), 400),
    "delete-in-a-value": (field(b"X: a\x7fb"), 400),
    # The request line (RFC 9112 §3).
    "a-tab": (get(b"GET\t/ HTTP/1.1"), 400),
    "a-space-in-the-target": (get(b"GET /a b HTTP/1.1"), 400),
    "a-null-in-the-target": (get(b"GET /\0 HTTP/1.1"), 400),
    "no-version": (b"GET /\r\n\r\n", (400, 505)),
    "http-0.9": (get(b"GET / HTTP/0.9"), (400, 505)),
    "http-1.2": (get(b"GET / HTTP/1.2"), (400, 505)),
    "http-2.0": (get(b"GET / HTTP/2.0"), 505),
    "http-3.0": (get(b"GET / HTTP/3.0"), (400, 505)),
    "http-11": (get(b"GET / HTTP/11"), 400),
    "lower-case-http": (get(b"GET / http/1.1"), 400),
    "http-2s-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 505)),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no-target": (get(b"GET HTTP/1.1"), 400),
    "a-relative-target": (get(b"GET a/b HTTP/1.1"), 400),
    "an-asterisk": (get(b"GET * HTTP/1.1"), 400),
    "connect": (get(b"CONNECT a.example:443 HTTP/1.1") + NEXT, 405),
    "trace": (get(b"TRACE / HTTP/1.1", HOST + b"Connection: close\r\n"), 405),
    # Who is asked (RFC 9112 §3.2).
    "no-host": (get(fields=b""), 400),
    "no-host-in-http-1.0": (get(b"GET / HTTP/1.0", b""), 421),
    "two-hosts": (get(fields=HOST + b"Host: b.example\r\n"), 400),
    "one-host-twice": (get(fields=HOST + HOST), 400),
    "an-empty-host": (get(fields=b"Host:\r\nConnection: close\r\n"), 421),
    "an-absolute-form-of-another-host": (get(b"GET http://evil.example/ HTTP/1.1"), 400),
    "an-absolute-form-that-goes-on": (get(b"GET http://a.example.evil.example/ HTTP/1.1"), 400),
    "an-absolute-form-with-a-user": (get(b"GET http://a.example@evil.example/ HTTP/1.1"), 400),
    "an-absolute-form-of-another-scheme": (get(b"GET ftp://a.example/ HTTP/1.1"), 400),
    **{
        f"host-{host.decode()}": (get(fields=b"Host: " + host + b"\r\nConnection: close\r\n"), (400, 421))
        for host in (
            *(b"evil.example", b"a.example, evil.example", b"a.example@evil.example", b"a.example/evil"),
            *(b"a.example:evil", b"a.example:80:80", b"http://a.example", b"[a.example]", b"a.example#"),
            *(b'"><b>.wild.example', b"evil/.wild.example", b"evil@.wild.example", b"a b.wild.example"),
        )
    },
    # Limits.
    "a-long-request-line": (get(b"GET /" + b"a" * 40_000 + b" HTTP/1.1"), 414),
    "an-endless-request-line": (b"GET /" + b"a" * 40_000, 414),
    "a-long-field": (field(b"X: " + b"a" * 40_000), 431),
    "an-endless-field": (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
    "a-long-name": (field(b"a" * 40_000 + b": 1"), 431),
    "many-fields": (field(b"\r\n".join([b"X: 1"] * 300)), 431),
    "a-long-body": (post(b"Content-Length: 100001", body=b"a" * 100_001), 413),
    "a-long-body-in-chunks": (chunked(b"186a1\r\n" + b"a" * 100_001 + b"\r\n0\r\n\r\n"), 413),
    "a-chunk-beyond-64-bits": (chunked(b"f" * 17 + b"\r\n" + b"a" * 100_001), (400, 413)),
    "a-long-body-to-come": (
        post(b"Content-Length: 100001", b"Expect: 100-continue", b"Connection: close"),
        413,
    ),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_can_be_read_in_two_ways_goes_nowhere(
    sent: bytes, status: int | tuple[int, ...], served: Served
) -> None:
    answer = served.send(sent)
    statuses = [int(code) for code in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3}) ", answer)]
    assert len(statuses) == 1
    assert statuses[0] in (status if isinstance(status, tuple) else (status,))
    assert served.origin.received == []


@pytest.mark.parametrize("line", [b"CONNECT a.example:443 HTTP/1.1", b"TRACE / HTTP/1.1"])
def test_who_uses_a_method_that_is_not_allowed_is_told_which_are(line: bytes, served: Served) -> None:
    answer = served.send(get(line))
    assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert answer.count(b"\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n") == 1


BROKEN = {
    "size": b"zz\r\n",
    "end": b"3\r\nabcd\r\n",
    "line-feed": b"3\n",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_body_that_breaks_once_it_is_under_way_is_never_told_as_whole(
    broken: bytes, served: Served
) -> None:
    answer = served.send(chunked(b"5\r\nbegun\r\n"), broken, b"0\r\n\r\n", NEXT)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert served.origin.received == []


ACCEPTED = {
    "chunk-extensions": (chunked(b'3;a=b;c="d"\r\nabc\r\n0;e\r\n\r\n'), b"3\r\nabc\r\n0\r\n\r\n"),
    "trailers": (chunked(b"3\r\nabc\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"), b"3\r\nabc\r\n0\r\n\r\n"),
    "leading-zeros": (chunked(b"0003\r\nabc\r\n0\r\n\r\n"), b"3\r\nabc\r\n0\r\n\r\n"),
    "a-tab-before-a-value": (post(b"Content-Length:\t3", body=b"abc"), b"abc"),
    "spaces-after-a-value": (post(b"Content-Length: 3 \t", body=b"abc"), b"abc"),
    "an-empty-line-first": (b"\r\n" + post(b"Content-Length: 3", body=b"abc"), b"abc"),
}


@pytest.mark.parametrize(("sent", "body"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_can_be_read_in_one_way_only_is_told_in_plain_framing(
    sent: bytes, body: bytes, served: Served
) -> None:
    answer = served.send(sent, get(fields=HOST + b"Connection: close\r\n"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    first, second = served.origin.received
    assert first.partition(b"\r\n\r\n")[2] == body
    assert first.lower().count(b"content-length") + first.lower().count(b"transfer-encoding") == 1
    assert second.startswith(b"GET / HTTP/1.1\r\n")


def test_names_that_become_the_proxys_own_in_an_app_are_dropped(served: Served) -> None:
    names = b"X_Forwarded_For X_FORWARDED-Host X-Forwarded_Proto X_Real_IP X_KM_Identity X-KM_Anonymous-ID"
    others = (
        b"X_Forwarded_User Transfer_Encoding Proxy_Authorization X-Forwarded-Ssl Forwarded True-Client-IP"
    )
    kept = b"X_Own: 1\r\nUser_Agent: x\r\n"
    evil = b"".join(name + b": evil\r\n" for name in (names + b" " + others).split())
    served.send(get(fields=HOST + evil + kept + b"Connection: close\r\n"))
    [request] = served.origin.received
    assert b"evil" not in request
    assert kept in request
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in request


SPLITTING = {
    "cr-in-a-value": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "lf-in-a-value": b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "null-in-a-value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "cr-in-the-reason": b"HTTP/1.1 200 O\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "lf-in-the-reason": b"HTTP/1.1 200 O\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "a-folded-field": b"HTTP/1.1 200 OK\r\nX: a\r\n Set-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\nok",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "a-large-head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "many-fields": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300 + b"Content-Length: 2\r\n\r\nok",
    "no-http": b"SSH-2.0-OpenSSH_9.2 bob@10.0.0.5\r\n\r\n",
    "a-switch-nobody-asked-for": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


@pytest.mark.parametrize("answer", SPLITTING.values(), ids=SPLITTING.keys())
def test_an_answer_that_can_be_read_in_two_ways_is_a_bad_gateway(answer: bytes, served: Served) -> None:
    served.origin.answer = answer
    got = served.send(get(fields=HOST + b"Connection: close\r\n"))
    assert got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"evil" not in got


def test_what_a_visitor_writes_in_a_link_can_not_split_the_answer(served: Served) -> None:
    browser = (
        b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nUser-Agent: Mozilla/5.0 Firefox/140.0\r\n"
    )
    for value in (b"%0d%0aSet-Cookie:evil=1", b"a%0aevil:1", b"a%00", b"%E5%98%8A%E5%98%8Devil:1"):
        line = b"GET /?kmi=" + value + b"&next=1 HTTP/1.1"
        answer = served.send(get(line, HOST + browser + b"Connection: close\r\n"))
        head = answer.partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 302 Found\r\nLocation: /?next=1\r\n")
        assert not re.search(rb"(?im)^(set-cookie: ?)?evil", head)
        assert set(re.findall(rb"[\r\n\0]+", head)) == {b"\r\n"}


def test_no_answer_and_no_log_tells_of_code_addresses_or_people(served: Served) -> None:
    person = b"Cookie: km_ni=bob%40person.example\r\nReferer: http://a.example/?kmi=bob%40person.example\r\n"
    answers = [served.send(sent.replace(HOST, HOST + person, 1)) for sent, _ in REFUSED.values()]
    for answer in SPLITTING.values():
        served.origin.answer = answer
        answers.append(served.send(get(fields=HOST + person + b"Connection: close\r\n")))
    dead = get(b"GET /?kmi=bob%40person.example HTTP/1.1", b"Host: dead.example\r\nConnection: close\r\n")
    answers.append(served.send(dead.replace(b"\r\n\r\n", b"\r\n" + person + b"\r\n")))
    assert answers[-1].startswith(b"HTTP/1.1 502 ")
    for told in (*answers, served.log.read_bytes()):
        for word in (
            b"Traceback",
            b'File "',
            b"aiohttp",
            b"script",
            b"uvloop",
            b"Python/",
            b"bob",
            b"127.0.0.1",
            b"10.0.0.5",
        ):
            assert word not in told
        assert str(served.origin.port).encode() not in told
        assert str(served.dead).encode() not in told
