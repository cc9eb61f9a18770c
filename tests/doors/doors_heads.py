"""Exchanges of headers, and of what an app says of its visitor by them."""

from __future__ import annotations

from doors_kit import (
    ANONYMOUS,
    BLOG,
    DECORATED,
    MIXPANEL,
    MP_ANONYMOUS,
    NOT_MINTING,
    PAGE,
    SPLIT,
    TO_BLOG,
    Case,
    html,
)

from kmproxy.messages import Headers


def _word(name: bytes, value: bytes, *more: tuple[bytes, bytes]) -> Headers:
    return html((b"X-KM-" + name, value), *more)


HEADERS = [
    Case(
        "redirect",
        status=302,
        reason=b"Found",
        headers=html(TO_BLOG),
        body=b"",
        shows=(b"/next?kmi=ann", b"no-store"),
    ),
    Case(
        "redirect-within",
        status=302,
        reason=b"Found",
        headers=html((b"Location", b"/next")),
        body=b"",
        shows=(b"location: /next",),
        hides=(b"kmi",),
    ),
    Case(
        "redirect-permanent",
        status=308,
        reason=b"Permanent Redirect",
        headers=html(TO_BLOG),
        body=PAGE,
        shows=(b"/next?kmi=ann",),
    ),
    Case(
        "refresh",
        headers=html((b"Refresh", f"0; url=https://{BLOG}/next".encode())),
        shows=(b"/next?kmi=ann", DECORATED),
    ),
    Case(
        "cookies-in-order",
        headers=html((b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2; Path=/"), (b"set-cookie", b"a=3")),
        cookie="",
        shows=(b"a=1\nset-cookie: b=2; Path=/\nset-cookie: a=3\nset-cookie: km_ai=",),
    ),
    Case(
        "cookies-on-asset",
        headers=((b"Content-Type", b"image/png"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")),
        cookie="",
        hides=(b"km_ai",),
    ),
    Case(
        "duplicates",
        headers=html((b"Link", b"</a>"), (b"Vary", b"Accept"), (b"Link", b"</b>")),
        shows=(b"</a>\nlink: </b>", b"Accept, Cookie"),
    ),
    Case("utf-8-header", headers=html((b"X-Name", "Zoë".encode())), shows=("x-name: Zoë".encode(),)),
    Case(
        "utf-8-header-of-asset",
        headers=((b"Content-Type", b"image/png"), (b"X-Name", "Zoë".encode())),
        shows=("Zoë".encode(),),
    ),
    Case("non-ascii-request", asks=((b"X-Name", "Zoë".encode()), (b"X-Latin", b"Zo\xeb"))),
    Case("believed-by-nobody", asks=((b"X-KM-Identity", b"root"),), shows=(DECORATED,), hides=(b"root",)),
    Case(
        "digests",
        headers=html((b"Content-MD5", b"1B2M2Y8AsgTpgAmY7PhCfg=="), (b"Accept-Ranges", b"bytes")),
        hides=(b"md5", b"ranges"),
    ),
]
WORDS = [
    Case(
        "identify",
        cookie=ANONYMOUS,
        headers=_word(b"Identify", b"bob"),
        shows=(b"km_ni=bob", b"kmi=bob#end", b"/a?"),
        hides=(b"x-km",),
    ),
    Case(
        "identify-and-redirect",
        cookie=ANONYMOUS,
        status=303,
        reason=b"See Other",
        headers=_word(b"Identify", b"bob", TO_BLOG),
        body=b"",
        shows=(b"km_ni=bob", b"/next?kmi=bob", b"/a?"),
    ),
    Case(
        "identify-in-json",
        cookie=ANONYMOUS,
        headers=((b"Content-Type", b"application/json"), (b"X-KM-Identify", b"bob")),
        body=b"{}",
        shows=(b"km_ni=bob", b"/a?"),
    ),
    Case(
        "identify-not-stored",
        cookie=ANONYMOUS,
        is_full=True,
        headers=_word(b"Identify", b"bob"),
        hides=(b"bob", b"x-km"),
    ),
    Case(
        "identify-mixpanel",
        cookie=MP_ANONYMOUS,
        site=MIXPANEL,
        headers=_word(b"Identify", b"bob"),
        shows=(b"distinct_id=bob#end", b"/track"),
    ),
    Case(
        "identify-a-new-visitor",
        cookie="",
        headers=_word(b"Identify", b"bob"),
        shows=(b"km_ni=bob", b"kmi=bob#end"),
    ),
    Case(
        "identify-without-mint",
        cookie="",
        site=NOT_MINTING,
        headers=_word(b"Identify", b"bob"),
        shows=(b"km_ni=bob", b"kmi=bob#end"),
    ),
    Case(
        "identify-a-crawler",
        agent=b"Googlebot/2.1",
        headers=_word(b"Identify", b"bob"),
        hides=(b"bob", b"x-km"),
    ),
    Case(
        "alias",
        headers=_word(b"Alias", b"ann%40acme.example"),
        shows=(b"/a?", b"ann%40acme"),
        hides=(b"x-km",),
    ),
    Case(
        "clear",
        headers=_word(b"Clear-Identity", b"1"),
        shows=(b"set-cookie: km_",),
        hides=(b"kmi=ann", b"x-km"),
    ),
    Case(
        "record",
        headers=_word(b"Record", b"Bought", (b"X-KM-Record", b"Paid")),
        shows=(b"_n=Bought", b"_n=Paid"),
        hides=(b"x-km",),
    ),
    Case(
        "record-in-stream", headers=_word(b"Record", b"Bought"), pieces=SPLIT, shows=(b"_n=Bought", DECORATED)
    ),
    Case(
        "clear-and-identify",
        headers=_word(b"Clear-Identity", b"1", (b"X-KM-Identify", b"bob")),
        shows=(b"kmi=bob#end",),
    ),
]
