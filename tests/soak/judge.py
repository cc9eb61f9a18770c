"""Who says whether an answer is what it must be."""

from __future__ import annotations

from time import monotonic

from . import site
from .connection import Answer
from .jar import Jar
from .record import CLOSED, Record

UNAVAILABLE = (502, 503, 504)


class Judge:
    """Of the answers that the visitor called ``name`` gets."""

    def __init__(self, name: str, record: Record) -> None:
        self._name = name
        self._record = record

    def is_good(
        self, what: str, host: str, answer: Answer, status: int = 200, *, repeatable: bool = True
    ) -> bool:
        """Whether it is whole and has that status; if not, whether something was down is judged.

        What is not ``repeatable`` is lost with the upstream that it was sent to.
        """
        if answer.whole and answer.status == status:
            self._record.done(what)
            return True
        seen = f"{answer.status}{'' if answer.whole else ', broken off'}"
        self.excuse(what, answer.begun, seen, *_reasons(host, answer, repeatable=repeatable))
        return False

    def excuse(self, what: str, begun: float, seen: str, *reasons: str) -> None:
        """A fault, unless one of ``reasons`` was there."""
        excuse = self._record.excuse(begun, *reasons)
        if excuse:
            self._record.excused[excuse] += 1
        else:
            took = monotonic() - begun
            self._record.fault(
                "error while nothing was down", f"{what}: {seen} after {took:.3f} s, {reasons}"
            )

    def page(self, what: str, host: str, answer: Answer, jar: Jar, number: int, *, own: bool = False) -> bool:
        """Whether that is the page ``number`` for the owner of ``jar``, to the last byte."""
        if not self.is_good(what, host, answer):
            self.strangers(host, answer, jar)
            return False
        html = answer.decoded()
        who = f"{self._name} {jar.identity}" if own else "nobody"
        expected = site.page(host, number, who, jar.query("&amp;").encode())
        if html != expected:
            parts = _difference(html, expected)
            self._record.fault("wrong page", f"{self._name} {host} {what} {number}: {parts}")
            self.strangers(host, answer, jar)
        return html == expected

    def strangers(self, host: str, answer: Answer, jar: Jar) -> None:
        """Also what came of a page that broke off holds nobody else's identity."""
        html = answer.decoded()
        for parameter in jar.parameters:
            name, value = (part.encode() for part in parameter.split("="))
            for rest in html.split(name + b"=")[1:]:
                if not rest.startswith(value) and not value.startswith(rest):
                    self._record.fault("wrong identity", f"{self._name} {host}: {rest[:80]!r}")


def _reasons(host: str, answer: Answer, *, repeatable: bool) -> list[str]:
    """What may have been down where such an answer comes."""
    if not answer.status:
        return ["worker", CLOSED]
    if not answer.whole:
        return ["worker", host]
    if answer.status in UNAVAILABLE:
        return [f"all of {host}"] if repeatable else [f"all of {host}", host]
    return []


def _difference(got: bytes, expected: bytes) -> str:
    """Where they part."""
    pairs = enumerate(zip(got, expected, strict=False))
    at = next((number for number, (one, other) in pairs if one != other), min(len(got), len(expected)))
    near = slice(max(at - 20, 0), at + 60)
    return f"{len(got)} bytes, not {len(expected)}; at {at} {got[near]!r}, not {expected[near]!r}"
