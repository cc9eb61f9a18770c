from __future__ import annotations

import pytest

from kmproxy.outbox.backoff import KEEP_TRYING, LEAST_TRIES, LONGEST, delay, gives_up


@pytest.mark.parametrize(
    ("attempts", "longest"), [(1, 1.0), (2, 2.0), (3, 4.0), (12, 2048.0), (13, 3600.0), (10**9, 3600.0)]
)
def test_the_wait_doubles_up_to_an_hour_and_is_anything_below(attempts: int, longest: float) -> None:
    assert delay(attempts, 0.0) == 0.0
    assert delay(attempts, 0.5) == longest / 2
    assert delay(attempts, 1.0) == longest <= LONGEST


def test_a_call_has_its_week() -> None:
    assert not gives_up(10_000, KEEP_TRYING - 1)
    assert gives_up(LEAST_TRIES, KEEP_TRYING)


def test_a_call_that_slept_through_a_long_stop_is_not_given_up_at_its_first_bad_moment() -> None:
    assert not gives_up(1, KEEP_TRYING * 4)
