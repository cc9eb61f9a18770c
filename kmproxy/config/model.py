"""What may be said in the configuration file: one class a table, one docstring an option.

The rules for one value are in ``values.py``, those that need more than one (two sites that claim one
host) in ``check.py``. The docstrings are also the descriptions of the JSON Schema.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
)

from kmproxy.config import values
from kmproxy.forms.fields import IDENTIFYING


class Table(BaseModel):
    """A table of the file: unknown keys are errors, values never change after loading."""

    # An infinite timeout would break the event loop's clock.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


NonEmpty = Annotated[str, Field(min_length=1)]
Host = Annotated[NonEmpty, AfterValidator(values.host)]
Upstream = Annotated[NonEmpty, AfterValidator(values.upstream)]
Upstreams = Annotated[
    tuple[Upstream, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])
]
Endpoint = Annotated[str, AfterValidator(values.endpoint)]
Peers = Annotated[IPv4Network | IPv6Network | Literal["unix:"], BeforeValidator(values.network)]


class Certificate(Table):
    """``{ cert = "a.pem", key = "a.key" }``"""

    cert: NonEmpty
    """A PEM file: the certificate, then those of its issuers but the root's."""

    key: NonEmpty
    """A PEM file: the certificate's private key, without a passphrase."""


class Server(Table):
    """``[server]``: where kmproxy listens and how long it waits."""

    listen: tuple[Annotated[str, AfterValidator(values.listen_address)], ...] = ("0.0.0.0:8080",)
    """``host:port``, ``[::]:port`` or ``unix:/path``. Port 0 takes a free one.

    With ``tls``, each ``host:port`` speaks TLS; ``http://host:port`` does not, nor does a unix socket.
    """

    admin: Annotated[str, AfterValidator(values.admin_address)] = "127.0.0.1:8081"
    """Health and metrics, written as in ``listen``. Keep it off the Internet; ``""`` turns it off."""

    workers: NonNegativeInt = 1
    """Processes that answer requests; 0 is one for each core."""

    tls: tuple[Certificate, ...] = ()
    """Certificates, chosen by the names in them; the first is for everybody else. None: no TLS."""

    access_log: str = ""
    """A file to which each request adds a line of JSON, without identities. SIGHUP opens it anew.

    ``-`` is standard output, ``""`` no log.
    """

    trusted_proxies: tuple[Peers, ...] = (IPv4Network("127.0.0.1/32"),)
    """Peers whose X-Forwarded-* are believed; anybody else's are replaced.

    Networks and addresses; ``unix:`` is whoever comes by a unix socket.
    """

    connect_timeout: PositiveFloat = 5.0
    """Seconds to open a connection to an upstream, TLS included; then the next upstream, or 504."""

    first_byte_timeout: PositiveFloat = 60.0
    """Seconds from the request to the head of the response; then 504."""

    idle_timeout: PositiveFloat = 60.0
    """Seconds without a byte from the upstream within a body; then the response is broken off."""

    client_timeout: PositiveFloat = 60.0
    """Seconds a client may take to send a request's head, or pause within a body either way; then 408."""

    max_body: NonNegativeInt = 0
    """Bytes of a request's body; beyond that 413. 0: no limit but the upstream's own."""

    max_connections: NonNegativeInt = 0
    """Clients' connections at a time in one process; beyond that 503. 0: as many as the system allows."""
    drain_delay: NonNegativeFloat = 0.0
    """Seconds from a SIGTERM, when ``/readyz`` begins to fail, until no connection is taken any more."""

    drain_timeout: NonNegativeFloat = 8.0
    """Seconds from then on that requests in flight have to end; ``docker stop`` kills after 10."""


class Outbox(Table):
    """``[outbox]``: where tracking calls wait until the vendor has taken them."""

    url: Annotated[str, AfterValidator(values.outbox_url)] = "sqlite:kmproxy-outbox.db"
    """``sqlite:PATH``, relative to the working directory. On a disk that survives a restart.

    Or, for several machines, ``redis://[user][:password]@host[:port][/database]``; ``rediss:`` for TLS.
    """


class Kissmetrics(Table):
    """``kissmetrics = { api_key = "…" }``"""

    api_key: NonEmpty
    """The site's key, as in its JavaScript snippet."""

    endpoint: Endpoint = "https://trk.kissmetrics.io"
    """Where tracking calls go. Change it only for a proxy of your own."""


class Mixpanel(Table):
    """``mixpanel = { token = "…" }``"""

    token: NonEmpty
    """The project token."""

    endpoint: Endpoint = "https://api.mixpanel.com"
    """``https://api-eu.mixpanel.com`` and ``https://api-in.mixpanel.com`` for the other regions."""

    id_merge: Literal["simplified", "original"] = "simplified"
    """The project's own setting; Mixpanel can't change it once there is data."""


class HealthCheck(Table):
    """``health_check = { path = "/healthz" }``"""

    path: Annotated[NonEmpty, AfterValidator(values.path)]
    """What each upstream is asked for, with this domain as its Host (``*.name`` is checked as ``name``).

    A status from 200 to 399 within 5 seconds passes.
    """

    interval: PositiveFloat = 10.0
    """Seconds between two checks of an upstream."""


