"""What the gateway serves besides models: reports from products, and decisions with their appeals for accounts."""

from collections.abc import Callable, Mapping, Sequence

from starlette.routing import Route

from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import Office
from outworks.enforcement.telling.appeals import Tokens
from outworks.gateway import appeals, reports
from outworks.gateway.exchange import Doorway, Exchange
from outworks.gateway.wires import WIRES


def public_routes(doorway: Doorway, desk: Desk, tokens: Tokens, office: Callable[[], Office]) -> Sequence[Route]:
    """The routes; `office` is what the policy in force says."""
    wire = next(wire for wire in WIRES if wire.name == "openai")
    exchange = Exchange(wire, doorway)

    def product(headers: Mapping[str, str]) -> str:
        return exchange.product(doorway.door, headers)

    report = reports.Reports(office, desk.ledger, lambda: doorway.door.recorder, product, wire.problem)
    appeal = appeals.Appeals(desk, tokens, office, desk.clock)
    return (
        Route(reports.PATH, report.take, methods=["POST"]),
        Route(appeals.PATH, appeal.answer, methods=["GET", "POST"]),
    )
