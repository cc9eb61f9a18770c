"""A response out of bytes, without any I/O: llhttp, and what it leaves to its caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import httptools

from kmproxy.messages import Headers, tokens, values
from kmproxy.upstream.errors import BadResponse, Disconnected
from kmproxy.upstream.message import ResponseHead

MAX_HEAD = 64 * 1024
"""Bytes of status line and header fields, those of 1xx before it included; and of anything else that is no
body, such as trailers. Far above nginx's 8 KiB: a long CSP and a pile of cookies are no reason for a 502."""

MAX_HEADERS = 256


class Complete(NamedTuple):
    """The response is whole. ``reusable``: another request may follow on its connection."""

    reusable: bool
    trailers: Headers = ()
    """Fields behind the last chunk, within the limits of a head."""


Event = ResponseHead | bytes | Complete
"""A head, then pieces of the body (never empty), then the end."""


Interim = Callable[[ResponseHead], None]
"""Is told of each 1xx before the response, but 100 and 101; must not raise."""


class ResponseParser:
    """Reads one final response.

    llhttp decides what is HTTP (strictly: no bare LF, no folded lines, no Content-Length twice or beside
    Transfer-Encoding). What depends on the request or on the connection's end is decided here.

    101 ends it, too, where the request offered to switch (``upgrade``, its field's value): what follows the
    head is the new protocol's and comes as body.
    """

    # How every response begins.
    _size = 0
    _barren = 0
    _reason = b""
    _head: ResponseHead | None = None
    _fresh_head = False
    _keep_alive = False
    _done = False
    _surplus = False

    def __init__(self, request_method: bytes, upgrade: bytes = b"", interim: Interim | None = None) -> None:
        self._upgrade = upgrade
        self._interim = interim
        self._to_head = request_method == b"HEAD"
        self._llhttp = httptools.HttpResponseParser(self)
        self._came = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """What ``data`` brings, at most one event of each kind; raises BadResponse.

        After Complete it must not be called: what follows a response nobody asked for is no response.
        """
        self._came += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserUpgrade as switched:
            if rest := bytes(data[switched.args[0] :]):
                self._pieces.append(rest)
        except httptools.HttpParserError as error:
            if not self._done:
                raise BadResponse(str(error.__context__ or error)) from None
            self._surplus = True
        events = self._events()
        self._bound(0 if events else len(data))
        return events

    def eof(self) -> list[Event]:
        """The upstream has closed: the end of the response, or Disconnected (RFC 9112 §8)."""
        if self._head is None or not self._until_close(self._head):
            raise Disconnected("the upstream closed before the response was whole")
        return [Complete(reusable=False)]

    def _parse(self, data: bytes | memoryview) -> None:
        if not self._to_head:
            self._llhttp.feed_data(data)
            return
        # httptools cannot tell llhttp that there is no body, nor where in the data it stood. Line by line
        # we know what follows the empty line, and don't let it be read.
        for line in bytes(data).splitlines(keepends=True):
            if self._done:
                self._surplus = True
                return
            self._llhttp.feed_data(line)

    def _events(self) -> list[Event]:
        events: list[Event] = []
        if self._fresh_head and self._head is not None:
            self._fresh_head = False
            events.append(self._head)
        if self._pieces:
            events.append(b"".join(self._pieces))
            self._pieces.clear()
        if self._done:
            events.append(Complete(self._keep_alive and not self._surplus, self._trailers()))
            del self._llhttp  # It holds our methods: leave no cycle to the garbage collector.
        return events

    def _trailers(self) -> Headers:
        """What came behind the head's own fields."""
        if self._head is None or len(self._headers) == len(self._head.headers):
            return ()
        trailers = tuple(self._headers[len(self._head.headers) :])
        self._measure(trailers, "trailer")
        return trailers

    def _measure(self, fields: Sequence[tuple[bytes, bytes]], what: str) -> None:
        if len(fields) > MAX_HEADERS:
            raise BadResponse(f"more than {MAX_HEADERS} {what} fields")
        if self._came <= MAX_HEAD:
            return  # Nor can the fields be more: mostly all of a page has come by now.
        self._size += sum([len(name) + len(value) + 4 for name, value in fields])
        if self._size > MAX_HEAD:
            raise BadResponse(f"more than {MAX_HEAD} bytes of {what}")

    def _bound(self, barren: int) -> None:
        """Bytes that bring nothing (a head so far, a chunk extension, a trailer) may not go on for ever."""
        self._barren = self._barren + barren if barren else 0
        if self._barren > MAX_HEAD:
            raise BadResponse(f"more than {MAX_HEAD} bytes of head or trailer")

    @staticmethod
    def _until_close(head: ResponseHead) -> bool:
        """RFC 9112 §6.3, case 8: neither length nor chunks, so the body ends with the connection."""
        return not values(head.headers, b"content-length") and not values(head.headers, b"transfer-encoding")

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self._done:
            raise BadResponse("bytes after the response")

    def on_status(self, piece: bytes) -> None:
        self._reason += piece
        self._size += len(piece)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._measure(self._headers, "head")
        status = self._llhttp.get_status_code()
        if status >= 200:
            self._begin(status)
        elif status < 100:
            raise BadResponse(f"status {status:03}")
        elif status == 101:
            self._switch()
        else:
            self._tell(status)
            self._reason = b""
            self._headers.clear()

    def _switch(self) -> None:
        """RFC 9110 §7.8: to nothing but a protocol that was offered."""
        chosen = tokens(tuple(self._headers), b"upgrade")
        if not chosen or not self._llhttp.should_upgrade():
            raise BadResponse("status 101 without Upgrade")
        if not set(chosen) <= {name.strip() for name in self._upgrade.lower().split(b",")}:
            raise BadResponse("status 101 out of place")
        self._begin(101)

    def _tell(self, status: int) -> None:
        if self._interim is not None and status != 100:  # Nobody waits for that one: we send no Expect.
            self._interim(ResponseHead(status, self._reason, tuple(self._headers), "1.1"))

    def _begin(self, status: int) -> None:
        version = self._llhttp.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadResponse(f"HTTP/{version}")
        head = ResponseHead(status, self._reason, tuple(self._headers), version)
        # A response to HEAD without a length is close-delimited to llhttp: it costs a connection.
        self._keep_alive = self._llhttp.should_keep_alive()
        self._check_coding(head)
        self._head = head
        self._fresh_head = True
        self._done = self._to_head

    def _check_coding(self, head: ResponseHead) -> None:
        codings = values(head.headers, b"transfer-encoding")
        if codings and [coding.strip().lower() for coding in codings] != [b"chunked"]:
            # We sent no TE, so no other coding may come; without the header nobody could undo it.
            raise BadResponse(f"Transfer-Encoding {codings!r}")
        if codings and head.version == "1.0":
            self._keep_alive = False  # RFC 9112 §6.1: such framing is to be taken as faulty.

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._done = self._head is not None and self._head.status != 101


class Switched:
    """In a ResponseParser's place after 101: whatever comes is a piece."""

    def feed(self, data: bytes | memoryview) -> list[Event]:
        return [bytes(data)]

    def eof(self) -> list[Event]:
        return []
