"""OpenTelemetry: a span for each request, and nobody in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_found_out import LOGIN, PATHS, come
from proxy_spans import SpanKind, Spans, instrumented, said, traceparent
from wire import BROWSER, Upstream, config, proxy, read_request, site, split

from kmproxy.admin.metrics import Metrics
from kmproxy.outbox.vendor import Vendors
from kmproxy.proxy import tracing
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.tracking import TrackingCall
from kmproxy.visit import Arrival, Departure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok"
TRACE, PARENT = "1" * 32, "2" * 16
LED = f"traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=b\r\nbaggage: c=d\r\n".encode()
ZOE = b"Cookie: km_ni=zoe%40acme.example\r\n"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    with instrumented(monkeypatch) as spans:
        yield spans


def _of(received: bytes) -> list[bytes]:
    """The headers of a request that are of traces."""
    return sorted(line for line in split(received)[1] if line[:5].lower() in (b"trace", b"bagga"))


async def test_without_the_agent_there_are_no_spans_and_those_of_others_pass(tmp_path: Path) -> None:
    assert tracing.spans() is None
    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)))) as p,
    ):
        await p.get("a.example", headers=LED)
    assert _of(up.received[0]) == sorted(LED.split(b"\r\n")[:-1])


async def test_a_request_is_a_span_between_its_clients_and_its_upstreams(
    tmp_path: Path, spans: Spans
) -> None:
    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)))) as p,
    ):
        await p.get("A.example:81", "/x/y?a=b", LED + b"User-Agent: me\r\nX-Forwarded-Proto: https\r\n")
        await p.get("a.example")
    led, root = spans.ended
    assert led.name == "GET"
    assert led.parent
    assert (led.parent.trace_id, led.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))
    assert root.parent is None
    assert _of(up.received[0]) == [b"baggage: c=d", traceparent(led) + b"01", b"tracestate: a=b"]
    assert [line[: len(traceparent(root))] for line in _of(up.received[1])] == [traceparent(root)]
    old = ("http.method", "http.host", "http.target", "http.url", "http.status_code", "http.user_agent")
    assert said(led, *old) == ["GET", "a.example", "/x/y?a=b", "https://a.example/x/y?a=b", 200, "me"]
    new = ("http.request.method", "server.address", "url.path", "url.query", "http.response.status_code")
    assert said(led, *new, "url.scheme") == ["GET", "a.example", "/x/y", "a=b", 200, "https"]


async def test_what_is_not_sampled_is_no_span_and_its_trace_goes_on(tmp_path: Path, spans: Spans) -> None:
    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)))) as p,
    ):
        await p.get("a.example", "/zoe", f"Traceparent: 00-{TRACE}-{PARENT}-00\r\n".encode())
    assert spans.ended == []
    (led,) = _of(up.received[0])
    assert led.startswith(f"traceparent: 00-{TRACE}-".encode())
    assert led.endswith(b"-00")
    assert PARENT.encode() not in led


@pytest.mark.parametrize(
    ("request_line", "host", "told"),
    [
        (b"GET /", b"nobody.example", (421, "unserved.invalid", "/")),
        (b"TRACE /x", b"a.example", (405, "a.example", "/x")),
        (b"GET /", b"down.example", (502, "down.example", "/")),
        (b"GET /y", b"shop.wild.example", (502, "*.wild.example", "/y")),
        (b"GET http://a.example/z?kmi=x", b"a.example", (200, "a.example", "/z")),
        (b"OPTIONS *", b"a.example", (200, "a.example", "/")),
        (b"GET //evil.example/[x", b"a.example", (200, "a.example", "/evil.example/[x")),
    ],
)
async def test_whatever_is_answered_is_a_span(
    request_line: bytes, host: bytes, told: tuple[int, str, str], tmp_path: Path, spans: Spans
) -> None:
    down = "http://127.0.0.1:9"
    async with Upstream(OK % b"").listening() as up:
        hosts = (("a.example", up.url), ("down.example", down), ("*.wild.example", down))
        async with proxy(config(tmp_path, site(*hosts))) as p:
            answer = await p.send(request_line + b" HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host)
    assert int(answer[9:12]) == told[0]
    (span,) = spans.ended
    assert tuple(said(span, "http.status_code", "http.host", "url.path")) == told
    assert span.status.is_ok is (told[0] < 500)


async def test_whoever_is_known_before_or_after_is_in_no_span_and_no_metric(
    tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("REQUEST", "RESPONSE"):
        monkeypatch.setenv(f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_{side}", ".*")
    login = OK % (LOGIN + b"X-Echo: eve@acme.example\r\n")
    async with Upstream(login).listening() as up:
        hosts = (("a.example", up.url), ("b.example", None), ("*.wild.example", up.url))
        mixpanel = {"token": "t", "endpoint": "http://127.0.0.1:9"}
        async with proxy(config(tmp_path, site(*hosts, mixpanel=mixpanel))) as p:
            link = b"Referer: https://b.example/zoe@acme.example?kmi=zoe%40acme.example\r\n"
            await p.get("a.example", "/u/zoe@acme.example?q=zoe%40acme.example", ZOE + BROWSER + link)
            await p.get("a.example", "/", ZOE + b"User-Agent: zoe@acme.example\r\n" + link)
            await p.get("zoe.wild.example", "/", b"Cookie: km_ni=zoe\r\nbaggage: a=zoe\r\n")
            await p.send(b"zoe GET / HTTP/1.1\r\n\r\n")
            await p.send(b"ZOE /%b HTTP/1.1\r\nHost: a.example\r\nCookie: km_ni=zoe\r\n\r\n" % b"x/" * 2)
            await p.get("nobody.example", "/?kmi=zoe&distinct_id=zoe", BROWSER)
            await come(p)
    targets = [said(span, "http.target")[0] for span in spans.ended if span.kind is SpanKind.SERVER]
    assert targets[0] == "/u/[redacted]?q=[redacted]"
    assert targets[-3:] == PATHS
    begun, ended, counted = spans.told()
    assert "http.server.request.duration" in counted
    for secret in ("zoe", "ZOE", "Bought", "1234-abcd"):
        assert secret not in begun + ended + counted
    for secret in ("bob@", "eve@"):  # of whom nobody knows before the arrival and the login
        assert secret not in ended + counted


async def test_a_fault_of_our_own_is_a_500_without_a_word_of_it(tmp_path: Path, spans: Spans) -> None:
    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url))), _Failing()) as p,
    ):
        assert (await p.get("a.example", headers=ZOE)).startswith(b"HTTP/1.1 500")
    (span,) = spans.ended
    assert said(span, "http.status_code", "error.type") == [500, "500"]
    assert not span.status.is_ok
    assert span.events == ()
    assert "acme" not in "".join(spans.told())


class _Failing(Metrics):
    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        raise ValueError("zoe@acme.example")


async def test_a_head_that_can_not_leave_is_told_as_what_the_client_gets(
    tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(self: Outgoing, request: object) -> None:
        monkeypatch.undo()
        raise ValueError("a part of the response's head holds CR, LF or NUL")

    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)))) as p,
    ):
        monkeypatch.setattr(Outgoing, "begin", begin)
        assert (await p.get("a.example")).startswith(b"HTTP/1.1 500")
    assert said(spans.ended[0], "http.status_code") == [500]


async def test_a_client_that_leaves_is_a_499(tmp_path: Path, spans: Spans) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    asked = asyncio.Event()
    async with Upstream(silent).listening() as up, proxy(config(tmp_path, site(("a.example", up.url)))) as p:
        async with p.connection() as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            await asked.wait()
        await up.closed.wait()
    assert said(spans.ended[0], "http.status_code") == [499]


@pytest.mark.parametrize(
    ("ask", "answer", "status"),
    [
        (b"Connection: close\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1", 200),
        (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x011",
            101,
        ),
    ],
    ids=["event stream", "WebSocket"],
)
async def test_a_span_ends_when_what_is_streamed_ends(
    ask: bytes, answer: bytes, status: int, tmp_path: Path, spans: Spans
) -> None:
    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await may_end.wait()

    may_end = asyncio.Event()
    async with (
        Upstream(stream).listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)))) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n%b\r\n" % ask)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(answer.partition(b"\r\n\r\n")[2])
        assert spans.ended == []
        may_end.set()
        if status == 101:
            writer.write_eof()
        await reader.read()
    assert said(spans.ended[0], "http.status_code") == [status]


async def test_a_reload_goes_on_with_spans(tmp_path: Path, spans: Spans) -> None:
    async with Upstream(OK % b"").listening() as up:
        settings = config(tmp_path, site(("a.example", up.url)))
        async with proxy(settings) as p:
            log = str(tmp_path / "access.log")
            await p.server.reload(config(tmp_path, site(("b.example", up.url)), access_log=log))
            await p.get("b.example", "/u/zoe@acme.example", ZOE)
    assert said(spans.ended[0], "http.host", "url.path") == ["b.example", "/u/[redacted]"]


async def test_what_is_excluded_is_no_span_and_those_of_others_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_AIOHTTP_SERVER_EXCLUDED_URLS", "^/quiet$")
    with instrumented(monkeypatch) as spans:
        async with (
            Upstream(OK % b"").listening() as up,
            proxy(config(tmp_path, site(("a.example", up.url)))) as p,
        ):
            await p.get("a.example", "/quiet?kmi=zoe", LED)
        assert spans.ended == []
    assert _of(up.received[0]) == sorted(LED.split(b"\r\n")[:-1])


async def test_a_tracking_call_is_a_span_unless_its_url_tells_of_the_visitor(spans: Spans) -> None:
    async with Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").listening() as vendor:
        vendors = Vendors()
        json = (("Content-Type", "application/json"),)
        body = b'[{"event":"e","properties":{"distinct_id":"zoe"}}]'
        mixpanel = TrackingCall("mixpanel", "zoe", "POST", f"{vendor.url}/track?ip=0", json, body)
        # A path that a line of calls can't take: it goes by aiohttp's client.
        kissmetrics = TrackingCall("kissmetrics", "zoe", "GET", f"{vendor.url}?_p=zoe&_n=e")
        for call in (mixpanel, kissmetrics):
            assert [verdict.outcome for verdict in await vendors.send([call])] == ["delivered"]
        await vendors.close()
    (span,) = spans.ended
    assert (span.kind, *said(span, "url.full")) == (SpanKind.CLIENT, f"{vendor.url}/track?ip=0")
    assert traceparent(span) in vendor.received[0]
    assert b"traceparent" not in vendor.received[1]
    assert "zoe" not in "".join(spans.told())


async def test_a_vendor_that_can_not_be_reached_is_an_error_without_the_visitor(spans: Spans) -> None:
    vendors = Vendors()
    calls = [
        TrackingCall("mixpanel", "zoe", "POST", "http://127.0.0.1:9/track", (), b'[{"distinct_id":"zoe"}]'),
        TrackingCall("kissmetrics", "zoe", "GET", "http://127.0.0.1:9?_p=zoe"),
    ]
    for call in calls:
        assert [verdict.outcome for verdict in await vendors.send([call])] == ["retry"]
    await vendors.close()
    assert [said(span, "error.type") for span in spans.ended] == [["ClientConnectorError"]]
    assert "zoe" not in "".join(spans.told())
