"""Calls that go to a vendor together, and what its answer says of each.

KISSmetrics takes one in a request, but many requests on a connection (``pipeline.py``). Mixpanel takes
an array of up to 2000 events. Of ``/import?strict=1`` it names those it refused and keeps the others;
``/track`` takes or refuses the whole
(https://developer.mixpanel.com/reference/import-events, https://developer.mixpanel.com/reference/track-event).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kmproxy.outbox.pipeline import origin
from kmproxy.outbox.store import Claimed
from kmproxy.outbox.verdict import Verdict, explained, judge
from kmproxy.tracking import TrackingCall

_MOST_CALLS = {"mixpanel": 2000, "kissmetrics": 100}

_MOST_BYTES = 1_000_000
"""Of one body: well below what any of the endpoints takes."""

_JSON = ("Content-Type", "application/json")


def most(provider: str) -> int:
    """How many calls of ``provider`` may go together."""
    return _MOST_CALLS.get(provider, 1)


def lines(provider: str, size: int) -> int:
    """How many connections to ``provider`` may be in use, if ``size`` calls go together.

    To KISSmetrics it is one. Only if not all of its calls are answered there are more, and shorter ones.
    """
    return most(provider) // size if provider == "kissmetrics" else most("mixpanel")


def groups(claims: Sequence[Claimed], size: int) -> list[list[Claimed]]:
    """Those that may go together, together, ``size`` at most; in the order they came."""
    found: list[list[Claimed]] = []
    begun: dict[object, tuple[list[Claimed], int]] = {}
    for claimed in claims:
        target = _target(claimed)
        group, bytes_before = begun.get(target, ([], 0))
        total = bytes_before + len(claimed.call.body)
        if not group or len(group) >= size or total > _MOST_BYTES:
            group, total = [], len(claimed.call.body)
            found.append(group)
        group.append(claimed)
        begun[target] = group, total
    return found


def as_one(calls: Sequence[TrackingCall]) -> TrackingCall:
    """The calls of a group as one."""
    if len(calls) == 1:
        return calls[0]
    return replace(calls[0], body=b"[" + b",".join(call.body[1:-1] for call in calls) + b"]")


def judge_each(
    calls: Sequence[TrackingCall], status: int, body: bytes, retry_after: float = 0.0
) -> list[Verdict]:
    """The verdict on each of a group; ``unclear`` if they must be sent one by one to tell."""
    whole = judge(calls[0].provider, status, body, retry_after)
    if len(calls) == 1 or whole.outcome != "refused":
        return [whole] * len(calls)
    failed = _failed(calls, body)
    if not failed:
        return [Verdict("unclear", whole.reason)] * len(calls)
    return [
        Verdict("refused", explained(f"HTTP {status}", failed[at])) if at in failed else Verdict("delivered")
        for at in range(len(calls))
    ]


def _target(claimed: Claimed) -> object:
    call = claimed.call
    if call.provider == "kissmetrics":
        return origin(call) or claimed.id
    takes_more = most(call.provider) > 1 and call.method == "POST" and _JSON in call.headers
    if takes_more and call.body.startswith(b"[{") and call.body.endswith(b"}]"):
        return call.provider, call.url, call.headers
    return claimed.id


def _failed(calls: Sequence[TrackingCall], body: bytes) -> dict[int, bytes]:
    """What is said of each call that failed, by its place; empty if that is not certain."""
    try:
        answer = json.loads(body)
        failed = {int(record["index"]): _words(record) for record in answer["failed_records"]}
        imported = answer["num_records_imported"]
        events = [len(json.loads(call.body)) for call in calls]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    certain = (
        imported == len(calls) - len(failed) and set(events) == {1} and set(failed) <= set(range(len(calls)))
    )
    return failed if certain else {}


def _words(record: dict[str, Any]) -> bytes:
    return f"{record.get('field')} {record.get('message')}".encode("utf-8", "replace")
