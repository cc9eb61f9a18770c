"""Certificates for upstreams, of an authority that nobody but the tests believes."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import trustme

NAME = "app.internal"


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context(*names: str) -> ssl.SSLContext:
    """What a server of these names and addresses shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(*names).configure_cert(context)
    return context


def ca_file(folder: Path) -> str:
    """The authority, as the configuration names it."""
    path = folder / "ca.pem"
    _authority().cert_pem.write_to_path(str(path))
    return str(path)
