"""A browser's requests, as bytes."""

from __future__ import annotations

_BROWSER = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

PAGE = "text/html,*/*;q=0.8"

_PIECE = 16_000
"""Bytes of a chunk, but for the last one."""


def asking(host: str, target: str, accept: str = PAGE, **fields: str) -> bytes:
    """A GET request; a field that is ``""`` is left out."""
    return _head("GET", host, target, accept, fields)


def sending(host: str, target: str, kind: str, body: bytes, *, chunked: bool = False, **fields: str) -> bytes:
    """A POST request with a body of the type ``kind``."""
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    said = {"Content-Type": kind, "Origin": f"https://{host}", **framing, **fields}
    return _head("POST", host, target, PAGE, said) + (_chunks(body) if chunked else body)


def _head(method: str, host: str, target: str, accept: str, fields: dict[str, str]) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    start = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{_BROWSER}\r\nAccept: {accept}\r\n"
    return f"{start}Accept-Encoding: gzip\r\n{more}\r\n".encode()


def _chunks(body: bytes) -> bytes:
    pieces = [body[start : start + _PIECE] for start in range(0, len(body), _PIECE)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
