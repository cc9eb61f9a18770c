"""PEP 3333: when the head leaves, and who closes what."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from doors_engine import Kept, config
from doors_inside import Client, environ_of
from doors_kit import DECORATED, FIREFOX, LINK, PAGE
from doors_wsgi import CASE, HTML, TEXT, answering, ask

from kmproxy.wsgi import KmproxyMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

pytest_plugins = ("doors_fixtures",)


class Body:
    """An app's body that counts how often it is closed, and may fail."""

    def __init__(self, *items: bytes, fails: bool = False) -> None:
        self._items = iter(items)
        self._fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for item in self._items:
            return item
        if self._fails:
            raise KeyError("app")
        raise StopIteration

    def close(self) -> None:
        self.closed += 1


def asked(app: WSGIApplication, client: Client) -> Iterator[bytes]:
    """The body, for a server that takes it piece by piece."""
    return iter(KmproxyMiddleware(app, config())(environ_of(CASE), client.start_response))


@pytest.mark.parametrize("headers", [HTML, TEXT], ids=["page", "text"])
def test_a_body_is_closed_once_when_it_was_read_to_its_end(
    headers: list[tuple[str, str]], kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    body = Body(PAGE, LINK)
    client = ask(validator(answering(body, headers)))
    gc.collect(1)
    assert (body.closed, capsys.readouterr().err) == (1, "")
    assert client.body.count(DECORATED) == (2 if headers is HTML else 0)


@pytest.mark.parametrize("headers", [HTML, TEXT], ids=["page", "text"])
@pytest.mark.parametrize("taken", [0, 1])
def test_a_body_is_closed_once_when_the_client_left_early(
    headers: list[tuple[str, str]], taken: int, kept: Kept
) -> None:
    body, client = Body(PAGE, LINK), Client()
    returned = KmproxyMiddleware(answering(body, headers), config())(environ_of(CASE), client.start_response)
    for _ in range(taken):
        assert next(iter(returned))
    returned.close()  # type: ignore[attr-defined]
    assert body.closed == 1


def test_a_body_is_closed_once_when_the_app_fails(kept: Kept) -> None:
    body, client = Body(PAGE, fails=True), Client()
    returned = KmproxyMiddleware(answering(body), config())(environ_of(CASE), client.start_response)
    with pytest.raises(KeyError, match="app"):
        client.take(returned)
    assert body.closed == 1
    assert DECORATED in client.body


def test_what_a_close_raises_is_heard(kept: Kept) -> None:
    class Failing(Body):
        def close(self) -> None:
            raise KeyError("close")

    with pytest.raises(KeyError, match="close"):
        ask(answering(Failing(PAGE)))


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_whole_page_leaves_with_its_length_in_one_piece(
    kind: Callable[[list[bytes]], Iterable[bytes]], kept: Kept
) -> None:
    for items in ([PAGE], [PAGE, LINK], [b"", PAGE], []):
        client = ask(answering(kind(items)))
        assert dict(client.headers)["Content-Length"] == str(len(client.body))
        assert client.body.count(DECORATED) == b"".join(items).count(LINK)
        assert len([item for item in client.items if item]) == min(1, len(b"".join(items)))


def test_a_page_whose_length_was_said_leaves_with_its_new_length_and_the_app_runs_on(kept: Kept) -> None:
    ran: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("Content-Length", str(len(PAGE)))])
        yield PAGE
        ran.append("after the last byte")

    client = ask(app)
    assert dict(client.headers)["Content-Length"] == str(len(client.body))
    assert ran == ["after the last byte"]


def test_nothing_is_waited_for_that_the_app_has_given(kept: Kept) -> None:
    client = ask(answering(iter([PAGE[:40], PAGE[40:50], b"", PAGE[50:]])))
    assert len(client.items) == 5  # One for each, and the end.
    assert client.body.count(DECORATED) == 1
    assert "Content-Length" not in dict(client.headers)


def lazily(*items: bytes, headers: list[tuple[str, str]] = HTML) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        yield from items

    return app


def test_an_app_that_begins_at_its_first_item_is_decorated_alike(kept: Kept) -> None:
    assert ask(lazily(PAGE[:50], PAGE[50:])).body.count(DECORATED) == 1
    assert ask(lazily(PAGE, headers=TEXT)).body == PAGE
    assert ask(lazily()).body == b""
    assert ask(lazily(headers=TEXT)).status == "200 OK"


def test_the_head_leaves_before_the_second_item_is_asked_for(kept: Kept) -> None:
    for headers in (HTML, TEXT):
        client = Client()
        parts = asked(lazily(PAGE, PAGE, headers=headers), client)
        assert client.status == ""
        assert next(parts)
        assert client.status == "200 OK"


def test_a_file_is_the_servers_to_send_where_nothing_is_rewritten(kept: Kept) -> None:
    for headers, agent, is_sent in (
        (TEXT, FIREFOX, True),
        (HTML, b"Googlebot/2.1", True),
        (HTML, FIREFOX, False),
    ):
        wrapper, client = FileWrapper(io.BytesIO(PAGE)), Client()
        app = KmproxyMiddleware(answering(wrapper, headers), config())
        returned = app(environ_of(replace(CASE, agent=agent)), client.start_response)
        assert (returned is wrapper) == is_sent
        client.take(returned)
        assert (DECORATED in client.body) != is_sent
        assert wrapper.filelike.closed
