"""What may be said of a tracked form, and what is wrong with it, on its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmproxy.config import load
from kmproxy.config.model import Form
from kmproxy.errors import ConfigError

SITE = """[[site]]
name = "acme"
kissmetrics = { api_key = "k" }
domain = [{ host = "www.acme.example" }]

[[site.form]]
"""
FORM = SITE + 'path = "/join"\nevent = "Joined"\n'


@pytest.fixture(autouse=True)
def _in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def forms(text: str) -> tuple[Form, ...]:
    path = Path("kmproxy.toml")
    path.write_text(text)
    return load(path).site[0].form


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        forms(text)
    return str(caught.value).splitlines()


def test_a_form_needs_a_path_and_an_event_and_has_the_librarys_rules() -> None:
    (form,) = forms(FORM)
    assert (form.path, form.method, form.event) == ("/join", "post", "Joined")
    assert form.identify_from == ("*userid*", "*login*", "*username*", "*email*")
    assert form.ignore == ()


def test_two_forms_may_share_a_path_by_different_methods_or_on_different_sites() -> None:
    assert len(forms(f'{FORM}[[site.form]]\npath = "/join"\nmethod = "get"\nevent = "Looked"\n')) == 2
    other = FORM.replace("acme", "rival")
    assert len(forms(FORM + other)) == 1


@pytest.mark.parametrize("path", ["/", "/join", "/a/b.php", "/a%20b", "/über", "/a;b=c,d"])
def test_a_path_is_written_as_in_the_action(path: str) -> None:
    assert forms(FORM.replace("/join", path))[0].path == path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", 'must start with a slash, as in "/subscribe"'),
        ("join", 'must start with a slash, as in "/subscribe"'),
        ("https://a.example/join", 'a path has no scheme or host; write it as in "/subscribe"'),
        ("/join?a=b", 'a path has no query or fragment; write it as in "/subscribe"'),
        ("/join#a", 'a path has no query or fragment; write it as in "/subscribe"'),
        ("/join us", "a path has no spaces; write %20"),
        (r"/join\n", "a path has no spaces; write %20"),
        ("/join/*", "a path is written out, without *; write one [[site.form]] for each"),
    ],
)
def test_a_wrong_path_is_told_how_to_write_it(path: str, message: str) -> None:
    assert problems(FORM.replace("/join", path)) == [f"kmproxy.toml:7: site[0].form[0].path: {message}"]


LONG = "must be at most 255 characters, which is what the vendors take"
SECRET = "a field of such a name never leaves, so it identifies nobody; name another one"


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ('method = "put"', "method", 'must be "post" or "get", not "put"'),
        ('method = "POST"', "method", 'must be "post" or "get", not "POST"'),
        ('identify_from = "email"', "identify_from", 'must be a list, as in ["email"]'),
        ('identify_from = ["email", ""]', "identify_from[1]", "must not be empty"),
        ('identify_from = ["*password"]', "identify_from[0]", SECRET),
        ('identify_from = ["card_num"]', "identify_from[0]", SECRET),
        ("ignore = [1]", "ignore[0]", 'must be a text in quotes, as in "…"'),
        ('ignor = ["a"]', "ignor", 'unknown key; did you mean "ignore"?'),
    ],
)
def test_a_wrong_option_says_what_to_write(line: str, place: str, message: str) -> None:
    assert problems(f"{FORM}{line}\n") == [f"kmproxy.toml:9: site[0].form[0].{place}: {message}"]


@pytest.mark.parametrize(
    ("event", "message"), [("", "must not be empty"), (" ", "must not be empty"), ("e" * 256, LONG)]
)
def test_an_event_is_one_that_the_vendors_take(event: str, message: str) -> None:
    assert problems(FORM.replace("Joined", event)) == [f"kmproxy.toml:8: site[0].form[0].event: {message}"]
    assert forms(FORM.replace("Joined", "e" * 255))[0].event == "e" * 255


def test_what_is_missing_is_named() -> None:
    assert problems(SITE) == [
        'kmproxy.toml:6: site[0].form[0].path: missing; write path = "…"',
        'kmproxy.toml:6: site[0].form[0].event: missing; write event = "…"',
    ]


@pytest.mark.parametrize("method", ["", 'method = "post"\n'])
def test_a_form_that_is_written_twice_is_refused(method: str) -> None:
    text = f'{FORM}{method}[[site.form]]\npath = "/join"\nevent = "Again"\n'
    line = 10 + bool(method)
    assert problems(text) == [
        f'kmproxy.toml:{line}: site[0].form[1].path: site[0].form[0] is sent to "/join" by post too; keep one'
    ]


def test_a_single_table_is_told_about_double_brackets() -> None:
    text = FORM.replace("[[site.form]]", "[site.form]")
    message = "must be a list of tables; write [[site.form]] in double brackets"
    assert problems(text) == [f"kmproxy.toml:6: site[0].form: {message}"]
