"""What the policy says about cases, notices, appeals, reports and webhooks, checked whole."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from outworks import duration
from outworks.config.checks import no_passage
from outworks.enforcement.settings import (
    AppealSettings,
    CaseSettings,
    Office,
    PolicyText,
    ReportSettings,
    Template,
    Webhook,
)
from outworks.enforcement.telling import signing, templates
from outworks.gateway.server import is_loopback
from outworks.toml import Path, Reading

T = TypeVar("T")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 64


def checked_office(reading: Reading, environ: Mapping[str, str] | None) -> Office:
    """The sections, with their defaults where they are at fault: the faults were noted."""
    cases = reading.take(CaseSettings, "cases") or CaseSettings()
    appeals = reading.take(AppealSettings, "appeals") or AppealSettings()
    reports = reading.take(ReportSettings, "reports") or ReportSettings()
    _check_durations(reading, cases, ("cases",), "lease", "reopen_after")
    _check_durations(reading, appeals, ("appeals",), "within")
    for category, queue in cases.categories.items():
        if not 0 < len(queue) <= _LONGEST:
            reading.fault(("cases", "categories", category), f"a queue's name has 1 to {_LONGEST} characters")
    if appeals.url and not _is_web(appeals.url):
        reading.fault(("appeals", "url"), f"{appeals.url!r} is no address; expected one such as https://example.com")
    policies = _named(reading, "policies", PolicyText, "id")
    ids = [each.id for each in policies.values()]
    made = _named(reading, "templates", Template, "name")
    for at, template in made.items():
        for fault in templates.faults(template):
            reading.fault((*at, "text"), fault)
        if template.policy and template.policy not in ids:
            reading.fault((*at, "policy"), no_passage(template.policy, ids))
    hooks = _named(reading, "webhooks", Webhook, "name")
    for at, webhook in hooks.items():
        _check_webhook(reading, webhook, at, environ)
    return Office(
        cases=cases,
        appeals=appeals,
        reports=reports,
        policies=tuple(policies.values()),
        templates=tuple(made.values()),
        webhooks=tuple(hooks.values()),
    )


def _named(reading: Reading, section: str, shape: type[T], key: str) -> dict[Path, T]:
    """The tables of a list, each with a name of its own, by their place."""
    found: dict[Path, T] = {}
    lines: dict[str, int] = {}
    for at in _places(reading, section):
        each = reading.take(shape, *at)
        if each is None:
            continue
        found[at] = each
        name: Any = getattr(each, key)
        line = reading.lines.of((*at, key))
        if name in lines:
            reading.fault((*at, key), f"{name!r} stands on line {lines[name]} already; expected another {key}")
        lines.setdefault(name, line)
    return found


def _places(reading: Reading, section: str) -> Iterator[Path]:
    given = reading.document.get(section, [])
    return ((section, index) for index in range(len(given) if isinstance(given, list) else 0))


def _check_durations(reading: Reading, settings: object, at: Path, *keys: str) -> None:
    for key in keys:
        try:
            duration.seconds(getattr(settings, key))
        except ValueError as error:
            reading.fault((*at, key), str(error))


def _check_webhook(reading: Reading, webhook: Webhook, at: Path, environ: Mapping[str, str] | None) -> None:
    _check_durations(reading, webhook, at, "give_up_after")
    url = urlsplit(webhook.url) if _is_web(webhook.url) else None
    if url is None or url.username is not None or url.fragment:
        why = f"{webhook.url[:200]!r} is no address to send to; expected one such as https://example.com/hooks"
        reading.fault((*at, "url"), why)
    elif url.scheme == "http" and not is_loopback(f"{url.hostname}:0"):
        why = "what is sent says who was suspended and why: beyond this machine it travels over https"
        reading.fault((*at, "url"), why)
    if not _VARIABLE.fullmatch(webhook.secret_env):
        # Probably the secret itself: it must not go on into a log.
        why = "no name of an environment variable; the secret itself never stands here"
        reading.fault((*at, "secret_env"), why)
    elif environ is not None:
        try:
            signing.key(environ.get(webhook.secret_env, ""))
        except ValueError as error:
            held = "holds no such thing" if webhook.secret_env in environ else "is not set in the environment"
            reading.fault((*at, "secret_env"), f"{error}; {webhook.secret_env} {held}")


def _is_web(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
