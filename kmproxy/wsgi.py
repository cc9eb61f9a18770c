"""The WSGI door (PEP 3333): ``app.wsgi_app = KmproxyMiddleware(app.wsgi_app, config="kmproxy.toml")``.

It starts no event loop in a request, and is safe under threads and forks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kmproxy.config.load import Source
from kmproxy.current import CurrentVisitor
from kmproxy.door import Door, rewritten
from kmproxy.forms.reading import Input
from kmproxy.later import do
from kmproxy.messages import Headers, Request, Response, first, names, values
from kmproxy.pages.codings import CodingError
from kmproxy.pages.negotiated import Negotiated
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.passage import through_blocking
from kmproxy.visit import Arrival, Departure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_OF_CONTENT = ("CONTENT_TYPE", "CONTENT_LENGTH")
"""Headers that have names of their own; some servers say them twice."""

Status = tuple[str, list[tuple[str, str]]]
Write = Callable[[bytes], object]

# What a path may hold unescaped, besides letters and digits (RFC 3986 §3.3).
_IN_PATHS = "/~!$&'()*+,;=:@-._"
_TARGETS = ("RAW_URI", "REQUEST_URI")
"""Where servers leave the target as it came; PATH_INFO is decoded."""


class KmproxyMiddleware:
    """Wraps a WSGI app. ``config``: a path, a mapping or a Config.

    Raises ConfigError with everything that is wrong with it.
    """

    def __init__(self, app: WSGIApplication, config: Source | None = None) -> None:
        self._app = app
        self._door = Door(config, Negotiated())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._door.begin_soon()
        request = _request(environ)
        arrival = through_blocking(self._door.passage.arrive(request), self._door.courier.put_blocking)
        if arrival is not None and arrival.answer is not None:
            answer = arrival.answer
            start_response(f"{answer.status} {answer.reason.decode()}", _strings(answer.headers))
            return [answer.body]
        visitor = self._door.visitor(arrival)
        if arrival is None:
            return self._app({**environ, "kmproxy.visitor": visitor}, start_response)
        response = _Response(self._door, arrival, visitor, start_response)
        seen = _environ(environ, arrival, visitor)
        if arrival.form is not None and arrival.form.is_read:
            seen["wsgi.input"] = Input(environ["wsgi.input"], arrival.form)
        body = self._app(seen, response.start)
        return response.body(body)


class _Response:
    """One response on its way out."""

    def __init__(
        self, door: Door, arrival: Arrival, visitor: CurrentVisitor, start_response: StartResponse
    ) -> None:
        self._door = door
        self._arrival = arrival
        self._visitor = visitor
        self._start_response = start_response
        self._said: Status | None = None
        """What the app said last, until it is decided on."""
        self._exc_info: Any = None
        self._departure: Departure | None = None
        self._write: Write | None = None
        """The server's, once the head was given to it."""
        self.rewriter: PageRewriter | None = None
        self.length: int | None = None
        """Bytes of the body, as the app announced them."""
        self.came = 0
        """Bytes of the body that the app gave."""
        self.has_left = False
        """Whether any of the body has left, and so the head."""

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Write:
        """The app's ``start_response``. What it says may be said again until it is decided on."""
        if self._write is not None and (self.has_left or not exc_info):
            # The server raises what there is in exc_info (PEP 3333).
            return self._start_response(status, headers, exc_info)
        self._said, self._exc_info = (status, headers), exc_info
        self._departure = self.rewriter = self._write = self.length = None
        self.came = 0
        return self._written

    def body(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """What leaves, of what the app returned."""
        if self._said is None:
            return _Body(self, body)  # The app begins when it is asked for its first bytes.
        if self.decide().rewriter is None:
            self.begin()
            return body  # As it is: it may be a file that the server sends by itself.
        return _Body(self, body)

    def begin(self, whole: bytes | None = None) -> None:
        """Give the head to the server: at once, or with the length of a body that is ``whole``."""
        if self._write is not None:
            return
        headers = _strings(self.decide().headers)
        if whole is not None:
            headers.append(("Content-Length", str(len(whole))))
        status = self._said[0] if self._said else ""
        exc_info, self._exc_info = self._exc_info, None
        self._write = self._start_response(status, headers, *((exc_info,) if exc_info else ()))

    def decide(self) -> Departure:
        """What the engine makes of the head; the app must have said by now what it answers."""
        if self._departure is None:
            self._departure = self._asked()
            self.rewriter = self._departure.rewriter
        return self._departure

    def _asked(self) -> Departure:
        if self._said is None:
            raise RuntimeError("the app gave a body before it called start_response")
        status, headers = self._said
        code, _, reason = status.partition(" ")
        came = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
        announced = first(came, b"content-length")
        if self.length is None and announced.isdigit():
            self.length = int(announced)
        response = Response(int(code), reason.encode("latin-1"), came)
        steps = self._door.passage.depart(self._arrival, response, self._visitor.arrival)
        return through_blocking(steps, self._door.courier.put_blocking)

    def _written(self, data: bytes) -> object:
        """The app's ``write``: what it gives leaves at once."""
        self.begin()
        out, error = rewritten(self.rewriter, data, is_last=False) if self.rewriter else (data, None)
        self.has_left |= bool(out)
        assert self._write is not None  # noqa: S101 - begin has set it
        self._write(out)
        if error is not None:
            raise error
        return None


class _Body:
    """The app's body on its way through a rewriter; the app's own ``close`` is called once."""

    def __init__(self, response: _Response, body: Iterable[bytes]) -> None:
        self._response = response
        self._body = body
        if isinstance(body, list | tuple):
            body = [b"".join(body)]
            response.length = len(body[0])
        self._parts = self._rewritten(body)
        self._error: CodingError | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """The server is done with it, or the visitor has left."""
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            if self._response.rewriter is not None:
                do(self._response.rewriter.jobs)

    def _rewritten(self, body: Iterable[bytes]) -> Iterator[bytes]:
        response, is_over = self._response, False
        for data in body:
            response.came += len(data)
            rewriter = response.decide().rewriter
            if rewriter is None:
                response.begin()
                yield self._leaving(data)
            elif not is_over:
                is_over = response.came == response.length
                yield self._leaving(self._last(rewriter, data) if is_over else self._some(rewriter, data))
                self._check()
        rewriter = response.decide().rewriter
        if rewriter is None:
            response.begin()
        elif not is_over:
            yield self._leaving(self._last(rewriter, b""))
            self._check()

    def _leaving(self, data: bytes) -> bytes:
        self._response.has_left |= bool(data)
        return data

    def _some(self, rewriter: PageRewriter, data: bytes) -> bytes:
        """PEP 3333: an empty string where there is nothing yet, for a middleware must not delay."""
        out, self._error = rewritten(rewriter, data, is_last=False)
        self._response.begin()
        return out

    def _last(self, rewriter: PageRewriter, data: bytes) -> bytes:
        out, self._error = rewritten(rewriter, data, is_last=True)
        self._response.begin(whole=None if self._error else out)
        return out

    def _check(self) -> None:
        """A body that broke is not ended in good order: the server ends the connection."""
        if self._error is not None:
            raise self._error


def _request(environ: WSGIEnvironment) -> Request:
    headers = tuple(_headers(environ))
    query = environ.get("QUERY_STRING", "")
    target = _path(environ) + ("?" + query if query else "")
    host = environ.get("HTTP_HOST") or environ["SERVER_NAME"]
    scheme = environ["wsgi.url_scheme"]
    return Request(environ["REQUEST_METHOD"], scheme, host, target.encode("latin-1"), headers)


def _headers(environ: WSGIEnvironment) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").title().encode("latin-1"), value.encode("latin-1")
    for name in _OF_CONTENT:
        if environ.get(name) and f"HTTP_{name}" not in environ:
            yield name.replace("_", "-").title().encode("latin-1"), environ[name].encode("latin-1")


def _path(environ: WSGIEnvironment) -> str:
    for name in _TARGETS:
        path: str = environ.get(name, "").partition("?")[0]
        if path.startswith("/"):
            return path
    decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(decoded.encode("latin-1"), safe=_IN_PATHS)


def _environ(environ: WSGIEnvironment, arrival: Arrival, visitor: CurrentVisitor) -> WSGIEnvironment:
    """A copy of the environ, as the app is to see it."""
    seen = {name: value for name, value in environ.items() if not name.startswith("HTTP_")}
    for name in names(arrival.headers).places:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        if key[5:] in _OF_CONTENT and key not in environ:
            continue
        separator = b"; " if key == "HTTP_COOKIE" else b","
        seen[key] = separator.join(values(arrival.headers, name)).decode("latin-1")
    seen["kmproxy.visitor"] = visitor
    if arrival.target != arrival.request.target:
        seen["QUERY_STRING"] = arrival.target.partition(b"?")[2].decode("latin-1")
        seen.update({name: arrival.target.decode("latin-1") for name in _TARGETS if name in environ})
    return seen


def _strings(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
