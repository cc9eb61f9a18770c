"""Reading the configuration: from where, and every problem at once with its line."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from kmproxy.config import Config, load
from kmproxy.errors import ConfigError

SITE = """\
[[site]]
name = "acme"
kissmetrics = { api_key = "k" }
[[site.domain]]
host = "www.acme.example"
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # By name, since the function hides the module of the same name.
    module = importlib.import_module("kmproxy.config.load")
    monkeypatch.setattr(module, "DEFAULT_PATHS", ("./kmproxy.toml", "etc/kmproxy.toml"))


def write(text: str | bytes, path: str = "kmproxy.toml") -> Path:
    found = Path(path)
    found.parent.mkdir(exist_ok=True)
    found.write_bytes(text if isinstance(text, bytes) else text.encode())
    return found


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def test_a_file_is_read_by_its_path() -> None:
    path = write(SITE)

    assert load(path).site[0].domain[0].host == "www.acme.example"
    assert load(os.fspath(path)) == load(path)


def test_a_mapping_is_read_like_a_file() -> None:
    domain = {"host": "www.acme.example", "upstream": ("http://a:1", "http://b:1")}
    site = {"name": "acme", "mixpanel": {"token": "t"}, "domain": (domain,)}

    assert load({"site": [site]}).site[0].domain[0].upstream == ("http://a:1", "http://b:1")


def test_a_config_is_returned_as_it_is() -> None:
    config = load(write(SITE))

    assert load(config) is config


def test_without_a_source_the_working_directory_comes_first() -> None:
    write(SITE.replace("acme", "second"), "etc/kmproxy.toml")
    assert load().site[0].name == "second"

    write(SITE)
    assert load().site[0].name == "acme"


def test_without_any_file_both_places_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load()

    expected = "there is neither ./kmproxy.toml nor etc/kmproxy.toml; write one of them, or name another file"
    assert str(caught.value) == f"config: {expected}"


def test_a_wrong_default_file_is_named_plainly() -> None:
    write("")

    with pytest.raises(ConfigError, match=r"^kmproxy\.toml:1: site: missing; write at least one"):
        load()


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load("other.toml")

    assert str(caught.value) == "other.toml: can't be read: No such file or directory"


def test_a_folder_is_no_file() -> None:
    with pytest.raises(ConfigError, match=r"^\.: can't be read: Is a directory$"):
        load(".")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "\n[server]\nadmin = localhost\n",
            '3: not valid TOML at column 9: Invalid value; a text stands in quotes, as in "…"',
        ),
        (
            "a = 1\nb 2\n",
            "2: not valid TOML at column 3: Expected '=' after a key in a key/value pair",
        ),
        ("a = [\n1,\n2\n", "3: not valid TOML: Unclosed array"),
        ("a = 1\na = 2\n", "2: not valid TOML at column 6: Cannot overwrite a value"),
        ('a = 1\nb = "\xff"\n'.encode("latin-1"), "2: not UTF-8; save the file in that encoding"),
    ],
)
def test_a_text_that_is_not_toml_is_refused_on_its_line(text: str | bytes, expected: str) -> None:
    assert problems(text) == [f"kmproxy.toml:{expected}"]


def test_a_byte_order_mark_is_no_error() -> None:
    assert load(write(b"\xef\xbb\xbf" + SITE.encode())).site[0].name == "acme"


def test_variables_are_replaced_in_tables_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "secret")
    monkeypatch.setenv("PORT", "99")
    text = SITE.replace('"k"', '"a-${KEY}-$${KEY}-$KEY"') + 'upstream = ["http://a:${PORT}"]'

    site = load(write(text)).site[0]

    assert site.kissmetrics is not None
    assert site.kissmetrics.api_key == "a-secret-${KEY}-$KEY"
    assert site.domain[0].upstream == ("http://a:99",)


def test_a_variable_may_stand_for_a_number_or_a_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDS", "2.5")
    monkeypatch.setenv("MINT", "false")
    text = SITE + '[site.identity]\nmint = "${MINT}"\n[server]\nidle_timeout = "${SECONDS}"\n'

    config = load(write(text))

    assert (config.server.idle_timeout, config.site[0].identity.mint) == (2.5, False)


