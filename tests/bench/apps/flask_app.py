"""Flask under gunicorn: ``tests.bench.apps.flask_app:make(UPSTREAM-PORT, "VARIANT", "CONFIG")``."""

from __future__ import annotations

from flask import Flask, Response

from kmproxy.wsgi import KmproxyMiddleware

from .made import gzipped, page


def make(upstream: int, variant: str, config: str) -> Flask:
    app = Flask(__name__, static_folder=None)

    @app.get("/<path:path>")
    def answer(path: str) -> Response:
        if variant.endswith("gzipped"):
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(gzipped(upstream, f"/{path}"), mimetype="text/html", headers=headers)
        return Response(page(upstream, f"/{path}"), mimetype="text/html")

    if variant.endswith("compress"):
        from flask_compress import Compress

        Compress(app)
    if variant.startswith("kmproxy"):
        app.wsgi_app = KmproxyMiddleware(app.wsgi_app, config=config)  # type: ignore[method-assign]
    return app
