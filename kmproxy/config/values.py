"""The rules for one value: each function returns it, or raises ValueError with what to write instead."""

from __future__ import annotations

import re
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from ada_url import idna_to_ascii

from kmproxy.forms import fields
from kmproxy.identity.provider import MAX_LENGTH
from kmproxy.identity.scope import is_address, is_public_suffix

Flaws = tuple[tuple[re.Pattern[str], str], ...]
"""What a value may look like at its start, and why that is wrong; the first that matches counts."""

_LONGEST_SOCKET = 107
"""Bytes that Linux has for a socket's path."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]/\s]*\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]+))?")

_HOST_FLAWS: Flaws = (
    (re.compile(r".*://"), "a host has no scheme"),
    (re.compile(r".*[/\\?#]"), "a host has no path"),
    (re.compile(r".*:"), "a host has no port"),
    (re.compile(r"(?s:.)*\s"), "a host has no spaces"),
    (re.compile(r".*\*"), '"*" stands only at the start, with a dot after it'),
    (re.compile(r".*[^\x00-\x7f]"), "browsers send this host in its ASCII form"),
    (re.compile(r".*[A-Z]"), "hosts are written in lower case"),
    (re.compile(r"\.|.*\.\.|.*\.$"), "a dot stands only between two names"),
    (re.compile(rf"(?!{_NAME.pattern}$)"), "this is not a host name"),
)

_UPSTREAM_FLAWS: Flaws = (
    (re.compile(r"https?://unix:"), 'a unix socket is written without http://, as in "unix:/run/app.sock"'),
    (
        re.compile(r"(?!https?://)"),
        'must start with http://, https:// or unix:/, as in "http://10.0.0.5:8000" or "unix:/run/app.sock"',
    ),
    (re.compile(r".*@"), 'an upstream has no user name or password; write "http://host:port"'),
    (
        re.compile(r"https?://[^/]*[/?#]"),
        'the path comes from the request; write "http://host:port" without one',
    ),
)

_ENDPOINT_FLAWS: Flaws = (
    (re.compile(r"(?!https?://)"), 'must start with https:// or http://, as in "https://host"'),
    (re.compile(r".*@"), 'an endpoint has no user name or password; write "https://host"'),
    (
        re.compile(r".*[?#]"),
        'an endpoint has no query or fragment; write "https://host" or "https://host/path"',
    ),
    (re.compile(r"(?s:.)*\s"), "an endpoint has no spaces; leave them out"),
)

_SQLITE_FLAWS: Flaws = (
    (
        re.compile(r"sqlite://"),
        'the path follows the colon; write "sqlite:outbox.db" or "sqlite:/var/lib/outbox.db"',
    ),
    (
        re.compile(r"(?!sqlite:.)"),
        'must be sqlite:PATH, as in "sqlite:kmproxy-outbox.db", or "redis://host:6379/0"',
    ),
)

_REDIS_FLAWS: Flaws = (
    (re.compile(r"rediss?:(?!//)"), 'two slashes follow the colon; write "redis://host:6379/0"'),
    (re.compile(r"(?s:.)*\s"), "a redis URL has no spaces; in a password write %20"),
    (
        re.compile(r".*[?#]"),
        "a redis URL has no query or fragment; in a password write ? as %3F and # as %23",
    ),
    (re.compile(r"[^@]*//[^@]*/.*@|.*@.*@"), "in a password write / as %2F and @ as %40"),
    (re.compile(r"rediss?://(?:[^@]*@)?+(?:[:/]|$)"), 'the host is missing; write "redis://host:6379/0"'),
    (
        re.compile(r"rediss?://[^/]*/(?![0-9]*$)"),
        'a number follows the host, that of the database; write "redis://host:6379/0"',
    ),
)


_FORM_PATH_FLAWS: Flaws = (
    (re.compile(r".*://"), 'a path has no scheme or host; write it as in "/subscribe"'),
    (re.compile(r"(?!/)"), 'must start with a slash, as in "/subscribe"'),
    (re.compile(r".*[?#]"), 'a path has no query or fragment; write it as in "/subscribe"'),
    (re.compile(r"(?s:.)*\s"), "a path has no spaces; write %20"),
    (re.compile(r".*\*"), "a path is written out, without *; write one [[site.form]] for each"),
)


def _flaw(value: str, flaws: Flaws) -> str | None:
    return next((why for pattern, why in flaws if pattern.match(value)), None)


def _refuse(value: str, flaws: Flaws) -> None:
    if why := _flaw(value, flaws):
        raise ValueError(why)


def host(value: str) -> str:
    """A domain's host name: exact, or ``*.name`` for every host below ``name``."""
    wildcard = value.startswith("*.")
    name = value.removeprefix("*.")
    _refuse_name(name, "*." if wildcard else "")
    if wildcard and is_address(name):
        raise ValueError(f'an address has no hosts below it; write "{name}"')
    if wildcard and is_public_suffix(name):
        raise ValueError(f'anybody may own a host below {name}; name your own domain, as in "*.acme.{name}"')
    return value


