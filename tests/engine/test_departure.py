"""Departures: which responses are rewritten, and what their headers say then."""

from __future__ import annotations

import zlib
from typing import Any

import brotli
import pytest
import zstandard
from engine_kit import (
    BLOG,
    BOTH,
    CRAWLER,
    DEVICE,
    DOCUMENT,
    HTML,
    K_ENCODED,
    MINTED,
    MP,
    NOT_MINTING,
    OTHER_SITE,
    PARTNER,
    SHOP,
    A,
    K,
    arrive,
    ask,
    engine,
    jar,
    km,
    through,
    written,
)

from kmproxy import caching
from kmproxy.messages import Headers, Response, first, tokens, values
from kmproxy.visit import Arrival, Departure

BOB = km(A, "bob")
BLOG_LINK = f'<p><a href="https://{BLOG}/x?a=1#top">Blog</a>'.encode()
BLOG_LINK_OF_BOB = f'<p><a href="https://{BLOG}/x?a=1&amp;kmi=bob#top">Blog</a>'.encode()
INLINE: dict[str, Any] = {"arrival": {"url": "inline"}}
UPSTREAMS = (b"Set-Cookie", b"session=1; HttpOnly")


def depart(
    headers: Headers, *, status: int = 200, cookie: str = BOB, of: Arrival | None = None, **tables: Any
) -> Departure:
    """What becomes of a response to a page of the shop."""
    arrival = of or arrive(ask("/p", cookie=cookie), **tables)
    return engine(**tables).depart(arrival, Response(status, b"", headers))


def page(*headers: tuple[bytes, bytes], **more: Any) -> Departure:
    return depart((*HTML, *headers), **more)


def named(headers: Headers) -> list[str]:
    return [name.decode().lower() for name, _ in headers]


# Which responses are rewritten


@pytest.mark.parametrize(
    ("content_type", "rewritten"),
    [
        (b"text/html", True),
        (b"TEXT/HTML", True),
        (b" text/html ", True),
        (b"text/html; charset=utf-8", True),
        (b"text/html;charset=UTF-8", True),
        (b'text/html; charset="iso-8859-1"', True),
        (b"text/html; charset=windows-1252", True),
        (b"text/html; charset=shift_jis", True),
        (b"application/xhtml+xml", True),
        (b"application/xhtml+xml; charset=utf-8", True),
        (b"text/html; charset=utf-16", False),
        (b"text/html; charset=UTF-16LE", False),
        (b"text/html; charset=iso-2022-jp", False),
        (b"text/plain", False),
        (b"text/htmlx", False),
        (b"application/xml", False),
        (b"application/json", False),
        (b"text/css", False),
        (b"image/svg+xml", False),
        (b"multipart/x-mixed-replace; boundary=x", False),
        (b"application/octet-stream; text/html", False),
        (b"", False),
    ],
)
def test_html_in_a_charset_that_holds_ascii_is_rewritten(content_type: bytes, rewritten: bool) -> None:
    departure = depart(((b"Content-Type", content_type),))
    assert (departure.rewriter is not None) is rewritten


def test_what_has_no_content_type_is_let_by() -> None:
    headers = ((b"Content-Length", b"1"), (b"ETag", b'"x"'))
    assert depart(headers) == Departure(headers)


@pytest.mark.parametrize(
    ("status", "rewritten"),
    [
        (200, True),
        (201, True),
        (203, True),
        (226, True),
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (429, True),
        (500, True),
        (503, True),
        (204, False),
        (205, False),
        (206, False),
        (300, False),
        (301, False),
        (302, False),
        (304, False),
        (307, False),
    ],
)
def test_a_page_is_what_a_browser_shows_whole(status: int, rewritten: bool) -> None:
    departure = page((b"ETag", b'"x"'), status=status)
    assert (departure.rewriter is not None) is rewritten
    assert (first(departure.headers, b"etag") != b'"x"') is rewritten


