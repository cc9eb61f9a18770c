"""Apps behind the WSGI middleware and the validator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

from doors_engine import config
from doors_inside import Client, environ_of
from doors_kit import Case

from kmproxy.wsgi import KmproxyMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HTML = [("Content-Type", "text/html")]
TEXT = [("Content-Type", "text/plain")]
CASE = Case("page")


def answering(body: Iterable[bytes], headers: list[tuple[str, str]] = HTML) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return body

    return app


def behind(app: WSGIApplication, **site: Any) -> WSGIApplication:
    return validator(KmproxyMiddleware(app, config(**site)))


def ask(app: WSGIApplication, case: Case = CASE, **site: Any) -> Client:
    client = Client()
    client.take(behind(app, **site)(environ_of(case), client.start_response))
    return client
