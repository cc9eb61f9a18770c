"""Copies of pages that a browser keeps: what it asks of a page that it has."""

from __future__ import annotations

from typing import NamedTuple

from .connection import Answer


class Copy(NamedTuple):
    """One page as somebody has it."""

    tag: str
    """Its entity tag."""
    whose: str
    """The query that its links carry."""


class Copies(dict[tuple[str, int], Copy]):
    """By domain and number."""

    def keep(self, host: str, number: int, answer: Answer, whose: str) -> None:
        """A page that came whole."""
        self[host, number] = Copy(answer.header("etag"), whose)
