"""Every error kmproxy raises on purpose."""

from __future__ import annotations

from dataclasses import dataclass


class KmproxyError(Exception):
    """The root of kmproxy's own errors; never raised itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration: where it stands and what to write instead.

    ``path`` is dotted as in ``site[0].domain[1].host``; ``line`` counts from 1 and is 0
    where there is no file (a mapping); ``source`` is the file's name, or ``config``.
    """

    source: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(KmproxyError):
    """The configuration is wrong; ``problems`` holds all of it, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class QuestionError(KmproxyError):
    """What was asked of a command makes no sense; the message says what to write instead."""


class OutboxError(KmproxyError):
    """A tracking call could not be put on disk, so nothing may be promised for it."""
