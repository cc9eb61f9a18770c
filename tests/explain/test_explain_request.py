"""What ``kmproxy explain`` tells of a request: who it is, what is decided and why, what would be done."""

from __future__ import annotations

import inspect
import re

import pytest
from explain_kit import BLOG, K_ENCODED, KM, MINTED, SHOP, A, Explainer, K, decided, place

from kmproxy import submitting
from kmproxy.explain import reasons
from kmproxy.forms import form, submission
from kmproxy.identity.visitor import TABLES

pytest_plugins = ("explain_fixtures",)

ANN = "/?kmi=ann%40acme.example"


def test_the_site_and_the_domain_are_named_with_their_line(explainer: Explainer) -> None:
    told = explainer.facts(f"{SHOP}:8443/x")
    assert (told["site"]["value"], place(told["site"])) == ("acme", "5: site[0].name")
    assert (told["domain"]["value"], place(told["domain"])) == (
        "shop.acme.example",
        "10: site[0].domain[0].host",
    )
    assert told["upstreams"] == ["http://127.0.0.1:9"]
    assert "no upstream: linked to" in explainer.words(BLOG)


def test_the_visitor_is_told_as_each_provider_reads_them(explainer: Explainer) -> None:
    stored = '{"distinct_id":"bob","$device_id":"d","$user_id":"bob"}'
    told = explainer.facts(SHOP, "--cookie", f"km_ai={A}; km_ni=ann", "--cookie", f"mp_tok_mixpanel={stored}")
    kissmetrics, mixpanel = told["visitor"]
    assert kissmetrics["before"] == kissmetrics["after"] == {"anonymous": A, "named": "ann"}
    assert mixpanel["before"] == {"anonymous": "$device:d", "named": "bob"}
    assert kissmetrics["scope"] == mixpanel["scope"] == "acme.example"
    assert place(kissmetrics["config"]) == "site[0].identity.cookie_domain (default)"
    assert mixpanel["config"] is None


def test_an_arrival_tells_the_rule_the_cookies_the_calls_and_the_redirect(explainer: Explainer) -> None:
    words = (SHOP + ANN + "&kme=Signed+up&km_plan=pro&q=1", "--cookie", f"km_ai={A}", "--from", BLOG)
    told = explainer.facts(*words)
    assert decided(told) == [("arrival", "kissmetrics", "anonymous-identified")]
    assert place(told["decisions"][0]["config"]) == "site[0].arrival.policy (default)"
    [cookie] = told["cookies"]
    assert (cookie["name"], cookie["value"], cookie["scope"]) == ("km_ni", "ann@acme.example", "acme.example")
    alias, event = told["calls"]
    assert (alias["endpoint"], alias["says"]["_p"]) == ("https://trk.kissmetrics.io/a", A)
    assert (event["says"]["_n"], event["says"]["plan"]) == ("Signed up", "pro")
    assert (told["answer"]["status"], told["answer"]["location"]) == (302, "/?q=1")
    assert place(told["answer"]["config"]) == "site[0].arrival.url (default)"
    text = explainer.words(*words)
    for line in (
        f"kissmetrics: anonymous {A} -> named ann@acme.example, anonymous {A}",
        "cookie km_ni=ann@acme.example on acme.example, for 1825 days",
        "tracking call to kissmetrics for ann@acme.example: GET https://trk.kissmetrics.io/a",
        "  _n = Signed up",
        "answered with 302 to /?q=1",
    ):
        assert f"  {line}\n" in text


def test_a_call_with_a_body_is_readable(explainer: Explainer) -> None:
    stored = '{"distinct_id":"$device:d","$device_id":"d"}'
    words = (SHOP + "/?distinct_id=bob", "--cookie", f"mp_tok_mixpanel={stored}")
    [call] = explainer.facts(*words)["calls"]
    assert call["endpoint"] == "https://api.mixpanel.com/track"
    assert call["says"]["body"][0]["event"] == "$identify"
    assert '"$anon_distinct_id": "$device:d"' in explainer.words(*words)


