"""One upstream and one gateway for every test that leaves them as they were; a fresh gateway for those that do not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import loopback
from tests.e2e.kit import Gateway, free_port
from tests.e2e.loopback import KNOWN_BAD, Loopback

CANARY = "kingfisher-4417-lantern"
UPSTREAM_KEY = "sk-upstream-of-the-house"

POLICY = f"""
[gateway]
listen = "LISTEN"
log = "json"
shutdown_seconds = 2
limits = {{ body_seconds = 1.0, exchange_seconds = 4.5 }}

[[models]]
name = "scripted"
provider = "scripted"

[[models]]
name = "fake"
provider = "openai"
base_url = "UPSTREAM"
api_key_env = "UPSTREAM_KEY"
connect_timeout_s = 1
read_timeout_s = 1.5
total_timeout_s = 3
max_retries = 1
max_retry_wait_s = 0.1

[[models]]
name = "patient"
provider = "openai"
base_url = "UPSTREAM"

[[models]]
name = "down"
provider = "openai"
base_url = "DOWN"
max_retries = 0

[defenses.leak]
canaries = ["{CANARY}"]

# The shared machines that run tests are slow at times; what happens when a check overruns is shown elsewhere.
[defenses.adversarial_string]
time_limit_ms = 5000
"""


@pytest.fixture(scope="session")
def upstream() -> Iterator[Loopback]:
    """The upstream on the loopback."""
    with loopback.running() as server:
        yield server


@pytest.fixture(scope="session")
def policy(upstream: Loopback) -> str:
    """The policy that the shared gateway runs; `LISTEN` stands for its address."""
    nobody = f'"http://127.0.0.1:{free_port()}"'
    return POLICY.replace('"UPSTREAM"', f'"{upstream.base_url}"').replace('"DOWN"', nobody)


@pytest.fixture(scope="session")
def environ() -> dict[str, str]:
    """The environment of every gateway."""
    return {"UPSTREAM_KEY": UPSTREAM_KEY}


@pytest.fixture(scope="session")
def shared(policy: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway that tests share: they add accounts and events to it, and change nothing."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), policy, environ=environ)
    gateway.add_key()
    known = gateway.cli("fingerprints", "add", KNOWN_BAD, "--source", "tests", "--reason", "shows that it is found")
    assert known.returncode == 0, known.stderr
    try:
        yield gateway.start()
    finally:
        gateway.stop()


Make = Callable[..., Gateway]


@pytest.fixture
def make(policy: str, environ: dict[str, str], tmp_path: Path) -> Iterator[Make]:
    """Makes gateways of one's own, and ends them after the test; arguments as `Gateway`'s, `more` policy after it."""
    made: list[Gateway] = []

    def build(name: str = "own", *, text: str = policy, more: str = "", **options: str) -> Gateway:
        gateway = Gateway(tmp_path / name, text + more, environ=environ, **options)  # type: ignore[arg-type]
        made.append(gateway)
        return gateway

    yield build
    for gateway in made:
        gateway.stop()
