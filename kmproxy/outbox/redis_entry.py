"""A call as the fields of a Redis stream's entry, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kmproxy.errors import OutboxError
from kmproxy.outbox.store import Backlog, Claimed, SetApart
from kmproxy.tracking import TrackingCall


def values(call: TrackingCall) -> tuple[bytes, ...]:
    """Provider, person, method, url, headers, body, as ``redis.lua`` takes them.

    Raises ``OutboxError`` for text that is no Unicode, but for the person's.
    """
    owner, headers = person(call.person), json.dumps(call.headers).encode()
    try:
        return (call.provider.encode(), owner, call.method.encode(), call.url.encode(), headers, call.body)
    except UnicodeEncodeError as error:
        raise OutboxError(f"outbox: {error.reason}") from error


def person(name: str) -> bytes:
    """A cookie may hold anything, even what is no UTF-8; it must not keep its owner out."""
    return name.encode("utf-8", "surrogatepass")


def claimed(call_id: bytes, attempts: int, fields: Sequence[bytes]) -> Claimed:
    found = _named(fields)
    return Claimed(call_id.decode(), _call(found), attempts, float(found["queued"]))


def set_apart(entry_id: bytes, fields: Sequence[bytes]) -> SetApart:
    found = _named(fields)
    call_id = entry_id.decode().removesuffix("-0")
    attempts, queued_at = int(found["attempts"]), float(found["queued"])
    return SetApart(call_id, _call(found), attempts, queued_at, found["reason"].decode())


def backlog(provider: bytes, calls: int, persons: int, due: bytes, reason: bytes) -> Backlog:
    return Backlog(provider.decode(), calls, persons, float(due), reason.decode())


def _named(fields: Sequence[bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(fields[::2], fields[1::2], strict=True)}


def _call(found: dict[str, bytes]) -> TrackingCall:
    provider, method, url = (found[name].decode() for name in ("provider", "method", "url"))
    headers = tuple((name, value) for name, value in json.loads(found["headers"]))
    return TrackingCall(
        provider, found["person"].decode("utf-8", "surrogatepass"), method, url, headers, found["body"]
    )
