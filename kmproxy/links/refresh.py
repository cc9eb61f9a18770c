"""The URL in a ``Refresh`` header or a meta refresh (WHATWG HTML §4.2.5.3, "declarative refresh steps")."""

from __future__ import annotations

import re

_REFRESH = re.compile(
    r"\s*+[0-9.]++(?:\s++[;,]?|[;,])\s*+(?:url\s*+=\s*+)?(?:'([^']*+)|\"([^\"]*+)|(.++))",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)


def url_span(value: str) -> tuple[int, int] | None:
    """Where the URL stands in ``5; url=https://…``; None where there is a time alone, or nothing to read."""
    match = _REFRESH.match(value)
    return match.span(match.lastindex) if match and match.lastindex else None
