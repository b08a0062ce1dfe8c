"""Over HTTP: AgentDojo's own OpenAI client, a real gateway in its own process, and an upstream that plays the agent."""

import asyncio
import importlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, cast
from urllib.error import URLError
from urllib.request import urlopen

from typing_extensions import override

from outworks.defenses import DEFENSES
from outworks.defenses.flow import Flow
from outworks.message import ToolCall
from outworks.model import Model
from outworks.trials.hijack.agent import Agent
from outworks.trials.hijack.target import ACCOUNT, Answer, Conversation, Stand, Target

START_SECONDS = 60.0
_POLICY = """
[gateway]
listen = "127.0.0.1:{port}"
require_key = false
log = "off"

[ledger]
path = "{ledger}"

[[models]]
name = "agent"
provider = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
"""


@contextmanager
def gateway(policy: str) -> Iterator[Stand]:
    """A gateway with this flow policy in front of agents that speak OpenAI's wire; it stops at the end.

    Raises TimeoutError where it does not get ready, with what it said.
    """
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="outworks-trial-")))
        port = _free_port()
        head = _POLICY.format(port=port, ledger=folder / "trial.db", upstream=upstream.server_port)
        # The figures are those of flow control: no other line may hold back what it would let go.
        others = "".join(f'[defenses.{line.name}]\nmode = "off"\n' for line in DEFENSES if line.name != Flow.name)
        (folder / "outworks.toml").write_text(head + others + policy, encoding="utf-8")
        stack.enter_context(_serving(folder, port))
        client = _Client(f"http://127.0.0.1:{port}/v1")

        def stand(agent: Model) -> Target:
            upstream.agent = cast(Agent, agent)
            return client

        yield stand


class _Client:
    """AgentDojo's client, one conversation after the other."""

    def __init__(self, base_url: str) -> None:
        openai = importlib.import_module("openai")
        self._llm_class = importlib.import_module("agentdojo.agent_pipeline.llms.openai_llm").OpenAILLM
        self._runtime_class = importlib.import_module("agentdojo.functions_runtime").FunctionsRuntime
        self._call_class = importlib.import_module("agentdojo.functions_runtime").FunctionCall
        self._body = b""
        http = openai.DefaultHttpxClient(event_hooks={"response": [self._keep]})
        self._openai = openai.OpenAI(base_url=base_url, api_key="none", http_client=http, max_retries=0)

    async def ask(self, conversation: Conversation, confirm: Sequence[str] = ()) -> Answer:
        """See `Target`."""
        return await asyncio.to_thread(self._ask, conversation, confirm)

    def _keep(self, response: Any) -> None:
        """AgentDojo's client has no use for what the gateway says beside the message, so it is kept on its way."""
        response.read()
        self._body = response.content

    def _ask(self, conversation: Conversation, confirm: Sequence[str]) -> Answer:
        headers = {
            "X-Outworks-Account": ACCOUNT,
            "X-Outworks-Conversation": conversation.id,
            "X-Outworks-Actions": ", ".join(conversation.actions),
            "X-Outworks-Confirm": ", ".join(confirm),
        }
        llm = self._llm_class(self._openai.with_options(default_headers=headers), "agent")
        runtime = self._runtime_class(
            [_Function(tool.name, tool.description, tool.schema) for tool in conversation.tools]
        )
        *_, messages, _ = llm.query(conversation.asks, runtime, messages=self._messages(conversation))
        said = messages[-1]
        calls = [ToolCall(call.id, call.function, json.dumps(dict(call.args))) for call in said["tool_calls"] or ()]
        beside = json.loads(self._body)["choices"][0].get("outworks") or {}
        return Answer(
            calls=tuple(calls),
            text="".join(block["content"] for block in said["content"] or ()),
            stopped=bool(beside),
            confirm=tuple(beside.get("confirm") or ()),
        )

    def _messages(self, conversation: Conversation) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": _text(conversation.system)},
            {"role": "user", "content": _text(conversation.asks)},
        ]
        for step in conversation.steps:
            call = self._call_class(function=step.call.name, args=json.loads(step.call.arguments), id=step.call.id)
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            result = {"content": _text(step.result), "tool_call_id": step.call.id, "tool_call": call, "error": None}
            messages.append({"role": "tool", **result})
        return messages


class _Function:
    """A function as AgentDojo's client reads it: its schema and nothing to run."""

    def __init__(self, name: str, description: str, schema: dict[str, Any]) -> None:
        self.name = name
        self.description = description
        self.parameters = self
        self._schema = schema

    def model_json_schema(self) -> dict[str, Any]:
        """The arguments, under the name that pydantic gives it."""
        return self._schema


def _text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": words}]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    agent: Agent


@contextmanager
def _upstream() -> Iterator[_Server]:
    """Chat Completions, answered by whichever agent stands there."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_POST(self) -> None:
        """Answer with the agent's next move."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        read = [str(message["content"]) for message in asked["messages"] if message["role"] == "tool"]
        agent = cast(_Server, self.server).agent
        move = agent.next(read)
        message: dict[str, Any] = {"role": "assistant", "content": agent.says if move is None else None}
        if move is not None:
            function = {"name": move.call.name, "arguments": move.call.json}
            message["tool_calls"] = [{"id": "upstream", "type": "function", "function": function}]
        finish = "stop" if move is None else "tool_calls"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "agent", "choices": [choice]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _serving(folder: Path, port: int) -> Iterator[None]:
    with (folder / "gateway.log").open("wb") as log:
        command = [sys.executable, "-m", "outworks", "serve", str(folder / "outworks.toml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))  # noqa: S603
        try:
            _wait(process, port, folder / "gateway.log")
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise TimeoutError(f"the gateway of the trial did not get ready: {said or 'it said nothing'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
