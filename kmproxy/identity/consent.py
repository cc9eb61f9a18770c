"""Consent: whether a visitor may be followed at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies
from kmproxy.messages import Headers, first

_SIGNALS = {"gpc": b"sec-gpc", "dnt": b"dnt"}


class ConsentRule:
    """``[site.consent]``, ready to be asked.

    ``respect`` names signals (``gpc``, ``dnt``); with a ``cookie``, the regular expression
    ``pattern`` is found in its decoded value where the visitor agreed.
    """

    def __init__(self, respect: Iterable[str], cookie: str = "", pattern: str = "") -> None:
        self._signals = [(name, _SIGNALS[name]) for name in respect]
        self._cookie = cookie
        self._pattern = re.compile(pattern)

    def refusal(self, headers: Headers, cookies: Cookies) -> str | None:
        """Why the visitor is left alone (``gpc``, ``dnt``, ``consent-cookie``), or None.

        ``Sec-GPC: 1`` is Global Privacy Control, ``DNT: 1`` Do Not Track (W3C).
        """
        for name, header in self._signals:
            if first(headers, header).strip() == b"1":
                return name
        return None if self._agreed(cookies) else "consent-cookie"

    def _agreed(self, cookies: Cookies) -> bool:
        """Silence is no consent, whatever the pattern: no cookie, or one that can't be read."""
        if not self._cookie:
            return True
        said = cookie.decode(cookies[self._cookie]) if self._cookie in cookies else None
        return said is not None and self._pattern.search(said) is not None
