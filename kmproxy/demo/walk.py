"""A walk: steps one after the other, each printed with what it saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
from rich.console import Console
from rich.text import Text

_PATIENCE = 5.0
"""Seconds a step may take."""


class UnexpectedError(Exception):
    """A step did not see what it expected."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(expected, seen)
        self.expected = expected
        self.seen = seen or "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what does it (and says what it saw), the steps it builds on."""

    name: str
    take: Callable[[], Awaitable[str]]
    needs: tuple[str, ...] = ()


def expect(expected: str, seen: str, *, held: bool) -> None:
    """Raise UnexpectedError unless ``held``."""
    if not held:
        raise UnexpectedError(expected, seen)


def expect_equal(what: str, expected: object, seen: object) -> None:
    """Raise UnexpectedError unless both are the same."""
    expect(f"{what}: {expected}", f"{seen}", held=expected == seen)


async def walk(steps: Sequence[Step], console: Console) -> bool:
    """Take ``steps`` in order, print each; whether all held. What builds on a failed one is skipped."""
    started = time.monotonic()
    held: set[str] = set()
    failed, skipped = [], []
    width = max(len(step.name) for step in steps)
    for step in steps:
        if missing := [name for name in step.needs if name not in held]:
            skipped.append(step.name)
            _print(console, "–", "yellow", step.name, width, [f"skipped: it needs “{missing[0]}”"])
        elif problem := await _problem(step, console, width):
            failed.append(step.name)
            said = [f"expected  {problem.expected}", f"seen      {problem.seen}"]
            _print(console, "✗", "bold red", step.name, width, said)
        else:
            held.add(step.name)
    _summarise(console, len(held), failed, skipped, time.monotonic() - started)
    return not failed and not skipped


async def _problem(step: Step, console: Console, width: int) -> UnexpectedError | None:
    """Take the step, print it if it held; what went wrong otherwise."""
    try:
        async with asyncio.timeout(_PATIENCE):
            saw = await step.take()
    except UnexpectedError as problem:
        return problem
    except TimeoutError:
        return UnexpectedError(f"an answer within {_PATIENCE:.0f} s", "none")
    except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
        return UnexpectedError("a readable answer", f"{type(error).__name__}: {error}")
    _print(console, "✓", "green", step.name, width, [saw])
    return None


def _print(console: Console, mark: str, colour: str, name: str, width: int, said: list[str]) -> None:
    indent = "\n" + " " * (width + 6)
    text = Text.assemble(
        "  ", (mark, colour), f" {name:<{width}}  ", (indent.join(said), "dim" * (mark == "✓"))
    )
    console.print(text)


def _summarise(console: Console, held: int, failed: list[str], skipped: list[str], seconds: float) -> None:
    total = held + len(failed) + len(skipped)
    if held == total:
        console.print(f"\n  All {total} steps held, in {seconds:.1f} s.", style="bold green")
        return
    names = ", ".join(failed)
    words = f"{held} of {total} steps held, {len(failed)} failed ({names}), {len(skipped)} skipped."
    console.print(Text(f"\n  {words}", "bold red"))
