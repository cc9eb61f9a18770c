"""Which headers of a page stay, which go, and which bodies are a page's at all."""

from __future__ import annotations

import pytest
from engine_kit import BLOG, HTML, A, arrive, ask, engine, km, through

from kmproxy.messages import Headers, Response, first, values
from kmproxy.visit import Departure

BOB = km(A, "bob")


def depart(*headers: tuple[bytes, bytes], status: int = 200, method: str = "GET") -> Departure:
    arrival = arrive(ask("/p", cookie=BOB, method=method))
    return engine().depart(arrival, Response(status, b"", headers))


@pytest.mark.parametrize(
    "header",
    [
        (b"Expires", b"Thu, 01 Dec 2033 16:00:00 GMT"),
        (b"Age", b"17"),
        (b"Date", b"Tue, 14 Nov 2023 22:13:20 GMT"),
        (b"Clear-Site-Data", b'"cache", "cookies"'),
        (b"Link", b"</style.css>; rel=preload; as=style"),
        (b"Link", f'<https://{BLOG}/p>; rel="canonical"'.encode()),
        (b"Content-Location", f"https://{BLOG}/p.en".encode()),
        (b"Server-Timing", b"db;dur=53"),
        (b"Content-Language", b"en"),
        (b"Content-Security-Policy", b"default-src 'self'"),
        (b"Content-Encoding", b"gzip"),
        (b"content-disposition", b"inline"),
        (b"Location", f"https://{BLOG}/created".encode()),
        (b"Strict-Transport-Security", b"max-age=31536000"),
        (b"Warning", b'214 - "Transformation Applied"'),
    ],
)
def test_what_is_true_of_any_body_stays(header: tuple[bytes, bytes]) -> None:
    departure = depart(*HTML, header)
    assert departure.rewriter is not None
    assert header in departure.headers


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"Last-Modified", b"Accept-Ranges", b"Trailer"),
        *(b"Content-MD5", b"Digest", b"Content-Digest", b"Repr-Digest", b"Unencoded-Digest"),
    ],
)
@pytest.mark.parametrize("status", [200, 404])
def test_what_is_true_of_the_upstreams_bytes_alone_goes(name: bytes, status: int) -> None:
    header = (name, b"1")
    assert header not in depart(*HTML, header, (name.lower(), b"2"), status=status).headers
    assert not values(depart(*HTML, header, status=status).headers, name.lower())
    assert header in depart((b"Content-Type", b"image/png"), header, status=status).headers


@pytest.mark.parametrize("status", [200, 201, 404, 500])
def test_a_heads_answer_has_the_headers_of_the_get(status: int) -> None:
    headers = (*HTML, (b"ETag", b'"x"'), (b"Content-Length", b"9"), (b"Content-Encoding", b"br"))
    get, head = depart(*headers, status=status), depart(*headers, status=status, method="HEAD")
    assert (get.headers, head.rewriter) == (head.headers, None)


@pytest.mark.parametrize("status", [204, 205, 206])
def test_what_is_no_whole_body_keeps_every_header(status: int) -> None:
    headers = (
        *HTML,
        (b"Content-Range", b"bytes 0-9/1234"),
        (b"Content-Length", b"10"),
        (b"ETag", b'"x"'),
        (b"Accept-Ranges", b"bytes"),
        (b"Cache-Control", b"public"),
    )
    assert depart(*headers, status=status) == Departure(headers)


def test_the_page_of_a_range_that_can_not_be_satisfied_tells_the_length_it_told() -> None:
    departure = depart(*HTML, (b"Content-Range", b"bytes */1234"), status=416)
    assert first(departure.headers, b"content-range") == b"bytes */1234"


