"""The parser, whole, byte by byte and at every split; and the heads of requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kmproxy.messages import Headers
from kmproxy.upstream.errors import BadResponse, Disconnected
from kmproxy.upstream.message import ResponseHead, request_head
from kmproxy.upstream.parser import MAX_HEAD, Complete, Event, ResponseParser


@dataclass(frozen=True)
class Read:
    """All that came of one response."""

    head: ResponseHead | None
    body: bytes
    complete: Complete | None


def gather(events: list[Event]) -> Read:
    heads = [event for event in events if isinstance(event, ResponseHead)]
    ends = [event for event in events if isinstance(event, Complete)]
    assert len(heads) <= 1
    assert len(ends) <= 1
    assert not heads or events[0] is heads[0]
    assert not ends or events[-1] is ends[0]
    body = b"".join(event for event in events if isinstance(event, bytes))
    return Read(heads[0] if heads else None, body, ends[0] if ends else None)


def feed(method: bytes, pieces: list[bytes], eof: bool) -> Read:
    parser = ResponseParser(method)
    events: list[Event] = []
    for piece in pieces:
        if any(isinstance(event, Complete) for event in events):
            break
        events += parser.feed(piece)
    return gather(events + parser.eof() if eof else events)


def splits(wire: bytes) -> Iterator[list[bytes]]:
    yield [wire]
    yield [wire[at : at + 1] for at in range(len(wire))]
    for at in range(1, len(wire)):
        yield [wire[:at], wire[at:]]


def read(wire: bytes, method: bytes = b"GET", *, eof: bool = False) -> Read:
    """The one result of every way in which ``wire`` can arrive."""
    results = [feed(method, pieces, eof) for pieces in splits(wire)]
    assert all(result == results[0] for result in results)
    return results[0]


def refused(wire: bytes, method: bytes = b"GET") -> None:
    for pieces in splits(wire):
        with pytest.raises(BadResponse):
            feed(method, pieces, eof=False)


def cut_short(wire: bytes) -> None:
    for pieces in splits(wire):
        with pytest.raises(Disconnected):
            feed(b"GET", pieces, eof=True)


def test_a_plain_response() -> None:
    result = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    assert result.head == ResponseHead(200, b"OK", ((b"Content-Length", b"5"),), "1.1")
    assert result.body == b"hello"
    assert result.complete == Complete(reusable=True)


def test_header_bytes_stay_as_they_came() -> None:
    head = read(
        b"HTTP/1.1 200 Caf\xe9\r\n"
        b"set-COOKIE: a=1\r\nSet-Cookie: b=caf\xe9\r\nX-Empty:\r\ncontent-length: 0\r\n\r\n"
    ).head
    assert head is not None
    assert head.reason == b"Caf\xe9"
    assert head.headers == (
        (b"set-COOKIE", b"a=1"),
        (b"Set-Cookie", b"b=caf\xe9"),
        (b"X-Empty", b""),
        (b"content-length", b"0"),
    )


def test_a_status_line_without_a_reason() -> None:
    head = read(b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n").head
    assert head is not None
    assert (head.status, head.reason) == (404, b"")


def test_chunks_are_joined_and_trailers_told_apart() -> None:
    result = read(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\nX-Other: u\r\n\r\n"
    )
    assert result.body == b"hello world"
    assert result.head is not None
    assert result.head.headers == ((b"Transfer-Encoding", b"Chunked"),)
    assert result.complete == Complete(True, ((b"X-Trailer", b"t"), (b"X-Other", b"u")))


def test_many_small_chunks_in_one_read_come_as_one_piece() -> None:
    parser = ResponseParser(b"GET")
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert parser.feed(b"1\r\na\r\n" * 3) == [b"aaa"]


def test_a_body_without_length_ends_with_the_connection() -> None:
    wire = b"HTTP/1.1 200 OK\r\n\r\nhello"
    assert read(wire).complete is None
    result = read(wire, eof=True)
    assert result.body == b"hello"
    assert result.complete == Complete(reusable=False)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_body_cut_short_is_never_told_as_whole(wire: bytes) -> None:
    cut_short(wire)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: 0"]
)
def test_head_has_no_body_whatever_its_headers_say(framing: bytes) -> None:
    result = read(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n", b"HEAD")
    assert result.head is not None
    assert (result.body, result.complete) == (b"", Complete(reusable=True))


def test_head_without_length_is_complete_though_not_reusable() -> None:
    assert read(b"HTTP/1.1 200 OK\r\n\r\n", b"HEAD").complete == Complete(reusable=False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("framing", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_statuses_without_a_body(status: bytes, framing: bytes) -> None:
    result = read(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n")
    assert (result.body, result.complete) == (b"", Complete(reusable=True))


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_interim_responses_are_skipped(method: bytes) -> None:
    result = read(
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        method,
    )
    assert result.head == ResponseHead(200, b"OK", ((b"Content-Length", b"0"),), "1.1")
    assert result.complete == Complete(reusable=True)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_who_keeps_the_connection(head: bytes, reusable: bool) -> None:
    result = read(head + b"Content-Length: 2\r\n\r\nhi")
    assert result.body == b"hi"
    assert result.complete == Complete(reusable)


def test_chunks_from_http_1_0_are_read_but_not_trusted() -> None:
    result = read(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    )
    assert result.body == b"hi"
    assert result.complete == Complete(reusable=False)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"5\r\nhello"])
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
def test_bytes_after_a_response_are_no_response(method: bytes, surplus: bytes, head: bytes) -> None:
    wire = head + b"Content-Length: 0\r\n\r\n"
    for pieces in ([wire + surplus], [wire[:-1], wire[-1:] + surplus]):
        result = feed(method, pieces, eof=False)
        assert result.head is not None
        assert (result.body, result.complete) == (b"", Complete(reusable=False))


def test_a_body_sent_in_answer_to_head_is_surplus() -> None:
    result = feed(b"HEAD", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], eof=False)
    assert (result.body, result.complete) == (b"", Complete(reusable=False))


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 000 Nothing\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 2000 High\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: nul\0\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: bare line feed\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    ],
)
def test_what_is_not_http_is_refused(wire: bytes) -> None:
    refused(wire)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_length_that_can_be_read_in_two_ways_is_refused(framing: bytes, method: bytes) -> None:
    refused(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n", method)


def chopped(wire: bytes, size: int) -> list[bytes]:
    return [wire[at : at + size] for at in range(0, len(wire), size)]


TO_TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"


@pytest.mark.parametrize("size", [1_000, 1_000_000])
@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"v" * MAX_HEAD + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"v" * 1_000 + b"\r\n") * 70 + b"\r\n",
        b"HTTP/1.1 200 " + b"r" * (MAX_HEAD + 1) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: v\r\n" * 257 + b"\r\n",
        TO_TRAILERS + b"X: v\r\n" * 257 + b"\r\n",
        TO_TRAILERS + (b"X: " + b"v" * 1_000 + b"\r\n") * 70 + b"\r\n",
    ],
    ids=["value", "values", "reason", "fields", "trailers", "long-trailers"],
)
def test_a_head_beyond_its_limits_is_refused(wire: bytes, size: int) -> None:
    with pytest.raises(BadResponse, match="more than"):
        feed(b"GET", chopped(wire, size), eof=False)


@pytest.mark.parametrize(
    "endless",
    [b"HTTP/1.1 100 Continue\r\n\r\n", TO_TRAILERS + b"X: "],
    ids=["interim", "trailer"],
)
def test_an_upstream_that_never_comes_to_the_point_is_refused(endless: bytes) -> None:
    rest = endless * 3_000 if endless.endswith(b"\r\n\r\n") else b"v" * 2 * MAX_HEAD
    with pytest.raises(BadResponse, match="more than"):
        feed(b"GET", [endless, *chopped(rest, 1_000)], eof=False)


def test_a_head_within_its_limits_and_a_large_body_pass() -> None:
    fields = b"X: v\r\n" * 254 + b"Y: " + b"v" * 60_000 + b"\r\nContent-Length: 1000000\r\n\r\n"
    wire = b"HTTP/1.1 200 OK\r\n" + fields + b"b" * 1_000_000
    for size in (1_000, 10_000_000):
        assert len(feed(b"GET", chopped(wire, size), eof=False).body) == 1_000_000


def test_a_request_head_keeps_its_bytes() -> None:
    headers: Headers = ((b"hOsT", b"a.example"), (b"X", b"caf\xe9"), (b"X", b""))
    assert request_head(b"GET", b"/a/../b?%7E=|#", headers) == (
        b"GET /a/../b?%7E=|# HTTP/1.1\r\nhOsT: a.example\r\nX: caf\xe9\r\nX: \r\n\r\n"
    )


@pytest.mark.parametrize("evil", [b"\r", b"\n", b"\0", b"\r\n", b"\r\nX: y", b"\r\n\r\nGET / HTTP/1.1"])
def test_no_part_of_a_request_head_can_break_out_of_it(evil: bytes) -> None:
    good = (b"GET", b"/", b"name", b"value")
    for at in range(4):
        method, target, name, value = (part + evil if i == at else part for i, part in enumerate(good))
        with pytest.raises(ValueError, match=r"CR, LF or NUL|holds a space"):
            request_head(method, target, ((name, value),))


@pytest.mark.parametrize(
    ("method", "target"), [(b"GET /evil", b"/"), (b"GET", b"/ HTTP/1.1 x"), (b"GET", b"/a b")]
)
def test_a_request_line_has_three_words(method: bytes, target: bytes) -> None:
    with pytest.raises(ValueError, match=r"CR, LF or NUL|holds a space"):
        request_head(method, target, ())


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"


@pytest.mark.parametrize("cut", range(0, len(SWITCH) + 2, 7))
def test_what_follows_a_switch_is_the_new_protocols_however_it_is_cut(cut: int) -> None:
    wire = SWITCH % b"foo/2" + b"HTTP/1.1 200"
    parser = ResponseParser(b"GET", upgrade=b"bar, Foo/2")
    first = parser.feed(wire[:cut]) if cut else []
    events = [*first, *(parser.feed(wire[cut:]) if not first else [wire[cut:]])]
    assert isinstance(events[0], ResponseHead)
    assert events[0].status == 101
    assert b"".join(event for event in events if isinstance(event, bytes)) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("offered", "wire"),
    [
        (b"", SWITCH % b"foo"),
        (b"foo", SWITCH % b"bar"),
        (b"foo", SWITCH % b"foo, bar"),
        (b"foo", b"HTTP/1.1 101 \r\nUpgrade: foo\r\n\r\n"),
        (b"foo", b"HTTP/1.1 101 \r\nConnection: upgrade\r\n\r\n"),
    ],
)
def test_a_switch_that_was_not_offered_is_refused(offered: bytes, wire: bytes) -> None:
    with pytest.raises(BadResponse):
        ResponseParser(b"GET", upgrade=offered).feed(wire)


def test_each_interim_response_but_100_is_told() -> None:
    told: list[ResponseHead] = []
    wire = b"HTTP/1.1 100 \r\nA: b\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n"
    events = ResponseParser(b"GET", interim=told.append).feed(wire)
    assert told == [ResponseHead(103, b"Early", ((b"Link", b"x"),), "1.1")]
    assert events[0] == ResponseHead(204, b"", (), "1.1")