def test_the_answer_to_a_head_has_the_headers_of_the_page_and_no_body() -> None:
    whole = (*HTML, (b"Content-Length", b"999"), (b"ETag", b'"x"'), (b"Cache-Control", b"max-age=60"))
    head = depart(whole, of=arrive(ask("/p", method="HEAD", cookie=BOB)))
    get = depart(whole)
    assert head.rewriter is None
    assert head.headers == get.headers
    assert "content-length" not in named(head.headers)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ((b"Content-Disposition", b"attachment"), "attachment"),
        ((b"Content-Disposition", b'Attachment; filename="a.html"'), "attachment"),
        ((b"Cache-Control", b"public, no-transform"), "no-transform"),
        ((b"Cache-Control", b"NO-TRANSFORM"), "no-transform"),
        ((b"Content-Encoding", b"compress"), "coding"),
        ((b"Content-Encoding", b"dcb"), "coding"),
        ((b"Content-Encoding", b"gzip, br"), "coding"),
        ((b"Content-Encoding", b"aws-chunked"), "coding"),
    ],
)
def test_a_page_that_must_or_can_not_be_changed_leaves_as_it_came(
    header: tuple[bytes, bytes], why: str
) -> None:
    headers = (*HTML, header, (b"ETag", b'"x"'), (b"Content-Length", b"9"))
    departure = depart(headers)
    assert departure.rewriter is None
    assert departure.headers == headers
    assert [(note.what, note.why) for note in departure.notes] == [("left-alone", why)]


def test_a_page_in_a_foreign_charset_leaves_as_it_came() -> None:
    departure = depart(((b"Content-Type", b"text/html; charset=utf-16"), (b"ETag", b'"x"')))
    assert (departure.rewriter, first(departure.headers, b"etag")) == (None, b'"x"')
    assert [note.why for note in departure.notes] == ["charset"]


@pytest.mark.parametrize("header", [(b"Content-Disposition", b"inline"), (b"Content-Encoding", b"identity")])
def test_a_page_that_says_it_is_one_is_rewritten(header: tuple[bytes, bytes]) -> None:
    assert page(header).rewriter is not None


# The page, end to end


def gzipped(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return compressor.compress(body) + compressor.flush()


CODINGS = {
    b"": (lambda body: body, lambda body: body),
    b"gzip": (gzipped, lambda body: zlib.decompress(body, wbits=47)),
    b"x-gzip": (gzipped, lambda body: zlib.decompress(body, wbits=47)),
    b"GZIP": (gzipped, lambda body: zlib.decompress(body, wbits=47)),
    b"deflate": (zlib.compress, zlib.decompress),
    b"br": (brotli.compress, brotli.decompress),
    b"zstd": (
        lambda body: zstandard.ZstdCompressor().compress(body),
        lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    ),
}


@pytest.mark.parametrize("chunk", [0, 1, 7])
@pytest.mark.parametrize("coding", CODINGS)
def test_the_page_is_decorated_in_its_own_coding(coding: bytes, chunk: int) -> None:
    encode, decode = CODINGS[coding]
    header = ((b"Content-Encoding", coding),) if coding else ()
    departure = page(*header)
    assert values(departure.headers, b"content-encoding") == ([coding] if coding else [])
    assert decode(through(departure, encode(BLOG_LINK), chunk)) == BLOG_LINK_OF_BOB


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"https://{BLOG}", f"https://{BLOG}/?kmi=bob"),
        (f"//{BLOG}/p?x=1&amp;y=2", f"//{BLOG}/p?x=1&amp;y=2&amp;kmi=bob"),
        (f"https://{PARTNER}/", f"https://{PARTNER}/?kmi=bob"),
        ("/cart", "/cart"),
        (f"https://{SHOP}/cart", f"https://{SHOP}/cart"),
        (f"https://{OTHER_SITE}/", f"https://{OTHER_SITE}/"),
        (f"https://{BLOG}/?kmi=ann", f"https://{BLOG}/?kmi=ann"),
        ("https://evil.example/", "https://evil.example/"),
    ],
)
def test_links_to_other_domains_of_the_site_carry_the_visitor(before: str, after: str) -> None:
    assert through(page(), f'<a href="{before}">'.encode()) == f'<a href="{after}">'.encode()


