"""A WSGI app's input is read by any of its methods, and the form is seen whichever it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from wsgiref.validate import InputWrapper

import pytest

from kmproxy.forms.fields import IDENTIFYING
from kmproxy.forms.form import Form
from kmproxy.forms.reading import Input
from kmproxy.forms.submission import Submission

FORM = Form("Sent", IDENTIFYING, (), lambda name: False)
BODY = b"email=ann%40acme.example&a=1\n&b=2\n&c=3"
FILLED = FORM.filled(BODY)


class Plain:
    """No more than PEP 3333 asks for."""

    def __init__(self, body: bytes) -> None:
        stream = io.BytesIO(body)
        self.read, self.readline, self.readlines = stream.read, stream.readline, stream.readlines
        self.__iter__ = stream.__iter__


def in_pieces(stream: Any, size: int = 7) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def into(stream: Any) -> bytes:
    found, buffer = b"", bytearray(7)
    while count := stream.readinto(memoryview(buffer)):
        found += buffer[:count]
    return found


READERS: dict[str, Callable[[Any], bytes]] = {
    "all": lambda stream: stream.read(),
    "all-by-minus-one": lambda stream: stream.read(-1),
    "all-by-none": lambda stream: stream.read(None),
    "pieces": in_pieces,
    "much": lambda stream: in_pieces(stream, 1 << 20),
    "into": into,
    "lines": lambda stream: b"".join(iter(stream.readline, b"")),
    "parts-of-lines": lambda stream: b"".join(iter(lambda: stream.readline(3), b"")),
    "all-lines": lambda stream: b"".join(stream.readlines()),
    "some-lines": lambda stream: b"".join(line for _ in range(4) for line in stream.readlines(5)),
    "by-line": lambda stream: b"".join(stream),
    "buffered": lambda stream: stream.read(0) + in_pieces(io.BufferedReader(stream), 5),
}


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("way", READERS)
def test_what_the_app_reads_is_what_is_seen(way: str, announced: bool) -> None:
    form = Submission(FORM, len(BODY) if announced else None)
    assert READERS[way](Input(io.BytesIO(BODY), form)) == BODY
    assert form.filled() == FILLED


@pytest.mark.parametrize("way", READERS)
def test_what_the_app_does_not_read_is_not_guessed(way: str) -> None:
    form = Submission(FORM, len(BODY))
    READERS[way](Input(io.BytesIO(BODY[:-1]), form))
    assert form.filled() == "not-whole"


def test_an_app_that_stops_reading_has_not_seen_the_form() -> None:
    form = Submission(FORM)
    stream = Input(io.BytesIO(BODY), form)
    assert stream.read(len(BODY)) == BODY
    assert stream.read(0) == b""
    assert form.filled() == "not-whole", "there may be more"
    assert stream.read(1) == b""
    assert form.filled() == FILLED


def test_a_plain_input_has_no_readinto() -> None:
    stream = Input(Plain(BODY), Submission(FORM))
    assert not hasattr(stream, "readinto")
    assert stream.read(5) == BODY[:5]


def test_a_stream_that_has_nothing_yet_has_not_ended() -> None:
    class Waiting(io.RawIOBase):
        def readinto(self, buffer: Any) -> None:
            return None

    form = Submission(FORM)
    assert Input(Waiting(), form).readinto(bytearray(9)) is None
    assert form.filled() == "not-whole"


def test_what_else_the_stream_can_do_it_still_can() -> None:
    stream = Input(io.BytesIO(BODY), Submission(FORM))
    assert (stream.readable(), stream.tell(), stream.closed) == (True, 0, False)
    with pytest.raises(AttributeError):
        stream.nothing  # noqa: B018


def test_the_validator_takes_it() -> None:
    form = Submission(FORM)
    assert in_pieces(InputWrapper(Input(io.BytesIO(BODY), form))) == BODY
    assert form.filled() == FILLED
