"""Calls to KISSmetrics go one behind the other on one kept connection."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from needs import program

from kmproxy.outbox import pipeline
from kmproxy.outbox.pipeline import Pipelines, origin
from kmproxy.tracking import TrackingCall

GIF = b"HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 6\r\n\r\nGIF89a"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"


class Server:
    """Says on each connection what it is told to, once so many requests have come."""

    def __init__(self, *says: tuple[int, bytes], ends: bool = False) -> None:
        """``says``: after that many requests on a connection, these bytes; ``ends``: then it closes."""
        self._says = says
        self._ends = ends
        self.url = ""
        self.connections: list[list[bytes]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests: list[bytes] = []
        self.connections.append(requests)
        says = list(self._says)
        try:
            while says:
                while len(requests) < says[0][0]:
                    requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(says.pop(0)[1])
            if not self._ends:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


@asynccontextmanager
async def pipelines(patience: float = 10.0) -> AsyncIterator[Pipelines]:
    made = Pipelines(patience)
    try:
        yield made
    finally:
        await made.close()


def calls(base: str, count: int, first: int = 0) -> list[TrackingCall]:
    return [
        TrackingCall("kissmetrics", f"p{at}", "GET", f"{base}/e?_n={at}")
        for at in range(first, first + count)
    ]


async def outcomes(server: Server, count: int, patience: float = 10.0) -> list[tuple[str, str]]:
    async with server.listening() as base, pipelines(patience) as made:
        return [(verdict.outcome, verdict.reason) for verdict in await made.send(calls(base, count))]


async def test_all_requests_are_sent_before_the_first_answer_comes() -> None:
    server = Server((50, GIF * 50))
    assert await outcomes(server, 50) == [("delivered", "")] * 50
    [requests] = server.connections
    assert [request.split()[1] for request in requests] == [b"/e?_n=%d" % at for at in range(50)]


async def test_the_connection_is_kept_for_the_next() -> None:
    server = Server(*((3 * at, GIF * 3) for at in range(1, 5)))
    async with server.listening() as base, pipelines() as made:
        for at in range(4):
            verdicts = await made.send(calls(base, 3, 3 * at))
            assert {verdict.outcome for verdict in verdicts} == {"delivered"}
    assert [len(requests) for requests in server.connections] == [12]


async def test_a_request_says_where_it_goes_and_who_sends_it() -> None:
    server = Server((1, GIF))
    async with server.listening() as base, pipelines() as made:
        await made.send(
            [TrackingCall("kissmetrics", "ann", "GET", base + "/trk/e?_p=%e9%2C~+a;b&_n='x'&%zz")]
        )
    head, *fields = server.connections[0][0].decode().split("\r\n")
    assert head == "GET /trk/e?_p=%e9%2C~+a;b&_n='x'&%zz HTTP/1.1"
    assert fields[0] == f"Host: {base.removeprefix('http://')}"
    assert fields[1].startswith("User-Agent: kmproxy/")


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_answers_may_come_in_any_pieces(size: int) -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\n" + BUSY + GIF + b"HTTP/1.1 400 No\r\nContent-Length: 4\r\n\r\nlong"
    server = Server((3, said[:size]), *((3, said[at : at + size]) for at in range(size, len(said), size)))
    assert await outcomes(server, 3) == [
        ("retry", "HTTP 503"),
        ("delivered", ""),
        ("refused", "HTTP 400: long"),
    ]


async def test_what_the_vendor_asks_to_wait_is_told() -> None:
    server = Server((2, GIF + BUSY))
    async with server.listening() as base, pipelines() as made:
        assert [verdict.retry_after for verdict in await made.send(calls(base, 2))] == [0.0, 90.0]


@pytest.mark.parametrize(
    ("said", "first_missing"),
    [
        (GIF * 2, ("retry", "ConnectionResetError")),
        (GIF * 2 + GIF[:20], ("retry", "ConnectionResetError")),
        (GIF * 2 + b"nonsense\r\n\r\n", ("retry", "HttpParserInvalidStatusError")),
        # It is nobody's fault that a server ends its connection after so many requests.
        (GIF + LAST, ("unclear", "ConnectionEndedError")),
    ],
)
async def test_behind_an_answer_that_does_not_come_all_is_unclear(
    said: bytes, first_missing: tuple[str, str]
) -> None:
    found = await outcomes(Server((5, said), ends=True), 5)
    assert found[:2] == [("delivered", "")] * 2
    assert found[2][0] == first_missing[0]
    assert [outcome for outcome, _ in found[3:]] == ["unclear"] * 2


async def test_a_vendor_that_hangs_is_waited_for_no_longer_than_the_timeout() -> None:
    found = await outcomes(Server((3, GIF)), 3, patience=0.05)
    assert found == [("delivered", ""), ("retry", "TimeoutError"), ("unclear", "TimeoutError")]


async def test_a_vendor_that_can_not_be_reached_is_no_fault_of_the_first() -> None:
    async with Server().listening() as base:
        pass
    async with pipelines() as made:
        found = await made.send(calls(base, 3))
    assert [(verdict.outcome, verdict.reason) for verdict in found] == [
        ("retry", "ConnectionRefusedError")
    ] * 3


async def test_an_idle_connection_that_was_closed_meanwhile_costs_no_try() -> None:
    server = Server((2, GIF * 2), ends=True)
    async with server.listening() as base, pipelines() as made:
        for wait in (0.0, 0.0, 0.02):
            assert [verdict.outcome for verdict in await made.send(calls(base, 2))] == ["delivered"] * 2
            await asyncio.sleep(wait)
    assert len(server.connections) == 3


@pytest.mark.parametrize("surplus", [GIF, GIF[:20], b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("late", [False, True])
async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(surplus: bytes, late: bool) -> None:
    said = [(2, GIF * 2), (2, surplus)] if late else [(2, GIF * 2 + surplus)]
    server = Server(*said)
    async with server.listening() as base, pipelines() as made:
        for at in (0, 2):
            assert [verdict.outcome for verdict in await made.send(calls(base, 2, at))] == ["delivered"] * 2
            await asyncio.sleep(0.02)
    assert [len(requests) for requests in server.connections] == [2, 2]


async def test_an_answer_that_ends_with_its_connection_is_an_answer() -> None:
    assert await outcomes(Server((1, b"HTTP/1.1 200 OK\r\n\r\nGIF"), ends=True), 1) == [("delivered", "")]


async def test_an_answer_without_end_is_read_no_further_than_needed() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(2 * 1024 * 1024)
    assert [outcome for outcome, _ in await outcomes(Server((2, endless)), 2)] == ["delivered", "unclear"]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://trk.kissmetrics.io/e?_n=a", "https://trk.kissmetrics.io"),
        ("http://127.0.0.1:8080/trk/e", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/e", "http://[::1]:8080"),
        ("http://user:secret@vendor.example/e", None),
        ("http://vendor.example", None),
        ("http://vendor.example/a b", None),
        ("http://vendor.example/a\r\nX: y", None),
        ("http://vendor.example/\u00e9", None),
        ("ftp://vendor.example/", None),
        ("", None),
    ],
)
def test_only_plain_urls_go_in_a_line(url: str, place: str | None) -> None:
    assert origin(TrackingCall("kissmetrics", "ann", "GET", url)) == place


@pytest.mark.parametrize(
    "call",
    [
        TrackingCall("kissmetrics", "ann", "POST", "http://vendor.example/e"),
        TrackingCall("kissmetrics", "ann", "GET", "http://vendor.example/e", (("X", "y"),)),
        TrackingCall("kissmetrics", "ann", "GET", "http://vendor.example/e", (), b"body"),
    ],
)
def test_only_plain_requests_do(call: TrackingCall) -> None:
    assert origin(call) is None


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of localhost, which vouches for itself; its key is in the file, too."""
    file = tmp_path / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [
        program("openssl", "openssl"),
        "req",
        "-x509",
        *key,
        *subject,
        "-keyout",
        str(file),
        "-out",
        str(tmp_path / "only"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "only").read_text())
    return file


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_vendor_on_https_must_prove_who_it_is(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    if trusted:
        ours = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(pipeline, "_tls", lambda: ours)
    server = Server((3, GIF * 3), (6, GIF * 3))
    async with server.listening(tls) as base, pipelines() as made:
        found = [verdict for at in (0, 3) for verdict in await made.send(calls(base, 3, at))]
    if trusted:
        assert [verdict.outcome for verdict in found] == ["delivered"] * 6
        [requests] = server.connections
        assert len(requests) == 6
    else:
        assert [(verdict.outcome, verdict.reason) for verdict in found] == [
            ("retry", "SSLCertVerificationError")
        ] * 6
        assert server.connections == []
