"""Whether OpenTelemetry's agent is at work in this process: decided once, when the server starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from kmproxy.proxy.spans import Spans


def spans() -> Spans | None:
    """What makes a span of each request, or None where nobody asked for it.

    The instrumentation of aiohttp's server puts a middleware before every application; an application tells
    which one, whatever it was instrumented with.
    """
    for middleware in web.Application().middlewares:
        if middleware.__module__.startswith("opentelemetry.instrumentation.aiohttp_server"):
            from kmproxy.proxy.spans import Spans  # loads opentelemetry, which need not be installed

            return Spans(middleware)
    return None
