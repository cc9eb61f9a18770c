"""What a vendor's answer says about a call: it has it, try again, or never."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

_LONGEST_WAIT = 86400.0
"""Seconds; a Retry-After beyond a day is taken as a day."""

_ABOUT_THE_CALL = frozenset({400, 413, 414, 422, 431})
"""Statuses that the same bytes will get again. Others speak of the moment, the credentials or the
endpoint, which somebody may mend; so do redirects, which are not followed."""

_KNOWN_WORDS = re.compile(
    r"(?<![\w$])(?:an?|alias|and|array|be|bytes|cannot|data|duplicate|empty|error|events?|expected|field|for|format"
    r"|in|invalid|is|json|large|length|limit|long|malformed|missing|must|name|not|null|number|object|of|old|or"
    r"|parameter|payload|project|propert(?:y|ies)|request|required|size|string|timestamp|to|too|type|unknown"
    r"|value|time|verbose|\$?token|\$?distinct_id|\$(?:insert|identified|anon|device|user)_id)(?![\w$])",
    re.IGNORECASE,
)
"""What is kept of a vendor's error text; any other word may be the visitor's."""


Outcome = Literal["delivered", "retry", "refused", "expired"]
"""What came of one try; ``expired``: it failed, and the call has had its week."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``delivered``, ``retry``, ``refused`` (for good) or ``unclear`` (for which of several calls, the
    answer does not say), and why; ``reason`` holds no identity."""

    outcome: Literal["delivered", "retry", "refused", "unclear"]
    reason: str = ""
    retry_after: float = 0.0
    """Seconds the vendor asked to wait at least; 0.0 if it did not."""


def judge(provider: str, status: int, body: bytes, retry_after: float = 0.0) -> Verdict:
    """The verdict on a complete answer.

    KISSmetrics answers 200 and a GIF even to wrong parameters; its SDKs count 304 as success too
    (https://support.kissmetrics.io/reference/api-specifications-1). Mixpanel's 200 may be a refusal:
    ``{"status": 0, "error": …}`` with ``verbose=1``, else ``0``; 400 and 413 are not to be retried,
    429 and 5xx are (https://developer.mixpanel.com/reference/track-event,
    https://developer.mixpanel.com/reference/import-events).
    """
    if status in _ABOUT_THE_CALL:
        return Verdict("refused", explained(f"HTTP {status}", body))
    if status != 200 and not (provider == "kissmetrics" and status == 304):
        return Verdict("retry", f"HTTP {status}", retry_after)
    return _mixpanel(body) if provider == "mixpanel" else Verdict("delivered")


def seconds_to_wait(retry_after: str | None, now: float) -> float:
    """A Retry-After header (RFC 9110 §10.2.3: seconds or a date) as seconds; 0.0 if it says nothing."""
    text = (retry_after or "").strip()
    try:
        wait = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(wait, 0.0), _LONGEST_WAIT)


def _mixpanel(body: bytes) -> Verdict:
    status = _mixpanel_status(body)
    if status in (1, "OK"):  # /import says "OK"
        return Verdict("delivered")
    if status == 0:
        return Verdict("refused", explained("HTTP 200, status 0", body))
    return Verdict("retry", "HTTP 200, but not Mixpanel's answer")  # a captive portal's, say


def _mixpanel_status(body: bytes) -> object:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer.get("status") if isinstance(answer, dict) else answer


def explained(what: str, body: bytes) -> str:
    """``what``, and of the vendor's words in ``body`` those that can't be the visitor's."""
    said = " ".join(_KNOWN_WORDS.findall(body[:2000].decode("utf-8", "replace")))
    return f"{what}: {said}"[:200] if said else what
