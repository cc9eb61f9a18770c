"""A coverage-guided fuzzer of the scanner and the codings: ``python tests/fuzz/run.py --seconds 60``.

Each target runs in a process of its own under atheris (libFuzzer). A finding is written to
the directory named at the end; pass its path to see it fail again.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "tests" / "pages"
CORPUS = ROOT / ".." / "shared" / "corpus" / "pages"
NAMES = ("scanner", "codings")

_CHILD = "--in-this-process"
_MAX_LENGTH = 8192
_LARGEST_PAGE = 100_000
_HEADS = [bytes(7), b"\x02\x01\x02\x03\x05\x08\x0d", b"\x41\x10\x90\xa0\x20\x07\xff"]
"""How a seed is cut and by what way it goes."""


def main() -> int:
    if sys.argv[1:2] == [_CHILD]:
        _fuzz(sys.argv[2], sys.argv[3:])
    arguments = _arguments()
    if arguments.findings:
        return _again(arguments.target or NAMES, arguments.findings)
    work = Path(tempfile.mkdtemp(prefix="kmproxy-fuzz-"))
    codes = [_run(name, arguments.seconds, work) for name in arguments.target or NAMES]
    print(f"findings, if any: {work}" if any(codes) else "nothing found")
    return max(codes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", action="append", choices=NAMES, help="only this one; may be repeated")
    parser.add_argument("findings", nargs="*", type=Path, help="inputs to try again instead")
    return parser.parse_args()


def _run(name: str, seconds: int, work: Path) -> int:
    corpus, words = work / name, work / f"{name}.dict"
    corpus.mkdir()
    targets = _targets()
    for number, seed in enumerate(_seeds(name, targets)):
        (corpus / f"seed-{number}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in targets.TOKENS))
    print(f"{name}: {seconds} s", flush=True)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_LENGTH}",
        f"-dict={words}",
        f"-artifact_prefix={work}/{name}-",
        "-timeout=30",
        "-rss_limit_mb=1500",
        # Most of what a page does is decided in patterns, which tell of no coverage: keep what is long.
        "-len_control=0",
        "-reduce_inputs=0",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    return subprocess.run([sys.executable, __file__, _CHILD, name, *options], check=False).returncode


def _seeds(name: str, targets: Any) -> Iterator[bytes]:
    pages = [*targets.SEEDS, *_corpus()]
    for number, page in enumerate(pages):
        yield _HEADS[number % len(_HEADS)] + page
    if name == "codings":
        # Bodies as they come, to be broken.
        for number, page in enumerate(targets.SEEDS):
            way = targets.ANY_BODY + number % targets.ANY_BODY
            body = targets.encoded(targets.CODINGS[way % len(targets.CODINGS)], page)
            yield bytes([way, 3, 9, 4, 0, 0, 0]) + body


def _corpus() -> Iterator[bytes]:
    for path in sorted(CORPUS.glob("*.html")):
        if path.stat().st_size <= _LARGEST_PAGE:
            page = path.read_bytes()
            yield from (page[start : start + 2048] for start in range(0, len(page), 16_384))


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _targets() -> Any:
    sys.path[:0] = [str(ROOT), str(PAGES)]
    return importlib.import_module("pages_fuzz")


def _fuzz(name: str, options: list[str]) -> None:
    """Never comes back."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.exit("the fuzzer is not installed: python -m pip install atheris")
    with atheris.instrument_imports(include=["kmproxy"]):
        targets = _targets()
    target = targets.TARGETS[name]
    atheris.Setup([__file__, *options], lambda data: targets.in_time(target, data))
    atheris.Fuzz()


def _again(names: Iterable[str], findings: list[Path]) -> int:
    targets = _targets()
    for path in findings:
        for name in names:
            if name in path.name:
                targets.in_time(targets.TARGETS[name], path.read_bytes())
                print(f"{path.name}: holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
