"""html5lib's tokenizer cases: which tags the scanner sees, and what their attributes are.

Characters, comments and doctypes are bytes that stay, to a scanner: of such a case it is
compared that nothing in it is taken for a tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages_kit import every_way

from kmproxy.links.decorate import Skip
from kmproxy.links.entities import decode
from kmproxy.pages import scanner as module
from kmproxy.pages import syntax
from kmproxy.pages.elements import Elements
from kmproxy.pages.scanner import Scanner, State

CASES = Path(__file__).parents[2] / ".." / "shared" / "corpus" / "html5lib"
NAME = re.compile(rb"</?(?=([A-Za-z][^\t\n\f\r />]*))")
SVG = (((b"svg", b"svg"),), 0)

OUT_OF_SCOPE = {
    ("lowercase endtags", "Script data state"): "script data that </xmp> ends: no page gets there",
}
"""By description and initial state, why a case is not run."""

Tag = tuple[str, str, dict[str, str], bool]
"""Whether it is a start or an end tag, its name, and a start tag's attributes and solidus."""


def initial(name: str, last: bytes) -> State:
    """The scanner's state for one of the tokenizer's."""
    return {
        "Data state": State(),
        "RCDATA state": State("raw", last or b"title"),
        "RAWTEXT state": State("raw", last or b"style"),
        "Script data state": State("script", b"plain"),
        "PLAINTEXT state": State("pass"),
        "CDATA section state": State("cdata", foreign=SVG),
    }[name]


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.test")):
        for case in json.loads(path.read_text())["tests"]:
            for state in case.get("initialStates", ["Data state"]):
                name = f"{path.stem}-{case['description']}-{state}"
                reason = OUT_OF_SCOPE.get((case["description"], state))
                skip = [pytest.mark.skip(reason=reason)] if reason else []
                yield pytest.param(case, state, id=name, marks=skip)


def unescaped(case: dict[str, Any], text: str) -> str:
    if not case.get("doubleEscaped"):
        return text
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), text)


def expected(output: list[Any]) -> list[Tag]:
    return [
        (kind, rest[0], *((rest[1], rest[2:] == [True]) if kind == "StartTag" else ({}, False)))
        for kind, *rest in output
        if kind in ("StartTag", "EndTag")
    ]


def text(raw: bytes) -> str:
    return raw.decode().replace("\0", "\ufffd")


class Watching(Scanner):
    """A scanner that is shown every tag of ``names``."""

    def __init__(self, names: frozenset[bytes]) -> None:
        super().__init__(Elements([]), lambda raw, base: Skip.ELSEWHERE, lambda raw, base: base)
        self.skip_most = self.skip_html = syntax.skipper(names, names, syntax.HARMLESS)
        self.skip_inside = self.skip_foreign = syntax.skipper(names, names)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tag]:
    """The tags that walks see, in their order."""
    tags: list[Tag] = []
    start_tag, end_tag = module._Walk._start_tag, module._Walk._end_tag

    def start(walk: module._Walk, name: bytes, raw: bytes, offset: int, end: int, self_closing: bool) -> None:
        found = syntax.attributes(raw, offset)
        attributes = {text(key): decode(text(value))[0] for key, (value, _) in found.items()}
        tags.append(("StartTag", text(name), attributes, self_closing))
        start_tag(walk, name, raw, offset, end, self_closing)

    def end(walk: module._Walk, name: bytes) -> None:
        tags.append(("EndTag", text(name), {}, False))
        end_tag(walk, name)

    monkeypatch.setattr(module._Walk, "_start_tag", start)
    monkeypatch.setattr(module._Walk, "_end_tag", end)
    return tags


@pytest.mark.skipif(not CASES.is_dir(), reason="html5lib's cases are not here")
@pytest.mark.parametrize(("case", "state"), list(cases()))
def test_the_scanner_sees_the_tags_that_html5lib_names(
    case: dict[str, Any], state: str, seen: list[Tag]
) -> None:
    page = unescaped(case, case["input"]).encode()
    scanner = Watching(frozenset(name.lower() for name in NAME.findall(page)))
    for chunks in every_way(page):
        seen.clear()
        walked_to = initial(state, case.get("lastStartTag", "").encode())
        for chunk in chunks:
            walked_to = scanner.walk(walked_to, chunk).after
        scanner.walk(walked_to, b"", final=True)
        assert seen == expected(case["output"])


@pytest.mark.skipif(not CASES.is_dir(), reason="html5lib's cases are not here")
def test_most_cases_are_run() -> None:
    found = list(cases())

    assert len(found) > 250
    assert sum(bool(param.marks) for param in found) == len(OUT_OF_SCOPE)
