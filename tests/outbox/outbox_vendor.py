"""A vendor that misbehaves as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Vendor:
    """Answers as told, one answer a request, then ``usual`` for the rest; remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.answers: list[Answer] = []
        self.usual: Answer = ok
        self.base = ""
        """Where it answers, once it does."""
        self.took: list[tuple[str, str]] = []
        """(person, name) of each call answered with 200."""
        self.at_once = self.most_at_once = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            response = await (self.answers.pop(0) if self.answers else self.usual)(request)
        finally:
            self.at_once -= 1
        if response.status == 200:
            self.took.append((request.query.get("_p", ""), request.query.get("_n", "")))
        return response

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.answer)
        return app


async def ok(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"GIF89a")


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


def status(code: int, body: str = "", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=body, headers=headers)

    return answer


def hang(until: asyncio.Event) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await until.wait()
        return web.Response(status=500)

    return answer
