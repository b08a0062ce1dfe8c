"""A console for tests that only look, and a fresh one for those that change it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the console's tests need the extra `console`")
pytest.importorskip("jinja2", reason="the console's tests need the extra `console`")

from outworks.console.console import Console
from outworks.ledger import Ledger
from tests.console.kit import opened
from tools.console_data import populate


@pytest.fixture(scope="package")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console on a realistic ledger, which tests leave as it is but for looks at content and sign-ins."""
    folder = tmp_path_factory.mktemp("populated")
    with Ledger.open(folder / "ledger.db") as ledger:
        populate(ledger)
    with opened(folder) as console:
        yield console


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console on an empty ledger, with a person for each role."""
    with opened(tmp_path) as made:
        yield made