def test_where_the_click_came_from_decides_on_an_anonymous_id(explainer: Explainer) -> None:
    url = f"{SHOP}/?kmi={K_ENCODED}"
    for words, why, evidence in (
        (("--from", f"{BLOG}/post?secret#x"), "anonymous-joined", "yes"),
        ((), "no-click-from-the-site", "no"),
        (("--from", "https://www.rival.example/"), "no-click-from-the-site", "no"),
        (("--header", "Sec-Fetch-Site: cross-site"), "no-click-from-the-site", "doubt"),
    ):
        told = explainer.facts(url, "--cookie", f"km_ai={A}", *words)
        assert decided(told) == [("evidence", "", evidence), ("arrival", "kissmetrics", why)]
        expected = K if why == "anonymous-joined" else A
        assert told["visitor"][0]["after"]["anonymous"] == expected
    assert "say --from PAGE" in explainer.words(url)
    told = explainer.facts(url, "--from", f"{BLOG}/post?secret#x")
    headers = dict(told["headers"])
    assert headers["Referer"] == f"{BLOG}/"
    assert "Sec-Fetch-Site" not in headers
    assert dict(explainer.facts(url)["headers"])["Sec-Fetch-Site"] == "none"


def test_the_line_that_sets_the_policy_is_named(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM + '[site.arrival]\npolicy = "exact"\nurl = "leave"\n')
    told = explainer.facts(SHOP + ANN, "--cookie", "km_ni=bob")
    arrival = next(one for one in told["decisions"] if one["what"] == "arrival")
    assert (arrival["why"], place(arrival["config"])) == ("named-switched", "9: site[0].arrival.policy")
    assert arrival["config"]["value"] == "exact"
    [url] = [one for one in told["decisions"] if one["what"] == "url"]
    assert (url["why"], place(url["config"])) == ("leave", "10: site[0].arrival.url")
    assert told["answer"] is None
    assert "kmproxy.toml:10: site[0].arrival.url = " in explainer.words(SHOP + ANN)


@pytest.mark.parametrize("mode", ["inline", "leave"])
def test_what_the_upstream_is_asked_for_is_told(explainer: Explainer, mode: str) -> None:
    explainer.write("kmproxy.toml", KM + f'[site.arrival]\nurl = "{mode}"\n')
    target = "/?a" if mode == "inline" else "/?kmi=bob&a"
    assert f"passed on as GET {target}\n" in explainer.words(SHOP + "/?kmi=bob&a")


@pytest.mark.parametrize(
    ("header", "tables", "why", "line"),
    [
        ("Sec-GPC: 1", "", "gpc", "site[0].consent.respect (default)"),
        ("DNT: 1", '[site.consent]\nrespect = ["dnt"]\n', "dnt", "9: site[0].consent.respect"),
        (
            "X: y",
            '[site.consent]\ncookie = { name = "c", pattern = "yes" }\n',
            "consent-cookie",
            "9: site[0].consent.cookie.pattern",
        ),
        ("User-Agent: Googlebot/2.1", "", "crawler", None),
    ],
)
def test_who_is_left_alone_is_told_by_name_and_line(
    explainer: Explainer, header: str, tables: str, why: str, line: str | None
) -> None:
    explainer.write("kmproxy.toml", KM + tables)
    for url in (SHOP, SHOP + ANN):
        told = explainer.facts(url, "--header", header)
        [decision] = told["decisions"]
        assert (decision["what"], decision["why"]) == ("refused", why)
        assert decision["words"] != why
        assert line is None or place(decision["config"]) == line
        assert told["cookies"] == told["calls"] == []
    page = explainer.page(f'<a href="{BLOG}/">b</a>', "--header", header, url=SHOP)
    assert page["left_alone"]["why"] == why


def test_no_navigation_and_prefetches_are_told(explainer: Explainer) -> None:
    told = explainer.facts(SHOP + ANN, "--header", "Sec-Fetch-Dest: image")
    assert decided(told) == [("request", "", "no-navigation")]
    assert told["cookies"] == []
    ahead = explainer.facts(SHOP + ANN, "--header", "Sec-Purpose: prefetch")
    assert ("rejected", "", "prefetch") in decided(ahead)
    assert ahead["answer"]["status"] == 503
    assert decided(explainer.facts(SHOP, "--header", "Sec-Purpose: prefetch")) == [
        ("request", "", "prefetch")
    ]
    assert decided(explainer.facts(SHOP, "--method", "post")) == [("request", "", "no-navigation")]


