"""TLS for visitors: the certificate that a client asks for by name."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from kmproxy.config.model import Certificate


class Certificates:
    """``context`` is for the listeners; what it shows can be changed while they listen."""

    def __init__(self, certificates: Sequence[Certificate]) -> None:
        """At least one. Raises OSError (ssl.SSLError is one) or ValueError for files that are no good."""
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.load(certificates)
        self.context = _context(certificates[0])
        self.context.sni_callback = self._choose

    def load(self, certificates: Sequence[Certificate]) -> None:
        """From now on these, or, if it raises, what was before. Handshakes that have begun go on."""
        by_name: dict[str, ssl.SSLContext] = {}
        contexts = [_context(one) for one in certificates]
        for one, context in zip(certificates, contexts, strict=True):
            for name in names(Path(one.cert).read_bytes()):
                by_name.setdefault(name, context)
        self._by_name, self._default = by_name, contexts[0]

    def find(self, name: str) -> ssl.SSLContext:
        """That of the name itself, of the wildcard that covers it (RFC 9525 §6.3), or the first."""
        name = name.lower()
        wildcard = "*." + name.partition(".")[2]
        return self._by_name.get(name) or self._by_name.get(wildcard) or self._default

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Called in each handshake, also without a name (RFC 6066 §3)."""
        connection.context = self.find(name or "")


def names(pem: bytes) -> list[str]:
    """The host names of the first certificate, in lower case. Raises ValueError if there is none."""
    from cryptography import x509  # large, and needed with TLS only
    from cryptography.x509.oid import ExtensionOID

    certificate = x509.load_pem_x509_certificates(pem)[0]
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return []
    assert isinstance(found.value, x509.SubjectAlternativeName)  # noqa: S101 - that is what was asked for
    return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]


def _context(certificate: Certificate) -> ssl.SSLContext:
    """TLS 1.2 and later, with the ciphers Python's authors deem right for servers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key, password="")
    context.set_alpn_protocols(["http/1.1"])
    return context
