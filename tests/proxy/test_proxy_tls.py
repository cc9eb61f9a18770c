"""TLS for visitors: who gets which certificate."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from proxy_certificates import Pair, certificate, trusting
from wire import BROWSER, Upstream, config, proxy, site

from kmproxy.config import load
from kmproxy.errors import ConfigError
from kmproxy.proxy.tls import names

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def table(*pairs: Pair) -> list[dict[str, str]]:
    return [{"cert": str(pair.cert), "key": str(pair.key)} for pair in pairs]


async def shown(port: int, name: str | None) -> list[str]:
    """The names of the certificate that a client gets who asks for ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, "127.0.0.1", port, ssl=context, server_hostname=name or ""
    )
    found = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    transport.abort()
    return names(ssl.DER_cert_to_PEM_cert(found).encode())


async def test_a_certificate_is_chosen_by_its_own_names_and_changes_with_a_reload(tmp_path: Path) -> None:
    pairs = [
        certificate(tmp_path, "first", "a.example"),
        certificate(tmp_path, "wild", "*.shop.example", "Shop.example"),
        certificate(tmp_path, "own", "www.shop.example"),
    ]
    async with proxy(config(tmp_path, site(("a.example", None)), tls=table(*pairs))) as p:
        assert p.server.addresses[0].startswith("https://127.0.0.1:")
        wild = ["*.shop.example", "shop.example"]
        for name, expected in (
            ("a.example", ["a.example"]),
            ("shop.example", wild),
            ("pay.SHOP.example", wild),
            ("www.shop.example", ["www.shop.example"]),
            ("deep.pay.shop.example", ["a.example"]),
            ("else.example", ["a.example"]),
            (None, ["a.example"]),
        ):
            assert (name, await shown(p.port, name)) == (name, expected)
        certificate(tmp_path, "first", "new.example")
        await p.server.reload(config(tmp_path, site(("a.example", None)), tls=table(*pairs)))
        assert await shown(p.port, None) == ["new.example"]
        pairs[0].cert.write_text("")
        with pytest.raises((OSError, ValueError)):
            await p.server.reload(p.server._config)
        assert await shown(p.port, None) == ["new.example"]


async def test_tls_is_spoken_where_it_should_be_and_the_upstream_is_told(tmp_path: Path) -> None:
    pair = certificate(tmp_path, "own", "a.example")
    async with Upstream(OK).listening() as up:
        settings = config(
            tmp_path,
            site(("a.example", up.url)),
            listen=["127.0.0.1:0", "http://127.0.0.1:0"],
            tls=table(pair),
        )
        async with proxy(settings) as p:
            ask = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n" + BROWSER + b"\r\n"
            context = trusting()
            context.set_alpn_protocols(["h2", "http/1.1"])
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", p.port, ssl=context, server_hostname="a.example"
            )
            secure = writer.get_extra_info("ssl_object")
            assert (secure.selected_alpn_protocol(), secure.version()) == ("http/1.1", "TLSv1.3")
            writer.write(ask)
            assert (await reader.read()).endswith(b"ok")
            writer.close()
            plain = p.server.addresses[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", int(plain.rpartition(":")[2]))
            writer.write(ask)
            assert (await reader.read()).endswith(b"ok")
            writer.close()
        assert plain.startswith("http://")
        schemes = [b"X-Forwarded-Proto: https" in request for request in up.received]
        assert schemes == [True, False]


async def test_a_body_that_breaks_off_is_never_told_as_whole(tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    own = table(certificate(tmp_path, "own", "a.example"))
    async with (
        Upstream(script).listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)), tls=own)) as p,
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", p.port, ssl=trusting(), server_hostname="a.example"
        )
        writer.write(b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
        await reader.readuntil(b"half")
        # HTTP/1.0 has no other sign than an end that TLS does not vouch for (RFC 8446 §6.1).
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            await reader.read()
        writer.transport.abort()


def test_certificates_that_can_not_be_used_are_told_with_their_lines(tmp_path: Path) -> None:
    good, other = certificate(tmp_path, "good", "a.example"), certificate(tmp_path, "other", "b.example")
    (tmp_path / "junk.pem").write_text("junk")
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    file = tmp_path / "kmproxy.toml"
    file.write_text(
        f"""[server]
tls = [
  {{ cert = "{good.cert}", key = "{good.key}" }},
  {{ cert = "{good.cert}", key = "{other.key}" }},
  {{ cert = "{tmp_path}/none.pem", key = "{tmp_path}" }},
  {{ cert = "{tmp_path}/junk.pem", key = "{good.key}" }},
  {{ cert = "{good.cert}", key = "{locked}" }},
]
[[site]]
name = "a"
kissmetrics = {{ api_key = "k" }}
domain = [{{ host = "a.example" }}]
"""
    )
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert [str(problem).removeprefix(f"{file}:") for problem in refused.value.problems] == [
        f"4: server.tls[1].key: {other.key} is not the key of {good.cert}",
        f"5: server.tls[2].cert: {tmp_path}/none.pem can't be read: No such file or directory",
        f"5: server.tls[2].key: {tmp_path} can't be read: Is a directory",
        f"6: server.tls[3].cert: {tmp_path}/junk.pem holds no certificate in PEM form",
        f"7: server.tls[4].key: {locked} holds no private key in PEM form without a passphrase",
    ]