def test_an_unset_variable_is_the_only_problem_of_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST", raising=False)
    text = SITE.replace("www.acme.example", "${HOST}") + 'upstream = "http://${HOST}:${-}"'

    unset = "the environment variable HOST is not set; set it, or write the value here"
    assert problems(text) == [
        f"kmproxy.toml:5: site[0].domain[0].host: {unset}",
        f"kmproxy.toml:6: site[0].domain[0].upstream: {unset}",
        "kmproxy.toml:6: site[0].domain[0].upstream: "
        'a variable is written "${NAME}"; for the characters themselves write "$${"',
    ]


def test_every_problem_of_a_file_comes_at_once_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    text = """\
[[site]]
name = "one"
mixpanel = { tokn = "${TOKEN}" }
  [[site.domain]]
  host = "WWW.one.example"
  upstream = [
    "http://10.0.0.5:8000",
    "https://10.0.0.6/",
  ]
  [[site.domain]]
  upstream = 5

[server]
admin = "127.0.0.1:8080"
listen = ["127.0.0.1:8080"]
idle_timeout = 0

[[site]]
name = "one"
  [[site.domain]]
  host = "shop.one.example"
  [[site.domain]]
  host = "shop.one.example"
  [site.arrival]
  policy = "guardd"
[outbox]
url = "redis:localhost"
"""
    unset = "the environment variable TOKEN is not set; set it, or write the value here"
    assert problems(text) == [
        'kmproxy.toml:3: site[0].mixpanel.token: missing; write token = "…"',
        f"kmproxy.toml:3: site[0].mixpanel.tokn: {unset}",
        'kmproxy.toml:5: site[0].domain[0].host: hosts are written in lower case; write "www.one.example"',
        "kmproxy.toml:8: site[0].domain[0].upstream[1]: "
        'the path comes from the request; write "http://host:port" without one',
        'kmproxy.toml:10: site[0].domain[1].host: missing; write host = "…"',
        'kmproxy.toml:11: site[0].domain[1].upstream: must be a list, as in ["…"]',
        'kmproxy.toml:14: server.admin: "127.0.0.1:8080" is server.listen[0] too; '
        "write another address or port",
        "kmproxy.toml:16: server.idle_timeout: must be greater than 0",
        "kmproxy.toml:18: site[1]: "
        'no provider; write kissmetrics = { api_key = "…" } or mixpanel = { token = "…" }',
        'kmproxy.toml:19: site[1].name: "one" is the name of site[0] too; write another one',
        'kmproxy.toml:23: site[1].domain[1].host: "shop.one.example" is site[1].domain[0].host too; '
        "a host belongs to one domain of one site, so keep one",
        'kmproxy.toml:25: site[1].arrival.policy: must be "guarded" or "exact", not "guardd"',
        'kmproxy.toml:27: outbox.url: two slashes follow the colon; write "redis://host:6379/0"',
    ]


def test_a_mapping_has_no_lines_and_its_own_order() -> None:
    domain = {"host": "a.example", "upstream": "http://b/"}
    raw = {
        "site": [{"domain": [domain], "name": "", "kissmetrics": {"api_key": "k"}}],
        "server": {"admin": ":1"},
    }

    with pytest.raises(ConfigError) as caught:
        load(raw)

    assert str(caught.value).splitlines() == [
        "config: site[0].domain[0].upstream: "
        'the path comes from the request; write "http://host:port" without one',
        "config: site[0].name: must not be empty",
        'config: server.admin: ":1" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"',
    ]


