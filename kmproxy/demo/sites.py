"""The two demo sites: one app behind both domains, which knows nothing of kmproxy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web

from kmproxy.demo.names import BLOG, SHOP, TOKEN
from kmproxy.demo.panel import panel_values, who

_PAGES = {
    (BLOG, "/"): "blog.html",
    (BLOG, "/article"): "article.html",
    (SHOP, "/"): "shop.html",
    (SHOP, "/letter"): "letter.html",
}


def sites() -> web.Application:
    """The app: which site it is, it takes from the Host header."""
    app = web.Application()
    app.router.add_get("/{path:.*}", _page)
    return app


async def _page(request: web.Request) -> web.Response:
    host, _, port = request.host.partition(":")
    name = _PAGES.get((host, request.path))
    if name is None:
        return web.Response(status=404, text="There is no such page.\n")
    response = web.Response(text=_rendered(name, host, port, request.headers), content_type="text/html")
    response.headers["Cache-Control"] = "no-cache"
    response.enable_compression()
    return response


def _rendered(name: str, host: str, port: str, headers: Mapping[str, str]) -> str:
    """The page; links to the other domain carry the port by which the visitor came."""
    colon = f":{port}" if port else ""
    values = {**panel_values(who(headers)), "host": host, "token": TOKEN}
    values = {"panel": _fill(_text("panel.html"), values), "style": _text("style.css")}
    return _fill(_text(name), {**values, "blog": BLOG + colon, "shop": SHOP + colon})


def _fill(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


@cache
def _text(name: str) -> str:
    return (files("kmproxy.demo") / "pages" / name).read_text(encoding="utf-8")
