"""Names are found in any ASCII case, wherever they stand."""

from __future__ import annotations

import pytest

from kmproxy.pages import names as module
from kmproxy.pages.names import Names

NAMES = Names([b"shop.example", b".b.example"])


@pytest.mark.parametrize("name", [b"shop.example", b"SHOP.EXAMPLE", b"sHoP.eXaMpLe", b"x.B.example"])
@pytest.mark.parametrize("around", [b"", b"<p>text", "<p>täxt".encode(), b"<p>\xff", b"\xe4<"])
@pytest.mark.parametrize("place", [0, 1, 100, 5000])
def test_a_name_is_found(name: bytes, around: bytes, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST", 64)
    filler = (around or b" ") * place

    assert not NAMES.are_absent(filler + name + filler)
    assert NAMES.are_absent(filler + name.replace(b".", b":") + filler)


@pytest.mark.parametrize(
    "page", [b"", b"<", b"shopXexample", b"shop.exampl<e", b"shop.\nexample", "ſhop.example".encode()]
)
def test_what_is_no_name_is_not_found(page: bytes) -> None:
    assert NAMES.are_absent(page)


def test_of_no_names_none_is_found() -> None:
    assert Names([]).are_absent(b"")
    assert Names([]).are_absent(b"<a href=x>\n")
