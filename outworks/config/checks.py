"""What only the whole policy can tell, and only its place: every fault that no type shows."""

import ipaddress
import os
import pathlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import msgspec

from outworks import duration, models
from outworks.action import GOOD, Action
from outworks.config.sections import Entry, GatewaySettings, LedgerSettings, LocalModel, TelemetrySettings
from outworks.console.settings import Settings as ConsoleSettings
from outworks.defense import Settings
from outworks.defenses import DEFENSES, Lent, Line
from outworks.defenses.bank import Bank
from outworks.defenses.flow import Settings as FlowSettings
from outworks.detectors.looking import shipped
from outworks.enforcement.rules import Rule, RuleError, Rules, compile_rules
from outworks.enforcement.settings import CaseSettings, reviewed
from outworks.gateway.moderator import Moderator
from outworks.gateway.moderator import Settings as ModerationSettings
from outworks.gateway.server import is_loopback
from outworks.message import Request
from outworks.models.gguf_head import GGUFError, check_adapter
from outworks.nearest import did_you_mean
from outworks.toml import Path, Reading


def checked_gateway(reading: Reading) -> GatewaySettings | None:
    """The section, or None where it is at fault; so do the others."""
    gateway = reading.take(GatewaySettings, "gateway")
    if gateway is None:
        return None
    if not _is_listenable(gateway.listen):
        why = f"{gateway.listen!r} is no address; expected HOST:PORT, such as 127.0.0.1:8600 or [::1]:8600"
        reading.fault(("gateway", "listen"), why)
    elif not gateway.require_key and not is_loopback(gateway.listen):
        why = (
            f"false, while {gateway.listen} can be reached from beyond this machine: anybody could use the models; "
            "set it to true, or listen on 127.0.0.1"
        )
        reading.fault(("gateway", "require_key"), why)
    if gateway.secret_env and not _VARIABLE.fullmatch(gateway.secret_env):
        why = "no name of an environment variable; the secret itself never stands here"
        reading.fault(("gateway", "secret_env"), why)
    return gateway


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[([^\]]+)\]):([0-9]{1,5})")


def _is_listenable(address: str) -> bool:
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) > 65_535:
        return False
    try:
        return found[1] is None or bool(ipaddress.IPv6Address(found[1]))
    except ValueError:
        return False


def checked_ledger(reading: Reading, folder: pathlib.Path) -> LedgerSettings | None:
    ledger = reading.take(LedgerSettings, "ledger")
    if ledger is None:
        return None
    try:
        duration.lasting(ledger.retain_content)
    except ValueError as error:
        reading.fault(("ledger", "retain_content"), str(error))
    path = beside(folder, ledger.path)
    if not ledger.path or "\0" in ledger.path or os.path.isdir(path):
        reading.fault(("ledger", "path"), f"{ledger.path!r} is no file; expected one such as 'outworks.db'")
    elif not os.path.isdir(path.parent):
        reading.fault(("ledger", "path"), f"{ledger.path!r} lies in a folder that does not exist: {path.parent}")
    return ledger


def checked_telemetry(reading: Reading, environ: Mapping[str, str] | None) -> TelemetrySettings | None:
    telemetry = reading.take(TelemetrySettings, "telemetry")
    at = ("telemetry", "otlp_endpoint")
    if telemetry is None or not telemetry.otlp_endpoint:
        return telemetry
    if not _is_url(telemetry.otlp_endpoint):
        why = f"{telemetry.otlp_endpoint!r} is no address; expected one such as http://localhost:4318/v1/traces"
        reading.fault(at, why)
    elif environ is not None and not _is_installed("opentelemetry.sdk"):
        reading.fault(at, "traces are not installed: pip install 'outworks[otel]'")
    return telemetry


def checked_console(reading: Reading) -> ConsoleSettings | None:
    console = reading.take(ConsoleSettings, "console")
    if console is None:
        return None
    try:
        check_console_address(console.listen, console.url)
    except ValueError as error:
        reading.fault(("console", "listen"), str(error))
    for key in ("url", "gateway_url"):
        given = getattr(console, key)
        if given and not _is_url(given):
            reading.fault(("console", key), f"{given!r} is no address; expected one such as https://review.example.com")
    for key in ("session", "idle"):
        try:
            duration.seconds(getattr(console, key))
        except ValueError as error:
            reading.fault(("console", key), str(error))
    openid = console.openid
    if openid.issuer and not (openid.issuer.startswith("https://") or _is_local_url(openid.issuer)):
        why = f"{openid.issuer!r} is no https:// address: what it says decides who comes in"
        reading.fault(("console", "openid", "issuer"), why)
    if openid.issuer and not openid.client_id:
        reading.fault(("console", "openid", "client_id"), "an issuer needs the client_id that it knows the console by")
    if not _VARIABLE.fullmatch(openid.client_secret_env):
        why = "no name of an environment variable; the secret itself never stands here"
        reading.fault(("console", "openid", "client_secret_env"), why)
    return console


