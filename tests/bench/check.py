"""Whether a contestant does what it is measured for."""

from __future__ import annotations

from http.client import HTTPException

from .cases import ANONYMOUS, Case
from .contestants import Contestant
from .load import Answer, fetch

_GIVEN = f"kmi={ANONYMOUS}".encode()


def fault(contestant: Contestant, case: Case, answer: Answer, made: Answer) -> str:
    """What is wrong with ``answer``, given what the upstream ``made``; "" where it is right."""
    if answer.status != 200:
        return f"status {answer.status}"
    wanted = case.links if contestant.rewrites else 0
    # How the ID is escaped is the contestant's own affair.
    found = max(answer.body.count(_GIVEN), answer.body.count(_GIVEN.replace(b"%3D", b"=")))
    if found != wanted:
        return f"{found} of {wanted} links decorated"
    if not case.kind.unique and not wanted and answer.body != made.body:
        return "the body differs from the upstream's"
    return ""


def warm_up(port: int, case: Case, headers: dict[str, str], times: int) -> Answer:
    """The last of a few answers; one without a body where there is none."""
    answer = Answer(0, "", b"", 0)
    for _ in range(times):
        try:
            answer = fetch(port, case.path, headers)
        except (OSError, HTTPException, EOFError):
            return Answer(0, "", b"", 0)
    return answer