class UpstreamTls(Table):
    """``upstream_tls = { ca = "ca.pem" }``: how the certificates of ``https`` upstreams are verified."""

    ca: Annotated[str, AfterValidator(values.ca_file)] = ""
    """A PEM file, the only authorities then believed; ``""`` is the system's."""

    server_name: Annotated[str, AfterValidator(values.server_name)] = ""
    """The name that the certificate must be for and that SNI asks for; ``""`` is the upstream's own."""


class Domain(Table):
    """``[[site.domain]]``: one host name of a site."""

    host: Host
    """Exact, or ``*.name`` for every host below ``name``."""

    upstream: Upstreams = ()
    """``http://host:port``, ``https://host:port`` or ``unix:/path`` of the origin server, or several of them.

    None: linked to, not served.
    """

    balance: Literal["round_robin", "least_connections"] = "round_robin"
    """Several upstreams are taken in turn, or the one with the fewest requests under way."""

    max_connections: NonNegativeInt = 0
    """Of this domain to each upstream, event streams included; more requests wait. 0: as many as come.

    A request that waits longer than ``connect_timeout`` gets 503.
    """

    health_check: HealthCheck | None = None
    """With it, upstreams that fail it get no requests; if all do, visitors get 503."""

    upstream_tls: UpstreamTls = UpstreamTls()


class Links(Table):
    """``[site.links]``: what is decorated."""

    elements: tuple[Literal["a", "area", "form", "iframe"], ...] = ("a", "area")
    """The HTML elements whose links are decorated; ``form`` includes its buttons' ``formaction``."""

    redirects: bool = True
    """Decorate redirects too: ``Location``, ``Refresh`` and meta refresh."""

    only_class: str = ""
    """With it, only elements of this class are decorated."""


class Arrival(Table):
    """``[site.arrival]``: what a decorated link does where it arrives."""

    policy: Literal["guarded", "exact"] = "guarded"
    """``exact`` is the vendor's table; ``guarded`` also refuses what would merge two people."""

    url: Literal["redirect", "inline", "leave"] = "redirect"
    """A 302 to the clean URL; strip for the upstream only; or leave the URL alone."""

    events: bool = True
    """Handle ``kme`` and ``km_*`` (the vendor's URL API) as well."""


class Identity(Table):
    """``[site.identity]``: who a visitor is before anybody has said so."""

    mint: bool = True
    """Give a first-time visitor an anonymous ID with the first page."""

    cookie_domain: Annotated[str, AfterValidator(values.cookie_domain)] = ""
    """As ``KM_COOKIE_DOMAIN``; ``""`` is the registrable domain of each host."""


class Form(Table):
    """``[[site.form]]``: a form whose submission is recorded, as the vendor's ``trackSubmit`` would.

    Read as it passes, where it is sent as forms are by default (``application/x-www-form-urlencoded``,
    UTF-8, 64 KB at most); behind a middleware only if the app reads it before it answers. What is named
    like a password, a card's number or a token never leaves, nor a number that may be a card's.
    """

    path: Annotated[str, AfterValidator(values.form_path)]
    """The path that the form is sent to, on any of the site's domains, as in its ``action``."""

    method: Literal["post", "get"] = "post"
    """As in the form. One sent by GET is recorded whenever its URL is come to from a page of the site."""

    event: Annotated[str, AfterValidator(values.event)]
    """The event that is recorded, with the fields as its properties, if the answer is no error."""

    identify_from: tuple[Annotated[NonEmpty, AfterValidator(values.identifying_field)], ...] = IDENTIFYING
    """The fields of which the first filled in names an anonymous visitor; ``*`` is any characters.

    Of a field that is called after an e-mail only an address does.
    """

    ignore: tuple[NonEmpty, ...] = ()
    """Fields that never leave, written alike; case, ``_``, ``-`` and brackets don't matter in either."""


class ConsentCookie(Table):
    """``cookie = { name = "consent", pattern = "analytics:yes" }``"""

    name: NonEmpty
    """The cookie's name."""

    pattern: Annotated[NonEmpty, AfterValidator(values.pattern)]
    """A regular expression found in the cookie's decoded value of a visitor who agreed."""


class Consent(Table):
    """``[site.consent]``: whom kmproxy leaves alone."""

    respect: tuple[Literal["gpc", "dnt"], ...] = ("gpc",)
    """Signals that mean no: ``Sec-GPC: 1`` and ``DNT: 1``."""

    cookie: ConsentCookie | None = None
    """With it, only visitors whose cookie matches are followed."""


class Site(Table):
    """``[[site]]``: the domains that share one API key, hence one identity."""

    name: NonEmpty
    """Your own word for the site, in logs and metrics; each site has another."""

    kissmetrics: Kissmetrics | None = None
    """A site has this provider, the other, or both."""

    mixpanel: Mixpanel | None = None
    """A site has this provider, the other, or both."""

    domain: Annotated[tuple[Domain, ...], Field(min_length=1)]
    """The site's host names."""

    links: Links = Links()
    arrival: Arrival = Arrival()
    identity: Identity = Identity()
    consent: Consent = Consent()

    form: tuple[Form, ...] = ()
    """Forms whose submissions are events."""


class Config(Table):
    """The whole file."""

    server: Server = Server()
    outbox: Outbox = Outbox()
    site: Annotated[tuple[Site, ...], Field(min_length=1)]