@pytest.mark.parametrize(
    ("cookie", "parameters"),
    [
        (km(K), f"kmi={K_ENCODED}"),
        ("", f"kmi={MINTED.replace('=', '%3D')}"),
        (km("", "\"'<>& ="), "kmi=%22%27%3C%3E%26%20%3D"),
        ("km_ni=%E6%97%A5", "kmi=%E6%97%A5"),
    ],
)
def test_the_page_carries_whoever_the_visitor_is(cookie: str, parameters: str) -> None:
    body = through(page(cookie=cookie), f'<a href="https://{BLOG}/">'.encode())
    assert body == f'<a href="https://{BLOG}/?{parameters}">'.encode()


def test_the_page_of_a_visitor_who_has_just_arrived_carries_the_new_identity() -> None:
    arrival = arrive(ask("/p?kmi=ann", cookie=km(A)), **INLINE)
    departure = depart((*HTML, UPSTREAMS), of=arrival, **INLINE)
    assert through(departure, f'<a href="https://{BLOG}/">'.encode()) == (
        f'<a href="https://{BLOG}/?kmi=ann">'.encode()
    )
    assert written(departure.headers) == {"session": "1", "km_ni": "ann"}


def test_a_page_carries_both_vendors_identities() -> None:
    body = through(
        page(cookie=f"km_ni=bob; {MP}=%7B%22distinct_id%22%3A%22%24device%3A{DEVICE}%22%7D", **BOTH),
        BLOG_LINK,
    )
    assert f"a=1&amp;kmi=bob&amp;distinct_id=%24device%3A{DEVICE}#top".encode() in body


# The headers of a personal page


def test_a_personal_page_keeps_no_word_about_the_upstreams_bytes() -> None:
    about_the_bytes = tuple(
        (name, b"x")
        for name in (
            *(b"Content-Length", b"ETag", b"Last-Modified", b"Accept-Ranges", b"Content-MD5"),
            *(b"Digest", b"Content-Digest", b"Repr-Digest"),
        )
    )
    kept = ((b"X-Frame-Options", b"DENY"), (b"Link", b"</a>"), (b"Expires", b"0"), UPSTREAMS)
    departure = depart((*HTML, *about_the_bytes, *kept))
    assert departure.headers == (*HTML, *kept, (b"Cache-Control", b"private"), (b"Vary", b"Cookie"))


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ([], b"private"),
        ([b"max-age=60"], b"private, max-age=60"),
        ([b"public, max-age=60, s-maxage=600"], b"private, max-age=60"),
        ([b"Public, S-MaxAge=600, Max-Age=60"], b"private, Max-Age=60"),
        ([b"public", b"max-age=60"], b"private, max-age=60"),
        ([b"private, max-age=60"], b"private, max-age=60"),
        ([b"no-store"], b"private, no-store"),
        ([b"no-cache, must-revalidate, proxy-revalidate"], b"private, no-cache, must-revalidate"),
        ([b"max-age=60, stale-while-revalidate=30"], b"private, max-age=60, stale-while-revalidate=30"),
        ([b'private="Set-Cookie, X-Foo", max-age=60'], b"private, max-age=60"),
        ([b'no-cache="Set-Cookie, X-Foo", public'], b'private, no-cache="Set-Cookie, X-Foo"'),
        ([b'x="a\\", public", public'], b'private, x="a\\", public"'),
        ([b", ,"], b"private"),
    ],
)
def test_only_the_visitors_own_cache_may_keep_a_personal_page(said: list[bytes], now: bytes) -> None:
    departure = page(*((b"Cache-Control", value) for value in said))
    assert values(departure.headers, b"cache-control") == [now]