def _refuse_name(name: str, prefix: str = "") -> None:
    if is_address(name) and ":" in name:
        raise ValueError("an IPv6 address can't be a domain; write a host name")
    if why := _flaw(name, _HOST_FLAWS):
        raise ValueError(f'{why}; write "{prefix}{_repaired(name)}"')


def _repaired(name: str) -> str:
    """What was most likely meant; a mere example where that is no host name either."""
    bare = re.sub(r"^.*(://|@)|\s", "", name)
    bare = re.split(r"[/\\?#:]", bare)[0]
    labels = bare.replace("*", "").split(".")
    repaired = (idna_to_ascii(".".join(filter(None, labels))) or b"").decode().lower()
    return repaired if _NAME.fullmatch(repaired) else "acme.example"


def cookie_domain(value: str) -> str:
    """A name whose hosts share the cookies, without a dot in front; ``""`` for the default."""
    if not value:
        return value
    if is_address(value):
        raise ValueError('cookies of an address have no domain; write ""')
    if value.startswith("*."):
        raise ValueError(f'the hosts below it are covered anyway; write "{_repaired(value)}"')
    _refuse_name(value)
    if is_public_suffix(value):
        raise ValueError(
            f'browsers refuse cookies for all of {value}; write a domain below it, as in "acme.{value}"'
        )
    return value


def listen_address(value: str) -> str:
    """As ``admin_address`` but not empty; ``http://`` before ``host:port`` for one without TLS."""
    _local_address(value.removeprefix("http://"))
    if value.startswith("http://unix:"):
        raise ValueError('a unix socket never speaks TLS; write "unix:/path" alone')
    return value


def _local_address(value: str) -> str:
    if value.startswith("unix:"):
        return _unix_socket(value, "unix:/run/kmproxy.sock")
    if not re.search(":[0-9]+$", value):
        raise ValueError('must be host:port, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/path"')
    _refuse_authority(value, lowest_port=0)
    return value


def admin_address(value: str) -> str:
    """``host:port``, ``[v6]:port`` or ``unix:/path``, port 0 for a free one; ``""`` for none."""
    return _local_address(value) if value else value


def upstream(value: str) -> str:
    """``http://host[:port]``, ``https://host[:port]`` or ``unix:/path`` of an origin server."""
    if value.startswith("unix:"):
        return _unix_socket(value, "unix:/run/app.sock")
    _refuse(value, _UPSTREAM_FLAWS)
    _refuse_authority(value.partition("://")[2])
    return value


