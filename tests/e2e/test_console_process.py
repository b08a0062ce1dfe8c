"""The console beside the gateway: a process of its own, which is started anew, and leaves with it."""

import http.client
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.kit import KILL, Gateway, children, free_port, wait_for

pytest.importorskip("jinja2", reason="the console needs the extra `console`")

POLICY = """
[gateway]
listen = "LISTEN"
log = "json"
workers = WORKERS
require_key = false
shutdown_seconds = 2
[ledger]
path = "outworks.db"
[console]
enabled = true
listen = "127.0.0.1:CONSOLE"
[[models]]
name = "scripted"
provider = "scripted"
"""


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _keeper(gateway: Gateway) -> int:
    """The process that looks after the console: the one child of the gateway that has a child of its own."""
    return next(pid for pid in children(gateway.pid) if children(pid))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_console_is_started_anew_and_leaves_with_the_gateway(tmp_path: Path, workers: int) -> None:
    """Killed, the console comes back, while the gateway goes on; when the gateway ends, by a signal or by force, the
    console is gone as well."""
    port = free_port()
    gateway = Gateway(tmp_path / "g", POLICY.replace("CONSOLE", str(port)).replace("WORKERS", str(workers)))
    try:
        gateway.start()
        _wait(lambda: _answers(port), gateway)
        (first,) = children(_keeper(gateway))
        os.kill(first, signal.SIGKILL)
        _wait(lambda: _answers(port) and children(_keeper(gateway)) != [first], gateway)
        assert gateway.ask("hello", model="scripted", user="ann").status == 200

        gateway.signal(KILL if workers == 1 else signal.SIGTERM)
        gateway.wait()

        _wait(lambda: not _answers(port), gateway)
    finally:
        gateway.stop()


def _wait(what: Callable[[], bool], gateway: Gateway) -> None:
    wait_for(what, 30, lambda: f"the console; log:\n{gateway.log}")


def test_without_the_section_there_is_no_console(tmp_path: Path) -> None:
    """A policy that does not ask for it starts no process."""
    text = POLICY.replace("WORKERS", "1").replace('[console]\nenabled = true\nlisten = "127.0.0.1:CONSOLE"\n', "")
    gateway = Gateway(tmp_path / "g", text)
    try:
        gateway.start()

        assert children(gateway.pid) == []
    finally:
        gateway.stop()


def test_a_taken_port_does_not_stop_the_gateway(tmp_path: Path) -> None:
    """Where the console cannot have its address, the gateway says so and serves."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(tmp_path / "g", POLICY.replace("CONSOLE", str(port)).replace("WORKERS", "1"))
        try:
            gateway.start()

            assert "The console is not running" in gateway.log
        finally:
            gateway.stop()


def test_a_rule_written_in_the_console_takes_effect_in_a_running_gateway(tmp_path: Path) -> None:
    """A rule that goes live in the ledger acts on the account's next exchanges, without a reload; removed, it acts no
    more."""
    from outworks.enforcement.language.written import saved
    from outworks.enforcement.rules import Measure, Rule
    from outworks.event import Event
    from outworks.ledger import Ledger

    text = POLICY.replace("WORKERS", "1").replace('[console]\nenabled = true\nlisten = "127.0.0.1:CONSOLE"\n', "")
    gateway = Gateway(tmp_path / "g", text)
    try:
        gateway.start()
        rule = Rule(
            name="mine",
            description="x",
            when='blocked("1h") >= 2',
            action=Measure.WARN,
            expires="1d",
            reason="Stop it.",
        )
        with Ledger.open(gateway.ledger) as ledger:
            ledger.append_now([Event(body=saved(rule, by="person:ada"), at=1.0)])

        def warned() -> bool:
            gateway.ask("hello", model="scripted", user="ann", temperature=1.9)
            return gateway.ask("hello", model="scripted", user="ann").headers.get("x-outworks-standing") == "warned"

        _wait(warned, gateway)
    finally:
        gateway.stop()