@pytest.mark.parametrize(
    "name",
    [
        b"Surrogate-Control",
        b"CDN-Cache-Control",
        b"Cloudflare-CDN-Cache-Control",
        b"Vercel-CDN-Cache-Control",
        b"Edge-Control",
        b"X-Accel-Expires",
        b"X-LiteSpeed-Cache-Control",
    ],
)
def test_what_outweighs_cache_control_in_a_shared_cache_is_dropped(name: bytes) -> None:
    assert name.lower().decode() not in named(page((name, b"max-age=600")).headers)
    away = depart(((b"Location", f"https://{BLOG}/".encode()), (name, b"max-age=600")), status=302)
    assert name.lower().decode() not in named(away.headers)
    nobody = page((name, b"max-age=600"), cookie="", **NOT_MINTING)
    assert first(nobody.headers, name.lower()) == b"max-age=600"


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ([], [b"Cookie"]),
        ([b"Accept-Encoding"], [b"Accept-Encoding, Cookie"]),
        ([b"Accept-Encoding", b"Origin"], [b"Accept-Encoding, Origin, Cookie"]),
        ([b"accept-encoding, COOKIE"], [b"accept-encoding, COOKIE"]),
        ([b"*"], [b"*"]),
        ([b""], [b"Cookie"]),
    ],
)
@pytest.mark.parametrize(("cookie", "tables"), [(BOB, {}), ("", NOT_MINTING)])
def test_every_page_varies_by_cookie(
    said: list[bytes], now: list[bytes], cookie: str, tables: dict[str, Any]
) -> None:
    departure = page(*((b"Vary", value) for value in said), cookie=cookie, **tables)
    assert values(departure.headers, b"vary") == now


def test_a_page_for_a_nobody_stays_as_it_is_but_varies() -> None:
    headers = (*HTML, (b"ETag", b'"x"'), (b"Content-Length", b"9"), (b"Cache-Control", b"public, max-age=60"))
    nobody = depart(headers, cookie="", **NOT_MINTING)
    assert nobody == Departure((*headers, (b"Vary", b"Cookie")))
    crawler = depart(headers, of=arrive(ask("/p", agent=CRAWLER, cookie=BOB)))
    assert crawler == nobody
    refused = depart(headers, of=arrive(ask("/p", (b"Sec-GPC", b"1"), cookie=BOB)))
    assert refused == nobody


def test_what_is_no_page_leaves_as_it_came() -> None:
    headers = ((b"Content-Type", b"image/png"), (b"ETag", b'"x"'), (b"Cache-Control", b"public"), UPSTREAMS)
    assert depart(headers) == Departure(headers)
    assert depart(headers, status=304) == Departure(headers)


# Cookies


def test_a_minted_id_goes_out_with_a_page() -> None:
    departure = page(UPSTREAMS, (b"Cache-Control", b"public, max-age=60"), cookie="")
    assert written(departure.headers) == {"session": "1", "km_ai": MINTED}
    assert values(departure.headers, b"set-cookie")[0] == UPSTREAMS[1]
    assert values(departure.headers, b"cache-control") == [b"private, max-age=60"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, ((b"Content-Type", b"image/png"),)),
        (200, ((b"Content-Type", b"application/json"),)),
        (204, HTML),
        (304, HTML),
        (302, ((b"Location", b"/elsewhere"),)),
        (302, ((b"Location", f"https://{OTHER_SITE}/".encode()),)),
        (302, (*HTML, (b"Location", b"https://evil.example/"))),
    ],
)
def test_a_minted_id_goes_out_with_nothing_else(status: int, headers: Headers) -> None:
    assert depart(headers, status=status, cookie="") == Departure(headers)


def test_a_minted_id_goes_out_with_a_decorated_redirect() -> None:
    departure = depart(((b"Location", f"https://{BLOG}/".encode()),), status=302, cookie="")
    assert written(departure.headers) == {"km_ai": MINTED}
    minted = MINTED.replace("=", "%3D")
    assert first(departure.headers, b"location") == f"https://{BLOG}/?kmi={minted}".encode()


@pytest.mark.parametrize(
    "header", [(b"Content-Disposition", b"attachment"), (b"Content-Encoding", b"compress")]
)
def test_a_page_left_alone_still_brings_its_cookies_and_is_private(header: tuple[bytes, bytes]) -> None:
    departure = page(header, (b"Cache-Control", b"public, max-age=60"), (b"ETag", b'"x"'), cookie="")
    assert written(departure.headers) == {"km_ai": MINTED}
    assert values(departure.headers, b"cache-control") == [b"private, max-age=60"]
    assert first(departure.headers, b"etag") == b'"x"'


