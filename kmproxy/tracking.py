"""A tracking call: one request to a vendor's HTTP API, ready to be sent, and resent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackingCall:
    """What is sent to a vendor, whole, so that sending it twice is harmless.

    The identity, the time and the vendor's own de-duplication keys (KISSmetrics ``_t``,
    Mixpanel ``$insert_id``) are fixed when the call is made, never when it is sent.
    """

    provider: str
    """Name of the provider, ``kissmetrics`` or ``mixpanel``: who judges the answer."""

    person: str
    """Calls of one person leave in the order they were made."""

    method: str
    url: str
    """Absolute; percent-encoded; at most what the vendor takes in a request line."""

    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
