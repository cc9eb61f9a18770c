"""When to try a failed call again, and when to stop trying."""

from __future__ import annotations

FIRST = 1.0
"""Seconds, at most, before the second try; doubled for each further one."""

LONGEST = 3600.0
"""Seconds, at most, between two tries."""

KEEP_TRYING = 7 * 86400.0
"""Seconds from ``put``. Vendors take events a few days old, and a week covers a long week-end."""

LEAST_TRIES = 10
"""Made however old the call is: one bad moment after a long stop sets nothing apart."""


def delay(attempts: int, random: float) -> float:
    """Seconds until the next try after ``attempts`` (1, 2, …); ``random`` is in [0, 1).

    Exponential with full jitter, so that what failed together is not retried together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    doublings = min(attempts - 1, 12)  # 2 ** 12 s is past LONGEST
    return random * min(LONGEST, FIRST * 2.0**doublings)


def gives_up(attempts: int, waited: float) -> bool:
    """Whether a call that failed again, ``waited`` seconds after ``put``, is set apart."""
    return attempts >= LEAST_TRIES and waited >= KEEP_TRYING
