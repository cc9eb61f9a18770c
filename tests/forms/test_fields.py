"""What the fields of a form are called: which identify, which never leave."""

from __future__ import annotations

import pytest

from kmproxy.forms import fields

by_name = fields.matcher(fields.IDENTIFYING)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("email", "email"),
        ("E-Mail", "email"),
        ("e_mail", "email"),
        ("user[name]", "username"),
        ("user[e-mail][]", "useremail"),
        ("billing.card", "billingcard"),
        ("straße", "straße"),
        ("[]", ""),
    ],
)
def test_a_name_is_read_without_what_connects_its_words(name: str, expected: str) -> None:
    assert fields.plain(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plan", "plan"),
        ("user[plan]", "user_plan"),
        ("user[plan][kind]", "user_plan[kind]"),
        ("topics[]", "topics[]"),
        ("user[topics][]", "user_topics[]"),
        ("[plan]", "[plan]"),
    ],
)
def test_a_name_is_recorded_as_the_library_writes_it(name: str, expected: str) -> None:
    assert fields.property_name(name) == expected


# The library's, then what its page names, then ours.
@pytest.mark.parametrize(
    "name",
    [
        *("userid", "login", "username", "email"),
        *("user_id", "user_name", "e_mail", "user[name]", "my-email-2", "LOGIN", "user[email]"),
        *("newsletter_email", "loginname", "billto_username"),
    ],
)
def test_a_name_that_looks_like_an_identity_identifies(name: str) -> None:
    assert by_name.fullmatch(fields.plain(name))


@pytest.mark.parametrize("name", ["user", "name", "mail", "id", "log", "e", "customer", "phone"])
def test_any_other_name_identifies_nobody(name: str) -> None:
    assert not by_name.fullmatch(fields.plain(name))


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("member", "member", True),
        ("member", "Member_", True),
        ("member", "member_no", False),
        ("member*", "member_no", True),
        ("*no", "member-no", True),
        ("user[nick]", "user[nick]", True),
        ("m.mber", "member", False),
        ("*", "anything", True),
    ],
)
def test_a_field_is_written_as_in_the_form_or_with_a_star(pattern: str, name: str, matches: bool) -> None:
    assert bool(fields.matcher((pattern,)).fullmatch(fields.plain(name))) is matches


def test_no_names_match_nothing() -> None:
    assert not fields.matcher(()).fullmatch("")


@pytest.mark.parametrize(
    "name",
    [
        # One of each word of the vendor's expression.
        *("pass", "billing", "creditcard", "cardnum", "cc", "ccnum", "exp", "seccode", "securitycode"),
        *("securitynum", "cvc", "cvv", "ssn", "socialsec", "socsec", "csc"),
        # As forms write them.
        *("password", "user[password]", "Password_Confirmation", "billing[zip]", "card_number", "cc-name"),
        *("exp-month", "cvv2", "credit-card", "social_security", "sec.code"),
        # What the library knows by the field's type: passwords and hidden inputs.
        *("pwd", "user_pwd", "j_psw", "kennwort", "contraseña", "senha", "otp", "totp", "pin", "card_pin"),
        *("csrf_token", "authenticity_token", "csrfmiddlewaretoken", "__VIEWSTATE", "g-recaptcha-response"),
        *("nonce", "PHPSESSID", "session_id", "api_secret", "iban", "routing_number", "account_number"),
    ],
)
def test_a_secret_never_leaves(name: str) -> None:
    assert fields.is_secret(fields.plain(name))


@pytest.mark.parametrize(
    "name", ["email", "plan", "name", "topic", "city", "accept", "shipping", "phone", "score", "soccer"]
)
def test_a_plain_field_is_no_secret(name: str) -> None:
    assert not fields.is_secret(fields.plain(name))


@pytest.mark.parametrize(
    ("name", "value", "is_somebody"),
    [
        ("email", "ann@acme.example", True),
        ("username", "ann", True),
        ("userid", "12", True),
        ("loginemail", "ann", True),
        ("emailorusername", "ann", True),
        ("useremail", "ann@acme.example", True),
        # A button or a box.
        ("login", "Log-in", False),
        ("login", "Sign in", False),
        ("emailme", "on", False),
        ("emailme", "1", False),
        ("loginagain", "Login again", False),
        ("username", "!", False),
        ("username", " ", False),
        # No address where one is asked for.
        ("email", "ann", False),
        ("emailformat", "html", False),
        ("useremail", "-", False),
        # Crowds.
        ("logintype", "guest", False),
        ("username", "null", False),
        ("username", "'NULL'", False),
        ("username", "Anonymous", False),
    ],
)
def test_what_crowds_share_is_nobodys_id(name: str, value: str, is_somebody: bool) -> None:
    assert fields.is_somebody(name, value) is is_somebody


# Numbers that card companies publish for tests; the same with a digit changed; and what is no card's.
@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("4111111111111111", True),
        ("4111 1111 1111 1111", True),
        ("4111-1111-1111-1111", True),
        ("4111.1111_1111/1111", True),
        ("4111  1111 - 1111\N{NO-BREAK SPACE}1111", True),
        ("378282246310005", True),
        ("3782 822463 10005", True),
        ("5555555555554444", True),
        ("6011111111111117", True),
        ("4222222222222", True),
        ("my card: 4111 1111 1111 1111, until 12 30", True),
        ("12 4111 1111 1111 1111", True),
        ("4111 1111 1111 1111 123", True),
        ("٤١١١١١١١١١١١١١١١", True),
        ("4111111111111112", False),
        ("411111111111", False),
        ("41111111111111111111", False),
        ("4111, 1111, 1111, 1111", False),
        ("+49 30 1234567", False),
        ("2024-12-31", False),
        ("", False),
    ],
)
def test_a_number_that_may_be_a_cards_is_found(value: str, holds: bool) -> None:
    assert fields.holds_card_number(value) is holds
