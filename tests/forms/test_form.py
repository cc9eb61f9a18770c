"""What a form that was filled in says: who it was, and the properties of its event."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from kmproxy.forms.fields import IDENTIFYING
from kmproxy.forms.form import MAX_FIELDS, MAX_PROPERTIES, MAX_VALUE, Filled, Form, Forms


def form(identify_from: tuple[str, ...] = IDENTIFYING, ignore: tuple[str, ...] = ()) -> Form:
    return Form("Sent", identify_from, ignore, lambda name: name == "kmi" or name.startswith("km_"))


def filled(body: str | bytes, **options: tuple[str, ...]) -> Filled:
    return form(**options).filled(body.encode() if isinstance(body, str) else body)


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        ("", {}),
        ("plan=pro", {"plan": "pro"}),
        ("plan=pro&&topic=a=b&", {"plan": "pro", "topic": "a=b"}),
        ("full+name=Ann+Lee", {"full name": "Ann Lee"}),
        ("caf%C3%A9=%E2%82%AC%261", {"café": "€&1"}),
        ("caf\u00e9=1", {"café": "1"}),
        ("user%5Bplan%5D=pro", {"user_plan": "pro"}),
        # Nothing was filled in, or it has no name.
        ("plan=&topic=+&city&=x", {}),
        # Of one name the last; lists are sorted and joined, as the library does.
        ("plan=a&plan=b", {"plan": "b"}),
        ("topic[]=b&topic[]=a%2Cc", {"topic": "a c,b"}),
        ("user[t][]=b&user[t][]=a", {"user_t": "a,b"}),
        ("[]=b", {}),
        # The vendors' own parameters are heard elsewhere.
        ("kmi=bob&km_plan=pro&plan=a", {"plan": "a"}),
        # What identifies is a property, too.
        ("email=ann%40acme.example", {"email": "ann@acme.example"}),
    ],
)
def test_fields_are_properties(body: str, properties: dict[str, str]) -> None:
    said = filled(body)
    assert (said.properties, said.rejected) == (properties, ())


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        ("email=ann%40acme.example", "ann@acme.example"),
        ("email=+ann%40acme.example+", "ann@acme.example"),
        ("plan=pro&user_name=ann&email=ann%40acme.example", "ann"),
        ("email=&username=ann", "ann"),
        ("email=none&username=ann", "ann"),
        ("username=ann&login=Log+in", "ann"),
        ("login=Log+in", None),
        ("plan=pro", None),
        ("kmi=ann", None),
        # What never leaves identifies nobody.
        ("login_password=ann", None),
        ("username=4111111111111111", None),
        ("username=hunter2&password=hunter2", None),
        ("email_token=ann%40acme.example", None),
        (f"username={'a' * (MAX_VALUE + 1)}", None),
        ("username=%FF", None),
        ("_username=ann", None),
    ],
)
def test_the_first_field_that_tells_who_it_was_identifies(body: str, identity: str | None) -> None:
    assert filled(body).identity == identity


def test_other_fields_identify_where_they_are_named() -> None:
    body = "email=ann%40acme.example&member=7&nick=ann"
    assert filled(body, identify_from=("nick", "mem*")).identity == "7"
    assert filled(body, identify_from=()).identity is None


def test_an_ignored_field_neither_leaves_nor_identifies() -> None:
    said = filled("e-mail=ann%40acme.example&Phone_No=1&plan=pro", ignore=("email", "phone*"))
    assert said == Filled(None, {"plan": "pro"}, ())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("password=hunter2", "field-secret"),
        ("user%5Bpass%5D=hunter2", "field-secret"),
        ("csrf_token=x", "field-secret"),
        ("note=4111+1111+1111+1111", "field-card-number"),
        ("text=two%0D%0Alines", "field-text"),
        ("text=two%0Alines", "field-text"),
        ("_method=put", "field-reserved"),
        ("$user_id=bob", "field-reserved"),
        (f"{'n' * (MAX_VALUE + 1)}=x", "field-too-long"),
        (f"text={'x' * (MAX_VALUE + 1)}", "field-too-long"),
        ("city=K%F6ln", "field-undecodable"),
        ("city=100%", "field-undecodable"),
        (b"city=K\xf6ln", "field-undecodable"),
        ("%ff=x", "field-undecodable"),
    ],
)
def test_a_field_that_does_not_leave_is_counted(body: str | bytes, reason: str) -> None:
    raw = body.encode() if isinstance(body, str) else body
    assert filled(raw) == Filled(None, {}, (reason,))
    assert filled(b"a=1&" + raw + b"&b=2") == Filled(None, {"a": "1", "b": "2"}, (reason,))


def test_a_password_does_not_leave_under_another_name_either() -> None:
    said = filled("repeat=hunter2&password=hunter2&plan=pro")
    assert said == Filled(None, {"plan": "pro"}, ("field-secret", "field-secret"))


def test_a_password_that_is_ignored_does_not_leave_under_another_name_either() -> None:
    assert filled("repeat=hunter2&password=hunter2", ignore=("password",)).properties == {}


def test_so_many_fields_are_read_and_no_more() -> None:
    fields = [f"a{number}=1" for number in range(MAX_FIELDS + 1)]
    assert filled("&".join(fields[:-1])).rejected == ()
    said = filled("&".join(fields))
    assert (len(said.properties), said.rejected) == (MAX_FIELDS, ("too-many-fields",))


def test_properties_fit_into_a_url() -> None:
    said = filled("&".join(f"a{number}={'%C3%A9' * 200}" for number in range(9)))
    length = sum(len(f"&{quote(name)}={quote(value)}") for name, value in said.properties.items())
    assert list(said.properties) == ["a0", "a1", "a2"]
    assert length <= MAX_PROPERTIES
    assert said.rejected == ("too-many-properties",)


@pytest.mark.parametrize(
    ("method", "target", "is_found"),
    [
        ("POST", b"/news%20letter", True),
        ("POST", b"/news%20letter?next=/a", True),
        ("POST", b"/%6eews%20letter", True),
        ("POST", b"/news%20letter#end", True),
        ("POST", b"/%C3%BCber", True),
        ("POST", b"/news%20letter/", False),
        ("POST", b"/News%20letter", False),
        ("POST", b"/?/news%20letter", False),
        ("POST", b"*", False),
        ("PUT", b"/news%20letter", False),
        ("GET", b"/news%20letter?a=b", False),
        ("GET", b"/search?a=b", True),
        ("HEAD", b"/search?a=b", False),
    ],
)
def test_a_form_is_known_by_its_method_and_its_path(method: str, target: bytes, is_found: bool) -> None:
    forms = Forms([("POST", "/news%20letter", form()), ("GET", "/search", form()), ("POST", "/über", form())])
    assert (forms.find(method, target) is not None) is is_found
    assert Forms([]).find(method, target) is None
