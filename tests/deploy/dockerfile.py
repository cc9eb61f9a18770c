"""The Dockerfile, read and replayed: python tests/deploy/dockerfile.py, as root, where no engine is at hand.

Each stage is a copy of a fresh Debian (debootstrap), each step is done in it by chroot, and at the end the
image's command must come up healthy. A minute or two; kmproxy's default ports must be free.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

CONFIG = """\
[[site]]
name = "acme"
kissmetrics = { api_key = "key" }
[[site.domain]]
host = "a.example"
upstream = "http://127.0.0.1:9"
"""


class Step(NamedTuple):
    """One instruction."""

    word: str
    rest: str


def steps() -> list[Step]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Step(*line.split(None, 1)) for line in lines]


def stages() -> list[list[Step]]:
    """The instructions, stage by stage; each begins with FROM."""
    found: list[list[Step]] = []
    for step in steps():
        if step.word == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def copied(stage: Sequence[Step]) -> Iterator[tuple[Path, str]]:
    """What ``stage`` copies from the project, and to where."""
    for step in stage:
        words = step.rest.split()
        if step.word == "COPY" and not words[0].startswith("--from"):
            *sources, target = words
            for source in sources:
                is_folder = (ROOT / source).is_dir() and not target.endswith("./")
                yield ROOT / source, target if is_folder else f"{target.rstrip('/')}/{source}"


def place(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


class Stage:
    """A root directory in which a stage's steps are done."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workdir = "/"
        self.user = "root"

    def command(self, *words: str) -> list[str]:
        """``words`` as they run in the root, with nothing of this machine's environment but pip's."""
        pip = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")]
        clean = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME=/root", *pip]
        go = ["sh", "-c", f"cd {shlex.quote(self.workdir)} && exec {shlex.join(words)}"]
        return ["chroot", f"--userspec={self.user}", str(self.root), *clean, *go]

    def do(self, step: Step, built: Path) -> None:
        """One step; what only describes the image changes nothing here."""
        if step.word == "RUN":
            subprocess.run(self.command("sh", "-c", step.rest), check=True)
        elif step.word == "WORKDIR":
            self.workdir = step.rest
            self._path(step.rest).mkdir(parents=True, exist_ok=True)
        elif step.word == "USER":
            self.user = step.rest
        elif step.word == "COPY" and step.rest.startswith("--from"):
            _, source, target = step.rest.split()
            place(built / source.lstrip("/"), self._path(target))
        elif step.word == "COPY":
            for file, where in copied([step]):
                place(file, self._path(where))

    def _path(self, within: str) -> Path:
        return self.root / os.path.join(self.workdir, within).lstrip("/")  # noqa: PTH118 - of another root


def replay(folder: Path) -> None:
    """All stages; the last one's command must come up healthy."""
    base = folder / "base"
    release = Path("/etc/os-release").read_text().partition("VERSION_CODENAME=")[2].split()[0]
    wanted = "--include=ca-certificates,python3,python3-venv"
    subprocess.run(["debootstrap", "--variant=minbase", wanted, release, str(base)], check=True)
    (base / "usr/bin/python").symlink_to("python3")
    for file in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        with suppress(FileNotFoundError):
            shutil.copy(Path("/") / file, base / file)
    built, last = folder, Stage(base)
    for number, instructions in enumerate(stages()):
        last = Stage(folder / f"stage{number}")
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(last.root)], check=True)
        for step in instructions:
            sys.stdout.write(f"{step.word} {step.rest}\n")
            sys.stdout.flush()
            last.do(step, built)
        built = last.root
    _come_up(last, {step.word: step.rest for step in stages()[-1]})


def _come_up(stage: Stage, said: dict[str, str]) -> None:
    (stage.root / "etc/kmproxy").mkdir()
    (stage.root / "etc/kmproxy/kmproxy.toml").write_text(CONFIG)
    entry = [*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])]
    health = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])
    process = subprocess.Popen(stage.command(*entry))
    try:
        for _ in range(100):
            time.sleep(0.1)
            if process.poll() is not None:
                raise SystemExit("the image's command ended")
            if subprocess.run(stage.command(*health), stderr=subprocess.DEVNULL).returncode == 0:
                break
        else:
            raise SystemExit("the image's command is not healthy")
    finally:
        process.terminate()
        status = process.wait(30)
    if status:
        raise SystemExit(f"the image's command ended with status {status}")
    sys.stdout.write("healthy, and ended well\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kmproxy-image-") as place_:
        replay(Path(place_))
