"""A figure of several panels over one x axis, as an SVG file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from loadtest.view.scales import Axis, linear

__all__ = ["Panel", "Series", "figure"]

_WIDTH, _PANEL, _GAP = 860, 190, 66
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 44, 44
_COLOURS = 6

# Colours that are told apart by people who see fewer; dashes tell neighbours apart without them.
_STYLE = """
text{font:12px system-ui,sans-serif;fill:#60676e}.name{font-size:13px;font-weight:600;fill:#1c2024}
.title{font-size:16px;font-weight:600;fill:#1c2024}.grid{stroke:#e1e4e6}.axis{stroke:#60676e}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.c0{stroke:#1f66ad}.c1{stroke:#c2410c;stroke-dasharray:6 3}.c2{stroke:#0f766e}
.c3{stroke:#6b7280;stroke-dasharray:2 3}.c4{stroke:#7c3aed}.c5{stroke:#a16207;stroke-dasharray:8 2 2 2}
"""


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) under `name`."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """What shares a y axis, which `title` names with its unit."""

    title: str
    series: Sequence[Series]


def figure(title: str, x_title: str, panels: Sequence[Panel]) -> str:
    """Return the SVG document; every y axis begins at zero."""
    every = [x for panel in panels for one in panel.series for x, _ in one.points]
    x = linear(min(every), max(every), _written, ticks=10)
    height = _TOP + len(panels) * (_PANEL + _GAP) - _GAP + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts.append(_panel(panel, x, _TOP + number * (_PANEL + _GAP)))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">{escape(x_title)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, x: Axis, top: float) -> str:
    most = max((y for one in panel.series for _, y in one.points), default=1.0)
    y = linear(0.0, most or 1.0, _written)
    top, bottom = top + 20, top + _PANEL

    def place(share: float) -> float:
        return round(bottom - share * (bottom - top), 1)

    parts = [
        f'<text class="name" x="{_LEFT}" y="{top - 8}">{escape(panel.title)}</text>',
        _legend(panel, top),
    ]
    for value, text in y.ticks:
        at = place(y.place(value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{text}</text>')
    for value, text in x.ticks:
        at = _x(x.place(value))
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    for number, one in enumerate(panel.series):
        points = " ".join(f"{_x(x.place(at))},{place(y.place(value))}" for at, value in one.points)
        parts.append(f'<polyline class="line c{number % _COLOURS}" points="{points}"/>')
    return "\n".join(parts)


def _legend(panel: Panel, top: float) -> str:
    """Names with their strokes, from the right end of the panel's title line."""
    parts, right = [], float(_WIDTH - _RIGHT)
    for number, one in reversed(list(enumerate(panel.series))):
        parts.append(f'<text x="{right}" y="{top - 8}" text-anchor="end">{escape(one.name)}</text>')
        # There is no measuring text here; its letters are about this wide.
        right -= 6.4 * len(one.name) + 6
        stroke = f'x1="{right - 22:.1f}" x2="{right:.1f}" y1="{top - 12}" y2="{top - 12}"'
        parts.append(f'<line class="line c{number % _COLOURS}" {stroke}/>')
        right -= 38
    return "\n".join(parts)


def _x(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _written(value: float) -> str:
    return f"{value:g}"
