"""FastAPI."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

import kmproxy
from frameworks.apps import content
from kmproxy.asgi import KmproxyMiddleware

app = FastAPI()
app.add_middleware(KmproxyMiddleware, config=content.CONFIG)
app.mount("/static", StaticFiles(directory=content.STATIC))


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(content.PAGE)


@app.get("/who")
def who(request: Request) -> dict[str, str | None]:
    return content.said(request, request.url.query)


@app.post("/login")
async def login(request: Request, name: str) -> RedirectResponse:
    kmproxy.visitor(request).identify(name)
    return RedirectResponse("/", 303)


@app.post("/join")
async def join(request: Request) -> HTMLResponse:
    return HTMLResponse(parse_qs(await request.body())[b"plan"][0])


@app.get("/slow")
async def slow() -> StreamingResponse:
    return StreamingResponse(content.parts(), media_type="text/html")
