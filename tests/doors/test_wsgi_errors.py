"""PEP 3333: what the app writes, what happens when it fails, and many threads at once."""

from __future__ import annotations

import asyncio
import gzip
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from doors_engine import Kept, config
from doors_inside import Client, environ_of
from doors_kit import DECORATED, LINK, PAGE, Case, gzipped
from doors_wsgi import CASE, HTML, answering, ask, behind

import kmproxy
from kmproxy.pages.codings import CodingError
from kmproxy.wsgi import KmproxyMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

pytest_plugins = ("doors_fixtures",)


def test_what_the_app_writes_leaves_at_once(kept: Kept) -> None:
    client = Client()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [*HTML, ("Content-Length", str(len(PAGE + LINK)))])
        write(PAGE)
        assert DECORATED in client.body
        write(b"")
        return [LINK]

    client.take(behind(app)(environ_of(CASE), client.start_response))
    assert client.body.count(DECORATED) == 2
    assert "Content-Length" not in dict(client.headers)


def test_what_the_app_writes_and_is_not_in_its_coding_leaves_broken(kept: Kept) -> None:
    coded, client = gzipped(PAGE * 9), Client()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [*HTML, ("Content-Encoding", "gzip")])
        write(coded[:60])
        write(b"\xff" * 60)
        return []

    with pytest.raises(CodingError):
        client.take(KmproxyMiddleware(app, config())(environ_of(CASE), client.start_response))
    assert client.body


def failing(*before: bytes) -> WSGIApplication:
    """An app that begins a page, and then has another one for an error."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("X-KM-Record", "Seen"), ("Content-Length", "9999")])
        try:
            yield from before
            raise KeyError("app")
        except KeyError:
            start_response("500 Oh no", [*HTML, ("Content-Length", str(len(LINK)))], sys.exc_info())
            yield LINK

    return app


def test_an_error_before_anything_has_left_makes_another_page(kept: Kept) -> None:
    for before in ((), (b"",), (b"<a hre",), (b"", b"")):
        client = ask(failing(*before))
        assert client.status == "500 Oh no"
        assert client.body == LINK.replace(b"#end", b"&amp;kmi=ann#end")
        announced = [value for name, value in client.headers if name == "Content-Length"]
        assert announced == [str(len(client.body))]
        assert "X-KM-Record" not in dict(client.headers)


def test_an_error_after_the_head_has_left_is_the_servers(kept: Kept) -> None:
    client = Client()
    with pytest.raises(KeyError, match="app"):
        client.take(behind(failing(PAGE))(environ_of(CASE), client.start_response))
    assert client.status == "200 OK"


def test_an_app_that_fails_at_once_is_heard_to_fail(kept: Kept) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(HTML))
        raise KeyError("app")

    client = Client()
    with pytest.raises(KeyError, match="app"):
        behind(app)(environ_of(CASE), client.start_response)
    assert client.status == ""


def test_a_path_that_a_server_gives_decoded_only_is_escaped_again(kept: Kept) -> None:
    environ = environ_of(Case("arrival", target=b"/%C3%AB%20b?x&kmi=bob"))
    del environ["RAW_URI"]
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/app", environ["PATH_INFO"]
    client = Client()
    client.take(KmproxyMiddleware(answering([]), config())(environ, client.start_response))
    assert dict(client.headers)["Location"] == "/app/%C3%AB%20b?x"


def test_the_servers_environ_stays_as_it_was(kept: Kept) -> None:
    environ = environ_of(Case("arrival", target=b"/?kmi=bob"))
    before, seen = dict(environ), list[dict[str, Any]]()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        return answering([PAGE])(environ, start_response)

    client = Client()
    middleware = KmproxyMiddleware(app, config(arrival={"url": "inline"}))
    client.take(middleware(environ, client.start_response))
    assert environ == before
    assert (seen[0]["RAW_URI"], seen[0]["QUERY_STRING"]) == ("/", "")
    assert seen[0]["wsgi.input"] is environ["wsgi.input"]


def test_no_visitor_on_any_thread_gets_anothers_page(kept: Kept) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("Content-Encoding", "gzip")])
        return [gzipped(PAGE + f"<p>{kmproxy.visitor(environ).identity}</p>".encode())]

    middleware = behind(app)

    def visit(thread: int) -> None:
        name = "ann" if thread % 2 else "bob"
        for _ in range(50):
            client = Client()
            case = Case("page", cookie=f"km_ni={name}")
            client.take(middleware(environ_of(case), client.start_response))
            page = gzip.decompress(client.body)
            assert (
                page == PAGE.replace(b"#end", b"&amp;kmi=%b#end" % name.encode()) + f"<p>{name}</p>".encode()
            )

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(visit, thread) for thread in range(8)]:
            done.result()


def test_no_event_loop_is_made_in_a_request(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: made.append("loop"))
    monkeypatch.setattr(
        asyncio.events.BaseDefaultEventLoopPolicy, "new_event_loop", lambda self: made.append("policy")
    )
    before = set(threading.enumerate())
    for case in (CASE, Case("arrival", target=b"/?kmi=bob", cookie="km_ai=x"), Case("again")):
        app = KmproxyMiddleware(answering([PAGE], [*HTML, ("X-KM-Record", "Seen")]), config())
        client = Client()
        client.take(app(environ_of(case), client.start_response))
    assert made == []
    assert [
        thread.name for thread in set(threading.enumerate()) - before if thread.name != "kmproxy-begin"
    ] == []
