"""One app in five frameworks under four servers: what kmproxy does in each of them."""

from __future__ import annotations

import os
import signal
from urllib.parse import quote

import pytest
from browser.vendors import Vendors

from frameworks.asking import ANONYMOUS, OTHER, Visitor
from frameworks.served import DOORS, ENDED_WELL, FORKING, TESTS, Served, wait_until

KMI = f"kmi={quote(ANONYMOUS, safe='')}".encode()
STATIC = TESTS / "frameworks" / "apps" / "static"


def _name(served: Served, what: str) -> str:
    """A name that no other test and no other server uses."""
    return f"{what}@{served.folder.name}"


def _decorated(page: bytes) -> bytes:
    """``page`` as the app makes it, with the visitor on its link."""
    link = f'"over" href="http://{OTHER}/'.encode()
    return page.replace(link, link + b"?" + KMI)


def _page(served: Served) -> bytes:
    """The page as the app makes it: for somebody who asks a host that is no domain."""
    return Visitor(served.port, host="localhost").ask("/").body


def test_a_known_visitors_page_has_its_link_decorated_and_every_other_byte_is_the_apps(
    served: Served,
) -> None:
    answer, plain = Visitor(served.port).ask("/"), _page(served)
    assert KMI not in plain
    assert answer.body == _decorated(plain) != plain
    assert "private" in answer.headers["Cache-Control"]
    assert answer.cookies == {}


def test_a_first_time_visitor_gets_an_identity_with_the_page_and_its_link_carries_it(served: Served) -> None:
    answer = Visitor(served.port, km_ai="").ask("/")
    (km_ai,) = answer.cookies.values()
    assert answer.cookies == {"km_ai": km_ai}
    assert b"?kmi=%b" % quote(km_ai, safe="%").encode() in answer.body


def test_the_app_is_told_who_asks_and_may_decorate_a_link_of_its_own(served: Served) -> None:
    said = Visitor(served.port).who("?a=1&b=%2F")
    assert said == {
        "identity": ANONYMOUS,
        "anonymous_id": ANONYMOUS,
        "link": f"https://shop.example/cart?page=2&{KMI.decode()}#top",
        "header": ANONYMOUS,
        "query": "a=1&b=%2F",
    }


def test_an_arrival_is_sent_to_the_clean_url_and_told_the_vendor_whoever_serves_it(
    served: Served, calls: Vendors
) -> None:
    names = [_name(served, f"arrival-{number}") for number in range(8)]
    for name in names:
        answer = Visitor(served.port).ask(f"/?page=2&kmi={quote(name)}&x=%7E")
        assert (answer.status, answer.headers["Location"]) == (302, "/?page=2&x=%7E")
        assert answer.cookies == {"km_ni": quote(name, safe="")}
    for name in names:
        calls.wait("kissmetrics", "/a", _p=ANONYMOUS, _n=name)


def test_a_login_names_the_visitor_and_tells_the_vendor(served: Served, calls: Vendors) -> None:
    name = _name(served, "login")
    answer = Visitor(served.port).ask(f"/login?name={quote(name)}", "POST")
    assert answer.status in (302, 303)
    assert answer.headers["Location"] == "/"
    assert answer.cookies == {"km_ni": quote(name, safe="")}
    calls.wait("kissmetrics", "/a", _p=ANONYMOUS, _n=name)


def test_a_tracked_form_reaches_the_app_and_names_the_visitor(served: Served, calls: Vendors) -> None:
    name = _name(served, "form")
    answer = Visitor(served.port).send("/join", {"plan": "pro", "email": name, "password": "hunter2"})
    assert (answer.status, answer.body) == (200, b"pro")
    assert answer.cookies == {"km_ni": quote(name, safe="")}
    calls.wait("kissmetrics", "/a", _p=ANONYMOUS, _n=name)
    calls.wait("kissmetrics", "/e", _p=name, _n="Joined", plan="pro", email=name)


def test_the_first_of_a_page_is_there_before_the_last_is_made(served: Served) -> None:
    plain, gate, end = _page(served), served.folder / "gate", b'<p id="first"></p>'
    gate.unlink(missing_ok=True)
    answer = Visitor(served.port).begin("/slow")
    first = answer.read_until(end)
    gate.touch()
    assert first == _decorated(plain) + end
    assert answer.rest() == b"\n" + _decorated(plain)


@pytest.mark.parametrize("name", ["style.css", "page.html"])
def test_a_file_is_served_and_decorated_if_it_is_a_page(served: Served, name: str) -> None:
    plain = (STATIC / name).read_bytes()
    answer = Visitor(served.port).ask(f"/static/{name}")
    over = b'"http://shop.example/file'
    assert answer.body == plain.replace(over, over + b"?" + KMI)
    assert answer.cookies == {}


def test_a_server_that_is_told_to_end_lets_a_call_in_flight_end_and_each_was_sent_once(
    served: Served, calls: Vendors
) -> None:
    name = _name(served, "in-flight")
    calls.answering.clear()
    Visitor(served.port).ask(f"/?kmi={quote(name)}")
    calls.wait("kissmetrics", "/a", _n=name)
    served.tell_to_end()
    assert served.still_runs(0.5) == served.pair.lets_calls_end
    calls.answering.set()
    assert served.ended() in ENDED_WELL
    assert served.waiting() == (0 if served.pair.lets_calls_end else 1)
    sent = [call.properties["_n"] for call in calls.sent("kissmetrics", "/a", _p=ANONYMOUS)]
    here = [name for name in sent if name.endswith(_name(served, ""))]
    assert name in here
    assert len(here) == len(set(here))


@pytest.mark.parametrize("served", FORKING, indirect=True, ids=lambda pair: pair.name)
def test_a_worker_that_is_killed_while_it_sends_hands_over(served: Served, calls: Vendors) -> None:
    killed, after = _name(served, "killed"), _name(served, "after")
    calls.answering.clear()
    Visitor(served.port).ask(f"/?kmi={quote(killed)}")
    calls.wait("kissmetrics", "/a", _n=killed)
    sender = served.sender()
    assert sender
    os.kill(sender, signal.SIGKILL)
    calls.answering.set()
    Visitor(served.port).ask(f"/?kmi={quote(after)}")
    calls.wait("kissmetrics", "/a", _n=after)
    wait_until(lambda: len(calls.sent("kissmetrics", "/a", _n=killed)) == 2)
    assert served.sender() != sender
    served.end()
    assert served.waiting() == 0


@pytest.mark.parametrize("served", DOORS, indirect=True, ids=lambda pair: pair.name)
def test_what_a_killed_server_had_in_flight_is_sent_at_the_next_ones_first_page(
    served: Served, calls: Vendors
) -> None:
    name = _name(served, "left")
    calls.answering.clear()
    Visitor(served.port).ask(f"/?kmi={quote(name)}")
    calls.wait("kissmetrics", "/a", _n=name)
    served.kill()
    calls.answering.set()
    assert served.waiting() == 1
    assert Visitor(served.port).ask("/").status == 200
    wait_until(lambda: len(calls.sent("kissmetrics", "/a", _n=name)) == 2)
    served.end()
    assert served.waiting() == 0
