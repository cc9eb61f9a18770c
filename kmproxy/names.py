"""The names of a message's header fields.

A client and a server say the same fields each time, with other values. So what the names alone tell
is found out once: where a field stands, and what is left without some.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TypeVar

Headers = tuple[tuple[bytes, bytes], ...]
"""Name and value pairs in wire order, case and duplicates kept."""

Pick = Callable[[Headers], Headers]
"""Takes some fields out of a message, in their order."""

K = TypeVar("K")
T = TypeVar("T")

_REMEMBERED = 1024
_LONGEST = 4096
"""Bytes of the names that are remembered: whoever makes them up is not to fill the memory."""

_MOST_ASKED = 64
"""Sets of names that are remembered with each."""

_name: Callable[[tuple[bytes, bytes]], bytes] = itemgetter(0)


class Names:
    """The names of one message, and of all others that have the same: they are one object."""

    __slots__ = ("_picks", "_rests", "_sent", "places")

    def __init__(self, sent: tuple[bytes, ...]) -> None:
        self.places: dict[bytes, tuple[int, ...]] = {}
        """Where each field stands, by its name in lower case."""
        for place, name in enumerate(sent):
            low = name.lower()
            self.places[low] = (*self.places.get(low, ()), place)
        self._sent = sent
        self._picks: dict[frozenset[bytes], Pick] = {}
        self._rests: dict[frozenset[bytes], tuple[Pick, Names]] = {}

    def holds(self, any_of: frozenset[bytes]) -> bool:
        """Whether there is a field of any of these names (in lower case)."""
        return self.pick(any_of) is not _nothing

    def pick(self, wanted: frozenset[bytes]) -> Pick:
        """What takes the fields of the ``wanted`` names (in lower case) out of a message."""
        found = self._picks.get(wanted)
        if found is None:
            places = [place for name in wanted for place in self.places.get(name, ())]
            found = _remembered(self._picks, wanted, _taking(places))
        return found

    def rest(self, unwanted: frozenset[bytes]) -> tuple[Pick, Names]:
        """What takes all the others out, and their names."""
        found = self._rests.get(unwanted)
        if found is None:
            found = _remembered(self._rests, unwanted, self._left(unwanted))
        return found

    def _left(self, unwanted: frozenset[bytes]) -> tuple[Pick, Names]:
        places = [place for name, found in self.places.items() if name not in unwanted for place in found]
        sent = tuple([self._sent[place] for place in sorted(places)])
        return _taking(places), self if sent == self._sent else _known(sent)


def names_of(headers: Headers) -> Names:
    """The names of the ``headers``, which all that have the same share."""
    return _known(tuple(map(_name, headers)))


_all: dict[tuple[bytes, ...], Names] = {}


def _known(sent: tuple[bytes, ...]) -> Names:
    found = _all.get(sent)
    if found is None:
        found = Names(sent)
        if sum(map(len, sent)) <= _LONGEST:
            _remembered(_all, sent, found, _REMEMBERED)
    return found


def _remembered(known: dict[K, T], key: K, value: T, most: int = _MOST_ASKED) -> T:
    if len(known) >= most:
        known.clear()
    known[key] = value
    return value


def _taking(places: list[int]) -> Pick:
    if not places:
        return _nothing
    if len(places) == 1:
        return lambda headers: (headers[places[0]],)
    return itemgetter(*sorted(places))


def _nothing(headers: Headers) -> Headers:
    return ()
