"""Exchanges of arrivals, of first visits and of odd targets."""

from __future__ import annotations

from urllib.parse import quote

from doors_kit import (
    ANONYMOUS,
    BLOG,
    DECORATED,
    MIXPANEL,
    MP,
    MP_ANONYMOUS,
    NOT_MINTING,
    TOKEN,
    UNDECORATED,
    A,
    Case,
)

from kmproxy.messages import Headers

FROM_BLOG: Headers = ((b"Referer", f"http://{BLOG}/post".encode()),)


ARRIVALS = [
    Case(
        "arrival",
        b"/p?x=1&kmi=bob&y",
        ANONYMOUS,
        FROM_BLOG,
        shows=(b"302", b"location: /p?x=1&y\n", b"km_ni=bob", b"/a?"),
    ),
    Case(
        "arrival-with-event",
        b"/?kme=Signed%20up&km_plan=pro&kmi=bob",
        ANONYMOUS,
        FROM_BLOG,
        shows=(b"302", b"_n=Signed%20up", b"plan=pro", b"/a?"),
    ),
    Case("arrival-at-escapes", b"/a%2Fb/%7e%zz?kmi=bob", shows=(b"location: /a%2Fb/%7e%zz\n",)),
    Case("arrival-off-the-host", b"//a?kmi=bob", "", shows=(b"location: /.//a",)),
    Case("arrival-by-head", b"/?kmi=bob", ANONYMOUS, FROM_BLOG, method="HEAD", hides=(b"/a?",)),
    Case(
        "arrival-inline",
        b"/p?x=1&kmi=bob",
        ANONYMOUS,
        FROM_BLOG,
        site={"arrival": {"url": "inline"}},
        shows=(b"km_ni=bob", b"kmi=bob#end", b"/a?"),
    ),
    Case(
        "arrival-inline-alone",
        b"/p?kmi=bob",
        ANONYMOUS,
        FROM_BLOG,
        site={"arrival": {"url": "inline"}},
        shows=(b"kmi=bob#end",),
    ),
    Case(
        "arrival-left",
        b"/p?x=1&kmi=bob",
        ANONYMOUS,
        FROM_BLOG,
        site={"arrival": {"url": "leave"}},
        shows=(b"km_ni=bob", b"kmi=bob#end", b"/a?"),
    ),
    Case(
        "arrival-mixpanel",
        b"/p?distinct_id=bob&x",
        MP_ANONYMOUS,
        FROM_BLOG,
        site=MIXPANEL,
        shows=(b"302", b"location: /p?x\n", b"%22%24user_id%22%3A%22bob%22", b"/track"),
    ),
    Case(
        "arrival-mixpanel-inline",
        b"/p?distinct_id=bob",
        "",
        FROM_BLOG,
        site={**MIXPANEL, "arrival": {"url": "inline"}},
        shows=(b"distinct_id=bob#end",),
    ),
    Case(
        "arrival-both",
        b"/?kmi=bob&distinct_id=eve",
        f"{ANONYMOUS}; {MP_ANONYMOUS}",
        FROM_BLOG,
        site={"mixpanel": {"token": TOKEN}},
        shows=(b"/a?", b"/track", b"location: /\n"),
    ),
    Case(
        "arrival-ahead",
        b"/?kmi=bob",
        ANONYMOUS,
        (*FROM_BLOG, (b"Sec-Purpose", b"prefetch")),
        shows=(b"503", b"Not ahead"),
        hides=(b"bob",),
    ),
    Case(
        "arrival-of-crawler",
        b"/p?kmi=bob&x",
        "",
        agent=b"Mozilla/5.0 (compatible; Googlebot/2.1)",
        shows=(b"302", b"location: /p?x\n"),
        hides=(b"km_",),
    ),
    Case(
        "arrival-not-stored",
        b"/p?kmi=bob",
        ANONYMOUS,
        FROM_BLOG,
        is_full=True,
        shows=(b"200", quote(A, "").encode() + b"#end"),
        hides=(b"bob", b"set-cookie"),
    ),
    Case(
        "arrival-of-script",
        b"/p?kmi=bob",
        ANONYMOUS,
        ((b"Sec-Fetch-Dest", b"empty"),),
        shows=(b"200",),
        hides=(b"bob",),
    ),
    Case(
        "crawler", agent=b"Mozilla/5.0 (compatible; Googlebot/2.1)", shows=(UNDECORATED,), hides=(b"private",)
    ),
    Case("gpc", asks=((b"Sec-GPC", b"1"),), shows=(UNDECORATED,)),
    Case("first-visit", cookie="", shows=(b"set-cookie: km_ai=AAEC", b"kmi=AAECAwQF")),
    Case(
        "first-visit-mixpanel",
        cookie="",
        site=MIXPANEL,
        shows=(f"set-cookie: {MP}=".encode(), b"distinct_id=%24device%3A"),
    ),
    Case("first-visit-https-asset", cookie="", headers=((b"Content-Type", b"image/png"),), hides=(b"km_ai",)),
    Case("not-minted", cookie="", site=NOT_MINTING, shows=(UNDECORATED,), hides=(b"km_ai",)),
    *(
        Case(f"target-{name}", target, shows=(DECORATED,))
        for name, target in {
            "two-slashes": b"//a",
            "empty-query": b"/a?",
            "no-escape": b"/%zz",
            "escaped-slash": b"/a%2Fb?c=%2F",
            "question-in-query": b"/a?b?c",
            "odd": b"/a;b=c/!$&'()*+,=:@~|",
        }.items()
    ),
]
