"""`outworks lab`: align a real model, break it, harden it, and measure both quantities on one checkpoint."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from outworks.cli.lab_shown import bars, mendable, named, publish, say, show_attack, show_pretrained
from outworks.cli.options import check_writable
from outworks.lab import behaviours as behaviour_sets
from outworks.lab.align import METHODS as ALIGN
from outworks.lab.attack import METHODS as ATTACK
from outworks.lab.attempt import Attacked
from outworks.lab.behaviours import Behaviours
from outworks.lab.card import Card
from outworks.lab.checkpoint import EMBEDDED, check_checkpoint, is_whole
from outworks.lab.dial import SCALES, dial
from outworks.lab.evaluate import DEFAULT, asking, chosen, evaluate
from outworks.lab.harden import METHODS as HARDEN
from outworks.lab.limits import MOST_SEED
from outworks.lab.page import document, report
from outworks.lab.page.report import notches
from outworks.lab.page.terminal import show_sheet
from outworks.lab.settings import configured, described, method
from outworks.lab.story import QUICK, Plan, story
from outworks.lab.subject import Subject
from outworks.lab.work import check_folder

app = typer.Typer(no_args_is_help=True, help="Align a real model, break it, harden it, and measure both quantities.")

Out = Annotated[Path, typer.Option("--out", help="The checkpoint's folder. The same command goes on where it stopped.")]
Model = Annotated[
    str, typer.Option("--model", help=f"`{EMBEDDED}`, a transformers folder, a GGUF file, or a lab's output.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="One seed is one run.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Behaviours: TOML, or JSON lines with text and harmful; else the shipped.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method; `outworks lab methods` lists them."),
]
Html = Annotated[Path | None, typer.Option("--html", help="Also one self-contained page, here.")]
Kept = Annotated[Path, typer.Option("--out", help="Where every answer is kept; what lies there is not asked again.")]
EVALUATION = Path("lab/evaluation")


def _option(known: Mapping[str, ModuleType]) -> Any:
    return typer.Option("--method", help=f"One of {', '.join(known)}.")


@app.command()
def align(
    method_name: Annotated[str, _option(ALIGN)],
    out: Out,
    model: Model = EMBEDDED,
    seed: Seed = 0,
    data: Data = None,
    settings: Set = None,
) -> None:
    """Train the mean case: the model declines harm that is asked for plainly."""
    _make(method("align", method_name, ALIGN).align, ALIGN[method_name], model, out, seed, data, settings)


@app.command()
def harden(
    method_name: Annotated[str, _option(HARDEN)],
    out: Out,
    model: Model = EMBEDDED,
    seed: Seed = 0,
    data: Data = None,
    settings: Set = None,
) -> None:
    """Train the worst case: the model still declines when it is attacked."""
    _make(method("harden", method_name, HARDEN).harden, HARDEN[method_name], model, out, seed, data, settings)


@app.command()
def attack(
    method_name: Annotated[str, _option(ATTACK)],
    model: Model = EMBEDDED,
    out: Annotated[Path | None, typer.Option("--out", help="Where an attack that changes weights leaves them.")] = None,
    seed: Seed = 0,
    data: Data = None,
    settings: Set = None,
    json: Annotated[bool, typer.Option("--json", help="Everything that was tried, as JSON.")] = False,
) -> None:
    """Try to make a checkpoint go along with the unseen harmful requests."""
    module = method("attack", method_name, ATTACK)
    config = configured(module.Config, settings or (), seed=seed)
    check_checkpoint(model)
    if out is not None:
        check_folder(out)
    with mendable(), bars() as tell:
        found: Attacked = module.attack(Subject(model), _behaviours(data), config, tell=tell, out=out)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    else:
        show_attack(found)


@app.command("evaluate")
def evaluate_all(
    checkpoints: Annotated[list[str], typer.Argument(metavar="DIR...", help=f"Checkpoints, or `{EMBEDDED}`.")],
    html: Html = None,
    attacks: Annotated[
        str, typer.Option("--attacks", help="With commas; or METHOD:name=value;name=value, with spaces between.")
    ] = ",".join(DEFAULT),
    out: Kept = EVALUATION,
    data: Data = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Rows of each kind that are asked, at most.")] = 40,
    json: Annotated[Path | None, typer.Option("--json", help="Also every figure, as JSON, here.")] = None,
) -> None:
    """Measure checkpoints for both: the mean case and the worst, and what it costs. Seeds of a method make one row."""
    picked = chosen(attacks.split() if ":" in attacks else [each for each in attacks.split(",") if each])
    wanted = msgspec.structs.replace(asking(_behaviours(data)), most=most)
    check_writable(html, json)
    for each in checkpoints:
        check_checkpoint(each)
    with mendable(), bars() as tell:
        found = [evaluate(each, out, wanted=wanted, attacks=picked, tell=named(tell, each)) for each in checkpoints]
    publish(report(found, facts=[f"command: {_command()}"]), html, json)


@app.command("dial")
def dial_adapter(
    checkpoints: Annotated[list[str], typer.Argument(metavar="DIR...", help="One, or the seeds of one method.")],
    scales: Annotated[str, typer.Option("--scales", help="With commas.")] = ",".join(f"{each:g}" for each in SCALES),
    html: Html = None,
    out: Kept = EVALUATION,
    most: Annotated[int, typer.Option("--most", min=1, help="Rows of each kind that are asked, at most.")] = 40,
    data: Data = None,
) -> None:
    """Scale an adapter from nothing to more than it was trained to: the trade-off curve."""
    wanted = msgspec.structs.replace(asking(_behaviours(data)), most=most)
    check_writable(html)
    with mendable(), bars() as tell:
        found = dial(checkpoints, out, scales=_numbers(scales), wanted=wanted, tell=tell)
    show_sheet(notches(found), Console())
    if html is not None:
        with mendable(), bars() as tell:
            base = [evaluate(each, out, wanted=wanted, attacks=(), tell=tell) for each in checkpoints]
        made = report(base, title="The dial", facts=[f"command: {_command()}"], dials=[found])
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(document(made), encoding="utf-8")
        say(f"The page is {html}.")


class Kind(StrEnum):
    """What there are methods of."""

    ALIGN = "align"
    ATTACK = "attack"
    HARDEN = "harden"


@app.command()
def methods(kind: Annotated[Kind | None, typer.Argument(help="Only these.")] = None) -> None:
    """Every method, with its settings, their defaults and what they mean."""
    for each, known in ((Kind.ALIGN, ALIGN), (Kind.ATTACK, ATTACK), (Kind.HARDEN, HARDEN)):
        for name, module in known.items() if kind in (None, each) else ():
            first = (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
            print(f"\noutworks lab {each} --method {name}\n  {first}")
            for setting in described(module.Config):
                print(f"    {setting.name} = {setting.default}")
                if setting.says:
                    print(f"        {setting.says}")


@app.command("pretrain")
def pretrain_anew(
    data: Annotated[Path, typer.Argument(help="A folder of labelled text.")],
    out: Annotated[Path, typer.Option("--out", help="Where the models and the result are kept.")],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often both are trained.")] = 3,
    settings: Set = None,
) -> None:
    """Train small models from scratch with and without the toxic part of the text; align and attack both."""
    from outworks.lab import pretrain

    config = configured(pretrain.Config, settings or (), seeds=seeds)
    with mendable(), bars() as tell:
        found = pretrain.run(data, config, out, tell=tell)
    show_pretrained(found)


@app.command()
def export(
    checkpoint: Annotated[str, typer.Argument(metavar="DIR", help="A checkpoint of the lab.")],
    out: Annotated[Path, typer.Option("--out", help="The GGUF file.")],
) -> None:
    """Write a checkpoint in the form in which the gateway serves it (`provider = "local"`)."""
    from outworks.lab.gguf_adapter import export as write

    with mendable():
        print(write(checkpoint, out))


@app.command("story")
def whole_story(
    out: Annotated[Path, typer.Option("--out", help="Where all is kept; the same command goes on.")] = Path("lab"),
    html: Html = None,
    model: Model = EMBEDDED,
    seeds: Annotated[str, typer.Option("--seeds", help="With commas.")] = "0,1,2",
    quick: Annotated[bool, typer.Option("--quick", help="One seed, few requests: to see that it runs.")] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Also every figure, as JSON, here.")] = None,
) -> None:
    """The whole experiment: as shipped, aligned, hardened, each attacked in the same ways, and the page."""
    plan = QUICK if quick else msgspec.structs.replace(Plan(), seeds=_seeds(seeds))
    plan = msgspec.structs.replace(plan, start=model)
    check_folder(out)
    check_writable(html, json)
    check_checkpoint(model)
    with mendable(), bars() as tell:

        def watch(step: str, done: int, total: int, left: float) -> None:
            rest = f", about {left / 60:.0f} min left" if left >= 60 else f", about {left:.0f} s left" if left else ""
            say(f"{done + 1}/{total + 1} {step}{rest}")

        made = story(plan, out, tell=tell, watch=watch)
    publish(msgspec.structs.replace(made, facts=(f"command: {_command()}", *made.facts)), html, json)


def _make(
    work: Any, module: ModuleType, model: str, out: Path, seed: int, data: Path | None, settings: Sequence[str] | None
) -> None:
    config = configured(module.Config, settings or (), seed=seed)
    check_folder(out)
    if not is_whole(out):
        check_checkpoint(model)
    with mendable(), bars() as tell:
        card: Card = work(Subject(model), _behaviours(data), config, out, tell)
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in card.figures.items())
    print(f"{out}: {card.method}, seed {card.seed}, {card.seconds:.0f} s" + (f"; {figures}" if figures else ""))


def _behaviours(data: Path | None) -> Behaviours:
    return behaviour_sets.shipped() if data is None else behaviour_sets.read(data)


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",") if each.strip()]
    except ValueError:
        raise ValueError(f"expected numbers with commas between them, not {text!r}") from None


def _seeds(text: str) -> tuple[int, ...]:
    given = [each.strip() for each in text.split(",") if each.strip()]
    if not given or not all(each.isdecimal() and int(each) <= MOST_SEED for each in given):
        raise ValueError(f"--seeds is {text!r}; expected whole numbers from 0 with commas between them, such as 0,1,2")
    found = tuple(int(each) for each in given)
    if len(set(found)) < len(found):
        raise ValueError(f"--seeds is {text!r}; expected each seed once: one seed is one run")
    return found


def _command() -> str:
    return shlex.join(["outworks", *sys.argv[1:]])