UNKNOWN = "unknown key; "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nlisten_on = []", f'7: server.listen_on: {UNKNOWN}did you mean "listen"?'),
        ("[servr]\nadmin = ''", f'6: servr: {UNKNOWN}did you mean "server"?'),
        ("UpStreams = []", f'6: site[0].domain[0].UpStreams: {UNKNOWN}did you mean "upstream"?'),
        ("[outbox]\n'x y' = 1", f'7: outbox."x y": {UNKNOWN}known ones are url'),
        (
            "[site.consent]\n\ncookie = { name = 'a', pattern = 'b', value = 'c' }",
            f"8: site[0].consent.cookie.value: {UNKNOWN}known ones are name, pattern",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text: str, expected: str) -> None:
    assert problems(f"{SITE}{text}\n") == [f"kmproxy.toml:{expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: site: missing; write at least one [[site]] table"),
        ("\nsite = []", "2: site: missing; write at least one [[site]] table"),
        ("\n[site]\nname = 'a'", "2: site: must be a list of tables; write [[site]] in double brackets"),
        ("\nsite = ['a']", "2: site[0]: must be a table; write [[site]] and its keys below it"),
    ],
)
def test_a_file_without_sites_is_told_how_to_write_one(text: str, expected: str) -> None:
    assert problems(text) == [f"kmproxy.toml:{expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("domain = []", "4: site[0].domain: missing; write at least one [[site.domain]] table"),
        ("", "1: site[0].domain: missing; write at least one [[site.domain]] table"),
        (
            "domain = ['a.example']",
            "4: site[0].domain[0]: must be a table; write [[site.domain]] and its keys below it",
        ),
        (
            "[site.domain]\nhost = 'a.example'",
            "4: site[0].domain: must be a list of tables; write [[site.domain]] in double brackets",
        ),
    ],
)
def test_a_site_without_domains_is_told_how_to_write_one(text: str, expected: str) -> None:
    assert problems(f"[[site]]\nname = 'a'\nmixpanel = {{ token = 't' }}\n{text}") == [
        f"kmproxy.toml:{expected}"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mixpanel = 't'", '3: site[0].mixpanel: must be a table; write mixpanel = { token = "…" }'),
        ("consent = 1", "3: site[0].consent: must be a table; write [site.consent] and its keys below it"),
        (
            "consent.cookie = 1",
            '3: site[0].consent.cookie: must be a table; write cookie = { name = "…", pattern = "…" }',
        ),
        ("consent.respect = 'gpc'", '3: site[0].consent.respect: must be a list, as in ["gpc"]'),
        ("consent.respect = ['GPC']", '3: site[0].consent.respect[0]: must be "gpc" or "dnt", not "GPC"'),
        (
            "links.elements = ['b']",
            '3: site[0].links.elements[0]: must be "a", "area", "form" or "iframe", not "b"',
        ),
        ("links.redirects = 'maybe'", "3: site[0].links.redirects: must be true or false"),
        ("identity.mint = []", "3: site[0].identity.mint: must be true or false"),
        (
            "identity.cookie_domain = 5",
            '3: site[0].identity.cookie_domain: must be a text in quotes, as in "…"',
        ),
        ("mixpanel.token = ''", "3: site[0].mixpanel.token: must not be empty"),
        (
            "mixpanel.id_merge = ''",
            '3: site[0].mixpanel.id_merge: must be "simplified" or "original", not ""',
        ),
    ],
)
def test_a_value_of_a_wrong_kind_says_what_to_write(text: str, expected: str) -> None:
    found = problems(SITE.replace("kissmetrics", f"{text}\nkissmetrics"))

    assert f"kmproxy.toml:{expected}" in found
    assert all("token" in other for other in found if other != f"kmproxy.toml:{expected}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "must be greater than 0"),
        ("-0.5", "must be greater than 0"),
        ("inf", "must be a finite number, as in 5.0"),
        ("nan", "must be a finite number, as in 5.0"),
        ("'soon'", "must be a number, as in 5.0"),
        ("[]", "must be a number, as in 5.0"),
    ],
)
def test_a_timeout_is_a_number_of_seconds(value: str, expected: str) -> None:
    text = f"{SITE}[server]\nconnect_timeout = {value}\n"

    assert problems(text) == [f"kmproxy.toml:7: server.connect_timeout: {expected}"]


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^config: \[3\]: Keys should be strings$"):
        load({"site": [{"name": "a", "mixpanel": {"token": "t"}, "domain": [{"host": "a.example"}]}], 3: 4})  # type: ignore[dict-item]


def test_a_loaded_config_never_changes() -> None:
    config: Config = load(write(SITE))

    with pytest.raises(ValueError, match="frozen"):
        config.server.admin = ""  # type: ignore[misc]
