"""The server: what its supervisor makes of workers that do not start."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, signal, socket, sys
from outworks.gateway import server

class Worker:
    def __init__(self, fails_after):
        self.fails_after = fails_after

    async def start(self):
        if self.fails_after is not None:
            await asyncio.sleep(self.fails_after)
            raise RuntimeError("not yet")
        print("started", flush=True)
        # By then the other has failed, too.
        asyncio.get_running_loop().call_later(3, os.kill, os.getppid(), signal.SIGTERM)

    async def app(self, scope, receive, send):
        pass

    def reload(self):
        pass

    async def stop(self):
        pass

read, write = os.pipe()
for after in {fails!r}:
    os.write(write, str(after).ljust(8).encode())
os.set_blocking(read, False)

def make():
    try:
        return Worker(float(os.read(read, 8)))
    except BlockingIOError:
        return Worker(None)

listener = socket.create_server(("127.0.0.1", 0))
sys.exit(server.run(make, listener, workers=2, shutdown_seconds=1, reload=lambda: None, early=server.Hangups()))
"""


@pytest.mark.parametrize(
    ("fails", "status", "started"),
    [([0.0, 2.0], 0, 2), ([0.0, 0.1], 1, 0), ([0.0, 0.1, 0.1, 0.1, 0.1], 1, 0)],
    ids=["one after another", "together", "for good"],
)
def test_workers_that_cannot_start_end_it_only_where_none_has(fails: list[float], status: int, started: int) -> None:
    """What keeps one worker from starting may have passed for the next; what keeps all of them from it is told."""
    program = PROGRAM.format(fails=fails)

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == status, ended.stderr
    assert ended.stdout.count("started") >= started
    assert ("no worker could start" in ended.stderr) == (status == 1)
