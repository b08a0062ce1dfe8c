"""plots: the lab's pictures as SVG, without a library; shapes and dashes tell things apart, too: they print."""

from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 16, 44
_CLASSES = "abcdef"
_DASHES = ("none", "7 4", "2 3", "9 3 2 3", "12 4", "4 4")


class Span(msgspec.Struct, frozen=True):
    """A value with its interval, each 0 to 1."""

    value: float
    low: float
    high: float


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A mark on a plane of two shares."""

    x: Span
    y: Span
    label: str = ""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Points that belong together."""

    name: str
    points: tuple[Point, ...]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A share over something that was varied."""

    name: str
    points: tuple[tuple[float, Span], ...]


def plane(title: str, below: str, beside: str, series: Sequence[Series], *, joined: bool = False) -> str:
    """Two shares against each other, with whiskers; `joined`: each series is a path."""
    marks = [_frame(below, beside, [(v, f"{v:.0%}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)], 0.0, 1.0)]
    for n, one in enumerate(series):
        places = [(_x(point.x.value, 0.0, 1.0), _y(point.y.value)) for point in one.points]
        if joined:
            marks.append(_line(places, n))
        for point, (left, top) in zip(one.points, places, strict=True):
            marks.append(
                f'<line class="whisker" x1="{_x(point.x.low, 0.0, 1.0):.1f}" x2="{_x(point.x.high, 0.0, 1.0):.1f}" '
                f'y1="{top:.1f}" y2="{top:.1f}"/><line class="whisker" x1="{left:.1f}" x2="{left:.1f}" '
                f'y1="{_y(point.y.low):.1f}" y2="{_y(point.y.high):.1f}"/>'
            )
        for point, (left, top) in zip(one.points, places, strict=True):
            marks.append(_mark(left, top, n))
            if point.label:
                marks.append(f'<text x="{left + 9:.1f}" y="{top - 7:.1f}">{escape(point.label)}</text>')
        marks.append(_key(n, one.name, line=joined))
    return _svg(title, "".join(marks))


def curves(title: str, below: str, beside: str, drawn: Sequence[Curve]) -> str:
    """Shares over a number."""
    values = sorted({at for curve in drawn for at, _ in curve.points})
    low, high = values[0], values[-1]
    marks = [_frame(below, beside, [(v, f"{v:g}") for v in values], low, high)]
    for n, curve in enumerate(drawn):
        places = [(_x(at, low, high), _y(span.value)) for at, span in curve.points]
        for (left, _), (_, span) in zip(places, curve.points, strict=True):
            shift = left + 2 * (n - len(drawn) / 2)
            marks.append(
                f'<line class="whisker" x1="{shift:.1f}" x2="{shift:.1f}" '
                f'y1="{_y(span.low):.1f}" y2="{_y(span.high):.1f}"/>'
            )
        marks.append(_line(places, n))
        marks += [_mark(left, top, n) for left, top in places]
        marks.append(_key(n, curve.name, line=True))
    return _svg(title, "".join(marks))


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / ((high - low) or 1.0) * (WIDTH - _RIGHT - _LEFT)


def _y(value: float) -> float:
    return HEIGHT - _BOTTOM - value * (HEIGHT - _BOTTOM - _TOP)


def _frame(below: str, beside: str, ticks: Sequence[tuple[float, str]], low: float, high: float) -> str:
    lines = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_y(v):.1f}" y2="{_y(v):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{_y(v) + 4:.1f}" text-anchor="end">{v:.0%}</text>'
        for v in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    lines += [
        f'<text x="{_x(v, low, high):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{text}</text>'
        for v, text in ticks
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    lines.append(f'<text class="soft" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(below)}</text>')
    lines.append(
        f'<text class="soft" transform="rotate(-90)" x="{-(HEIGHT - _BOTTOM + _TOP) / 2}" y="12" '
        f'text-anchor="middle">{escape(beside)}</text>'
    )
    return "".join(lines)


def _line(places: Sequence[tuple[float, float]], n: int) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    return f'<polyline class="line {_class(n)}" stroke-dasharray="{_DASHES[n % len(_DASHES)]}" points="{points}"/>'


def _mark(left: float, top: float, n: int) -> str:
    """A shape of its own for each series."""
    corners = {
        1: ((-5, -5), (5, -5), (5, 5), (-5, 5)),
        2: ((0, -6), (6, 5), (-6, 5)),
        3: ((0, -7), (7, 0), (0, 7), (-7, 0)),
        4: ((0, 6), (6, -5), (-6, -5)),
        5: ((-2, -6), (2, -6), (2, -2), (6, -2), (6, 2), (2, 2), (2, 6), (-2, 6), (-2, 2), (-6, 2), (-6, -2), (-2, -2)),
    }.get(n % 6)
    if corners is None:
        return f'<circle class="mark {_class(n)}" cx="{left:.1f}" cy="{top:.1f}" r="5.5"/>'
    points = " ".join(f"{left + a:.1f},{top + b:.1f}" for a, b in corners)
    return f'<polygon class="mark {_class(n)}" points="{points}"/>'


def _key(n: int, name: str, *, line: bool) -> str:
    at, left = _TOP + 12 + 20 * n, WIDTH - _RIGHT + 12
    drawn = _line([(left, at), (left + 24, at)], n) if line else ""
    shown = name if len(name) <= 25 else name[:24] + "\u2026"
    return f'{drawn}{_mark(left + 12, at, n)}<text x="{left + 30}" y="{at + 4}">{escape(shown)}</text>'


def _class(n: int) -> str:
    return _CLASSES[n % len(_CLASSES)]


def _svg(name: str, marks: str) -> str:
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(name)}">{marks}</svg></figure>'
    )
