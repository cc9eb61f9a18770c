"""Consent: whether a visitor may be followed at all."""

from __future__ import annotations

import re

from kmproxy.config.model import Consent
from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies
from kmproxy.messages import Headers, first

_SIGNALS = {"gpc": b"sec-gpc", "dnt": b"dnt"}


class ConsentRule:
    """``[site.consent]``, ready to be asked."""

    def __init__(self, consent: Consent) -> None:
        self._signals = [(name, _SIGNALS[name]) for name in consent.respect]
        self._cookie = consent.cookie.name if consent.cookie else ""
        self._pattern = re.compile(consent.cookie.pattern if consent.cookie else "")

    def refusal(self, headers: Headers, cookies: Cookies) -> str | None:
        """Why the visitor is left alone (``gpc``, ``dnt``, ``consent-cookie``), or None.

        ``Sec-GPC: 1`` is Global Privacy Control, ``DNT: 1`` Do Not Track (W3C).
        """
        for name, header in self._signals:
            if first(headers, header).strip() == b"1":
                return name
        if self._cookie and not self._pattern.search(cookie.decode(cookies.get(self._cookie, b"")) or ""):
            return "consent-cookie"
        return None
