"""`outworks keys`: who may use the gateway."""

import time
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from outworks.cli.options import DEFAULT, By, PolicyFile, cell, changing, me, reading, writing
from outworks.event import Changed, Event
from outworks.gateway import keys
from outworks.gateway.keys import Keys
from outworks.ledger import Reader
from outworks.nearest import did_you_mean

app = typer.Typer(no_args_is_help=True, help="The keys that products hold. Only their hashes are stored.")
_ID = 8
"""Digits of a key's hash by which people tell it from others."""
Product = Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's name.")]


@app.command()
def add(
    product: Product,
    policy: PolicyFile = DEFAULT,
    by: By = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the key and nothing else.")] = False,
) -> None:
    """Make a key for a product and print it, once. A product may hold several."""
    if product != product.strip() or not product or ":" in product or not product.isprintable():
        raise ValueError(f"a product's name is printable and has no colon in it; {product!r} was given")
    if product == keys.OPEN:
        raise ValueError(f"{product!r} is what requests without a key count as, so no key has that name")
    key = keys.make()
    with writing(policy) as ledger:
        ledger.append_now([Event(body=keys.added(product, key, me(by)), at=time.time())])
    told = f"The key of {product}, shown this once:\n\n  {key}\n\nRunning gateways know it within a second."
    print(key if quiet else told)


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List the products, the ids of their keys (the first digits of their hashes) and the last change."""
    table = Table("product", "keys", "last change", "by", box=None)
    held = folded(reading(policy))
    changes: dict[str, list[tuple[float, Changed]]] = {}
    for at, body in _changes(reading(policy)):
        changes.setdefault(body.name, []).append((at, body))
    for name, rows in sorted(changes.items()):
        at, last = rows[-1]
        when = datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
        ids = ", ".join(sha[:_ID] for sha in held.of(name)) or "revoked"
        table.add_row(cell(name), ids, when, cell(last.by))
    Console().print(table if changes else "No product holds a key yet: outworks keys add PRODUCT")


@app.command()
def revoke(
    product: Product,
    key: Annotated[str, typer.Option(help="Only this one, by its id in `list`; else all of the product's.")] = "",
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Shut out a product's keys, within a second, in running gateways too."""
    with changing(policy) as ledger:
        held = folded(ledger)
        known = held.products
        if product not in known:
            hint = did_you_mean(product, known, f"known: {', '.join(known) or 'none'}")
            raise LookupError(f"no product {product!r} holds a key{hint}")
        sha = _only(held, product, key) if key else ""
        ledger.append_now([Event(body=keys.revoked(product, me(by), sha256=sha), at=time.time())])
    print(f"The key {key} of {product} is revoked." if key else f"Every key of {product} is revoked.")


def _only(held: Keys, product: str, id: str) -> str:
    """The hash of the one key of that id."""
    ids = {sha[:_ID]: sha for sha in held.of(product)}
    if id not in ids:
        raise LookupError(f"no key of {product} has the id {id!r}; it holds {', '.join(ids)}")
    return ids[id]


def folded(ledger: Reader) -> Keys:
    """The keys that count now."""
    found = Keys()
    for _, body in _changes(ledger):
        found.apply(body)
    return found


def _changes(ledger: Reader) -> list[tuple[float, Changed]]:
    bodies = ((each.event.at, each.event.body) for each in ledger.events(kinds=("changed",)))
    return [(at, body) for at, body in bodies if isinstance(body, Changed) and body.what == "key"]
