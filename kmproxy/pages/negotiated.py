"""Codings that an app chose, remembered."""

from __future__ import annotations

from collections import OrderedDict

from kmproxy.pages.compressed import CODINGS

_MOST = 4_096
_LONGEST = 1_024
"""Offers remembered, and bytes of the longest."""

Offer = tuple[str, bytes, bytes]
"""A page's host and path, and the Accept-Encoding it was asked for with."""


class Negotiated:
    """What an app answers an offer with; those known for the longest go first."""

    def __init__(self) -> None:
        self._codings: OrderedDict[Offer, bytes] = OrderedDict()

    def coding(self, offer: Offer) -> bytes:
        """The coding of which it is known that the app compresses in it; ``b""`` for none."""
        return self._codings.get(offer, b"")

    def learn(self, offer: Offer, coding: bytes) -> None:
        """The app chose ``coding``. What was found out to be none stays so."""
        if coding in CODINGS and offer not in self._codings and sum(map(len, offer)) <= _LONGEST:
            self._put(offer, coding)

    def forget(self, offer: Offer) -> None:
        """The app does not compress it by what it is offered, or not always."""
        self._put(offer, b"")

    def _put(self, offer: Offer, coding: bytes) -> None:
        self._codings[offer] = coding
        if len(self._codings) > _MOST:
            self._codings.popitem(last=False)
