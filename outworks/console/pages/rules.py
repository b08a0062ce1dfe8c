"""Rules: the policy's and those written here, from draft over backtest and shadow to live."""

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.trying import Trial
from outworks.console.web import Ask, Page, Refused
from outworks.enforcement.desk.roles import Operation
from outworks.enforcement.language import written
from outworks.enforcement.language.words import VALUES, WORDS
from outworks.enforcement.language.written import Written
from outworks.enforcement.rules import Measure, Rule, RuleError, RuleMode, compile_rules
from outworks.event import Changed, Event

_SAMPLE = 50


class _Form(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    description: Annotated[str, Meta(max_length=1000)] = ""
    when: Annotated[str, Meta(max_length=4000)] = ""
    action: Measure = Measure.WARN
    expires: Annotated[str, Meta(max_length=20)] = ""
    rate: Annotated[str, Meta(max_length=20)] = ""
    policy: Annotated[str, Meta(max_length=200)] = ""
    reason: Annotated[str, Meta(max_length=2000)] = ""
    case: Annotated[str, Meta(max_length=64)] = ""


class _Days(msgspec.Struct, frozen=True):
    days: Annotated[float, Meta(gt=0, le=3650)] = 30.0


class _Mode(msgspec.Struct, frozen=True):
    mode: RuleMode


_EMPTY = _Form(name="?")


def overview(ask: Ask) -> Response:
    """Every rule, with what reviewers made of its actions."""
    console = ask.console
    policy = console.setup().rules
    own = console.written_rules()
    precision = {rule.name: console.precision(rule.name) for rule in (*policy, *(each.rule for each in own))}
    return ask.page("rules.html", policy=policy, own=own, precision=precision)


def new(ask: Ask) -> Response:
    """The form for a new rule."""
    return _form(ask, None, faults=())


def show(ask: Ask) -> Response:
    """One rule: what it says, how it does, and its next step."""
    name = ask.path("name")
    own = next((each for each in ask.console.written_rules() if each.rule.name == name), None)
    theirs = next((rule for rule in ask.console.setup().rules if rule.name == name), None)
    if own is None and theirs is None:
        raise LookupError(f"There is no rule {name!r}.")
    return ask.page(
        "rule.html",
        rule=theirs or (own.rule if own else None),
        own=own if theirs is None else None,
        trial=ask.console.trials.find(name),
        precision=ask.console.precision(name),
        sample=_SAMPLE,
    )


def edit(ask: Ask) -> Response:
    """The form for a written rule."""
    return _form(ask, _own(ask), faults=())


def save(ask: Ask) -> Response:
    """Keep a rule as a draft; what was tried of it before counts no more if it now does something else."""
    said = ask.read(_Form)
    own = {each.rule.name: each for each in ask.console.written_rules()}
    if said.name in {rule.name for rule in ask.console.setup().rules}:
        return _form(
            ask, None, faults=(f"name: the policy file has a rule {said.name!r}; it keeps the last word",), said=said
        )
    try:
        rule = _rule(said)
        compile_rules([rule], defenses=ask.console.setup().defenses)
    except RuleError as error:
        return _form(ask, own.get(said.name), faults=tuple(f"{f.field}: {f.message}" for f in error.faults), said=said)
    except ValueError as error:
        return _form(ask, own.get(said.name), faults=(str(error),), said=said)
    _record(ask, written.saved(rule, by=f"person:{ask.name}"))
    return ask.go(f"/rules/{rule.name}", notice="Kept as a draft. Try it on the past next.")


def _rule(said: _Form) -> Rule:
    return Rule(
        name=said.name,
        description=said.description,
        when=said.when,
        action=said.action,
        mode=RuleMode.DRAFT,
        expires=said.expires.strip(),
        rate_per_minute=float(said.rate) if said.rate.strip() else None,
        policy=said.policy,
        reason=said.reason,
        case=said.case.strip(),
    )


def backtest(ask: Ask) -> Response:
    """Try a rule on the past, in the background."""
    days = ask.read(_Days).days
    name = ask.path("name")
    own = {each.rule.name: each.rule for each in ask.console.written_rules()}
    theirs = {rule.name: rule for rule in ask.console.setup().rules}
    if name not in own and name not in theirs:
        raise LookupError(f"There is no rule {name!r}.")
    by = f"person:{ask.name}"
    console = ask.console

    def ended(trial: Trial) -> None:
        if name in own and trial.result is not None:
            body = written.tried_out(trial.rule, by=by, accounts=trial.result.accounts, days=trial.days)
            console.record(body)

    console.trials.begin(theirs.get(name) or own[name], by=ask.name, days=days, ended=ended)
    return ask.go(f"/rules/{name}")


def progress(ask: Ask) -> Response:
    """How far the backtest is; when it is done, the page shows what came of it."""
    name = ask.path("name")
    trial = ask.console.trials.find(name)
    response = ask.part("part/trial.html", trial=trial, name=name, sample=_SAMPLE)
    if trial is None or not trial.running:
        response.headers["hx-refresh"] = "true"
    return response


def mode(ask: Ask) -> Response:
    """The next step: shadow after a backtest, live after shadow; and back to a draft at any time."""
    own = _own(ask)
    wanted = ask.read(_Mode).mode
    if wanted is not RuleMode.DRAFT and wanted is not own.next_mode:
        raise Refused(422, _WHY_NOT[wanted])
    _record(ask, written.saved(msgspec.structs.replace(own.rule, mode=wanted), by=f"person:{ask.name}"))
    said = {
        RuleMode.DRAFT: "The rule is a draft again; it does nothing.",
        RuleMode.SHADOW: "The rule runs in shadow: its actions are recorded, and none is in force.",
        RuleMode.LIVE: "The rule is live.",
    }
    return ask.go(f"/rules/{own.rule.name}", notice=said[wanted])


_WHY_NOT = {
    RuleMode.SHADOW: "A rule goes into shadow once it was tried on the past as it is now.",
    RuleMode.LIVE: "A rule goes live from shadow.",
    RuleMode.DRAFT: "",
}


def remove(ask: Ask) -> Response:
    """Take a rule away. What it did stays, and can be taken back action by action."""
    own = _own(ask)
    _record(ask, written.removed(own.rule.name, by=f"person:{ask.name}"))
    return ask.go("/rules", notice=f"{own.rule.name} is removed; what it did stays.")


def _own(ask: Ask) -> Written:
    name = ask.path("name")
    found = next((each for each in ask.console.written_rules() if each.rule.name == name), None)
    if found is None:
        raise LookupError(f"No rule {name!r} was written here.")
    return found


def _form(ask: Ask, own: Written | None, *, faults: tuple[str, ...], said: _Form | None = None) -> Response:
    fields: dict[str, Any] = msgspec.structs.asdict(said or _EMPTY)
    if said is None and own is not None:
        fields = {**fields, **msgspec.structs.asdict(own.rule), "rate": own.rule.rate_per_minute or ""}
    if fields["name"] == "?":
        fields["name"] = ""
    return ask.page(
        "rule_form.html",
        422 if faults else 200,
        own=own,
        fields=fields,
        faults=faults,
        measures=list(Measure),
        policies=ask.console.desk.office.policies,
        words=WORDS,
        values=VALUES,
        defenses=ask.console.setup().defenses,
    )


def _record(ask: Ask, body: Changed) -> None:
    ask.console.ledger.append_now([Event(body=body, at=time.time())])


PAGES = (
    Page("GET", "/rules", overview, Operation.SEE_RULES),
    Page("GET", "/rules-new", new, Operation.WRITE_RULES),
    Page("POST", "/rules", save, Operation.WRITE_RULES),
    Page("GET", "/rules/{name}", show, Operation.SEE_RULES),
    Page("GET", "/rules/{name}/edit", edit, Operation.WRITE_RULES),
    Page("GET", "/rules/{name}/progress", progress, Operation.SEE_RULES),
    Page("POST", "/rules/{name}/backtest", backtest, Operation.WRITE_RULES),
    Page("POST", "/rules/{name}/mode", mode, Operation.WRITE_RULES),
    Page("POST", "/rules/{name}/remove", remove, Operation.WRITE_RULES),
)
