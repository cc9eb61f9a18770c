"""What the Dockerfile copies is enough to build kmproxy, and all of kmproxy is in what is built."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

from deploy_kit import ROOT, run
from dockerfile import copied, place, stages, steps


def test_what_the_image_copies_builds_all_of_kmproxy_in_an_empty_folder(tmp_path: Path) -> None:
    source = tmp_path / "src"
    for file, target in copied(stages()[0]):
        place(file, source / target)
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", tmp_path, source],
        env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", str(tmp_path)), **pip},
        cwd=tmp_path,
    )
    [wheel] = tmp_path.glob("kmproxy-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("kmproxy-")}
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "kmproxy").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == files


def test_the_image_runs_as_somebody_without_rights_and_keeps_the_outbox_on_a_volume() -> None:
    said = {step.word: step.rest for step in steps()}
    assert said["USER"] == "kmproxy"
    assert said["WORKDIR"] == said["VOLUME"] == "/var/lib/kmproxy"
    assert said["ENTRYPOINT"].startswith("[")  # Else a shell would get the SIGTERM.
