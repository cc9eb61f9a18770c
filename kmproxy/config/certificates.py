"""Whether the certificates can be used: what only their files can tell."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from kmproxy.config.model import Certificate, Config
from kmproxy.config.places import Finding


def findings(config: Config) -> Iterator[Finding]:
    """Every file that is missing, unreadable, or not what it should be. Reads them."""
    for index, certificate in enumerate(config.server.tls):
        for key, flaw in _flaws(certificate):
            yield ("server", "tls", index, key), flaw


def _flaws(certificate: Certificate) -> list[tuple[str, str]]:
    files = (("cert", certificate.cert), ("key", certificate.key))
    unreadable = [(key, flaw) for key, name in files if (flaw := _unreadable(name))]
    if unreadable:
        return unreadable
    try:
        ssl.create_default_context().load_verify_locations(certificate.cert)
    except ssl.SSLError:
        return [("cert", f"{certificate.cert} holds no certificate in PEM form")]
    return _key_flaws(certificate)


def _unreadable(name: str) -> str:
    try:
        with Path(name).open("rb"):
            return ""
    except OSError as error:
        return f"{name} can't be read: {error.strerror}"


def _key_flaws(certificate: Certificate) -> list[tuple[str, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty passphrase: OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate.cert, certificate.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return [("key", f"{certificate.key} is not the key of {certificate.cert}")]
        return [("key", f"{certificate.key} holds no private key in PEM form without a passphrase")]
    return []
