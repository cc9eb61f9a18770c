"""One visitor, and what all that they do has in common."""

from __future__ import annotations

import random

from .browser import Browser
from .connection import Answer
from .copies import Copies
from .judge import Judge
from .world import World

_SECURE = 4
"""Of so many visitors one speaks TLS: a handshake costs as much as many requests."""


class Visitor:
    """Anonymous at first on each domain; arrives at the shop by links that name them."""

    def __init__(self, number: int, world: World, seed: int) -> None:
        self.name = f"p{number}"
        self.world, self.record = world, world.record
        self.luck = random.Random(f"{seed} {number}")
        self.browser = Browser(self.name, world, self.luck, secure=number % _SECURE == 0)
        self.judge = Judge(self.name, self.record)
        self.copies = Copies()
        self.deeds = 0
        """What has been done that has a number of its own."""

    def check_page(self, what: str, host: str, answer: Answer, number: int, *, own: bool = False) -> bool:
        """Whether it is that page, and this visitor's."""
        return self.judge.page(what, host, answer, self.browser.jars[host], number, own=own)
