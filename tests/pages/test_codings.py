"""Content codings as streams, and what becomes of a body that is not what it claims."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pages_kit
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_kit import CODINGS, bytewise, cut, decoded, encoded

from kmproxy.pages.codings import SUPPORTED, CodingError, Encoder, decoder, encoder
from kmproxy.pages.rewriter import PageRewriter

COMPRESSED = [coding for coding in CODINGS if coding not in (b"", b"identity")]
BODY = b"<p>hello <a href='https://b.example/'>b</a></p>\n" * 40
TEXT = b"kmi=v"
FILLED = BODY.replace(b"example/", b"example/?kmi=v")

FORMS = [(coding, False) for coding in COMPRESSED] + [(b"deflate", True)]
"""Each compressed coding, and whether deflate goes without its zlib frame."""

bodies = st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=30).map(lambda unit: unit * 500))
places = st.lists(st.integers(min_value=0, max_value=400), max_size=8)


def through(coding: bytes, chunks: list[bytes]) -> bytes:
    stream = decoder(coding)
    return b"".join([*map(stream.write, chunks), stream.finish()])


def sent(stream: Encoder | PageRewriter, data: bytes) -> bytes:
    """What leaves before a pause."""
    return stream.write(data) + stream.flush()


def rewriter(coding: bytes) -> PageRewriter:
    return pages_kit.rewriter(coding, TEXT)


def rewritten(coding: bytes, chunks: list[bytes]) -> bytes:
    page = rewriter(coding)
    return b"".join([*map(page.write, chunks), page.finish()])


def test_every_supported_coding_is_tested() -> None:
    assert set(CODINGS) == SUPPORTED


@pytest.mark.no_cover
@given(st.sampled_from(FORMS), bodies, places)
@settings(max_examples=300, deadline=None)
def test_what_was_encoded_is_decoded_in_any_chunks(
    form: tuple[bytes, bool], body: bytes, at: list[int]
) -> None:
    coding, raw = form
    assert through(coding, cut(encoded(coding, body, raw=raw), at)) == body


@given(st.sampled_from(CODINGS), st.lists(bodies, max_size=5))
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_in_any_chunks_is_read_by_others(coding: bytes, chunks: list[bytes]) -> None:
    stream = encoder(coding)
    out = b"".join([*map(stream.write, chunks), stream.finish()])

    assert decoded(coding, out) == b"".join(chunks)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_was_written_can_be_decoded_at_once(coding: bytes) -> None:
    there, back = encoder(coding), decoder(coding)
    for part in (b"<!doctype html>", b"<p>one", b"x" * 100_000, random.Random(1).randbytes(50_000), b"."):
        assert back.write(sent(there, part)) == part
    assert back.write(there.finish()) + back.finish() == b""


@pytest.mark.parametrize(("coding", "raw"), FORMS)
def test_what_came_is_decoded_at_once(coding: bytes, raw: bool) -> None:
    stream = decoder(coding)
    data = encoded(coding, random.Random(2).randbytes(200_000), raw=raw)

    early = stream.write(data[: len(data) // 2])
    assert len(early) > 10_000
    assert len(early) + len(stream.write(data[len(data) // 2 :])) == 200_000


@pytest.mark.parametrize(("coding", "raw"), FORMS)
def test_a_body_cut_short_never_ends_as_if_it_were_whole(coding: bytes, raw: bool) -> None:
    data = encoded(coding, BODY, raw=raw)
    for length in range(1, len(data)):
        with pytest.raises(CodingError):
            through(coding, [data[:length]])
        with pytest.raises(CodingError):
            through(coding, list(bytewise(data[:length])))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_of_no_bytes_is_whole_in_every_coding(coding: bytes) -> None:
    assert (
        through(coding, [])
        == through(coding, [b""])
        == rewritten(coding, [])
        == rewritten(coding, [b""])
        == b""
    )


@pytest.mark.parametrize("coding", CODINGS)
def test_an_empty_page_stays_empty(coding: bytes) -> None:
    assert decoded(coding, rewritten(coding, [encoded(coding, b"")])) == b""
    assert through(coding, [encoded(coding, b"")]) == b""


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"zstd"])
def test_several_members_are_one_body(coding: bytes) -> None:
    data = b"".join(encoded(coding, part) for part in (b"one ", b"", BODY, b" two"))

    expected = b"one " + BODY + b" two"
    assert through(coding, [data]) == through(coding, list(bytewise(data))) == expected
    assert decoded(coding, rewritten(coding, [data])) == b"one " + FILLED + b" two"


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
def test_a_later_member_cut_short_is_not_whole(coding: bytes) -> None:
    first, second = encoded(coding, b"one"), encoded(coding, b"two")
    for length in range(1, len(second)):
        with pytest.raises(CodingError):
            through(coding, [first + second[:length]])
        with pytest.raises(CodingError):
            through(coding, list(bytewise(first + second[:length])))


def gzip_header(flags: int) -> bytes:
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\0" * 6
    header += b"\x04\0abcd" * bool(flags & 4) + b"name\0" * bool(flags & 8) + b"comment\0" * bool(flags & 16)
    return header + (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") * bool(flags & 2)


@pytest.mark.parametrize("flags", range(32))
def test_every_field_of_a_gzip_header_may_come_in_pieces(flags: int) -> None:
    data = gzip_header(flags) + encoded(b"gzip", BODY)[10:]

    assert through(b"gzip", list(bytewise(data))) == BODY
    for at in range(len(data)):
        assert through(b"gzip", [data[:at], data[at:]]) == BODY


def test_a_skippable_frame_is_skipped_wherever_it_stands() -> None:
    frame, note = encoded(b"zstd", BODY), b"\x5a\x2a\x4d\x18\x03\0\0\0abc"

    for data, expected in ((note + frame, BODY), (frame + note + frame, BODY * 2), (frame + note, BODY)):
        assert through(b"zstd", [data]) == through(b"zstd", list(bytewise(data))) == expected


def test_a_window_beyond_what_the_web_allows_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=24, write_content_size=False)
    data = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    body = data.compress(random.Random(3).randbytes(100_000)) + data.flush()

    with pytest.raises(CodingError):
        through(b"zstd", [body])


@pytest.mark.parametrize("junk", [b"\0", b"\n", b"\0" * 500, b"junk\x1f\x8b\x08", b"<p>"])
@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"zstd"])
def test_what_trails_is_ignored(coding: bytes, junk: bytes) -> None:
    data = encoded(coding, BODY) + junk

    assert through(coding, [data]) == BODY
    assert through(coding, list(bytewise(data))) == BODY


def test_what_trails_behind_brotli_is_ignored_where_it_comes_apart() -> None:
    assert through(b"br", [encoded(b"br", BODY), b"\0", b"junk"]) == BODY


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
@pytest.mark.parametrize("back", range(1, 5))
def test_a_checksum_that_is_wrong_is_an_error(coding: bytes, back: int) -> None:
    data = bytearray(encoded(coding, BODY))
    data[-back] ^= 0x55
    for chunks in ([bytes(data)], list(bytewise(bytes(data)))):
        with pytest.raises(CodingError):
            through(coding, chunks)


# Through the rewriter


@pytest.mark.parametrize(("coding", "raw"), [*FORMS, (b"", False), (b"identity", False)])
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_a_page_is_rewritten_in_its_own_coding(coding: bytes, raw: bool, size: int) -> None:
    data = encoded(coding, BODY, raw=raw)
    page = rewriter(coding)

    out = b"".join([*map(page.write, cut(data, range(0, len(data), size))), page.finish()])

    assert decoded(coding, out) == FILLED
    assert (page.decorated, page.skipped, page.left_alone) == (40, {}, "")


def test_links_left_alone_are_counted_by_reason() -> None:
    page = rewriter(b"")
    page.write(b"<a href='https://c.example/'><a href='https://c.example/'>")
    page.finish()

    assert (page.decorated, page.skipped) == (0, {"other-site": 2})


LIES = [
    b"<!doctype html><p>plain" + BODY,
    b"hi",
    b"\0",
    b"\x1f",
    b"\x1f\x8b\x08",
    b"(",
    b"\x78",
    b"\xff" * 100,
]


@pytest.mark.parametrize("coding", COMPRESSED)
@pytest.mark.parametrize("body", LIES)
def test_a_coding_that_lies_leaves_the_original_bytes(coding: bytes, body: bytes) -> None:
    for chunks in ([body], list(bytewise(body))):
        page = rewriter(coding)
        assert b"".join([*map(page.write, chunks), page.finish()]) == body
        assert (page.left_alone, page.decorated) == ("wrong-coding", 0)
        assert page.salvage() == b""


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_body_cut_short_before_anything_was_let_out_leaves_as_it_came(coding: bytes) -> None:
    data = encoded(coding, BODY)[:3]

    assert rewritten(coding, list(bytewise(data))) == data


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_body_cut_short_later_is_an_error_that_loses_nothing(coding: bytes) -> None:
    body = (
        random.Random(4).randbytes(50_000).replace(b"<", b"") + b"<a href='https://b.example/'>x<a href='cut"
    )
    page = rewriter(coding)
    out = sent(page, sent(encoder(coding), body))

    with pytest.raises(CodingError):
        page.finish()

    back = decoder(coding)
    assert back.write(out + page.salvage()) == body.replace(b"example/", b"example/?kmi=v")
    with pytest.raises(CodingError):
        back.finish()


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_a_body_that_breaks_is_an_error_that_loses_nothing(coding: bytes) -> None:
    page = rewriter(coding)
    out = sent(page, sent(encoder(coding), b"<p>one<a href="))

    with pytest.raises(CodingError):
        page.write(b"\xff\xff\xff\xff" * 100)

    assert decoder(coding).write(out + page.salvage()) == b"<p>one<a href="


@pytest.mark.parametrize("coding", CODINGS)
def test_an_upstream_that_goes_away_takes_nothing_along(coding: bytes) -> None:
    page = rewriter(coding)
    out = sent(page, sent(encoder(coding), b"<p>one<a href="))
    assert decoder(coding).write(out + page.salvage()) == b"<p>one<a href="

    early = rewriter(coding)
    begun = encoded(coding, BODY)[:3]
    assert early.write(begun) + early.salvage() == begun


MARKS = [b"\xfe\xff", b"\xff\xfe", b"\xff\xfe\0\0"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("mark", MARKS)
def test_a_page_in_utf_16_leaves_as_it_came(coding: bytes, mark: bytes) -> None:
    data = encoded(coding, mark + BODY)
    for chunks in ([data], list(bytewise(data)), [data[:1], data[1:]]):
        page = rewriter(coding)
        assert b"".join([*map(page.write, chunks), page.finish()]) == data
        assert page.left_alone == "charset"


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("start", [b"\xfe", b"\xff", b"\xff\xff", b"\xfe<", b"\xef\xbb\xbf", b"\xef"])
def test_a_page_that_only_begins_like_utf_16_is_a_page(coding: bytes, start: bytes) -> None:
    for body, filled in ((start, start), (start + BODY, start + FILLED)):
        data = encoded(coding, body)
        for chunks in ([data], list(bytewise(data))):
            assert decoded(coding, rewritten(coding, chunks)) == filled


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_stays_a_stream(coding: bytes) -> None:
    there, page, back = encoder(coding), rewriter(coding), decoder(coding)

    for part in (b"<p>one", b"<a href='https://b.example/'>", b"two</a>"):
        filled = part.replace(b"example/", b"example/?kmi=v")
        assert back.write(sent(page, sent(there, part))) == filled
    assert back.write(page.write(there.finish()) + page.finish()) == b""
    assert back.finish() == b""


@pytest.mark.no_cover
@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_bomb_is_let_by_undecoded_before_it_fills_the_memory(coding: bytes) -> None:
    body = encoded(coding, b"\0" * (100 << 20))
    page = rewriter(coding)
    tracemalloc.start()
    out = page.write(body) + page.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (out, page.left_alone) == (body, "wrong-coding")
    assert peak < 70 << 20


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "meta", ['<meta charset="iso-2022-jp">', "<META http-equiv=x content='text/html; charset=HZ-GB-2312'>"]
)
def test_a_page_that_declares_a_charset_that_is_not_ascii_leaves_as_it_came(coding: bytes, meta: str) -> None:
    data = encoded(coding, b"<!doctype html>" + meta.encode() + BODY)
    for chunks in ([data], list(bytewise(data))):
        page = rewriter(coding)
        assert b"".join([*map(page.write, chunks), page.finish()]) == data
        assert page.left_alone == "charset"


@pytest.mark.parametrize(
    "meta",
    [
        b"<meta charset=utf-8>",
        b"<meta charset='Shift_JIS'>",
        b"<meta charset=utf-16>",
        b"x" * 1100 + b"<meta charset=iso-2022-jp>",
    ],
)
def test_a_page_that_declares_any_other_is_decorated(meta: bytes) -> None:
    assert rewritten(b"", [meta + BODY]) == meta + FILLED
