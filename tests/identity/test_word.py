"""Words: what response headers say."""

from __future__ import annotations

import pytest

from kmproxy.identity.word import HEADERS, Word, words


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (b"X-KM-Identify", b"bob", [Word("identify", "bob")]),
        (b"x-km-identify", b"bob", [Word("identify", "bob")]),
        (b"X-KM-ALIAS", b"bob", [Word("alias", "bob")]),
        (b"X-KM-Record", b"Signed Up", [Word("record", "Signed Up")]),
        # A line is one word: an event's name may hold a comma.
        (b"X-KM-Record", b"Bought, paid", [Word("record", "Bought, paid")]),
        (b"X-KM-Identify", b"  bob\t", [Word("identify", "bob")]),
        (b"X-KM-Identify", b"", [Word("identify", "")]),
        (b"X-KM-Identify", b"null", [Word("identify", "null")]),
        # As it stands, or as encodeURIComponent gives it.
        (b"X-KM-Identify", b"bob@bob.com", [Word("identify", "bob@bob.com")]),
        (b"X-KM-Identify", b"bob%40bob.com", [Word("identify", "bob@bob.com")]),
        (b"X-KM-Identify", b"a+b@bob.com", [Word("identify", "a+b@bob.com")]),
        (
            b"X-KM-Identify",
            b"p2fvF3kGwdjQPxTO6yYKy8qocPA=",
            [Word("identify", "p2fvF3kGwdjQPxTO6yYKy8qocPA=")],
        ),
        (b"X-KM-Identify", "日本".encode(), [Word("identify", "日本")]),
        (b"X-KM-Identify", b"%E6%97%A5%E6%9C%AC", [Word("identify", "日本")]),
        (b"X-KM-Identify", b"%0d%0a", [Word("identify", "\r\n")]),
        (b"X-KM-Identify", b"a%2541", [Word("identify", "a%41")]),
        (b"X-KM-Record", b"Saw 50% off", [Word("record", "Saw 50% off")]),
        # What frameworks make of characters they can't send.
        (b"X-KM-Identify", b"jos\xe9", [Word("identify", None)]),
        (b"X-KM-Identify", b"jos%E9", [Word("identify", None)]),
        (b"X-KM-Identify", b"=?utf-8?b?5pel5pys?=", [Word("identify", None)]),
        (b"X-KM-Record", b"=?utf-8?q?Caf=C3=A9?=", [Word("record", None)]),
        (b"X-KM-Identify", b"=?what", [Word("identify", "=?what")]),
        (b"X-KM-Clear-Identity", b"1", [Word("clear")]),
        (b"X-KM-Clear-Identity", b"true", [Word("clear")]),
        (b"X-KM-Clear-Identity", b"0", []),
        (b"X-KM-Clear-Identity", b" False ", []),
        (b"X-KM-Clear-Identity", b"", []),
        (b"X_KM_Identify", b"bob", []),
        (b"X-KM-Identity", b"bob", []),
        (b"X-KM-Identify-Me", b"bob", []),
    ],
)
def test_a_header_says_a_word(name: bytes, value: bytes, said: list[Word]) -> None:
    assert words(((b"Content-Type", b"text/html"), (name, value))) == said
    assert (name.lower() in HEADERS) is bool(said or name == b"X-KM-Clear-Identity")


def test_words_come_in_the_order_of_the_headers() -> None:
    headers = (
        (b"X-KM-Record", b"A"),
        (b"Date", b"now"),
        (b"X-KM-Clear-Identity", b"1"),
        (b"X-KM-Identify", b"bob"),
        (b"x-km-record", b"B"),
    )
    assert words(headers) == [
        Word("record", "A"),
        Word("clear"),
        Word("identify", "bob"),
        Word("record", "B"),
    ]


def test_headers_that_are_no_words_say_nothing() -> None:
    assert words(()) == []
    assert words(((b"Set-Cookie", b"x-km-identify=bob"), (b"X-KM", b"1"))) == []
