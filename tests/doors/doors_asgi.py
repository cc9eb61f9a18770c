"""Messages to and from an ASGI app behind the middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from doors_engine import config
from doors_inside import messages_of, scope_of
from doors_kit import Case

from kmproxy.asgi import KmproxyMiddleware, Message, Receive, Scope, Send

Script = Callable[[Scope, Receive, Send], Awaitable[None]]
Found = list[dict[str, Any]]
PAGE_CASE = Case("page")
TEXT = Case("text", headers=((b"content-type", b"text/plain"),))


async def never() -> Message:
    raise AssertionError("nobody reads")


async def run(script: Script, scope: Scope | None = None, receive: Receive = never, **site: Any) -> Found:
    """What the server is sent by ``script`` behind the middleware."""
    sent: Found = []

    async def send(message: Message) -> None:
        sent.append(dict(message))

    app = KmproxyMiddleware(script, config(**site))
    await app(scope_of(Case("page")) if scope is None else scope, receive, send)
    return sent


def saying(*messages: Message) -> Script:
    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return script


def start(case: Case = PAGE_CASE, **more: Any) -> Message:
    return {**next(messages_of(case)), **more}


def body(data: bytes = b"", **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, **more}


def bodies(sent: Found) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)
