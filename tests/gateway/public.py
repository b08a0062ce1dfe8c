"""A gateway's public application for tests: reports, decisions and appeals over a real ledger, asked over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from prometheus_client import CollectorRegistry

from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import Office
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.telling.appeals import Tokens
from outworks.gateway import keys
from outworks.gateway.app import application
from outworks.gateway.exchange import Asking, Door, Doorway
from outworks.gateway.http import Limits
from outworks.gateway.keys import Keys
from outworks.gateway.public import public_routes
from outworks.ledger import Ledger
from tests.enforcement.desk_kit import Clock
from tests.enforcement.kit import NOW, received

TOKENS = Tokens(b"secret")


class Public:
    """The application, its desk and its clock."""

    def __init__(self, ledger: Ledger, office: Office) -> None:
        self.clock = Clock()
        self.desk = Desk(ledger, office, clock=self.clock)
        self.keys = {name: keys.make() for name in ("shop", "other")}
        known = Keys()
        for name, key in self.keys.items():
            known.apply(keys.added(name, key, by="tests"))
        door = Door({}, ledger, known, StandingTable(ledger), Limits(), Asking())
        self.doorway = Doorway(door)
        routes = public_routes(self.doorway, self.desk, TOKENS, lambda: self.desk.office)
        app = application(self.doorway, ready=str, registry=CollectorRegistry(), more=routes)
        transport = httpx2.ASGITransport(app=app)
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://gateway", timeout=30)

    def authorised(self, product: str = "shop") -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[product]}"}


@asynccontextmanager
async def serving(folder: Path, office: Office | None = None) -> AsyncIterator[Public]:
    """The application over a new ledger, which knows ann and bob."""
    ledger = Ledger.open(folder / "ledger.db")
    ledger.append_now([received(at=NOW - 100), received(account="shop:bob", at=NOW - 100)])
    public = Public(ledger, office or Office())
    try:
        yield public
    finally:
        await public.http.aclose()
        public.desk.close()
        await ledger.close()
