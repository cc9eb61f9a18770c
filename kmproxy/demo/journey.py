"""The journey: what happens to the demo's visitors, line by line as it happens.

It shows identities, which the product's own logs never do: they are the demo's, on the user's machine.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from kmproxy.demo.names import VENDORS
from kmproxy.demo.vendors import Heard, told
from kmproxy.messages import values
from kmproxy.observer import Observer
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.visit import Arrival, Departure

_LONGEST_TARGET = 64
_COLOURS = {"minted": "green", "decorated": "cyan", "arrived": "magenta", "cookies": "yellow"}
_COLOURS |= {"queued": "blue", "delivered": "bold green", "rejected": "red", "failed": "bold red"}


class Journey(Observer):
    """Prints to ``console``."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def arrived(self, arrival: Arrival) -> None:
        if arrival.seen and not arrival.asked.is_navigation:
            return
        where = _site(arrival)
        self._line(where, arrival.request.method, _shortened(arrival.request.target.decode("latin-1")))
        for note in arrival.notes:
            if note.what != "minted":
                word = "arrived" if note.what == "arrival" else note.what
                self._line(where, word, f"{_vendor(note.provider)} {note.why}")
        self._cookies(arrival, arrival.cookies)
        for call in arrival.calls:
            for one in told(call):
                self._line(where, "queued", f"{_vendor(call.provider)} {one}")
        if arrival.answer:
            self._line(where, "answered", f"{arrival.answer.status} to the clean URL")

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        if not arrival.seen:
            self._line(_site(arrival), "left plain", "to a crawler or a visitor who declines: no identity")
        sent = values(departure.headers, b"set-cookie")
        if arrival.minted and set(arrival.minted) <= set(sent):
            self._minted(arrival)

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        count = rewriter.decorated
        self._line(_site(arrival), "decorated", f"{count} link{'s' * (count != 1)} to the other domain")

    def failed(self, kind: str) -> None:
        self._line("proxy", "failed", kind)

    def sent(self, provider: str, outcome: str) -> None:
        if outcome != "delivered":  # that, the vendor says itself
            self._line("outbox", outcome, _vendor(provider))

    def heard(self, one: Heard) -> None:
        """A vendor was told something."""
        self._line("vendor", "delivered", f"{_vendor(one.provider)} {one}")

    def _minted(self, arrival: Arrival) -> None:
        fresh = {note.provider for note in arrival.notes if note.what == "minted"}
        for provider, visitor in arrival.seen:
            if provider.name in fresh:
                self._line(_site(arrival), "minted", f"{_vendor(provider.name)} {visitor.identity}")
        self._cookies(arrival, arrival.minted)

    def _cookies(self, arrival: Arrival, cookies: tuple[bytes, ...]) -> None:
        if cookies:
            names = ", ".join(cookie.partition(b"=")[0].decode() for cookie in cookies)
            self._line(_site(arrival), "cookies", f"{names} on {arrival.host}")

    def _line(self, where: str, word: str, what: str) -> None:
        asked = word.isupper()
        line = Text.assemble(
            ("\n" if asked else "") + f"  {where:<8}",
            (f"{word:<11}", "bold" if asked else _COLOURS.get(word, "")),
            (what, "bold" if asked else ""),
        )
        self._console.print(line)


def _site(arrival: Arrival) -> str:
    return arrival.host.partition(".")[0]


def _vendor(provider: str) -> str:
    return f"{VENDORS.get(provider, provider):<11}"


def _shortened(target: str) -> str:
    return target if len(target) <= _LONGEST_TARGET else target[: _LONGEST_TARGET - 1] + "…"