@pytest.mark.parametrize("content_type", [b"text/html", b"image/png"])
@pytest.mark.parametrize("status", [200, 304, 404])
def test_the_cookies_of_an_arrival_go_out_with_whatever_the_upstream_answers_and_make_it_private(
    content_type: bytes, status: int
) -> None:
    arrival = arrive(ask("/p?kmi=ann", cookie=km(A)), **INLINE)
    headers = ((b"Content-Type", content_type), (b"Cache-Control", b"public, s-maxage=9"), UPSTREAMS)
    departure = depart(headers, status=status, of=arrival, **INLINE)
    assert written(departure.headers) == {"session": "1", "km_ni": "ann"}
    assert values(departure.headers, b"cache-control") == [b"private"]
    assert b"cookie" in tokens(departure.headers, b"vary")


def test_the_upstreams_cookies_are_kept_in_order() -> None:
    own = ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"a=2; Path=/x"), (b"Set-Cookie", b"b"))
    kept = values(page(*own, cookie="").headers, b"set-cookie")
    assert kept[:3] == [b"a=1", b"a=2; Path=/x", b"b"]
    assert jar(kept[3:]) == {"km_ai": MINTED}


# Redirects


@pytest.mark.parametrize(
    ("location", "now"),
    [
        (f"https://{BLOG}", f"https://{BLOG}/?kmi=bob"),
        (f"https://{BLOG}/", f"https://{BLOG}/?kmi=bob"),
        (f"https://{BLOG}/p?", f"https://{BLOG}/p?kmi=bob"),
        (f"https://{BLOG}/p?x=1&y=2", f"https://{BLOG}/p?x=1&y=2&kmi=bob"),
        (f"https://{BLOG}/p?x=1&amp;y=2", f"https://{BLOG}/p?x=1&amp;y=2&kmi=bob"),
        (f"https://{BLOG}/p#top", f"https://{BLOG}/p?kmi=bob#top"),
        (f"https://{BLOG}/p?x=1#/r?y=2", f"https://{BLOG}/p?x=1&kmi=bob#/r?y=2"),
        (f"//{BLOG}/p", f"//{BLOG}/p?kmi=bob"),
        (f"HTTPS://{BLOG.upper()}:443/p", f"HTTPS://{BLOG.upper()}:443/p?kmi=bob"),
        (f"https://{PARTNER}/%E9?u=%zz", f"https://{PARTNER}/%E9?u=%zz&kmi=bob"),
        (f"https://{BLOG}/\xe9", f"https://{BLOG}/\xe9?kmi=bob"),
    ],
)
def test_a_redirect_to_another_domain_of_the_site_carries_the_visitor(location: str, now: str) -> None:
    departure = depart(((b"Location", location.encode("latin-1")), UPSTREAMS), status=302)
    assert departure.headers == (
        (b"Location", now.encode("latin-1")),
        UPSTREAMS,
        (b"Cache-Control", b"no-store"),
    )


@pytest.mark.parametrize(
    "location",
    [
        "/p",
        "p?x=1",
        "",
        "#top",
        f"https://{SHOP}/p",
        "https://acme.example/p",
        f"https://{OTHER_SITE}/",
        "https://evil.example/",
        f"https://{BLOG}.evil.example/",
        f"https://{BLOG}@evil.example/",
        "https://partner.example/",
        f"https://{BLOG}/?kmi=ann",
        f"https://{BLOG}/?x=1&km_i=ann",
        f"ftp://{BLOG}/",
        "javascript:alert(1)",
        "https://[broken",
    ],
)
def test_any_other_redirect_leaves_as_it_came(location: str) -> None:
    headers = ((b"Location", location.encode()), (b"Cache-Control", b"max-age=60"), (b"ETag", b'"x"'))
    assert depart(headers, status=302) == Departure(headers)


@pytest.mark.parametrize(
    ("status", "decorated"),
    [
        *[(status, True) for status in (301, 302, 303, 307, 308)],
        *[(status, False) for status in (200, 201, 300, 304, 305, 306, 401)],
    ],
)
def test_only_a_redirects_location_leads_a_browser_on(status: int, decorated: bool) -> None:
    departure = depart(((b"Location", f"https://{BLOG}/".encode()),), status=status)
    assert (b"kmi=bob" in first(departure.headers, b"location")) is decorated


