"""The two doors within a process: ASGI by messages, WSGI between two validators."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from doors_engine import Kept, config
from doors_kit import Case, Exchange, exchange

from kmproxy.asgi import App as AsgiApp
from kmproxy.asgi import KmproxyMiddleware as Asgi
from kmproxy.asgi import Message, Receive, Scope, Send
from kmproxy.pages.codings import CodingError
from kmproxy.wsgi import KmproxyMiddleware as Wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HeaderPairs = list[tuple[bytes, bytes]]
Answer = tuple[int, HeaderPairs, bytes, bool]
"""Status, headers, body, and whether that ended as a body ends."""


def scope_of(case: Case, **more: Any) -> Scope:
    path, _, query = case.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": case.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in case.request_headers],
        **more,
    }


def messages_of(case: Case) -> Iterator[Message]:
    """What an app sends; streamed as Starlette streams."""
    headers = [(name.lower(), value) for name, value in case.response_headers]
    yield {"type": "http.response.start", "status": case.status, "headers": headers}
    for piece in case.pieces:
        yield {"type": "http.response.body", "body": piece, "more_body": True}
    yield {"type": "http.response.body", "body": b"" if case.pieces or case.method == "HEAD" else case.body}


class AsgiDoor:
    def __init__(self, site: dict[str, Any], kept: Kept) -> None:
        self._kept = kept
        self._case = Case("none")
        self._seen: tuple[bytes, HeaderPairs] | None = None
        self._read = b""
        self._middleware = Asgi(self._app, config(**site))

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"]
        self._seen = scope["raw_path"] + (b"?" + query if query else b""), scope["headers"]
        self._read = await _received(receive) if self._case.sends is not None else b""
        for message in messages_of(self._case):
            await send(message)

    async def ask(self, case: Case) -> Exchange:
        self._case, self._seen, self._read = case, None, b""
        status, headers, body, is_whole = await asgi_answer(self._middleware, case)
        calls = self._kept.taken()
        return exchange(case, status, headers, body, calls, self._seen, is_whole=is_whole, read=self._read)


async def _received(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def asgi_answer(app: AsgiApp, case: Case) -> Answer:
    """What an app answers, as a server sees it."""
    sent: list[Message] = []
    pieces = case.sends or (b"",)
    asked: Iterator[Message] = iter(
        [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces[:-1]]
        + [{"type": "http.request", "body": pieces[-1]}]
    )

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        for message in asked:
            return message
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    is_whole = True
    try:
        await app(scope_of(case), receive, send)
    except CodingError:
        is_whole = False
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert {message["type"] for message in rest} <= {"http.response.body"}
    more = [message.get("more_body", False) for message in rest]
    assert more == [True] * (len(rest) - is_whole) + [False] * is_whole
    names = [name for name, _ in start["headers"]]
    assert names == [name.lower() for name in names]
    body = b"".join(message.get("body", b"") for message in rest)
    return start["status"], start["headers"], body, is_whole


@asynccontextmanager
async def asgi_door(site: dict[str, Any], kept: Kept) -> AsyncIterator[AsgiDoor]:
    yield AsgiDoor(site, kept)


def environ_of(case: Case, **more: Any) -> WSGIEnvironment:
    """As gunicorn makes it."""
    path, _, query = case.target.partition(b"?")
    headers = {
        f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in case.request_headers
    }
    for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        if (said := headers.pop(f"HTTP_{name}", None)) is not None:
            headers[name] = said
    return {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": case.target.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b"".join(case.sends or ())),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
        **more,
    }


class Client:
    """A WSGI server, as far as one request needs one (PEP 3333)."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.items: list[bytes] = []
        """What came, one by one."""

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        if exc_info and self.body:
            raise exc_info[1]
        assert exc_info or not self.status, "start_response is called again"
        self.status, self.headers = status, list(headers)
        return self._write

    def _write(self, data: bytes) -> None:
        assert self.status, "a body before its head"
        self.body += data
        self.items.append(data)

    def take(self, body: Iterable[bytes]) -> None:
        """All of the body; it is closed whatever happens."""
        try:
            for data in body:
                self._write(data)
            assert self.status, "no head"
        finally:
            if close := getattr(body, "close", None):
                close()


_TYPE = ("Content-Type", "none/none")


def _typed(app: WSGIApplication) -> WSGIApplication:
    """The validator wants a Content-Type also where there is no content (PEP 3333 does not)."""

    def asked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            is_empty = ("Content-Length", "0") in headers and status[:3] == "302"
            return start_response(status, [*headers, *[_TYPE] * is_empty], *exc_info)

        return app(environ, start)

    return asked


class WsgiDoor:
    def __init__(self, site: dict[str, Any], kept: Kept) -> None:
        self._kept = kept
        self._case = Case("none")
        self._seen: tuple[bytes, HeaderPairs] | None = None
        self._read = b""
        self._middleware = validator(_typed(Wsgi(validator(self._app), config(**site))))

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        case = self._case
        target = environ["RAW_URI"]
        assert environ["QUERY_STRING"] == target.partition("?")[2]
        found = [(name, value) for name, value in environ.items() if name.startswith("HTTP_")]
        pairs = [(name[5:].replace("_", "-").encode(), value.encode("latin-1")) for name, value in found]
        self._seen = target.encode("latin-1"), pairs
        self._read = b"".join(iter(lambda: environ["wsgi.input"].read(7), b""))
        headers = [(name.decode(), value.decode("latin-1")) for name, value in case.response_headers]
        start_response(f"{case.status} {case.reason.decode()}", headers)
        if case.pieces:
            return iter(case.pieces)
        has_none = case.method == "HEAD" or case.status in (204, 304)
        return [] if has_none else [case.body]

    async def ask(self, case: Case) -> Exchange:
        self._case, self._seen, self._read = case, None, b""
        status, headers, body, is_whole = wsgi_answer(self._middleware, case)
        calls = self._kept.taken()
        return exchange(case, status, headers, body, calls, self._seen, is_whole=is_whole, read=self._read)


def wsgi_answer(app: WSGIApplication, case: Case) -> Answer:
    """What an app answers, as a server sees it."""
    client, is_whole = Client(), True
    try:
        client.take(app(environ_of(case), client.start_response))
    except CodingError:
        is_whole = False
    pairs = [pair for pair in client.headers if pair != _TYPE]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    return int(client.status[:3]), headers, client.body, is_whole


@asynccontextmanager
async def wsgi_door(site: dict[str, Any], kept: Kept) -> AsyncIterator[WsgiDoor]:
    yield WsgiDoor(site, kept)
