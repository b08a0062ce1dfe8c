"""The transparency report: a period's counts, as a table for machines and as a page for people."""

import csv
import html
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from outworks.enforcement.reports.numbers import Numbers

_WORDS = {
    "exchanges": ("Requests", "Requests received"),
    "blocked": ("Lines of defense", "Exchanges stopped by {label}"),
    "flagged": ("Lines of defense", "Exchanges in which {label} found or did something"),
    "refusals": ("Lines of defense", "Exchanges refused by the model or its provider ({label})"),
    "failed": ("Lines of defense", "Exchanges in which {label} failed"),
    "actions": ("Actions on accounts", "Accounts {label}"),
    "undone": ("Actions on accounts", "Actions taken back, of those by {label}"),
    "notices": ("Actions on accounts", "Notices sent: {label}"),
    "reports": ("Reports", "Reports received: {label}"),
    "cases_opened": ("Review", "Cases opened in {label}"),
    "cases_decided": ("Review", "Cases decided: {label}"),
    "appeals": ("Appeals", "Appeals against actions by {label}"),
    "overturned": ("Appeals", "Overturned, of those by {label}"),
}


class Line(msgspec.Struct, frozen=True):
    """One number of the report."""

    section: str
    name: str
    """Its name for machines, the same in every report."""
    label: str
    says: str
    value: float
    low: float | None = None
    """The 95% interval, where the number is an estimate."""
    high: float | None = None


class Report(msgspec.Struct, frozen=True):
    """What happened in a period."""

    since: float
    """Unix seconds; the days of both ends belong to it."""
    until: float
    lines: tuple[Line, ...]


def report(numbers: Numbers, since: float, until: float) -> Report:
    """The period's counts. `numbers` has read as far as the report shall tell."""
    return Report(since, until, (*_counts(numbers, since, until), *_estimates(numbers, since, until)))


def _counts(numbers: Numbers, since: float, until: float) -> Iterator[Line]:
    for name, (section, words) in _WORDS.items():
        for label, count in sorted(numbers.totals(name, since, until).items()):
            yield Line(section, name, label, words.format(label=label or "no category"), count)


def _estimates(numbers: Numbers, since: float, until: float) -> Iterator[Line]:
    served = numbers.violating(since, until)
    section = "Answers against the policy"
    yield Line(section, "sampled", "", "Answers drawn at random", served.sampled)
    yield Line(section, "labelled", "", "Of these looked at by a person", served.labelled)
    if served.per_10_000 is not None:
        says = "Served against the policy, of 10,000 (estimated)"
        yield Line(section, "violating_per_10000", "", says, served.per_10_000, served.low, served.high)
    stops = numbers.stops(since, until)
    section = "From first violation to stop"
    yield Line(section, "stopped", "", "Accounts suspended or banned after a violation", stops.count)
    if stops.median_s is not None and stops.p90_s is not None:
        yield Line(section, "median_seconds_to_stop", "", "Median, in seconds", round(stops.median_s, 1))
        yield Line(section, "p90_seconds_to_stop", "", "90 of 100 within, in seconds", round(stops.p90_s, 1))
    rules = {label for label in numbers.totals("actions", 0, until) if " by " in label}
    for rule in sorted({label.partition(" by ")[2] for label in rules} - {"a person"}):
        judged = numbers.precision(rule)
        if judged.share is not None:
            says = f"Share of the actions of {rule} that reviewers looked at and found right, whenever they did"
            yield Line("Review", "precision", rule, says, judged.share, judged.low, judged.high)


def as_csv(made: Report) -> str:
    """The report as a table; its columns and names stay the same from one period to the next."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("since", "until", "section", "name", "label", "value", "low", "high"))
    for line in made.lines:
        low, high = ("" if end is None else f"{end:g}" for end in (line.low, line.high))
        names = (_day(made.since), _day(made.until), line.section, line.name, _inert(line.label))
        writer.writerow((*names, f"{line.value:.10g}", low, high))
    return out.getvalue()


def as_page(made: Report) -> str:
    """The report as one HTML page without scripts, styles from elsewhere or links."""
    title = f"Transparency report, {_day(made.since)} to {_day(made.until)}"
    sections = dict.fromkeys(line.section for line in made.lines)
    tables = "".join(_table(section, [one for one in made.lines if one.section == section]) for section in sections)
    return _PAGE.format(title=html.escape(title), tables=tables)


def _table(section: str, lines: Sequence[Line]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(line.says)}</th><td>{html.escape(_value(line))}</td></tr>' for line in lines
    )
    return f"<section><h2>{html.escape(section)}</h2><table>{rows}</table></section>"


def _value(line: Line) -> str:
    if line.low is None or line.high is None:
        return f"{line.value:,.10g}"
    return f"{line.value:,.3g} ({line.low:,.3g} to {line.high:,.3g})"


def _inert(cell: str) -> str:
    """A cell that no spreadsheet runs: labels hold the words of others (CWE-1236)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _day(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 0.5rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: 0.3rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
th {{ font-weight: normal; text-align: left; padding-right: 1rem; }}
td {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
</style>
<h1>{title}</h1>
<p>Days are UTC. In brackets: 95% intervals. Estimates rest on answers drawn at random and looked at by people.</p>
{tables}
</html>
"""
