"""ASGI 3: what passes by, and what the app and the server see of each other."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from doors_asgi import TEXT, bodies, body, never, run, saying, start
from doors_engine import Kept, config
from doors_inside import messages_of, scope_of
from doors_kit import DECORATED, LINK, NOT_MINTING, PAGE, Case

from kmproxy.asgi import KmproxyMiddleware, Message, Receive, Scope, Send

pytest_plugins = ("doors_fixtures",)

PAST_US: dict[str, Any] = {f"http.response.{name}": {} for name in ("pathsend", "zerocopysend", "push")}


async def test_the_courier_begins_before_the_server_hears_of_it_and_ends_with_the_app(kept: Kept) -> None:
    said: list[tuple[str, int, int]] = []

    async def send(message: Message) -> None:
        said.append((message["type"], kept.begun, kept.ended))

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        assert "kmproxy.visitor" not in scope
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    await KmproxyMiddleware(script, config())({"type": "lifespan", "state": {}}, receive, send)
    assert said == [("lifespan.startup.complete", 1, 0), ("lifespan.shutdown.complete", 1, 1)]


async def test_an_app_without_lifespan_is_heard_to_fail_and_the_courier_begins_with_a_request(
    kept: Kept,
) -> None:
    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise KeyError("no lifespan")
        await saying(*messages_of(TEXT))(scope, receive, send)

    app = KmproxyMiddleware(script, config())
    with pytest.raises(KeyError):
        await app({"type": "lifespan"}, never, saying())  # type: ignore[arg-type]

    async def send(message: Message) -> None:
        pass

    for _ in range(3):
        await app(scope_of(TEXT), never, send)
    async with asyncio.timeout(10):
        while not kept.begun:
            await asyncio.sleep(0.01)
    assert kept.begun == 1


async def test_a_websocket_and_what_is_not_known_yet_pass_as_they_are(kept: Kept) -> None:
    for kind in ("websocket", "webtransport"):
        scope: Scope = {"type": kind, "headers": [(b"host", b"shop.acme.example")]}
        seen: list[tuple[Any, ...]] = []

        async def send(message: Message) -> None:
            pass

        async def script(*given: Any, seen: list[tuple[Any, ...]] = seen) -> None:
            seen.append(given)

        await KmproxyMiddleware(script, config())(scope, never, send)
        ((got, receive, sender),) = seen
        assert (got is scope, receive is never, sender is send) == (True, True, True)


async def test_messages_of_every_other_kind_pass_in_their_place(kept: Kept) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    debug = {"type": "http.response.debug", "info": {"template": object()}}
    push = {"type": "http.response.push", "path": "/a.css", "headers": []}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}
    sent = await run(
        saying(hint, debug, start(trailers=True), push, body(PAGE, more_body=True), body(LINK), trailers)
    )
    kinds = [message["type"].removeprefix("http.response.") for message in sent]
    assert kinds == ["early_hint", "debug", "start", "push", "body", "body", "trailers"]
    assert (sent[0], sent[1], sent[3], sent[6]) == (hint, debug, push, trailers)
    assert sent[2]["trailers"]
    assert bodies(sent).count(DECORATED) == 2


async def test_a_page_with_trailers_has_no_length_that_would_forbid_chunks(kept: Kept) -> None:
    sent = await run(saying(start(trailers=True), body(PAGE)))
    assert b"content-length" not in dict(sent[0]["headers"])


async def test_trailers_of_a_page_that_is_decorated_say_nothing_of_the_one_the_app_made(kept: Kept) -> None:
    fields = [(b"content-digest", b"sha-256=:AAAA:"), (b"x-sum", b"1")]
    trailers = {"type": "http.response.trailers", "headers": fields}
    sent = await run(saying(start(trailers=True), body(PAGE), trailers))
    assert sent[-1]["headers"] == [(b"x-sum", b"1")]


@pytest.mark.parametrize(
    ("case", "site", "is_taken"),
    [
        (Case("known"), {}, True),
        (Case("new-visitor", cookie=""), {}, True),
        (Case("named-by-the-app", cookie=""), NOT_MINTING, True),
        (Case("crawler", agent=b"Googlebot/2.1"), {}, False),
        (Case("stranger", host="www.stranger.example"), {}, False),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else "",
)
async def test_files_are_sent_past_us_only_where_no_page_can_be_personal(
    case: Case, site: dict[str, Any], is_taken: bool, kept: Kept
) -> None:
    seen: list[Scope] = []

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await saying(*messages_of(case))(scope, receive, send)

    extensions = copy.deepcopy(PAST_US)
    await run(script, scope_of(case, extensions=extensions), **site)
    assert seen[0]["extensions"] == ({"http.response.push": {}} if is_taken else PAST_US)
    assert extensions == PAST_US


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
async def test_a_file_that_is_sent_past_us_all_the_same_passes_after_its_head(kind: str, kept: Kept) -> None:
    message = {"type": f"http.response.{kind}", "path": "/a.png"}
    for case in (TEXT, Case("crawler", agent=b"Googlebot/2.1")):
        sent = await run(saying(start(case), message), scope_of(case))
        assert [found["type"] for found in sent] == ["http.response.start", message["type"]]
        assert sent[1] == message
        assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % len(PAGE)


async def test_the_servers_scope_stays_as_it_was(kept: Kept) -> None:
    scope = scope_of(Case("arrival", target=b"/?kmi=bob"), extensions=copy.deepcopy(PAST_US), state={"a": []})
    before = copy.deepcopy(scope)
    seen: list[Scope] = []

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        scope["path_params"] = {}
        scope["headers"].append((b"x", b"y"))
        await saying(*messages_of(Case("page")))(scope, receive, send)

    await run(script, scope, arrival={"url": "inline"})
    assert scope == before
    assert seen[0]["query_string"] == b""
    assert seen[0]["state"] is scope["state"]


async def test_a_server_that_gives_no_raw_path_is_served_alike(kept: Kept) -> None:
    scope = scope_of(Case("arrival", target=b"/%C3%AB%20b?x&kmi=bob"))
    del scope["raw_path"]
    sent = await run(saying(), scope)
    assert dict(sent[0]["headers"])[b"location"] == b"/%C3%AB%20b?x"


async def test_headers_that_can_be_read_once_only_are_read_once(kept: Kept) -> None:
    headers = iter([[b"Content-Type", b"text/html"], [b"Set-Cookie", b"a=1"], [b"Set-Cookie", b"b=2"]])
    sent = await run(saying(start(headers=headers), body(PAGE)))
    names = [name for name, _ in sent[0]["headers"]]
    assert names.count(b"set-cookie") == 2
    assert bodies(sent).count(DECORATED) == 1


async def test_a_start_without_headers_passes(kept: Kept) -> None:
    sent = await run(saying({"type": "http.response.start", "status": 204}, body()))
    assert sent == [{"type": "http.response.start", "status": 204, "headers": []}, body()]
