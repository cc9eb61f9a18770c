"""A visitor's cookies on one domain, and who they say the visitor is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote, unquote

from outbox_chaos import TOKEN

_MIXPANEL = f"mp_{TOKEN}_mixpanel"


class Jar:
    """Cookies as they were set; those of another domain are in another jar."""

    def __init__(self, header: str = "") -> None:
        self._cookies = dict(pair.split("=", 1) for pair in header.split("; ") if pair)
        self._parameters: tuple[str, str] | None = None

    @property
    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def take(self, headers: Iterable[tuple[str, str]]) -> None:
        """Keep what a response sets."""
        for name, value in headers:
            if name == "set-cookie":
                self._set(*value.split(";")[0].split("=", 1), gone="max-age=0" in value.lower())

    def _set(self, name: str, value: str, *, gone: bool) -> None:
        self._parameters = None
        if gone:
            self._cookies.pop(name, None)
        else:
            self._cookies[name] = value

    @property
    def identity(self) -> str:
        """What ``KM.i()`` returns; ``-`` for nobody."""
        return unquote(self._cookies.get("km_ni") or self._cookies.get("km_ai") or "-")

    @property
    def parameters(self) -> tuple[str, str]:
        """What a link must carry: KISSmetrics', Mixpanel's."""
        if self._parameters is None:
            stored = json.loads(unquote(self._cookies.get(_MIXPANEL, "{}")))
            ours = f"kmi={quote(self.identity, '')}"
            self._parameters = ours, f"distinct_id={quote(stored.get('distinct_id', '-'), '')}"
        return self._parameters

    def query(self, separator: str) -> str:
        """It, as a query; ``separator`` stands between the parameters."""
        return "?" + separator.join(self.parameters)
