"""ASGI 3: what is held back and for how long, and what happens when something fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from doors_asgi import TEXT, Found, bodies, body, never, run, saying, start
from doors_engine import Kept, config
from doors_inside import messages_of, scope_of
from doors_kit import DECORATED, HTML, LINK, PAGE, Case

import kmproxy
from kmproxy.asgi import KmproxyMiddleware, Message, Receive, Scope, Send

pytest_plugins = ("doors_fixtures",)


async def test_the_app_sees_its_client_leave(kept: Kept) -> None:
    seen: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(PAGE, more_body=True))
        seen.append(await receive())

    sent = await run(script, receive=receive)
    assert seen == [{"type": "http.disconnect"}]
    assert DECORATED in bodies(sent)


async def test_an_app_that_is_cancelled_is_cancelled(kept: Kept) -> None:
    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(PAGE, more_body=True))
        await asyncio.Event().wait()

    task = asyncio.create_task(run(script))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_has_gone_is_an_error_of_the_app_s_send(kept: Kept) -> None:
    async def gone(message: Message) -> None:
        raise OSError("gone")

    errors: list[str] = []

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(OSError, match="gone"):
            await saying(start(), body(PAGE))(scope, receive, send)
        errors.append("seen")

    await KmproxyMiddleware(script, config())(scope_of(Case("page")), never, gone)
    assert errors == ["seen"]


async def test_an_app_that_fails_is_heard_to_fail_and_leaves_no_head_of_a_page(kept: Kept) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send, *messages: Message) -> None:
        await saying(*messages)(scope, receive, send)
        raise KeyError("app")

    for messages, kinds in (
        ((), []),
        ((start(),), []),
        ((start(TEXT),), ["start"]),
        ((start(), body(PAGE, more_body=True)), ["start", "body"]),
    ):
        sent: Found = []

        async def send(message: Message, sent: Found = sent) -> None:
            sent.append(dict(message))

        async def script(*given: Any, messages: tuple[Message, ...] = messages) -> None:
            await failing(*given, *messages)

        with pytest.raises(KeyError):
            await KmproxyMiddleware(script, config())(scope_of(Case("page")), never, send)
        assert [message["type"].rpartition(".")[2] for message in sent] == kinds


async def test_each_answer_knows_its_own_visitor_when_many_are_made_at_once(kept: Kept) -> None:
    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        who = kmproxy.visitor(scope).identity
        await send(start())
        for piece in (PAGE[:50], PAGE[50:]):
            await send(body(piece, more_body=True))
            await asyncio.sleep(0)
        await send(body(f"<p>{who}".encode()))

    app = KmproxyMiddleware(script, config())

    async def ask(name: str) -> bytes:
        sent: Found = []

        async def send(message: Message) -> None:
            sent.append(dict(message))
            await asyncio.sleep(0)

        await app(scope_of(replace(Case(name), cookie=f"km_ni={name}")), never, send)
        return bodies(sent)

    names = [f"visitor{number}" for number in range(50)]
    for name, page in zip(names, await asyncio.gather(*map(ask, names)), strict=True):
        assert page.count(b"visitor") == page.count(name.encode()) == 2


class Client:
    """One that takes messages when told to."""

    def __init__(self) -> None:
        self.taken = asyncio.Semaphore(0)
        self.sent: Found = []

    async def send(self, message: Message) -> None:
        self.sent.append(dict(message))
        await self.taken.acquire()


async def test_the_app_goes_no_faster_than_its_client(kept: Kept) -> None:
    client, done = Client(), list[int]()

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        for number, message in enumerate(messages_of(Case("page", pieces=(PAGE, LINK)))):
            await send(message)
            done.append(number)

    task = asyncio.create_task(
        KmproxyMiddleware(script, config())(scope_of(Case("page")), never, client.send)
    )
    for expected in ([0], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]):
        async with asyncio.timeout(10):
            while not (len(done) == len(expected) and client.taken.locked()) and not task.done():
                await asyncio.sleep(0.001)
        assert done == expected
        client.taken.release()
    await task


@pytest.mark.parametrize(
    ("case", "messages", "kinds"),
    [
        (TEXT, [start(TEXT)], ["start"]),
        (Case("page"), [start()], []),
        (Case("page"), [start(), body(b"", more_body=True)], ["start"]),
        (Case("page"), [start(), body(b"<p", more_body=True)], ["start"]),
        (Case("page"), [start(), body(PAGE, more_body=True)], ["start", "body"]),
        (Case("no-page", headers=HTML, method="HEAD"), [start()], ["start"]),
    ],
    ids=["text", "page", "empty-piece", "half-a-tag", "piece", "head"],
)
async def test_a_head_leaves_as_soon_as_it_is_decided(
    case: Case, messages: list[Message], kinds: list[str], kept: Kept
) -> None:
    sent = await run(saying(*messages), scope_of(case))
    assert [message["type"].rpartition(".")[2] for message in sent] == kinds


async def test_a_whole_page_leaves_with_its_length_and_a_streamed_one_without(kept: Kept) -> None:
    whole = await run(saying(*messages_of(Case("page"))))
    assert dict(whole[0]["headers"])[b"content-length"] == b"%d" % len(bodies(whole))
    streamed = await run(saying(*messages_of(Case("streamed", pieces=(PAGE, LINK)))))
    assert b"content-length" not in dict(streamed[0]["headers"])
    assert len(streamed) == 4
