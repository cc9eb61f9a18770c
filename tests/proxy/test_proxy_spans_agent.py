"""OpenTelemetry's agent starts the server, and the agent is in each of its processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from proxy_served import BROWSER, configuration, served
from proxy_spans import SpanKind

AGENT = str(Path(sys.executable).parent / "opentelemetry-instrument")
CONSOLE: dict[str, Any] = {
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "kmproxy",
}
TRACE, PARENT = "1" * 32, "2" * 16
DEVICE = "1b9f2c3d-1111-4222-8333-444455556666"


async def test_spans_of_all_workers_are_exported_and_nobody_is_in_them(tmp_path: Path) -> None:
    heard: list[web.Request] = []
    async with _origin_and_vendor(heard) as origin:
        text = configuration(origin, server="workers = 2", endpoint=origin)
        mixpanel = f'[[site]]\nmixpanel = {{ token = "t", endpoint = "{origin}" }}'
        async with served(tmp_path, text.replace("[[site]]", mixpanel), agent=[AGENT], **CONSOLE) as server:
            for number in range(20):
                await _ask(server.port, f"/{number}/zoe@acme.example", "Cookie: km_ni=zoe%40acme.example")
            device = f'{{"distinct_id":"$device:{DEVICE}","$device_id":"{DEVICE}"}}'
            cookie = f"Cookie: km_ai=abc; mp_t_mixpanel={device}"
            arrival = "/zoe@acme.example?kmi=zoe%40acme.example&distinct_id=zoe%40acme.example"
            referer = "Referer: http://b.example/?kmi=zoe"
            assert b"302" in await _ask(server.port, arrival, f"{BROWSER}{cookie}\r\n{referer}")
            async with asyncio.timeout(20):
                while len(heard) < 22:
                    await asyncio.sleep(0.02)
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(server.process.wait(), 20) == 0
    spans = _spans(server.said)
    asked = [span for span in spans if span["kind"] == str(SpanKind.SERVER)]
    assert len(asked) == 21
    assert {span["context"]["trace_id"] for span in asked} == {f"0x{TRACE}"}
    assert {span["parent_id"] for span in asked} == {f"0x{PARENT}"}
    assert len({span["resource"]["attributes"]["service.instance.id"] for span in asked}) == 2
    pages = {request.headers["traceparent"] for request in heard if request.path.endswith("acme.example")}
    assert pages == {
        f"00-{TRACE}-{span['context']['span_id'][2:]}-01"
        for span in asked
        if span["attributes"]["http.status_code"] == 200
    }
    (told,) = (request for request in heard if request.method == "POST")
    (call,) = (span for span in spans if span["kind"] == str(SpanKind.CLIENT))
    assert call["context"]["span_id"][2:] in told.headers["traceparent"]
    said = "\n".join(server.said)
    assert "zoe" not in said
    assert DEVICE not in said


async def _ask(port: int, target: str, headers: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    led = f"traceparent: 00-{TRACE}-{PARENT}-01\r\nConnection: close"
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n{led}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n")[0]


@asynccontextmanager
async def _origin_and_vendor(heard: list[web.Request]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        heard.append(request)
        return web.Response(text="1")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def _spans(lines: Sequence[str]) -> list[Any]:
    """Those that the console exporter printed among the server's own lines, each from a "{" to a "}"."""
    starts = [at for at, line in enumerate(lines) if line == "{"]
    return [json.loads("\n".join(lines[at : lines.index("}", at) + 1])) for at in starts]
