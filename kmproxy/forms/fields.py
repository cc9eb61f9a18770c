"""The fields of a form: what they are called, which tell who fills it in, and which never leave.

Sources: the vendor's page "Form Fields We Do Not Track", and its library where that page is silent. The
library sees the types of fields, a request tells only their names: so more names are secret here, and
not every value identifies.
"""

from __future__ import annotations

import re
from functools import lru_cache

IDENTIFYING = ("*userid*", "*login*", "*username*", "*email*")
"""The library's own names of fields that identify."""

_VENDORS_SECRETS = (
    "pass|billing|creditcard|cardnum|^cc|ccnum|exp|seccode|securitycode|securitynum|cvc|cvv|ssn|"
    "socialsec|socsec|csc"
)
_PASSWORDS = "pass|pwd|psw|kennwort|contrase|senha|parola|wachtwoord|haslo|hasło|^otp|otp$|^pin|pin$"
# The library leaves out hidden inputs by their type; these hold what proves a request or a session.
_HIDDEN = "token|secret|csrf|xsrf|nonce|captcha|viewstate|eventvalidation|sessionid|sessid|signature"

_SECRET = re.compile("|".join((_VENDORS_SECRETS, _PASSWORDS, _HIDDEN, "iban|routingnum|accountnum")))
_PASSWORD = re.compile(_PASSWORDS)

_NOT_PLAIN = re.compile(r"[\W_]+")
_IN_BRACKETS = re.compile(r"(^.+?)\[(.+?)\]")

# What buttons and boxes say, whose name may hold "login" or "email", and what stands for nobody: crowds
# would share it, and an alias can't be undone.
_CROWDS = frozenset(
    {"userid", "login", "logon", "username", "email", "signin", "signup", "register", "submit", "send"}
    | {"ok", "go", "next", "continue", "subscribe", "join", "enter", "on", "off", "yes", "no", "y", "n"}
    | {"true", "false", "0", "1", "null", "nil", "undefined", "none", "unknown", "anonymous", "guest", "new"}
)

# Asks for an address and nothing else: not "loginemail", nor "emailorusername".
_ADDRESS = re.compile(r"(?!.*(?:userid|login|username)).*email")

_DIGITS = re.compile(r"\d+(?:[\s._/-]{1,3}\d+)*")
_CARD = range(13, 20)
"""Digits of a card number (ISO/IEC 7812-1; 13 in old ones)."""


def plain(name: str) -> str:
    """A name as the rules read it: ``user[E-Mail]`` is ``useremail``."""
    return _NOT_PLAIN.sub("", name).lower()


def property_name(name: str) -> str:
    """A name as the library records it: ``user[plan]`` is ``user_plan``; that of a list ends in ``[]``."""
    return _IN_BRACKETS.sub(r"\1_\2", name, count=1)


def is_secret(name: str) -> bool:
    """Whether a field of this plain name never leaves."""
    return _SECRET.search(name) is not None


def is_password(name: str) -> bool:
    """Whether a field of this plain name holds what may stand in a second field of a harmless name."""
    return _PASSWORD.search(name) is not None


def is_somebody(name: str, value: str) -> bool:
    """Whether ``value`` can be the ID of whoever fills in the field of this plain name.

    Of a field that is called after an e-mail only an address is: ``email_format=html`` is nobody.
    """
    said = plain(value)
    if not said or said in _CROWDS or said == name:
        return False
    return "@" in value or not _ADDRESS.match(name)


@lru_cache(maxsize=256)
def matcher(names: tuple[str, ...]) -> re.Pattern[str]:
    """What plain names match that are one of ``names``, where ``*`` is any characters."""
    written = (".*".join(re.escape(plain(part)) for part in name.split("*")) for name in names)
    return re.compile("|".join(written) or "(?!)")


def holds_card_number(value: str) -> bool:
    """Whether 13 to 19 digits, as a whole or in groups, pass the Luhn check (ISO/IEC 7812-1 annex B)."""
    return any(_is_card(run[0]) for run in _DIGITS.finditer(value))


def _is_card(run: str) -> bool:
    """Whether any neighbouring groups of digits make a card number."""
    groups = re.findall(r"\d+", run)
    ends = [0]
    for group in groups:
        ends.append(ends[-1] + len(group))
    digits = [int(digit) for digit in "".join(groups)]
    return any(
        _passes_luhn(digits[start:end])
        for index, start in enumerate(ends)
        for end in ends[index + 1 :]
        if end - start in _CARD
    )


def _passes_luhn(digits: list[int]) -> bool:
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
