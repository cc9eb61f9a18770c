"""Flask."""

from __future__ import annotations

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

import kmproxy
from frameworks.apps import content
from kmproxy.wsgi import KmproxyMiddleware

app = Flask(__name__, static_folder=content.STATIC)
app.wsgi_app = KmproxyMiddleware(app.wsgi_app, config=content.CONFIG)  # type: ignore[method-assign]


@app.get("/")
def page() -> str:
    return content.PAGE


@app.get("/who")
def who() -> dict[str, str | None]:
    return content.said(request, request.query_string.decode())


@app.post("/login")
def login() -> BaseResponse:
    kmproxy.visitor(request).identify(request.args["name"])
    return redirect("/", 303)


@app.post("/join")
def join() -> str:
    return request.form["plan"]


@app.get("/slow")
def slow() -> Response:
    return Response(content.parts_blocking(), mimetype="text/html")
