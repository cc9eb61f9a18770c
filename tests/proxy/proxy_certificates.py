"""Certificates for the proxy's own TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

import trustme

_AUTHORITY = trustme.CA()


class Pair(NamedTuple):
    cert: Path
    key: Path

    @property
    def toml(self) -> str:
        return f'{{ cert = "{self.cert}", key = "{self.key}" }}'


def certificate(folder: Path, name: str, *hosts: str) -> Pair:
    """``name.pem`` and ``name.key`` for ``hosts``; what is there is replaced."""
    made = _AUTHORITY.issue_cert(*hosts)
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(pair.key))
    return pair


def trusting() -> ssl.SSLContext:
    """The context of a client that trusts all of these."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    return context