@pytest.mark.parametrize(
    ("types", "rewritten"),
    [
        ([b"text/html", b"text/html; charset=utf-8"], True),
        ([b"tExT/HtMl ; Charset=UTF-8"], True),
        ([b"text/html;"], True),
        ([b'text/html; charset="utf-8"; x=1; charset=utf-16'], True),
        ([b"text/html\t;charset=utf-8"], True),
        ([b"text/html", b"image/png"], False),
        ([b"image/png", b"text/html"], False),
        ([b"text/html, image/png"], False),
        ([b"text/html; charset=utf-8", b"text/html; charset=utf-16"], False),
        ([b"multipart/mixed; boundary=text/html"], False),
        ([b"multipart/form-data; boundary=x"], False),
        ([b"text/ html"], False),
        ([b";text/html"], False),
    ],
)
def test_a_content_type_is_read_as_browsers_do_and_a_doubtful_one_is_no_page(
    types: list[bytes], rewritten: bool
) -> None:
    departure = depart(*((b"Content-Type", value) for value in types))
    assert (departure.rewriter is not None) is rewritten


@pytest.mark.parametrize(
    ("disposition", "rewritten"),
    [
        (b"inline", True),
        (b"INLINE; filename=a.html", True),
        (b'filename="a.html"', True),
        (b"", True),
        (b"attachment", False),
        (b"ATTACHMENT;filename=a.html", False),
        (b" attachment ; filename*=UTF-8''a.html", False),
        (b"attachmentx", False),
        (b"save", False),
    ],
)
def test_what_is_saved_and_not_shown_leaves_as_it_came(disposition: bytes, rewritten: bool) -> None:
    assert (depart(*HTML, (b"Content-Disposition", disposition)).rewriter is not None) is rewritten


@pytest.mark.parametrize(
    ("said", "rewritten"),
    [
        ([b"no-transform"], False),
        ([b"max-age=60", b"No-Transform"], False),
        ([b'no-transform=""'], False),
        ([b'private="x", no-transform'], False),
        ([b'x="a, no-transform, b"'], True),
        ([b"no-transformer, not-no-transform"], True),
    ],
)
def test_no_transform_is_obeyed_where_it_is_a_directive(said: list[bytes], rewritten: bool) -> None:
    departure = depart(*HTML, *((b"Cache-Control", value) for value in said))
    assert (departure.rewriter is not None) is rewritten


@pytest.mark.parametrize(
    "codings",
    [
        [b"gzip, br"],
        [b"gzip", b"br"],
        [b"gzip, gzip"],
        [b"compress"],
        [b"dcz"],
        [b"x-unknown"],
        [b"gzip;q=1"],
    ],
)
def test_a_coding_that_can_not_be_read_leaves_the_page_its_validators(codings: list[bytes]) -> None:
    headers: Headers = (*HTML, *((b"Content-Encoding", value) for value in codings), (b"ETag", b'"x"'))
    departure = depart(*headers)
    assert (departure.headers, departure.rewriter) == (headers, None)
    assert [note.why for note in departure.notes] == ["coding"]


@pytest.mark.parametrize("said", [b"", b"identity", b" , "])
def test_no_coding_is_said_in_more_than_one_way(said: bytes) -> None:
    departure = depart(*HTML, (b"Content-Encoding", said))
    link = f'<a href="https://{BLOG}/">'.encode()
    assert through(departure, link) == link.replace(b'/">', b'/?kmi=bob">')


@pytest.mark.parametrize(
    ("said", "now"),
    [
        (b"privateer, public-key, publican=1", b"private, privateer, public-key, publican=1"),
        (b"public = 1, S-MaxAge = 9, max-age=60", b"private, max-age=60"),
        (b"must-revalidate, no-transform-ish", b"private, must-revalidate, no-transform-ish"),
        (b'no-store, no-cache="a, public"', b'private, no-store, no-cache="a, public"'),
    ],
)
def test_a_directive_is_known_by_its_whole_name(said: bytes, now: bytes) -> None:
    assert values(depart(*HTML, (b"Cache-Control", said)).headers, b"cache-control") == [now]
