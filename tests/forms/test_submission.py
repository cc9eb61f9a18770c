"""A form's body on its way through: read in whatever pieces it comes, and only if it is whole."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmproxy.forms.fields import IDENTIFYING
from kmproxy.forms.form import Filled, Form
from kmproxy.forms.submission import MAX_BODY, Submission, opened
from kmproxy.messages import Headers

FORM = Form("Sent", IDENTIFYING, (), lambda name: False)
BODY = b"email=ann%40acme.example&password=x%26y&city=K%C3%B6ln"
FILLED = FORM.filled(BODY)
URLENCODED = b"application/x-www-form-urlencoded"


def submission(content_type: bytes = URLENCODED, length: bytes | None = None, *more: bytes) -> Submission:
    lengths = () if length is None else ((b"Content-Length", length),)
    codings = tuple((b"Content-Encoding", coding) for coding in more)
    return opened(FORM, ((b"Content-Type", content_type), *lengths, *codings))


def test_the_fixture_says_something() -> None:
    assert FILLED.identity == "ann@acme.example"
    assert FILLED.properties == {"email": "ann@acme.example", "city": "Köln"}


@given(cuts=st.lists(st.integers(0, len(BODY))), announced=st.booleans())
def test_pieces_of_any_size_say_what_the_whole_does(cuts: list[int], announced: bool) -> None:
    sent = submission(length=b"%d" % len(BODY) if announced else None)
    edges = [0, *sorted(cuts), len(BODY)]
    for start, end in pairwise(edges):
        sent.take(BODY[start:end])
    if not announced:
        assert sent.filled() == "not-whole"
        sent.end()
    assert sent.filled() == FILLED


@pytest.mark.parametrize("length", [None, b"%d" % len(BODY)])
def test_byte_by_byte_says_what_the_whole_does(length: bytes | None) -> None:
    sent = submission(length=length)
    for at in range(len(BODY)):
        assert sent.filled() == "not-whole"
        sent.take(BODY[at : at + 1])
    sent.end()
    assert sent.filled() == FILLED


@pytest.mark.parametrize("at", range(len(BODY)))
def test_a_body_that_is_cut_off_says_nothing(at: int) -> None:
    sent = submission(length=b"%d" % len(BODY))
    sent.take(BODY[:at])
    sent.end()
    assert sent.filled() == "not-whole"


def test_a_body_longer_than_announced_says_nothing() -> None:
    sent = submission(length=b"%d" % (len(BODY) - 1))
    sent.take(BODY)
    sent.end()
    assert sent.filled() == "not-whole"


@pytest.mark.parametrize("length", [b"0", None])
def test_an_empty_form_was_sent_all_the_same(length: bytes | None) -> None:
    sent = submission(length=length)
    sent.end()
    assert sent.filled() == Filled(None, {}, ())


def test_a_body_announced_as_too_large_is_not_read() -> None:
    assert submission(length=b"%d" % MAX_BODY).is_read
    sent = submission(length=b"%d" % (MAX_BODY + 1))
    assert not sent.is_read
    sent.take(b"a" * (MAX_BODY + 1))
    sent.end()
    assert sent.filled() == "too-large"


def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    sent = submission()
    for _ in range(MAX_BODY // 1024):
        sent.take(b"a=" + b"b" * 1022)
    assert sent.is_read
    sent.take(b"c")
    assert not sent.is_read
    sent.take(BODY)
    sent.end()
    assert sent.filled() == "too-large"


@pytest.mark.parametrize(
    ("content_type", "why"),
    [
        (URLENCODED, ""),
        (b"Application/X-WWW-Form-URLencoded", ""),
        (URLENCODED + b"; charset=UTF-8", ""),
        (URLENCODED + b';charset="utf-8"', ""),
        (URLENCODED + b"; a=b; Charset = utf8", ""),
        (URLENCODED + b"; boundary=x", ""),
        (URLENCODED + b"; charset=windows-1252", "charset"),
        (URLENCODED + b"; charset=", "charset"),
        (b"multipart/form-data; boundary=x", "multipart"),
        (b"text/plain", "content-type"),
        (b"application/json", "content-type"),
        (b"", "content-type"),
    ],
)
def test_only_what_forms_send_by_default_is_read(content_type: bytes, why: str) -> None:
    sent = submission(content_type)
    sent.take(BODY)
    sent.end()
    assert (sent.left_alone, sent.is_read) == (why, not why)
    assert sent.filled() == (why or FILLED)


@pytest.mark.parametrize(
    ("codings", "why"),
    [((), ""), ((b"identity",), ""), ((b"gzip",), "compressed"), ((b"identity, br",), "compressed")],
)
def test_a_compressed_body_is_not_read(codings: tuple[bytes, ...], why: str) -> None:
    assert submission(URLENCODED, None, *codings).left_alone == why


@pytest.mark.parametrize("said", [(b"x",), (b"-1",), (b"",), (b"1" * 19,), (b"3", b"4")])
def test_a_length_that_says_nothing_is_not_believed(said: tuple[bytes, ...]) -> None:
    lengths: Headers = tuple((b"content-length", length) for length in said)
    sent = opened(FORM, ((b"content-type", URLENCODED), *lengths))
    sent.take(BODY)
    sent.end()
    assert sent.filled() == FILLED
