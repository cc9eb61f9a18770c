"""Passive health: what becomes of requests tells whether an upstream is worth the next one."""

from __future__ import annotations

FAILURES = 3
"""Failures in a row after which an upstream is put aside; one may be bad luck."""

FIRST_TIME = 1.0
"""Seconds that an upstream is put aside at first; twice as long each time after."""

LONGEST_TIME = 30.0


class Health:
    """Put aside after failures in a row; then one request at a time is let through to see.

    A failure is that no head of a response came; a status of 500 comes from an upstream that is there. Times
    are seconds of any one clock.
    """

    __slots__ = ("_aside", "_failures", "until")

    def __init__(self) -> None:
        self._failures = 0
        self._aside = 0.0
        self.until = 0.0
        """When it is worth the next try; 0 while it is well."""

    @property
    def is_aside(self) -> bool:
        """Whether it failed too often and has not answered since."""
        return self._aside > 0

    def admits(self, now: float) -> bool:
        """Whether a request may be sent. The one that is let through to see keeps others away meanwhile."""
        if not self._aside:
            return True
        if now < self.until:
            return False
        self._put_aside(now)
        return True

    def failed(self, now: float) -> bool:
        """No head of a response came; whether it is put aside for that, having been well."""
        self._failures += 1
        # Those that were under way when it was put aside tell nothing new.
        if self._aside or self._failures < FAILURES:
            return False
        self._put_aside(now)
        return True

    def answered(self) -> bool:
        """The head of a response came; whether it was aside until now."""
        was_aside = self._aside > 0
        self._failures = 0
        self._aside = self.until = 0.0
        return was_aside

    def _put_aside(self, now: float) -> None:
        self._aside = min(2 * self._aside or FIRST_TIME, LONGEST_TIME)
        self.until = now + self._aside