def _unix_socket(value: str, example: str) -> str:
    path = value.removeprefix("unix:")
    if path.startswith("//"):
        raise ValueError(f'one slash follows the colon; write "unix:/{path.lstrip("/")}"')
    if not path.startswith("/"):
        raise ValueError(f'a unix socket needs its full path, as in "{example}"')
    if len(path.encode()) > _LONGEST_SOCKET:
        raise ValueError(f"a unix socket's path has at most {_LONGEST_SOCKET} bytes; choose a shorter one")
    return value


def path(value: str) -> str:
    """The path of a URL, and its query perhaps, as it is asked for."""
    if not re.fullmatch(r"/[!-~]*", value) or "#" in value:
        raise ValueError('must be a path, as in "/healthz", with other characters than ASCII as %XX')
    return value


def server_name(value: str) -> str:
    """A host name that a certificate is for; ``""`` for the default."""
    if value:
        _refuse_name(value)
    return value


def ca_file(value: str) -> str:
    """A PEM file of certificates, which is read; ``""`` for none."""
    if not value:
        return value
    try:
        ssl.create_default_context(cafile=value)
    except ssl.SSLError:
        raise ValueError(f"{value} holds no certificate; write the name of a PEM file") from None
    except OSError as error:
        raise ValueError(f"{value} can't be read: {error.strerror}") from None
    return value


def endpoint(value: str) -> str:
    """The http(s) URL of a vendor's API; a slash at its end is dropped, since paths are put after it."""
    _refuse(value, _ENDPOINT_FLAWS)
    _refuse_authority(value.split("://", 1)[1].split("/", 1)[0])
    return value.rstrip("/")


def _refuse_authority(value: str, lowest_port: int = 1) -> None:
    found = _AUTHORITY.fullmatch(value)
    if found is None:
        raise ValueError(f'"{value}" is no address; write host:port, as in "10.0.0.5:8000" or "[::1]:8000"')
    _refuse_address(found["host"])
    port = int(found["port"] or lowest_port)
    if not lowest_port <= port <= 65535:
        raise ValueError(f"there is no port {port}; write one from {lowest_port} to 65535")


def _refuse_address(name: str) -> None:
    if re.fullmatch("[0-9.]+", name) and not is_address(name):
        raise ValueError(f'{name} is no IPv4 address; write four numbers, as in "10.0.0.5"')
    if name.startswith("[") and (":" not in name or not is_address(name)):
        raise ValueError(f'{name} is no IPv6 address; write one such as "[::1]"')


def outbox_url(value: str) -> str:
    """``sqlite:PATH`` or ``redis://[user][:password]@host[:port][/database]``, with TLS ``rediss:``."""
    if not re.match("rediss?:", value):
        _refuse(value, _SQLITE_FLAWS)
        return value
    _refuse(value, _REDIS_FLAWS)
    _refuse_authority(value.split("/")[2].rpartition("@")[2])
    return value


def form_path(value: str) -> str:
    """The path of a URL."""
    _refuse(value, _FORM_PATH_FLAWS)
    return value


def event(value: str) -> str:
    """The name of an event."""
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > MAX_LENGTH:
        raise ValueError(f"must be at most {MAX_LENGTH} characters, which is what the vendors take")
    return value


def identifying_field(value: str) -> str:
    """The name of a form's field, with ``*`` for any characters."""
    if fields.is_secret(fields.plain(value)):
        raise ValueError("a field of such a name never leaves, so it identifies nobody; name another one")
    return value


def pattern(value: str) -> str:
    """A regular expression of Python's ``re``."""
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def network(value: object) -> IPv4Network | IPv6Network | Literal["unix:"]:
    """An address, or ``address/bits`` with nothing beyond the bits; or ``unix:``."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if value == "unix:":
        return "unix:"
    if str(value).lower().startswith("unix"):
        raise ValueError('whoever comes by a unix socket is "unix:", without a path')
    try:
        found = ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError('must be a network, as in "10.0.0.0/8", or one address') from None
    if ip_address(str(value).partition("/")[0]) != found.network_address:
        raise ValueError(f'{value} is one address and a prefix; for the network write "{found}"')
    return found