def test_a_first_visit_gets_the_same_id_each_time_or_none_if_the_file_says_so(explainer: Explainer) -> None:
    assert explainer.run(SHOP).stdout == explainer.run(SHOP).stdout
    explainer.write("kmproxy.toml", KM)
    told = explainer.facts(SHOP)
    assert decided(told) == [("minted", "kissmetrics", "first-visit")]
    assert [(one["value"], one["only_with_page"]) for one in told["cookies"]] == [(MINTED, True)]
    explainer.write("kmproxy.toml", KM + "[site.identity]\nmint = false\n")
    told = explainer.facts(SHOP)
    assert decided(told) == [("not-minted", "", "first-visit")]
    assert place(told["decisions"][0]["config"]) == "9: site[0].identity.mint"


REFUSED = (
    ("kmi=null", (), "kissmetrics", "identity-forbidden", "the identity is none that may be a person's"),
    ("kmi=", (), "kissmetrics", "identity-empty", "the identity is empty"),
    ("kmi=%FF", (), "kissmetrics", "identity-undecodable", "the identity can't be decoded"),
    ("kmi=a%00", (), "kissmetrics", "identity-control-character", "the identity holds control characters"),
    (
        f"kmi={'a' * 256}",
        (),
        "kissmetrics",
        "identity-too-long",
        "the identity is longer than 255 characters",
    ),
    ("distinct_id=null", (), "mixpanel", "identity-forbidden", "the identity is none that may be a person's"),
    ("km__p=x", (), "kissmetrics", "property-reserved", "the property is a reserved one"),
    ("kme=", (), "kissmetrics", "event-empty", "the event is empty"),
)
DECIDED = (
    (f"kmi={K_ENCODED}", ("--cookie", f"km_ai={K_ENCODED}"), "kissmetrics", "own-id", "the visitor's own"),
    (f"kmi={K_ENCODED}", ("--cookie", "km_ni=ann"), "kissmetrics", "named-kept", "never replaces a name"),
    (f"kmi={K_ENCODED}", (), "kissmetrics", "no-click-from-the-site", "if the click came from another"),
    (
        "kmi=ann",
        ("--cookie", f"km_ai={K_ENCODED}", "--method", "HEAD"),
        "kissmetrics",
        "head-joins-nobody",
        "nobody is joined",
    ),
    ("kme=x", ("--method", "HEAD"), "kissmetrics", "head-records-nobody", "it makes no tracking call"),
)


@pytest.mark.parametrize(("query", "words", "provider", "why", "said"), [*REFUSED, *DECIDED])
def test_what_is_refused_is_told_with_its_reason_in_words(
    explainer: Explainer, query: str, words: tuple[str, ...], provider: str, why: str, said: str
) -> None:
    told = explainer.facts(f"{SHOP}/?{query}", *words)
    reasons = {(one["provider"], one["why"]): one["words"] for one in told["decisions"]}
    assert said in reasons[provider, why]
    assert told["calls"] == []
    assert told["answer"]["location"] == "/"


def test_who_opted_out_of_a_vendor_is_nobody_to_that_vendor_alone(explainer: Explainer) -> None:
    for url in (SHOP, SHOP + "/?kmi=ann"):
        told = explainer.facts(url, "--cookie", "km_ignore=1; mp_optout=1")
        assert decided(told) == [
            ("refused", "kissmetrics", "km-ignore"),
            ("refused", "mixpanel", "opted-out"),
        ]
        assert told["cookies"] == told["calls"] == []
    told = explainer.facts(SHOP, "--cookie", "km_ignore=1")
    assert decided(told) == [("refused", "kissmetrics", "km-ignore"), ("minted", "mixpanel", "first-visit")]
    assert "kissmetrics refused: km-ignore: the browser has the cookie" in explainer.words(
        SHOP, "--cookie", "km_ignore=1"
    )


def test_only_an_anonymous_id_is_asked_where_it_comes_from(explainer: Explainer) -> None:
    anonymous = f"{SHOP}/?kmi={K_ENCODED}"
    for words, is_asked in (
        ((anonymous,), True),
        ((SHOP + ANN,), False),
        ((anonymous, "--cookie", "km_ni=ann"), False),
    ):
        assert ("evidence" in {what for what, _, _ in decided(explainer.facts(*words))}) is is_asked