def check_console_address(listen: str, url: str) -> None:
    """Raises ValueError where the console must not listen there, as long as people reach it at that `url`."""
    if not _is_listenable(listen):
        raise ValueError(f"{listen!r} is no address; expected HOST:PORT, such as 127.0.0.1:8601")
    if not is_loopback(listen) and not url.startswith("https://"):
        raise ValueError(
            f"{listen} can be reached from beyond this machine, where passwords and what people said must not "
            "travel unprotected: put a proxy with TLS before it and say its https:// address in `url`"
        )


def _is_local_url(text: str) -> bool:
    return _is_url(text) and is_loopback(f"{urlsplit(text).hostname}:0")


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def checked_models(reading: Reading, folder: pathlib.Path, environ: Mapping[str, str] | None) -> dict[int, Entry]:
    """Those that can be read, by their place in the file."""
    if reading.document.get("models", []) == []:
        reading.fault(("models",), "no model is given; expected at least one [[models]], with a name and a provider")
    entries: dict[int, Entry] = {}
    taken: dict[str, int] = {}
    for at in _places(reading, "models"):
        entry: Entry | None = _tried(
            reading, Entry, at, lambda entry: _try_model(entry, environ), fill={"name": f"unnamed-{at[1]}"}
        )
        if entry is None:
            continue
        entries[at[1]] = entry
        first = taken.setdefault(entry.name, at[1])
        if first != at[1]:
            line = reading.lines.of(("models", first, "name"))
            reading.fault((*at, "name"), f"{entry.name!r} is already the model on line {line}; expected another name")
        if environ is not None:
            _check_surroundings(reading, entry, folder, at)
    return entries


def _try_model(entry: Entry, environ: Mapping[str, str] | None) -> None:
    variable = getattr(entry, "api_key_env", "")
    if variable and not _VARIABLE.fullmatch(variable):
        # Probably the key itself: it must not go on into a log.
        raise ValueError("api_key_env is no name of an environment variable; the key itself never stands here")
    if variable and environ is None:
        entry = msgspec.structs.replace(entry, api_key_env="")
    models.build(entry.name, entry, environ or {})


def _check_surroundings(reading: Reading, entry: Entry, folder: pathlib.Path, at: Path) -> None:
    """Note what the model needs and this machine does not have."""
    for key, path in _paths(entry, folder).items():
        if not os.path.isfile(path):
            made = "; `outworks lab export` makes one of a lab's checkpoint" if key == "adapter" else ""
            reading.fault((*at, key), f"there is no file at {path}{made}")
        elif key == "ca_file" and not _is_authorities(path):
            reading.fault((*at, key), f"there is no certificate in {path}; expected one or more in PEM")
    if isinstance(entry, LocalModel):
        _check_adapter(reading, entry, folder, at)
    if isinstance(entry, LocalModel) and not _is_installed("xllamacpp"):
        reading.fault((*at, "provider"), "the embedded model is not installed: pip install 'outworks[local]'")


