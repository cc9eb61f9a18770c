"""The picture: CPU per request of each contestant at a page seen before, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .cases import Case
from .contestants import EVERYBODY, KMPROXY
from .measure import Cells

_LEFT, _WIDTH, _TOP, _BAR, _GAP = 230, 780, 56, 15, 12
_COLOURS = {"12k": "#9cc5e8", "100k": "#4a90c8", "1m": "#1f4e79"}


@dataclass(frozen=True)
class _Scale:
    """Microseconds to places, from one power of ten to another."""

    low: int
    high: int

    def x(self, value: float) -> float:
        return _LEFT + (math.log10(value) - self.low) / (self.high - self.low) * (_WIDTH - _LEFT - 80)


def svg(cells: Cells, cases: Sequence[Case]) -> str:
    """Bars for ``cases``; "" where none was measured."""
    groups = [(c.title, c.name == KMPROXY, _values(cells, cases, c.name)) for c in EVERYBODY]
    groups = [group for group in groups if group[2]]
    values = [value for _, _, bars in groups for _, value in bars]
    if not values:
        return ""
    scale = _Scale(math.floor(math.log10(min(values))), math.floor(math.log10(max(values))) + 1)
    body: list[str] = []
    y = float(_TOP)
    for title, bold, bars in groups:
        body += _group(title, bold, bars, scale, y)
        y += len(bars) * _BAR + _GAP
    return _framed([*_axis(scale, y), *body], y + 30)


def _values(cells: Cells, cases: Sequence[Case], contestant: str) -> list[tuple[str, float]]:
    found = [(case.size, cells.get((case.name, contestant))) for case in cases]
    return [(size, 1e6 * cell.median("cpu")) for size, cell in found if cell and cell.samples]


def _group(title: str, bold: bool, bars: list[tuple[str, float]], scale: _Scale, y: float) -> Iterator[str]:
    weight = ' font-weight="bold"' if bold else ""
    middle = y + len(bars) * _BAR / 2 + 4
    yield f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end"{weight}>{escape(title)}</text>'
    for size, value in bars:
        end = scale.x(value)
        place = f'x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR - 2}"'
        yield f'<rect {place} fill="{_COLOURS[size]}"/>'
        yield f'<text x="{end + 5:.1f}" y="{y + _BAR - 4}" font-size="11">{value:,.0f}</text>'
        y += _BAR


def _axis(scale: _Scale, bottom: float) -> Iterator[str]:
    for power in range(scale.low, scale.high + 1):
        x = scale.x(10**power)
        yield f'<line x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" font-size="11">{10**power:,} µs</text>'
    for number, (size, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 60 * number
        yield f'<rect x="{x}" y="34" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 17}" y="44" font-size="11">{size}</text>'


def _framed(body: list[str], height: float) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
            'font-family="sans-serif" font-size="13">',
            '<rect width="100%" height="100%" fill="white"/>',
            '<text x="10" y="20" font-size="15">CPU per request, page seen before, upstream gzip</text>',
            *body,
            "</svg>\n",
        ]
    )
