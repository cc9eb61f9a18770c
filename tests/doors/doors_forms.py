"""Exchanges of tracked forms."""

from __future__ import annotations

from typing import Any

from doors_kit import ANN, ANONYMOUS, BLOG, MIXPANEL, MP_ANONYMOUS, TOKEN, Case, html

from kmproxy.forms.submission import MAX_BODY

BODY = b"plan=pro&e-mail=eve%40x.example&password=hunter2"
TRACKED: dict[str, Any] = {
    "form": [
        {"path": "/join", "event": "Joined"},
        {"path": "/search", "event": "Searched", "method": "get"},
    ]
}
SAID = (b"/e?plan=pro&e-mail=eve%40x.example&_p=", b"_n=Joined")
NAMED = (b"set-cookie: km_ni=eve%40x.example", b"kmi=eve%40x.example#end")
SECRET = (b"hunter2",)
UNSAID = (b"/e?", b"/a?", b"km_ni")
TYPE = (b"Content-Type", b"application/x-www-form-urlencoded")
SAME_ORIGIN = (b"Sec-Fetch-Site", b"same-origin")


def form(name: str, *sends: bytes, **more: Any) -> Case:
    """A form of an anonymous visitor's, which is answered by a page."""
    said = {"target": b"/join", "cookie": ANONYMOUS, "asks": (TYPE,), "method": "POST", "site": TRACKED}
    return Case(name, sends=sends or (BODY,), **{**said, **more})


def typed(name: str, content_type: bytes, *sends: bytes) -> Case:
    return form(name, *sends, asks=((b"Content-Type", content_type),), hides=UNSAID)


FORMS = [
    form(
        "form",
        status=302,
        headers=html((b"Location", b"/thanks")),
        body=b"",
        shows=(b"/a?_n=eve%40x.example&_p=p2fv", *SAID, NAMED[0]),
        hides=SECRET,
    ),
    form("form-answered-by-a-page", shows=(*SAID, *NAMED), hides=SECRET),
    form("form-in-chunks", BODY[:3], BODY[3:30], BODY[30:], shows=(*SAID, *NAMED), hides=SECRET),
    form(
        "form-byte-by-byte",
        *(BODY[at : at + 1] for at in range(len(BODY))),
        shows=(*SAID, *NAMED),
        hides=SECRET,
    ),
    form("form-empty", b"", shows=(b"_n=Joined",), hides=(b"/a?", b"km_ni")),
    form("form-with-query", target=b"/%6aoin?next=%2F", shows=(*SAID, *NAMED)),
    form("form-of-named", cookie=ANN, shows=(*SAID, b"_p=ann"), hides=(b"/a?", b"set-cookie", *SECRET)),
    form("form-of-nobody", b"plan=pro", cookie="", shows=(b"set-cookie: km_ai=AAEC", b"_p=AAEC")),
    form("form-of-new-visitor", cookie="", shows=(*SAID, NAMED[0]), hides=(b"km_ai", b"/a?")),
    form(
        "form-of-new-visitor-mixpanel",
        cookie=MP_ANONYMOUS,
        site={**MIXPANEL, **TRACKED},
        shows=(b'"$identify"', b'"Joined"', b'"plan": "pro"', b"%24user_id%22%3A%22eve%40x.example"),
        hides=SECRET,
    ),
    form(
        "form-for-both",
        cookie="",
        site={"mixpanel": {"token": TOKEN}, **TRACKED},
        shows=(*SAID, b'"Joined"'),
        hides=SECRET,
    ),
    form(
        "form-and-login",
        headers=html((b"X-KM-Identify", b"bob")),
        shows=(*SAID, b"_p=bob", b"kmi=bob#end"),
        hides=(b"km_ni=eve",),
    ),
    form("form-of-many-bytes", b"plan=pro&text=" + b"a" * 30_000, shows=(b"/e?plan=pro&_p=",)),
    form("form-too-large", b"e-mail=eve%40x.example&" + b"a" * MAX_BODY, hides=UNSAID),
    form("form-grows-too-large", BODY, *[b"&a=" + b"b" * 9_000] * 8, hides=UNSAID),
    typed(
        "form-multipart",
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="e-mail"\r\n\r\neve@x.example\r\n--x--\r\n',
    ),
    typed("form-of-other-charset", TYPE[1] + b"; charset=Shift_JIS"),
    typed("form-as-json", b"application/json", b'{"e-mail": "eve@x.example"}'),
    form("form-not-utf-8", b"city=K%F6ln&plan=pro", shows=(b"/e?plan=pro&_p=",), hides=(b"city",)),
    form("form-with-error", status=422, reason=b"Unprocessable Content", hides=UNSAID),
    form(
        "form-sent-on",
        status=307,
        reason=b"Temporary Redirect",
        headers=html((b"Location", b"/join/")),
        hides=UNSAID,
    ),
    form("form-elsewhere", target=b"/join/", hides=UNSAID),
    form("form-put", method="PUT", hides=UNSAID),
    form("form-of-crawler", agent=b"Mozilla/5.0 (compatible; Googlebot/2.1)", hides=UNSAID),
    form("form-without-consent", asks=(TYPE, (b"Sec-GPC", b"1")), hides=UNSAID),
    form("form-cross-site", asks=(TYPE, (b"Origin", f"https://{BLOG}".encode())), hides=UNSAID),
    form("form-not-stored", is_full=True, hides=UNSAID),
    Case(
        "form-by-get",
        b"/search?q=a+b&login=eve",
        ANONYMOUS,
        (SAME_ORIGIN,),
        site=TRACKED,
        shows=(b"/e?q=a%20b&login=eve&_p=eve&_n=Searched", b"kmi=eve#end"),
    ),
    Case("form-by-get-pasted", b"/search?q=a&login=eve", ANONYMOUS, site=TRACKED, hides=UNSAID),
    Case(
        "form-by-head",
        b"/search?q=a&login=eve",
        ANONYMOUS,
        (SAME_ORIGIN,),
        method="HEAD",
        site=TRACKED,
        hides=UNSAID,
    ),
]
