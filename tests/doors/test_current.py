"""The visitor as an app sees it, in every framework, and what the app may say of them."""

from __future__ import annotations

from typing import Any

import pytest
from doors_engine import Kept
from doors_frameworks import FRAMEWORKS, Say, bare_scope
from doors_kit import ANN, ANONYMOUS, BLOG, LINK, MIXPANEL, MP_ANONYMOUS, NOT_MINTING, SHOP, A, Case, Exchange

import kmproxy

pytest_plugins = ("doors_fixtures",)

every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
NEXT = f"https://{BLOG}/next"


def cookies(got: Exchange) -> dict[str, str]:
    pairs = [line.decode().partition(";")[0].split("=", 1) for line in got.headers.get(b"set-cookie", [])]
    return dict(pairs)


@every_framework
async def test_an_app_sees_who_its_visitor_is(framework: str, kept: Kept) -> None:
    def say(request: Any) -> str:
        visitor = kmproxy.visitor(request)
        return f"{visitor.identity} {visitor.anonymous_id} {kmproxy.link(NEXT, request)}"

    got = await FRAMEWORKS[framework](say, Case("known"), kept)
    assert (got.status, got.body.decode()) == (200, f"ann {A} {NEXT}?kmi=ann")


@every_framework
async def test_an_app_names_its_visitor(framework: str, kept: Kept) -> None:
    def say(request: Any) -> str:
        visitor = kmproxy.visitor(request)
        visitor.identify("bob")
        visitor.record("Logged in", plan="pro", seats=3)
        return f"{visitor.identity} {visitor.anonymous_id} {kmproxy.link(NEXT, request)} {LINK.decode()}"

    got = await FRAMEWORKS[framework](say, Case("login", cookie=ANONYMOUS), kept)
    assert got.body.startswith(f"bob {A} {NEXT}?kmi=bob <a".encode())
    assert got.body.count(b"kmi=bob#end") == 1
    assert cookies(got)["km_ni"] == "bob"
    alias, event = got.calls
    assert ("/a?" in alias.url, "_n=bob" in alias.url) == (True, True)
    assert [part in event.url for part in ("/e?", "_n=Logged%20in", "_p=bob", "plan=pro", "seats=3")] == [
        True
    ] * 5


@every_framework
async def test_a_new_visitor_is_given_an_id_that_the_app_sees(framework: str, kept: Kept) -> None:
    def say(request: Any) -> str:
        return f"{kmproxy.visitor(request).identity}"

    got = await FRAMEWORKS[framework](say, Case("new", cookie=""), kept)
    assert got.body == b"AAECAwQFBgcICQoLDA0ODxAREhM="
    assert cookies(got) == {"km_ai": "AAECAwQFBgcICQoLDA0ODxAREhM%3D"}


async def test_an_app_aliases_its_visitor(kept: Kept) -> None:
    def say(request: Any) -> str:
        kmproxy.visitor(request).alias("ann@acme.example")
        return f"{kmproxy.visitor(request).identity}"

    got = await bare_scope(say, Case("alias"), kept)
    (call,) = got.calls
    assert (got.body, cookies(got)) == (b"ann", {})
    assert [part in call.url for part in ("/a?", "ann%40acme.example", "=ann&")] == [True] * 3


async def test_an_app_logs_its_visitor_out(kept: Kept) -> None:
    def say(request: Any) -> str:
        kmproxy.visitor(request).clear()
        return f"{kmproxy.visitor(request).identity} {LINK.decode()}"

    got = await bare_scope(say, Case("logout"), kept)
    assert b"ann" not in got.said()
    assert got.body.startswith(b"AAECAwQFBgcICQoLDA0ODxAREhM= ")
    assert got.body.count(b"kmi=AAECAwQFBgcICQoLDA0ODxAREhM%3D#end") == 1
    assert cookies(got)["km_ai"] == "AAECAwQFBgcICQoLDA0ODxAREhM%3D"
    assert got.calls == []


async def test_an_app_names_its_visitor_to_mixpanel(kept: Kept) -> None:
    def say(request: Any) -> str:
        kmproxy.visitor(request).identify("bob")
        return kmproxy.link(NEXT, request)

    got = await bare_scope(say, Case("login", cookie=MP_ANONYMOUS, site=MIXPANEL), kept)
    assert got.body == f"{NEXT}?distinct_id=bob".encode()
    assert "%22%24user_id%22%3A%22bob%22" in next(iter(cookies(got).values()))
    assert [call.url.partition("?")[0] for call in got.calls] == ["https://api.mixpanel.com/track"]


