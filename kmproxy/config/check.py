"""The rules over more than one value.

They read the data, not the models, so that they also find what is wrong in a file of which other parts
are invalid. What has the wrong type is passed over: pydantic has reported it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kmproxy.config import values
from kmproxy.config.model import Server
from kmproxy.config.places import Finding, Place, dotted
from kmproxy.identity.scope import covers

Table = Mapping[str, Any]

_DEFAULT = Server()


def findings(data: Table) -> Iterator[Finding]:
    """Everything wrong between the values of a configuration of dicts, lists and plain values."""
    yield from _addresses_used_twice(data)
    yield from _idle_certificates(data)
    yield from _names_used_twice(data)
    yield from _hosts_claimed_twice(data)
    for place, site in _sites(data):
        yield from _missing_provider(place, site)
        yield from _idle_cookie_domain(place, site)
        yield from _forms_written_twice(place, site)
        for below, domain in _tables(site, "domain"):
            yield from _idle_upstream_options((*place, *below), domain)


def _addresses_used_twice(data: Table) -> Iterator[Finding]:
    for place, address, first in _repeated(_addresses(data)):
        if not address.endswith(":0"):
            yield place, f'"{address}" is {dotted(first)} too; write another address or port'


def _addresses(data: Table) -> Iterator[tuple[Place, object]]:
    server = {"listen": _DEFAULT.listen, "admin": _DEFAULT.admin, **_table(data, "server")}
    for index, address in enumerate(_list(server, "listen")):
        plain = address.removeprefix("http://") if isinstance(address, str) else address
        yield ("server", "listen", index), plain
    yield ("server", "admin"), server["admin"]


def _idle_certificates(data: Table) -> Iterator[Finding]:
    server = _table(data, "server")
    listen = _list({"listen": _DEFAULT.listen, **server}, "listen")
    if _list(server, "tls") and all(str(address).startswith(("http://", "unix:")) for address in listen):
        yield ("server", "tls"), 'no address speaks TLS; add one such as "0.0.0.0:443" to server.listen'


def _names_used_twice(data: Table) -> Iterator[Finding]:
    names = (((*place, "name"), site.get("name")) for place, site in _sites(data))
    for place, name, first in _repeated(names):
        yield place, f'"{name}" is the name of {dotted(first[:-1])} too; write another one'


def _hosts_claimed_twice(data: Table) -> Iterator[Finding]:
    for place, host, first in _repeated(_hosts(data)):
        yield place, f'"{host}" is {dotted(first)} too; a host belongs to one domain of one site, so keep one'


def _hosts(data: Table) -> Iterator[tuple[Place, object]]:
    for site_place, site in _sites(data):
        for place, domain in _tables(site, "domain"):
            yield (*site_place, *place, "host"), domain.get("host")


def _missing_provider(place: Place, site: Table) -> Iterator[Finding]:
    if site.get("kissmetrics") is None and site.get("mixpanel") is None:
        yield place, 'no provider; write kissmetrics = { api_key = "…" } or mixpanel = { token = "…" }'


def _idle_cookie_domain(place: Place, site: Table) -> Iterator[Finding]:
    scope = _table(site, "identity").get("cookie_domain", "")
    hosts = [domain.get("host", "") for _, domain in _tables(site, "domain")]
    known = scope and hosts and _valid(values.cookie_domain, [scope]) and _valid(values.host, hosts)
    if known and not any(_reaches(scope, host) for host in hosts):
        advice = 'write the domain above its hosts, or "" for the default'
        yield (*place, "identity", "cookie_domain"), f'"{scope}" covers no host of this site; {advice}'


def _forms_written_twice(place: Place, site: Table) -> Iterator[Finding]:
    forms = [((*place, *below), form) for below, form in _tables(site, "form")]
    written = ((where, form.get("method", "post"), form.get("path")) for where, form in forms)
    targets = ((where, f"{method} {path}") for where, method, path in written if isinstance(path, str))
    for where, target, first in _repeated(targets):
        method, _, path = target.partition(" ")
        yield (*where, "path"), f'{dotted(first)} is sent to "{path}" by {method} too; keep one'


def _idle_upstream_options(place: Place, domain: Table) -> Iterator[Finding]:
    said = domain.get("upstream")
    upstreams = [said] if isinstance(said, str) else _list(domain, "upstream")
    if domain.get("health_check") and not upstreams:
        yield (*place, "health_check"), 'there is no upstream to check; write upstream = "…"'
    if any(_table(domain, "upstream_tls").values()) and not any(map(_is_https, upstreams)):
        yield (*place, "upstream_tls"), 'no upstream speaks TLS; write upstream = "https://…"'


def _is_https(upstream: object) -> bool:
    return isinstance(upstream, str) and upstream.startswith("https://")


def _reaches(scope: str, host: str) -> bool:
    name = host.removeprefix("*.")
    return covers(scope, name) or (name != host and covers(name, scope))


def _valid(rule: Callable[[str], str], names: list[Any]) -> bool:
    try:
        return all(isinstance(name, str) and rule(name) for name in names)
    except ValueError:
        return False


def _repeated(values: Iterable[tuple[Place, object]]) -> Iterator[tuple[Place, str, Place]]:
    """The texts that occurred before: where, what, and where first."""
    first: dict[str, Place] = {}
    for place, text in values:
        if isinstance(text, str) and text and first.setdefault(text, place) != place:
            yield place, text, first[text]


def _sites(data: Table) -> Iterator[tuple[Place, Table]]:
    return _tables(data, "site")


def _tables(table: Table, key: str) -> Iterator[tuple[Place, Table]]:
    for index, item in enumerate(_list(table, key)):
        if isinstance(item, Mapping):
            yield (key, index), item


def _table(table: Table, key: str) -> Table:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(table: Table, key: str) -> Sequence[Any]:
    value = table.get(key)
    return value if isinstance(value, list | tuple) else ()
