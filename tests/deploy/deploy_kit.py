"""The files for deployment, and what is done with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from needs import program

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
KMPROXY = Path(sys.executable).parent / "kmproxy"


def run(command: Sequence[str | Path], **options: Any) -> str:
    """What ``command`` says on both outputs; it must succeed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def documents(name: str) -> list[Any]:
    """The YAML documents of a file."""
    return list(yaml.safe_load_all((CONFIG / name).read_text()))


def nginx_files(folder: Path, front: str) -> Path:
    """An nginx.conf that includes ``front`` and needs no root."""
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{ worker_connections 1024; }}\nhttp {{\n"
        f"client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;\n"
        f"uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;\n{front}\n}}\n"
    )
    return main


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, for the hosts of the files."""
    cert, key = folder / "acme.pem", folder / "acme.key"
    names = "subjectAltName=DNS:www.acme-blog.example,DNS:shop.acme.example"
    openssl = program("openssl", "openssl")
    made = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=acme",
    )
    run([openssl, "req", "-x509", *made, "-addext", names, "-keyout", key, "-out", cert])
    return cert, key