async def test_what_an_app_says_is_heeded_where_it_answers_with_no_page(kept: Kept) -> None:
    def say(request: Any) -> str:
        kmproxy.visitor(request).identify("bob")
        return ""

    got = await FRAMEWORKS["flask"](say, Case("login", cookie=ANONYMOUS, method="HEAD", accept=b"*/*"), kept)
    assert got.calls == []  # Nobody looks at a HEAD's answer.
    got = await FRAMEWORKS["flask"](say, Case("login", cookie=ANONYMOUS, accept=b"application/json"), kept)
    assert (cookies(got), len(got.calls)) == ({"km_ni": "bob"}, 1)


async def test_what_can_not_be_stored_is_not_heeded(kept: Kept) -> None:
    def say(request: Any) -> str:
        kmproxy.visitor(request).identify("bob")
        return LINK.decode()

    kept.is_full = True
    got = await bare_scope(say, Case("login", cookie=ANONYMOUS), kept)
    assert (cookies(got), got.calls, b"bob" in got.body) == ({}, [], False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"http://{BLOG}", f"http://{BLOG}/?kmi=ann"),
        (f"https://{BLOG}/p?a=1#b", f"https://{BLOG}/p?a=1&kmi=ann#b"),
        (f"//{BLOG}/p?", f"//{BLOG}/p?kmi=ann"),
        (f"https://{BLOG}/ë", f"https://{BLOG}/ë?kmi=ann"),
        (f"https://{BLOG}/p?kmi=eve", f"https://{BLOG}/p?kmi=eve"),
        (f"https://{SHOP}/p", f"https://{SHOP}/p"),
        ("/p", "/p"),
        ("", ""),
        ("https://www.stranger.example/", "https://www.stranger.example/"),
        (f"mailto:ann@{BLOG}", f"mailto:ann@{BLOG}"),
        ("https://[", "https://["),
    ],
)
async def test_a_url_is_decorated_where_it_leads_to_another_domain(
    url: str, expected: str, kept: Kept
) -> None:
    got = await bare_scope(lambda request: kmproxy.link(url, request), Case("known"), kept)
    assert got.body.decode() == expected


@pytest.mark.parametrize(
    "case",
    [
        Case("stranger", host="www.stranger.example"),
        Case("crawler", agent=b"Googlebot/2.1"),
        Case("gpc", asks=((b"Sec-GPC", b"1"),)),
    ],
    ids=lambda case: case.name,
)
async def test_nobody_is_followed_where_nobody_may_be(case: Case, kept: Kept) -> None:
    def say(request: Any) -> str:
        visitor = kmproxy.visitor(request)
        visitor.identify("bob")
        visitor.alias("eve")
        visitor.record("Bought")
        visitor.clear()
        return f"{visitor.identity} {visitor.anonymous_id} {kmproxy.link(NEXT, request)} {LINK.decode()}"

    got = await bare_scope(say, case, kept)
    assert got.body.decode() == f"None None {NEXT} {LINK.decode()}"
    assert (cookies(got), got.calls) == ({}, [])


async def test_a_nobody_has_no_identity_until_the_app_gives_one(kept: Kept) -> None:
    def say(request: Any) -> str:
        visitor = kmproxy.visitor(request)
        before = f"{visitor.identity} {visitor.link(NEXT)}"
        visitor.identify("bob")
        return f"{before} {visitor.identity} {visitor.link(NEXT)}"

    got = await bare_scope(say, Case("new", cookie="", site=NOT_MINTING), kept)
    assert got.body.decode() == f"None {NEXT} bob {NEXT}?kmi=bob"
    assert cookies(got) == {"km_ni": "bob"}


@pytest.mark.parametrize("request_", [{}, {"type": "http"}, object(), None, {"kmproxy.visitor": "ann"}])
def test_without_a_middleware_there_is_no_visitor(request_: Any) -> None:
    with pytest.raises(LookupError, match="middleware"):
        kmproxy.visitor(request_)
    with pytest.raises(LookupError, match="middleware"):
        kmproxy.link(NEXT, request_)


async def test_the_apps_view_of_a_request_names_its_visitor_too(kept: Kept) -> None:
    say: Say = lambda request: request["HTTP_X_KM_IDENTITY"] + " " + request["HTTP_X_KM_ANONYMOUS_ID"]  # noqa: E731
    got = await FRAMEWORKS["bare_environ"](say, Case("known", cookie=ANN), kept)
    assert got.body.decode() == f"ann {A}"
