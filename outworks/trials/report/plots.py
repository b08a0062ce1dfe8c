"""Plots: figures as SVG, without a library or a network; dashes tell lines apart as well as colours: they print."""

from collections.abc import Callable, Sequence
from html import escape

import msgspec

from outworks.statistics import Estimate, Survival
from outworks.trials.attribution import Attribution
from outworks.trials.report.summary import Curve, TargetSummary

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 16, 44
_DASHES = {"bare": "7 4", "product": "none"}
_CLASSES = {"bare": "bare", "product": "whole"}


class _Axis(msgspec.Struct, frozen=True):
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def budget(curves: Sequence[Curve]) -> str:
    """Goals that fell against queries spent, with 95% bands."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    longest = max(q for curve in drawn for q, _ in curve.points)
    x, y = _axes(longest)
    marks = [_frame(x, y, "queries on each goal, by each attack", "goals that fell", _ticks(longest))]
    for n, curve in enumerate(drawn):
        line = [(x(q), y(found.value)) for q, found in curve.points]
        high = [(x(q), y(found.interval.high)) for q, found in curve.points]
        low = [(x(q), y(found.interval.low)) for q, found in reversed(curve.points)]
        marks.append(_band([*high, *low], curve.configuration))
        marks.append(_line(line, curve.configuration))
        marks.append(_key(n, curve.configuration))
    return _svg("Success against budget", "".join(marks))


def headline(target: TargetSummary) -> str:
    """The mean case and the worst case, with the gap between them, bare and defended."""
    names = [name for name in ("bare", "product") if name in target.mean_case and name in target.worst_case]
    if not names:
        return ""
    x = _Axis(0.0, 1.0, 190.0, WIDTH - 30.0)
    height = 44 + 46 * len(names)
    marks = [
        f'<line class="grid" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="8" y2="{height - 30}"/>'
        f'<text x="{x(v):.1f}" y="{height - 12}" text-anchor="middle">{v:.0%}</text>'
        for v in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for n, name in enumerate(names):
        at = 30 + 46 * n
        mean, worst = target.mean_case[name], target.worst_case[name]
        marks.append(f'<text x="0" y="{at + 4}">{escape(name)}</text>')
        marks.append(
            f'<line class="gap" x1="{x(mean.value):.1f}" x2="{x(worst.value):.1f}" y1="{at}" y2="{at}"/>'
            + _dot(x, mean, at - 7, "mean")
            + _dot(x, worst, at + 7, "worst")
        )
        gap = 100 * (worst.value - mean.value)
        marks.append(f'<text class="soft" x="70" y="{at + 4}">gap {gap:.0f} points</text>')
    return _svg("Mean case (circle) and worst case (square), with 95% intervals", "".join(marks), height)


def worths(found: Attribution) -> str:
    """Shapley values with their intervals."""
    lows = [line.shapley_interval.low for line in found.lines]
    highs = [line.shapley_interval.high for line in found.lines]
    x = _Axis(min(0.0, *lows), max(0.05, *highs), 190.0, WIDTH - 30.0)
    height = 40 + 26 * len(found.lines)
    zero = x(0.0)
    marks = [f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="4" y2="{height - 30}"/>']
    marks += [
        f'<text x="{x(v):.1f}" y="{height - 10}" text-anchor="middle">{100 * v:.0f}</text>'
        for v in (x.low, (x.low + x.high) / 2, x.high)
    ]
    for n, line in enumerate(found.lines):
        top = 8 + 26 * n
        left, right = sorted((zero, x(line.shapley)))
        interval = line.shapley_interval
        marks.append(
            f'<text x="0" y="{top + 13}">{escape(line.line.replace("_", " "))}</text>'
            f'<rect class="bar" x="{left:.1f}" y="{top}" width="{max(0.5, right - left):.1f}" height="18"/>'
            f'<line class="whisker" x1="{x(interval.low):.1f}" x2="{x(interval.high):.1f}" '
            f'y1="{top + 9}" y2="{top + 9}"/>'
        )
    return _svg("Worth of each line: points of goals kept (Shapley)", "".join(marks), height)


def held(found: dict[str, Survival]) -> str:
    """Kaplan-Meier: attacks that have not succeeded yet, against queries."""
    if not found:
        return ""
    longest = max(step.time for curve in found.values() for step in curve.steps)
    x, y = _axes(longest)
    marks = [_frame(x, y, "queries of one attack on one goal", "still held", _ticks(longest))]
    for n, (name, curve) in enumerate(found.items()):
        stairs = [(x(0), y(1.0))]
        band_high, band_low = [(x(0), y(1.0))], [(x(0), y(1.0))]
        for step in curve.steps:
            stairs += [(x(step.time), stairs[-1][1]), (x(step.time), y(step.surviving))]
            band_high += [(x(step.time), band_high[-1][1]), (x(step.time), y(step.interval.high))]
            band_low += [(x(step.time), band_low[-1][1]), (x(step.time), y(step.interval.low))]
        marks += [_band([*band_high, *reversed(band_low)], name), _line(stairs, name), _key(n, name)]
    return _svg("Attempts until breach (Kaplan-Meier)", "".join(marks))


def _axes(longest: float) -> tuple[_Axis, _Axis]:
    return _Axis(0.0, float(longest), _LEFT, WIDTH - _RIGHT), _Axis(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)


def _ticks(longest: float) -> list[float]:
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if longest / s <= 8), 1000)
    return [float(v) for v in range(0, int(longest) + 1, step)]


def _frame(
    x: Callable[[float], float], y: Callable[[float], float], below: str, beside: str, ticks: list[float]
) -> str:
    lines = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.0%}</text>'
        for v in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    lines += [f'<text x="{x(v):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{v:g}</text>' for v in ticks]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    lines.append(f'<text class="soft" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(below)}</text>')
    lines.append(
        f'<text class="soft" transform="rotate(-90)" x="{-(HEIGHT - _BOTTOM + _TOP) / 2}" y="12" '
        f'text-anchor="middle">{escape(beside)}</text>'
    )
    return "".join(lines)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)


def _band(points: Sequence[tuple[float, float]], name: str) -> str:
    return f'<polygon class="band {_CLASSES.get(name, "whole")}" points="{_points(points)}"/>'


def _line(points: Sequence[tuple[float, float]], name: str) -> str:
    dash = _DASHES.get(name, "none")
    return (
        f'<polyline class="line {_CLASSES.get(name, "whole")}" stroke-dasharray="{dash}" points="{_points(points)}"/>'
    )


def _key(n: int, name: str) -> str:
    at, left = _TOP + 12 + 22 * n, WIDTH - _RIGHT + 14
    return _line([(left, at), (left + 28, at)], name) + f'<text x="{left + 36}" y="{at + 4}">{escape(name)}</text>'


def _dot(x: Callable[[float], float], found: Estimate, at: float, kind: str) -> str:
    low, high, middle = x(found.interval.low), x(found.interval.high), x(found.value)
    whisker = f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{at}" y2="{at}"/>'
    if kind == "mean":
        return whisker + f'<circle class="dot" cx="{middle:.1f}" cy="{at}" r="5"/>'
    return whisker + f'<rect class="dot" x="{middle - 5:.1f}" y="{at - 5}" width="10" height="10"/>'


def _svg(name: str, marks: str, height: int = HEIGHT) -> str:
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(name)}">{marks}</svg></figure>'
    )
