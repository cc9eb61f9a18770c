from __future__ import annotations

import pytest

from kmproxy.outbox.verdict import judge, seconds_to_wait

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("provider", "status", "body", "outcome"),
    [
        ("kissmetrics", 200, b"GIF89a", "delivered"),
        ("kissmetrics", 200, b"", "delivered"),
        ("kissmetrics", 200, b"0", "delivered"),
        ("kissmetrics", 304, b"", "delivered"),
        ("kissmetrics", 301, b"", "retry"),
        ("kissmetrics", 404, b"", "retry"),
        ("kissmetrics", 400, b"", "refused"),
        ("kissmetrics", 414, b"", "refused"),
        ("kissmetrics", 500, b"", "retry"),
        ("mixpanel", 200, b'{"status":1,"error":null}', "delivered"),
        ("mixpanel", 200, b'{"code":200,"num_records_imported":1,"status":"OK"}', "delivered"),
        ("mixpanel", 200, b"1", "delivered"),
        ("mixpanel", 200, b"1\n", "delivered"),
        ("mixpanel", 200, b"0", "refused"),
        ("mixpanel", 200, b'{"status":0,"error":"token, missing or empty"}', "refused"),
        ("mixpanel", 200, b"<html>Please log in to this network</html>", "retry"),
        ("mixpanel", 200, b"", "retry"),
        ("mixpanel", 200, b"\xff\xfe\x00", "retry"),
        ("mixpanel", 200, b"[" * 60_000, "retry"),
        ("mixpanel", 200, b"[1]", "retry"),
        ("mixpanel", 304, b"", "retry"),
        ("mixpanel", 400, b"", "refused"),
        ("mixpanel", 413, b"", "refused"),
        ("mixpanel", 401, b"", "retry"),
        ("mixpanel", 403, b"", "retry"),
        ("mixpanel", 429, b"", "retry"),
        ("mixpanel", 502, b"", "retry"),
        ("mixpanel", 503, b"", "retry"),
        ("some other", 200, b"", "delivered"),
        ("some other", 418, b"", "retry"),
    ],
)
def test_what_an_answer_means(provider: str, status: int, body: bytes, outcome: str) -> None:
    assert judge(provider, status, body).outcome == outcome


def test_a_refusal_says_why_in_the_vendors_words() -> None:
    verdict = judge("mixpanel", 200, b'{"status":0,"error":"token, missing or empty"}')
    assert verdict.reason == "HTTP 200, status 0: error token missing or empty"
    assert judge("mixpanel", 400, b"").reason == "HTTP 400"


@pytest.mark.parametrize(
    "identity", ["bob@example.com", "User 12345", "y75Fe33597qBqkR4obZZYV+wF3Y=", "Ünal", "tokens"]
)
def test_a_refusal_that_quotes_the_visitor_is_kept_without_the_visitor(identity: str) -> None:
    body = f'{{"status": 0, "error": "invalid value {identity!r} for $distinct_id"}}'.encode()
    assert judge("mixpanel", 400, body).reason == "HTTP 400: error invalid value for $distinct_id"


def test_a_chatty_refusal_is_cut() -> None:
    assert len(judge("mixpanel", 400, b"event " * 10_000).reason) == 200


def test_the_vendors_wish_to_wait_is_passed_on() -> None:
    assert judge("mixpanel", 429, b"", 17.0).retry_after == 17.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:27:00 GMT", 0.0),
        ("31536000", 86400.0),
        ("9" * 5000, 86400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert seconds_to_wait(header, NOW) == seconds
