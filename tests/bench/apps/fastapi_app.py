"""FastAPI under uvicorn: python -m tests.bench.apps.fastapi_app PORT UPSTREAM-PORT VARIANT CONFIG."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Response
from fastapi.middleware.gzip import GZipMiddleware

from kmproxy.asgi import KmproxyMiddleware

from .made import gzipped, page


def make(upstream: int, variant: str, config: str) -> FastAPI:
    app = FastAPI()

    @app.get("/{path:path}")
    async def plain(path: str) -> Response:
        return Response(page(upstream, f"/{path}"), media_type="text/html")

    @app.get("/{path:path}")
    async def compressed(path: str) -> Response:
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(gzipped(upstream, f"/{path}"), media_type="text/html", headers=headers)

    if variant.endswith("gzipped"):
        app.router.routes.reverse()
    for part in reversed(variant.split("+")):
        if part == "gzip":
            app.add_middleware(GZipMiddleware)
        elif part == "kmproxy":
            app.add_middleware(KmproxyMiddleware, config=config)
    return app


if __name__ == "__main__":
    port, upstream, variant, config = sys.argv[1:]
    app = make(int(upstream), variant, config)
    uvicorn.run(app, port=int(port), log_level="error", access_log=False)
