"""Waiting for a body to be whole: no longer than is worth it, and not all pages at once."""

from __future__ import annotations

import random

from pages_kit import PAGE, decoded, encoded, scan

from kmproxy.pages import rewriter as module
from kmproxy.pages.chunks import Texts
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.templates import Templates

HTML = b"<p>%b</p>" % random.Random(1).randbytes(60_000).hex().encode()
BODY = encoded(b"gzip", HTML)
HALF = len(BODY) // 2


def page(templates: Templates, length: int = 0) -> PageRewriter:
    return PageRewriter(b"gzip", scan, Texts(b"kmi=v"), templates, PAGE, length)


def test_a_body_that_is_announced_as_too_long_is_not_waited_for() -> None:
    templates = Templates(1 << 20)

    assert page(templates, module.MAX_WHOLE).write(BODY[:HALF]) == b""
    assert page(templates, module.MAX_WHOLE + 1).write(BODY[:HALF]) != b""


def test_all_pages_together_hold_back_no_more_than_they_may() -> None:
    templates = Templates(1 << 20, max_waiting=len(BODY))
    first, second = page(templates), page(templates)

    assert first.write(BODY[:HALF]) == b""
    out = second.write(BODY[:HALF]) + second.write(BODY[HALF:])
    assert out != b""
    assert decoded(b"gzip", out + second.finish()) == HTML
    assert decoded(b"gzip", first.write(BODY[HALF:]) + first.finish()) == HTML


def test_what_a_page_held_back_is_given_back_however_it_ends() -> None:
    templates = Templates(1 << 20, max_waiting=len(BODY))
    ends = (
        lambda one: one.write(BODY[HALF:]) + one.finish(),
        lambda one: one.flush(),
        lambda one: one.salvage(),
        lambda one: None,
    )
    for end in ends:
        one = page(templates)
        assert one.write(BODY[:HALF]) == b""
        end(one)
        del one
        assert templates.patience.left == len(BODY)


def test_a_page_that_is_not_waited_for_keeps_nothing_of_what_has_left() -> None:
    one = page(Templates(1 << 20), module.MAX_WHOLE + 1)
    one.write(BODY[:HALF])

    assert one._raw is None
    assert one._first == b""
