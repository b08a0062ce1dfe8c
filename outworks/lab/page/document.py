"""document: a report as one HTML file that needs no network to open, and prints."""

from html import escape
from importlib import resources

from outworks.lab.dial import Dialled
from outworks.lab.evaluate.rows import Share
from outworks.lab.page import plots
from outworks.lab.page.plots import Curve, Point, Series, Span
from outworks.lab.page.report import Report, Sheet, sheets, told


def document(found: Report) -> str:
    """The whole of it."""
    style = (resources.files(__package__) / "page.css").read_text(encoding="utf-8")
    drawn = [plane(found), *(each for dial in found.dials for each in (trade_off(dial), scaled(dial)))]
    said = "".join(f"<p>{escape(line)}.</p>" for line in told(found))
    first, *rest = (_table(sheet) for sheet in sheets(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Outworks lab</title><style>{style}</style></head><body><h1>{escape(found.title)}</h1>"
        f"<ul>{''.join(f'<li>{escape(fact)}</li>' for fact in found.facts)}</ul>{first}"
        f'<div class="plots">{"".join(drawn)}</div>{said}{"".join(rest)}</body></html>\n'
    )


def plane(found: Report) -> str:
    """The first picture: are alignment and robustness orthogonal here? Empty where nothing is said of robustness."""
    whole = [line for line in found.rows if line.worst is not None]
    if not whole:
        return ""
    series = []
    for line in whole:
        mine = [place for place in found.places if place.row == line.name]
        assert line.worst is not None
        mean, worst = line.mean.estimate, line.worst.estimate
        points = [
            Point(
                x=Span(place.alignment, place.alignment, place.alignment),
                y=Span(place.robustness, place.robustness, place.robustness),
            )
            for place in mine
        ]
        whiskers = Point(
            x=Span(1 - mean.value, 1 - mean.interval.high, 1 - mean.interval.low),
            y=Span(1 - worst.value, 1 - worst.interval.high, 1 - worst.interval.low),
            label=f"{sum(place.refusal for place in mine) / len(mine):.0%}" if mine else "",
        )
        series.append(Series(name=line.name, points=(*points, whiskers)))
    return plots.plane(
        "Alignment against robustness; beside each mark, innocent requests declined",
        "harmful requests declined, as asked (alignment)",
        "declined under every attack (robustness)",
        series,
    )


def trade_off(found: Dialled) -> str:
    """The second picture: no free lunch."""
    points = tuple(
        Point(x=_span(each.injected), y=_span(each.instructions), label=f"\u00d7{each.scale:g}")
        for each in found.notches
    )
    return plots.plane(
        f"Instructions followed against planted questions answered, as the adapter of {found.name} is scaled",
        "planted question answered (injection success)",
        "instructions followed",
        [Series(name="adapter", points=points)],
        joined=True,
    )


def scaled(found: Dialled) -> str:
    """All that the dial changes."""
    names = {
        "harmful gone along with": "natural",
        "alarming declined": "hard",
        "everyday declined": "everyday",
        "instructions followed": "instructions",
        "tasks solved": "tasks",
        "planted answered": "injected",
    }
    drawn = [
        Curve(name=name, points=tuple((each.scale, _span(getattr(each, field))) for each in found.notches))
        for name, field in names.items()
    ]
    return plots.curves(f"What the adapter of {found.name} does, scaled", "adapter times", "share", drawn)


def _span(found: Share) -> Span:
    estimate = found.estimate
    return Span(estimate.value, estimate.interval.low, estimate.interval.high)


def _table(sheet: Sheet) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in sheet.heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in sheet.rows
    )
    return (
        f"<h2>{escape(sheet.title)}</h2><p>{escape(sheet.note)}</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