def _is_authorities(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        return False
    return True


def _check_adapter(reading: Reading, entry: LocalModel, folder: pathlib.Path, at: Path) -> None:
    files = {key: pathlib.Path(path) for key, path in _paths(entry, folder).items() if os.path.isfile(path)}
    if "adapter" in files:
        try:
            check_adapter(files["adapter"], files.get("path"))
        except GGUFError as error:
            reading.fault((*at, "adapter"), str(error))


def _paths(entry: Entry, folder: pathlib.Path) -> dict[str, str]:
    """The files that a model names, from the policy file's folder."""
    given = {key: getattr(entry, key, "") for key in ("path", "adapter", "ca_file")}
    return {key: str(beside(folder, path)) for key, path in given.items() if path}


def checked_defenses(reading: Reading, environ: Mapping[str, str] | None) -> dict[str, Settings]:
    """Those that can be read. A defense is built, and dropped, where the file changes anything of it: that is what
    checks hosts, patterns and whatever else its types do not say."""
    lent = Lent(_NoStandings(), Bank(), _nothing_was_released)
    defenses = {}
    for line in DEFENSES:

        def build(settings: Settings, line: Line = line) -> None:
            if environ is not None and settings != line.settings():
                line.build(settings, lent)

        settings: Settings | None = _tried(reading, line.settings, ("defenses", line.name), build)
        if settings is not None:
            defenses[line.name] = settings
    return defenses


def checked_moderations(reading: Reading, environ: Mapping[str, str] | None) -> ModerationSettings | None:
    """The section, tried out where the file changes anything of it."""

    def build(settings: ModerationSettings) -> None:
        if environ is not None and settings.mode == "on" and settings != ModerationSettings():
            Moderator(shipped(second=settings.second_stage != "never"), settings)

    settings: ModerationSettings | None = _tried(reading, ModerationSettings, ("moderations",), build)
    return settings


class _NoStandings:
    """Standings that know nobody, for defenses that are built to be checked."""

    def of(self, account: str, now: float) -> Action:
        return GOOD

    async def requests_since(self, account: str, since: float) -> int:
        return 0


async def _nothing_was_released(request: Request, text: str) -> bool:
    return False


def check_planner(reading: Reading, defenses: Mapping[str, Settings], models: Sequence[str]) -> None:
    """Note where flow control is to plan with a model that the policy does not have."""
    flow = defenses.get("flow")
    if isinstance(flow, FlowSettings) and flow.planner and flow.planner not in models:
        hint = did_you_mean(flow.planner, models, f"known: {', '.join(models)}")
        reading.fault(("defenses", "flow", "planner"), f"there is no model {flow.planner!r}{hint}")


class CheckedRules(msgspec.Struct, frozen=True):
    """The rules that can be read; compiled where all of them can be."""

    rules: tuple[Rule, ...]
    compiled: Rules


def checked_rules(reading: Reading, cases: CaseSettings, passages: Sequence[str] = ()) -> CheckedRules:
    """The rules, with the queues of the cases that they open. What can be read of a faulty one is checked with the
    others. Where the policy has passages, by their ids, a rule rests on one of them or on none."""
    rules = []
    halves = []
    for at in _places(reading, "rules"):
        rule = reading.take(Rule, *at)
        if rule is not None and rule.policy and passages and rule.policy not in passages:
            reading.fault((*at, "policy"), no_passage(rule.policy, passages))
        halves.append(rule is None)
        rules.append(rule or reading.take(Rule, *at, fill={**_HALF, "name": f"unnamed-{at[1]}"}))
    try:
        whole = reviewed([rule for rule in rules if rule is not None], cases)
        return CheckedRules(whole, compile_rules(whole, defenses=[line.name for line in DEFENSES]))
    except RuleError as error:
        places = [index for index, rule in enumerate(rules) if rule is not None]
        for fault in error.faults:
            index = places[fault.index]
            if not halves[index] or fault.field in ("name", "description", "when", "expires"):
                reading.fault(("rules", index, fault.field), fault.message)
        return CheckedRules((), Rules())


def no_passage(id: str, passages: Sequence[str]) -> str:
    """What is said of a passage that the policy does not have."""
    hint = did_you_mean(id, passages, f"there are: {', '.join(sorted(passages)) or 'none'}")
    return f"there is no [[policies]] with the id {id!r}{hint}"


_HALF = {"description": "?", "when": 'requests("1h") > 0', "action": "ban"}
"""Stands for what a faulty rule does not say."""


def _places(reading: Reading, key: str) -> Iterator[tuple[str, int]]:
    given = reading.document.get(key, [])
    return ((key, index) for index in range(len(given) if isinstance(given, list) else 0))


def _tried(
    reading: Reading, shape: Any, at: Path, build: Callable[[Any], None], *, fill: Mapping[str, str] | None = None
) -> Any:
    """The settings there, tried on what they are for. A constructor tells one fault: with that key at its default it is
    tried again, so that the next is told too."""
    while True:
        settings = reading.take(shape, *at, fill=fill)
        if settings is None:
            return None
        try:
            build(settings)
        except Exception as error:  # whatever it is, a gateway that reloads must be told, not ended
            if reading.blame(at, str(error) or type(error).__name__):
                continue
        return settings


def placed(entry: Entry, folder: pathlib.Path) -> Entry:
    """The model with its paths made absolute."""
    return msgspec.structs.replace(entry, **_paths(entry, folder))


def beside(folder: pathlib.Path, path: str) -> pathlib.Path:
    """A path of the policy: from the folder of its file, or from a home folder."""
    return folder / (path if "\0" in path else os.path.expanduser(path))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False
