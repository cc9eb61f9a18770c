"""Each file for deployment, judged by the tool that owns it."""

from __future__ import annotations

import sys
import tomllib
from ipaddress import ip_address, ip_network
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from deploy_kit import CONFIG, KMPROXY, ROOT, certificate, documents, nginx_files, run
from needs import program

from kmproxy.config import Config, load
from kmproxy.config.model import Server
from kmproxy.proxy.server import SETTLE
from kmproxy.serving.supervisor import GRACE

UNIT = CONFIG / "systemd" / "kmproxy.service"
SOCKET = CONFIG / "systemd" / "kmproxy.socket"


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    # Verify looks for the program, which is elsewhere here.
    text = UNIT.read_text().replace("/opt/kmproxy/bin/kmproxy", str(KMPROXY))
    (tmp_path / "kmproxy.service").write_text(text)
    (tmp_path / "kmproxy.socket").write_text(SOCKET.read_text())
    analyze = program("systemd-analyze", "systemd")
    said = run([analyze, "verify", "--man=no", tmp_path / "kmproxy.service", tmp_path / "kmproxy.socket"])
    assert "kmproxy" not in said


def test_systemd_finds_the_unit_well_sandboxed() -> None:
    analyze = program("systemd-analyze", "systemd")
    # In tenths: what is left is the network, Unix sockets and the host's own root directory.
    run([analyze, "security", "--offline=yes", "--threshold=15", "--no-pager", UNIT])


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    nginx = program("nginx", "nginx-light")
    cert, key = certificate(tmp_path)
    front = (CONFIG / "nginx.conf").read_text()
    front = front.replace("/etc/nginx/tls/acme.pem", str(cert)).replace("/etc/nginx/tls/acme.key", str(key))
    front = front.replace("/var/log/nginx", str(tmp_path))
    said = run([nginx, "-t", "-p", tmp_path, "-c", nginx_files(tmp_path, front)])
    assert "[warn]" not in said


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    caddy = program("caddy", "caddy")
    said = run(
        [caddy, "validate", "--config", CONFIG / "Caddyfile", "--adapter", "caddyfile"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert "Valid configuration" in said
    assert run([caddy, "fmt", CONFIG / "Caddyfile"]) == (CONFIG / "Caddyfile").read_text()


def test_composes_schema_takes_the_compose_file() -> None:
    tool = Path(sys.executable).parent / "check-jsonschema"
    run([tool, "--builtin-schema", "vendor.compose-spec", CONFIG / "compose.yaml"])


@pytest.mark.parametrize(
    "manifest", documents("kubernetes.yaml"), ids=lambda it: f"{it['kind']}-{it['metadata']['name']}"
)
def test_kubernetes_schema_takes_each_manifest_and_knows_each_field(manifest: dict[str, Any]) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(manifest, desired_version="1.33", strict=True)
    broken = {**manifest, "metadata": {**manifest["metadata"], "nmae": "x"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, desired_version="1.33", strict=True)


def _named(kind: str, name: str) -> dict[str, Any]:
    [found] = [
        it for it in documents("kubernetes.yaml") if (it["kind"], it["metadata"]["name"]) == (kind, name)
    ]
    return dict(found)


def _of_kubernetes() -> str:
    return str(_named("ConfigMap", "kmproxy")["data"]["kmproxy.toml"])


def _of_compose() -> str:
    [compose] = documents("compose.yaml")
    return str(compose["configs"]["kmproxy"]["content"]).replace("$$", "$")


@pytest.mark.parametrize("text", [_of_kubernetes(), _of_compose()], ids=["kubernetes", "compose"])
def test_kmproxy_takes_the_configuration_within(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KM_KEY", "key")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    (tmp_path / "kmproxy.toml").write_text(text)
    config = load(tmp_path / "kmproxy.toml")
    assert isinstance(config, Config)
    assert config.outbox.url.startswith("redis://:secret@")


def test_the_manifests_name_each_other_and_the_image_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KM_KEY", "key")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    deployment = _named("Deployment", "kmproxy")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    dockerfile = (ROOT / "Dockerfile").read_text()

    for owner in (
        _named("Service", "kmproxy")["spec"]["selector"],
        deployment["spec"]["selector"]["matchLabels"],
    ):
        assert owner == labels
    assert _named("PodDisruptionBudget", "kmproxy")["spec"]["selector"]["matchLabels"] == labels
    assert ports == {"http": 8080, "admin": 8081}
    assert f"EXPOSE {ports['http']}" in dockerfile
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile
    assert {volume["name"] for volume in pod["volumes"]} == {
        mount["name"] for mount in container["volumeMounts"]
    }
    assert "@kmproxy-redis:6379/" in _of_kubernetes()
    _named("Service", "kmproxy-redis")


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")],
)
def test_the_probes_ask_the_admin_listener(probe: str, path: str) -> None:
    [container] = _named("Deployment", "kmproxy")["spec"]["template"]["spec"]["containers"]
    assert container[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_nobody_is_killed_before_what_is_in_flight_had_its_time() -> None:
    drain = Server().drain_delay + Server().drain_timeout + SETTLE + GRACE
    pod = _named("Deployment", "kmproxy")["spec"]["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    [compose] = documents("compose.yaml")
    assert pause + drain < pod["terminationGracePeriodSeconds"]
    assert float(compose["services"]["kmproxy"]["stop_grace_period"].removesuffix("s")) > drain
    assert float(_of_unit("TimeoutStopSec")) > drain
    for name in ("systemd/kmproxy.service", "compose.yaml", "kubernetes.yaml"):
        assert f"drain_timeout and {ceil(SETTLE + GRACE)} s together" in (CONFIG / name).read_text()


def test_systemd_leaves_the_workers_to_their_keeper_and_never_gives_up_to_start_it() -> None:
    assert _of_unit("KillMode") == "mixed"
    assert _of_unit("StartLimitIntervalSec") == "0"
    assert _of_unit("Restart") == "on-failure"


def _of_unit(key: str) -> str:
    [value] = [line for line in UNIT.read_text().splitlines() if line.startswith(f"{key}=")]
    return value.partition("=")[2]


@pytest.mark.parametrize("name", ["kubernetes.yaml", "compose.yaml"])
def test_redis_has_each_call_on_disk_and_drops_none(name: str) -> None:
    said = " ".join(
        (CONFIG / name).read_text().replace("\n", " ").replace(" - ", " ").replace('"', "").split()
    )
    for setting in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert setting in said


def test_compose_believes_its_gateway_and_only_this_machine_comes_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KM_KEY", "key")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    [compose] = documents("compose.yaml")
    [network] = compose["networks"]["default"]["ipam"]["config"]
    trusted = load(tomllib.loads(_of_compose())).server.trusted_proxies
    assert [str(one) for one in trusted] == [f"{network['gateway']}/32"]
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["kmproxy"]["ports"])


def test_redis_that_answers_with_an_error_is_not_taken_for_well() -> None:
    [compose] = documents("compose.yaml")
    [container] = _named("StatefulSet", "kmproxy-redis")["spec"]["template"]["spec"]["containers"]
    asked = ["redis-cli", "-e", "ping"]
    assert compose["services"]["redis"]["healthcheck"]["test"] == ["CMD", *asked]
    assert container["readinessProbe"]["exec"]["command"] == asked


def test_the_unit_lets_the_access_log_be_where_the_readme_puts_it() -> None:
    assert 'access_log = "/var/log/kmproxy/' in (ROOT / "README.md").read_text()
    assert "\nLogsDirectory=kmproxy\n" in UNIT.read_text()
