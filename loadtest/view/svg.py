"""Plots as inline SVG, made here: no script, no font, no address from elsewhere.

Colours are classes (`c0` to `c4`, in pairs that are told apart without colour, too, by their
dashes), so that one style sheet serves light and dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from loadtest.view.scales import Axis

__all__ = ["Band", "Line", "plot"]

_WIDTH, _HEIGHT = 760, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 30, 14, 44


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) under `name`, in the colour of number `colour`; gaps where y is None."""

    name: str
    points: Sequence[tuple[float, float | None]]
    colour: int
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of x that is shaded, and what for."""

    name: str
    begin: float
    end: float


def plot(
    title: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    *,
    x_title: str,
    y_title: str,
    bands: Sequence[Band] = (),
) -> str:
    """Return a figure with its legend."""
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(_band(band, x) for band in bands),
        *(_horizontal(y.place(value), text) for value, text in y.ticks),
        *(_vertical(x.place(value), text) for value, text in x.ticks),
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(0)}" y2="{_y(0)}"/>',
        *(_line(line, x, y) for line in lines),
        f'<text class="title" x="{_x(0.5)}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>',
        "</svg>",
    ]
    legend = "".join(
        f'<span><i class="c{line.colour}"></i>{escape(line.name)}</span>' for line in lines
    ) + "".join(
        f'<span><i class="band"></i>{escape(name)}</span>' for name in sorted({one.name for one in bands})
    )
    return (
        f"<figure><figcaption><b>{escape(title)}</b> <small>{escape(y_title)}</small>"
        f'<div class="legend">{legend}</div></figcaption>{"".join(parts)}</figure>'
    )


def _x(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _horizontal(share: float, text: str) -> str:
    y = _y(share)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(text)}</text>'
    )


def _vertical(share: float, text: str) -> str:
    x = _x(share)
    return (
        f'<line class="axis" x1="{x}" x2="{x}" y1="{_y(0)}" y2="{_y(0) + 5}"/>'
        f'<text x="{x}" y="{_y(0) + 18}" text-anchor="middle">{escape(text)}</text>'
    )


def _band(band: Band, x: Axis) -> str:
    begin = _x(max(0.0, x.place(band.begin)))
    width = max(2.0, _x(min(1.0, x.place(band.end))) - begin)
    return (
        f'<rect class="band" x="{begin}" y="{_TOP}" width="{width:.1f}" height="{_y(0) - _TOP}">'
        f"<title>{escape(band.name)}</title></rect>"
    )


def _line(line: Line, x: Axis, y: Axis) -> str:
    paths: list[str] = []
    pen = "M"
    for at, value in line.points:
        if value is None:
            pen = "M"
            continue
        place = (_x(x.place(at)), _y(min(1.0, max(0.0, y.place(value)))))
        if line.stepped and pen == "L":
            paths.append(f"H{place[0]}V{place[1]}")
        else:
            paths.append(f"{pen}{place[0]},{place[1]}")
        pen = "L"
    return f'<path class="line c{line.colour}" d="{"".join(paths)}"><title>{escape(line.name)}</title></path>'
