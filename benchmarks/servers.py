"""The servers of a bench: nginx as the mock upstream, Outworks, and its peers; on loopback, stopped by pid."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "outworks-bench"
QUESTION = (
    "Our family is planning a week in the south of France in late spring, with two children who like trains, castles "
    "and swimming, and a grandmother who would rather sit in a garden with a book. Which three towns would you suggest "
    "as a base, and what would each of us like best about them? Keep it short."
)
ANSWER = (
    "Consider Avignon, Carcassonne and Annecy. Avignon has the palace and fast trains; Carcassonne has the castle that "
    "children remember; Annecy has a clean lake for swimming and quiet gardens by the canal."
)
COMPLETION = {
    "id": "chatcmpl-mock",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "mock",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 70, "completion_tokens": 50, "total_tokens": 120},
}


class Missing(Exception):
    """A peer that is not here and could not be installed; the table names it."""


@dataclass(frozen=True)
class Target:
    """Where wrk sends its requests."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    pid: int = 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(
    command: Sequence[str], port: int, log: Path, *, env: Mapping[str, str] | None = None, seconds: float = 60
) -> Iterator[int]:
    """Run a server until the block ends; yields its pid once the port answers."""
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(env or {})})
    try:
        deadline = time.monotonic() + seconds
        while True:
            if child.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {child.returncode}:\n{log.read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not answer on port {port}:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)


def tool(name: str, package: str) -> str:
    """The path of a program, installed with apt where it is missing and that is possible."""
    path = shutil.which(name)
    if path is None and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {package}...", file=sys.stderr, flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "install", "-y", "-qq", package], check=False, stdout=subprocess.DEVNULL)
        path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed (Debian: apt-get install {package})")
    return path


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Target]:
    """nginx, answering every POST with one chat completion."""
    nginx, port = tool("nginx", "nginx-light"), free_port()
    body = json.dumps(COMPLETION).replace("'", "\\'")
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; keepalive_requests 10000000;
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
          fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          server {{
            listen 127.0.0.1:{port} backlog=1024;
            location / {{ default_type application/json; return 200 '{body}'; }}
          }}
        }}
        """
    )
    with process([nginx, "-c", str(config), "-p", str(folder)], port, folder / "nginx.log") as pid:
        yield Target("direct upstream", f"http://127.0.0.1:{port}/v1/chat/completions", pid=pid)


def policy(folder: Path, upstream_url: str, port: int, *, defenses: str = "") -> Path:
    """A policy with every default defense live, written to a file."""
    file = folder / "outworks.toml"
    file.write_text(
        f"""
        [gateway]
        listen = "127.0.0.1:{port}"
        log = "off"
        [ledger]
        path = "{folder}/outworks.db"
        [[models]]
        name = "mock"
        provider = "openai"
        base_url = "{upstream_url.removesuffix("/chat/completions")}"
        {defenses}
        """
    )
    return file


LIVE = "\n".join(
    f'[defenses.{name}]\nmode = "live"'
    for name in ("standing", "parameter_lock", "adversarial_string", "fingerprint", "leak", "links", "flow", "refusal")
)
DETECTORS = f'{LIVE}\n[defenses.injection]\nmode = "live"\n[defenses.classifier]\nmode = "live"'
"""The two lines besides that are off unless a policy names them."""


@contextlib.contextmanager
def outworks(
    folder: Path, upstream_url: str, *, defenses: str = LIVE, fingerprints: int = 1000, name: str = "Outworks"
) -> Iterator[Target]:
    """The gateway with every default defense live, the ledger on, and a bank of fingerprints loaded."""
    port = free_port()
    folder = folder / name.replace(" ", "-")
    folder.mkdir()
    file = policy(folder, upstream_url, port, defenses=defenses)
    command = [sys.executable, "-m", "outworks"]
    added = subprocess.run(
        [*command, "keys", "add", "bench", "--policy", str(file), "--quiet"], check=True, capture_output=True, text=True
    )
    key = added.stdout.strip().split()[-1]
    bank = folder / "bank.jsonl"
    with bank.open("w") as out:
        for number in range(fingerprints):
            words = " ".join(f"filler{number}word{i}" for i in range(60))
            row = {"text": words, "source": "bench", "reason": "to have a bank of a usual size", "category": "bench"}
            out.write(json.dumps(row) + "\n")
    if fingerprints:
        subprocess.run(
            [*command, "fingerprints", "import", str(bank), "--policy", str(file)], check=True, capture_output=True
        )
    with process([*command, "serve", str(file)], port, folder / "outworks.log") as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield Target(name, f"http://127.0.0.1:{port}/v1/chat/completions", headers, pid)


@contextlib.contextmanager
def litellm(folder: Path, upstream_url: str) -> Iterator[Target]:
    """LiteLLM's proxy, one worker, in an environment of its own."""
    home, port = CACHE / "litellm", free_port()
    program = home / "bin" / "litellm"
    if not program.exists():
        print("installing LiteLLM into its own environment...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "pip"), "install", "-q", "litellm[proxy]<1.109"]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            raise Missing("LiteLLM could not be installed with pip")
    config = folder / "litellm.yaml"
    base = upstream_url.removesuffix("/chat/completions")
    config.write_text(
        "model_list:\n  - model_name: mock\n    litellm_params:\n      model: openai/mock\n"
        f"      api_base: {base}\n      api_key: none\n"
    )
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    key = f"sk-{secrets.token_hex(16)}"
    env = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}
    with process(command, port, folder / "litellm.log", env=env, seconds=120) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield Target("LiteLLM proxy", f"http://127.0.0.1:{port}/v1/chat/completions", headers, pid)


@contextlib.contextmanager
def portkey(folder: Path, upstream_url: str) -> Iterator[Target]:
    """Portkey's gateway under Node."""
    home, port = CACHE / "portkey", free_port()
    script = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = shutil.which("node")
    if node is None:
        raise Missing("Portkey needs node, which is not installed")
    if not script.exists():
        print("installing Portkey's gateway...", file=sys.stderr, flush=True)
        home.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "@portkey-ai/gateway"]
        if subprocess.run(npm, cwd=home, check=False, capture_output=True).returncode:
            raise Missing("Portkey's gateway could not be installed with npm")
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": upstream_url.removesuffix("/chat/completions"),
        "Authorization": "Bearer none",
    }
    env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    with process([node, str(script), f"--port={port}", "--headless"], port, folder / "portkey.log", env=env) as pid:
        yield Target("Portkey gateway", f"http://127.0.0.1:{port}/v1/chat/completions", headers, pid)
