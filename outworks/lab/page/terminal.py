"""terminal: the report's tables for people at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from outworks.lab.page.report import Report, Sheet, sheets, told


def show(found: Report, console: Console) -> None:
    """Print the tables. Words of models and of users are no markup here."""
    for sheet in sheets(found):
        show_sheet(sheet, console)
    for line in told(found):
        console.print(Text(f"{line}."))


def show_sheet(sheet: Sheet, console: Console) -> None:
    """Print one."""
    table = Table(title=Text(sheet.title), title_justify="left")
    for n, head in enumerate(sheet.heads):
        table.add_column(Text(head), justify="left" if n == 0 else "right", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(table)
    console.print(Text(sheet.note), style="dim")