def test_every_rule_and_reason_has_words() -> None:
    assert {rule.name for rules in TABLES.values() for rule in rules} <= reasons.RULES.keys()
    assert set(reasons.SKIPS) == set(type(next(iter(reasons.SKIPS))))


def test_a_tracked_form_is_told_in_words_of_its_own(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM + '[[site.form]]\npath = "/find"\nevent = "Sought"\nmethod = "get"\n')
    page = explainer.write("page.html", "<p>")
    asked = (SHOP + "/find?q=hat&pin=1234", "--page", page)

    told = explainer.facts(*asked, "--from", SHOP + "/")["page"]["decisions"]
    pasted = explainer.facts(*asked)["decisions"]

    assert {(one["why"], one["words"]) for one in told} >= {
        ("recorded", reasons.FORMS["recorded"]),
        ("field-secret", reasons.rejected("field-secret")),
    }
    assert ("not-from-a-page", reasons.FORMS["not-from-a-page"]) in {(d["why"], d["words"]) for d in pasted}


def test_all_that_is_said_of_forms_has_words() -> None:
    # Read off the code, where a reason is a hyphenated word and so is the name of a header.
    code = "".join(map(inspect.getsource, (submitting, submission, form)))
    said = set(re.findall(r'[^b]"([a-z]+(?:-[a-z]+)+)"', code)) | {"recorded", "multipart", "charset"}
    assert len(said) > 15
    assert {word for word in said if word not in reasons.FORMS and reasons.rejected(word) == word} == set()


def test_nothing_is_stored(explainer: Explainer) -> None:
    explainer.facts(SHOP + ANN, "--cookie", f"km_ai={A}", "--from", BLOG)
    assert [path.name for path in explainer.directory.iterdir()] == ["kmproxy.toml"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("shop.acme.example/x",), 2, '"shop.acme.example/x" is no URL; write https://shop.acme.example/x'),
        (("localhost:8080",), 2, "write https://localhost:8080"),
        (("nonsense",), 2, '"nonsense" is no URL'),
        (("ftp://shop.acme.example/",), 2, "neither http nor https"),
        (("https://shop.acme.exmple:8443/",), 2, "the nearest one is shop.acme.example"),
        ((SHOP, "--header", "Nonsense"), 2, 'write it as in "Accept-Language: en"'),
        ((SHOP, "--header", "A: b\r\nC: d"), 2, "is no header"),
        ((SHOP, "--header", "Host: other.example"), 2, "the host is the URL's"),
        ((SHOP, "--cookie", "nonsense"), 2, "is no cookie"),
        ((SHOP, "--method", "TRACE"), 2, "no method that is served"),
        ((SHOP, "--from", "page"), 2, '"page" is no URL'),
        ((SHOP, "--page", "x.html", "--fetch"), 2, "say --page or --fetch"),
        ((SHOP, "--page", "missing.html"), 2, "missing.html can't be read: No such file"),
        ((SHOP + "/?kmi=x", "--header", "Purpose: prefetch", "--page", __file__), 2, "there is no page"),
        ((BLOG, "--fetch"), 2, "www.acme-blog.example has no upstream to ask"),
        ((SHOP, "--fetch"), 1, "127.0.0.1:9"),
    ],
)
def test_what_makes_no_sense_is_told(
    explainer: Explainer, words: tuple[str, ...], status: int, said: str
) -> None:
    done = explainer.run(*words)
    assert done.exit_code == status
    assert said in done.stderr
    assert done.stdout == ""


def test_a_wrong_configuration_is_refused_as_by_the_other_commands(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", '[server]\nlistn = ["x"]\n')
    done = explainer.run(SHOP)
    assert done.exit_code == 2
    assert "kmproxy.toml:2: server.listn: unknown key" in done.stderr


def test_what_was_given_moves_no_terminal(explainer: Explainer) -> None:
    words = (
        SHOP,
        "--cookie",
        "km_ni=ann:bug:[red]",
        "--page",
        explainer.write("p.html", "<a href='\x1b[2J'>"),
    )
    text = explainer.words(*words)
    assert "named ann:bug:[red]" in text
    assert "\\x1b[2J" in text
    assert "\x1b" not in text + explainer.run(*words, "--json").stdout
