"""A gateway in a process of its own, and the raw ways to talk to it."""

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from outworks.event import Body, Event
from outworks.ledger import Reader

B = TypeVar("B", bound=Body)

OPENAI = "/v1/chat/completions"
ANTHROPIC = "/v1/messages"
PATHS = (OPENAI, ANTHROPIC)
_RUN = "from outworks.__main__ import main; main()"


class Gateway:
    """One `outworks serve`, from a policy in which `LISTEN` stands for its address."""

    def __init__(
        self, folder: Path, policy: str, *, environ: Mapping[str, str] | None = None, prelude: str = ""
    ) -> None:
        """`prelude` is Python that the process runs first."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.policy = folder / "outworks.toml"
        self.ledger = folder / "outworks.db"
        self.key = ""
        self._log = folder / "log"
        self._prelude = prelude
        self._environ = {**os.environ, "COLUMNS": "200", **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.write(policy)

    def write(self, policy: str) -> None:
        """Replace the policy file."""
        self.policy.write_text(policy.replace("LISTEN", f"127.0.0.1:{self.port}"), "utf-8")

    def start(self, *, wait: bool = True) -> "Gateway":
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", self._prelude + _RUN, "serve", str(self.policy)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environ)
        if not wait:
            return self
        wait_for(lambda: self._is_ready() or self._process_ended(), 30, lambda: f"readiness; log:\n{self.log}")
        assert not self._process_ended(), self.log
        return self

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz").status == 200
        return False

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def signal(self, signum: int) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def wait(self, seconds: float = 20.0) -> int:
        """Its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill_all(self) -> None:
        """`kill -9`, the workers too."""
        for pid in (*children(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> int | None:
        """End it gracefully, by force if it will not; its exit status."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill_all()
        return self._process.returncode

    def cli(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command, on this gateway's policy."""
        return run(*arguments, "-p", str(self.policy), environ=self._environ, input=input)

    def add_key(self, product: str = "shop") -> str:
        """A key, which later requests use."""
        made = self.cli("keys", "add", product, "-q")
        assert made.returncode == 0, made.stderr
        self.key = made.stdout.strip()
        return self.key

    def get(self, path: str) -> "Answer":
        return self._call("GET", path, None, {})

    def post(self, body: Any, path: str = OPENAI, *, key: str | None = None, **headers: str) -> "Answer":
        """Send a body (bytes as they are, all else as JSON), and read the whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._call("POST", path, data, {**self.authorised(key), **named})

    def ask(self, text: str, path: str = OPENAI, **fields: Any) -> "Answer":
        """Ask one question."""
        return self.post(question(text, **fields), path)

    def authorised(self, key: str | None = None) -> dict[str, str]:
        key = self.key if key is None else key
        return {"authorization": f"Bearer {key}"} if key else {}

    def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> "Answer":
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send_head(self, body: Any, path: str = OPENAI, *more: str) -> bytes:
        """The bytes of a request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [f"POST {path} HTTP/1.1", "host: gateway", f"content-length: {len(data)}", *more]
        head += [f"{name}: {value}" for name, value in self.authorised().items()]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + data

    def events(self, exchange: str | None = None) -> list[Event]:
        """What the ledger holds, with content."""
        return [each.event for each in Reader(self.ledger).events(exchange=exchange, with_content=True)]

    def bodies(self, kind: type[B], exchange: str | None = None) -> list[B]:
        return [event.body for event in self.events(exchange) if isinstance(event.body, kind)]

    def wait_event(self, kind: type[B], exchange: str, seconds: float = 5.0) -> B:
        """The exchange's event of this kind, once it is there."""
        wait_for(lambda: bool(self.bodies(kind, exchange)), seconds, lambda: f"{kind.__name__} of {exchange}")
        return self.bodies(kind, exchange)[-1]


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The exchange's id."""
        return self.headers["x-request-id"]

    @property
    def code(self) -> str:
        """Our code of the error, in whichever wire's form."""
        return str(self.json["error"]["outworks"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])

    @property
    def text(self) -> str:
        """The words of the answer, in whichever form."""
        return said(self.body).text


class Said(msgspec.Struct, frozen=True):
    """What a client's decoder makes of an answer, whole or streamed, complete or not."""

    text: str
    finish: str
    whole: bool
    """It came to its proper end."""
    error: str = ""
    """The code of an error in it."""
    id: str = ""


def said(body: bytes) -> Said:
    """Decode as either vendor's client does."""
    if body.startswith(b"{"):
        return _said_whole(json.loads(body))
    texts: list[str] = []
    finish = error = id = ""
    whole = False
    for line in body.split(b"\n"):
        if line == b"data: [DONE]":
            whole = True
        elif line.startswith(b"data: "):
            with contextlib.suppress(ValueError):
                event = json.loads(line[6:])
                found = _event(event)
                texts.append(found.text)
                finish, error, id = found.finish or finish, found.error or error, found.id or id
                whole = whole or found.whole
    return Said("".join(texts), finish, whole, error, id)


def _said_whole(body: Any) -> Said:
    if "error" in body:
        return Said("", "", True, body["error"]["outworks"]["code"])
    if "choices" in body:
        choice = body["choices"][0]
        return Said(choice["message"]["content"] or "", choice["finish_reason"], True, id=body["id"])
    text = "".join(block.get("text", "") for block in body["content"])
    return Said(text, body["stop_reason"], True, id=body["id"])


def _event(event: Any) -> Said:
    if "error" in event:
        return Said("", "", False, event["error"]["outworks"]["code"])
    if "choices" in event:
        first = next((c for c in event["choices"] if c["index"] == 0), {"delta": {}})
        return Said(first["delta"].get("content") or "", first.get("finish_reason") or "", False, id=event["id"])
    delta = event.get("delta", {})
    id = event.get("message", {}).get("id", "")
    return Said(delta.get("text", ""), delta.get("stop_reason") or "", event.get("type") == "message_stop", id=id)


def question(text: str, *, model: str = "fake", **fields: Any) -> dict[str, Any]:
    """A body that both wires take."""
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **fields}


def run(
    *arguments: str, environ: Mapping[str, str] | None = None, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line, for real."""
    return subprocess.run(
        [sys.executable, "-m", "outworks", *arguments],
        capture_output=True,
        text=True,
        env=dict(environ or os.environ),
        input=input,
        timeout=60,
    )


def free_port() -> int:
    """A port that nobody has until it is listened on: below those that the system gives out, and none of those that the
    other processes of this test run take."""
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        port = 20_000 + mine + processes * secrets.randbelow(12_000 // processes)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(what: Callable[[], bool], seconds: float, name: Callable[[], str] = lambda: "it") -> None:
    """Wait until it is so; fail where it is not in time."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {name()}"
        time.sleep(0.02)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65_536):
            data += more
    return data


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Everything up to and with what is wanted."""
    data = b""
    while wanted not in data:
        more = connection.recv(65_536)
        assert more, f"closed before {wanted!r}; got {data[-500:]!r}"
        data += more
    return data


def children(pid: int) -> list[int]:
    """A process's own children."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, started; ended whatever happens."""
    try:
        yield gateway.start()
    finally:
        gateway.stop()


TERM, KILL, HUP = signal.SIGTERM, signal.SIGKILL, signal.SIGHUP
Texts = Sequence[str]
