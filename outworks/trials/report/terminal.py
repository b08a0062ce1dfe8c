"""Terminal: a run's tables, in Rich."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from outworks.trials.report.sheets import Sheet, sheets
from outworks.trials.report.summary import Summary
from outworks.trials.report.words import unanswered


def show(found: Summary, console: Console) -> None:
    """Print everything: the two headline numbers first."""
    manifest = found.manifest
    console.print(
        f"{manifest.suite} {manifest.version}, {len(manifest.goals)} goals, budget {found.budget}", markup=False
    )
    for target in found.targets:
        console.print(f"\n{target.name}", style="bold", markup=False)
        for sheet in sheets(target, manifest.prices.currency, found.without_alignment(target)):
            console.print(_table(sheet))
        if target.attribution is None and target.attribution_note:
            console.print(f"no attribution: {target.attribution_note}", markup=False)
        if lost := unanswered(target):
            console.print(f"{lost} attacks had no answer from the target or the scorer: they count neither way")
    for line in found.notes:
        console.print(line, style="dim", markup=False)


def _table(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left", caption=sheet.note, caption_justify="left")
    for n, head in enumerate(sheet.heads):
        table.add_column(Text(head), justify="right" if n else "left")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table