@pytest.mark.parametrize(
    ("refresh", "now"),
    [
        ("0;url=https://B/", "0;url=https://B/?kmi=bob"),
        ("0; URL = https://B/p?x=1#top", "0; URL = https://B/p?x=1&kmi=bob#top"),
        ("5, url='https://B/'", "5, url='https://B/?kmi=bob'"),
        ('5 url="https://B/"; x', '5 url="https://B/?kmi=bob"; x'),
        ("0.5;url='https://B/", "0.5;url='https://B/?kmi=bob"),
        ("0; https://B/", "0; https://B/?kmi=bob"),
        ("0;'https://B/'", "0;'https://B/?kmi=bob'"),
        ("0;url=//B/p", "0;url=//B/p?kmi=bob"),
        ("0;url=/p", None),
        ("0;url=", None),
        ("0;", None),
        ("5", None),
        ("", None),
        ("soon;url=https://B/", None),
        ("0url=https://B/", None),
        ("0;url=https://evil.example/", None),
        ("0;url=https://B/?kmi=ann", None),
    ],
)
def test_a_refresh_header_carries_the_visitor_as_browsers_read_it(refresh: str, now: str | None) -> None:
    headers = ((b"Refresh", refresh.replace("B", BLOG).encode()), (b"Content-Type", b"text/plain"))
    departure = depart(headers)
    if now is None:
        assert departure == Departure(headers)
    else:
        assert first(departure.headers, b"refresh") == now.replace("B", BLOG).encode()
        assert values(departure.headers, b"cache-control") == [b"no-store"]


def test_a_decorated_redirect_is_stored_by_no_cache() -> None:
    headers = (
        (b"Location", f"https://{BLOG}/".encode()),
        (b"Cache-Control", b"public, max-age=600"),
        (b"Expires", b"Thu, 01 Dec 2033 16:00:00 GMT"),
        (b"ETag", b'"x"'),
        (b"Last-Modified", b"x"),
    )
    departure = depart(headers, status=301)
    assert named(departure.headers) == ["location", "cache-control"]
    assert values(departure.headers, b"cache-control") == [b"no-store"]
    with_cookie = depart(headers, status=301, cookie="")
    assert "no-store" in first(with_cookie.headers, b"cache-control").decode()


def test_a_page_with_a_refresh_is_decorated_in_both_places() -> None:
    departure = page((b"Refresh", f"9;url=https://{BLOG}/".encode()), (b"Cache-Control", b"public"))
    assert first(departure.headers, b"refresh").endswith(b"?kmi=bob")
    assert through(departure, BLOG_LINK) == BLOG_LINK_OF_BOB
    assert values(departure.headers, b"cache-control") == [b"private, no-store"]


@pytest.mark.parametrize(("cookie", "tables"), [("", NOT_MINTING), (BOB, {"links": {"redirects": False}})])
def test_redirects_are_let_by_for_a_nobody_and_where_they_are_switched_off(
    cookie: str, tables: dict[str, Any]
) -> None:
    headers = ((b"Location", f"https://{BLOG}/".encode()), (b"Refresh", f"0;url=https://{BLOG}/".encode()))
    assert depart(headers, status=302, cookie=cookie, **tables) == Departure(headers)


def test_a_form_that_was_posted_is_redirected_with_the_visitor() -> None:
    arrival = arrive(ask("/buy", method="POST", cookie=BOB, document=DOCUMENT))
    departure = depart(((b"Location", f"https://{BLOG}/".encode()),), status=303, of=arrival)
    assert first(departure.headers, b"location") == f"https://{BLOG}/?kmi=bob".encode()


def test_headers_are_read_whatever_their_case() -> None:
    departure = depart(((b"LOCATION", f"https://{BLOG}/".encode()),), status=302)
    assert departure.headers[0] == (b"LOCATION", f"https://{BLOG}/?kmi=bob".encode())
    assert caching.private(((b"CACHE-CONTROL", b"PUBLIC"), (b"VARY", b"Cookie"))) == (
        (b"VARY", b"Cookie"),
        (b"Cache-Control", b"private"),
    )
