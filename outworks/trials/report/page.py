"""Page: a run as one HTML file that needs no network to open, and prints."""

from html import escape
from importlib import resources

from outworks.trials.report import plots
from outworks.trials.report.sheets import Sheet, sheets
from outworks.trials.report.summary import Summary, TargetSummary
from outworks.trials.report.words import unanswered


def page(found: Summary) -> str:
    """The whole document."""
    manifest = found.manifest
    facts = [
        f"suite {manifest.suite} {manifest.version} ({manifest.digest[:12]}), {len(manifest.goals)} goals",
        f"budget: {found.budget}; seed {manifest.seed}",
        *([f"command: {manifest.command}"] if manifest.command else []),
        *([f"{manifest.started}, {manifest.machine}"] if manifest.started or manifest.machine else []),
        *(f"{each.name}: {each.model}" for each in manifest.targets if each.model),
        *found.notes,
    ]
    style = (resources.files(__package__) / "page.css").read_text(encoding="utf-8")
    body = "".join(
        _target(target, manifest.prices.currency, found.without_alignment(target)) for target in found.targets
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Outworks trial: {escape(manifest.suite)}</title><style>{style}</style></head><body>"
        f"<h1>What each line of defense is worth: {escape(manifest.suite)}</h1>"
        f"<ul>{''.join(f'<li>{escape(fact)}</li>' for fact in facts)}</ul>{body}</body></html>\n"
    )


def _target(target: TargetSummary, currency: str, without: TargetSummary | None) -> str:
    drawn = [
        plots.headline(target),
        plots.budget(target.curves),
        plots.worths(target.attribution) if target.attribution is not None else "",
        plots.held(dict(target.survival)),
    ]
    first, *rest = map(_table, sheets(target, currency, without))
    notes = []
    if target.attribution is None and target.attribution_note:
        notes.append(f"<p>No attribution: {escape(target.attribution_note)}</p>")
    if lost := unanswered(target):
        notes.append(f"<p>{lost} attacks had no answer from the target or the scorer: they count neither way.</p>")
    parts = [f"<h2>{escape(target.name)}</h2>", first, f'<div class="plots">{"".join(drawn)}</div>', *rest, *notes]
    return "".join(parts)


def _table(sheet: Sheet) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in sheet.heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in sheet.rows
    )
    return (
        f"<h3>{escape(sheet.title)}</h3><p>{escape(sheet.note)}</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
