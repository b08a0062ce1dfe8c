"""parameter_lock: admits only the parameters, roles and kinds of content that the product means to offer."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from typing_extensions import override

from outworks import defense, label
from outworks.message import Message, Opaque, Request, Role, Text
from outworks.nearest import did_you_mean
from outworks.verdict import ALLOW, Decision, Finding, Notice, Verdict


class Allowed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a parameter may be."""

    type: Literal["number", "integer", "string", "strings", "boolean", "object", "any"] = "any"
    """The JSON type; `strings` is a list of strings."""
    min: float | None = None
    """The least number (or length, for strings)."""
    max: float | None = None
    """The greatest number (or length, for strings)."""
    values: tuple[Any, ...] | None = None
    """The only values admitted."""
    fixed: Any = None
    """The one value: set where the client sends none, refused where it sends another."""


def _number(low: float, high: float) -> Allowed:
    return Allowed(type="number", min=low, max=high)


# What ordinary clients of today's APIs send, in the ordinary range. Decoding settings outside it are a published
# jailbreak (Huang et al., arXiv 2310.06987); log-probabilities and logit bias feed gradient-free attacks. Left out are
# `metadata` and `prompt_cache_key`: products put their users' raw ids there, and they go upstream as they are.
DEFAULT: Mapping[str, Allowed] = {
    "max_tokens": Allowed(type="integer", min=1, max=1_000_000),
    "temperature": _number(0, 1),
    "top_p": _number(0, 1),
    "frequency_penalty": _number(0, 1),
    "presence_penalty": _number(0, 1),
    "n": Allowed(type="integer", min=1, max=8),
    "seed": Allowed(type="integer"),
    "stop": Allowed(type="strings", max=4),
    "response_format": Allowed(type="object"),
    "tool_choice": Allowed(),
    "parallel_tool_calls": Allowed(type="boolean"),
    "reasoning_effort": Allowed(type="string", values=("none", "minimal", "low", "medium", "high")),
    "verbosity": Allowed(type="string", values=("low", "medium", "high")),
    "logprobs": Allowed(type="boolean", values=(False,)),
    "store": Allowed(type="boolean", values=(False,)),
    "modalities": Allowed(type="strings", values=(["text"],)),
    "service_tier": Allowed(type="string", values=("auto", "default", "standard_only")),
}

_TYPES: Mapping[str, str] = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a string",
    "strings": "a list of strings",
    "boolean": "true or false",
    "object": "an object",
}


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the product offers of the model's interface."""

    allow: dict[str, Allowed] = {}
    """Parameters to admit besides the default ones, or in another range, by canonical name."""
    refuse: tuple[str, ...] = ()
    """Parameters of the default list that this product does not offer."""
    content: tuple[Literal["image", "audio", "file"], ...] = ()
    """Kinds of content to admit that no text defense can read: `image`, `audio`, `file`. This holds in every mode: what
    is not named here is refused even where `parameter_lock` is off."""
    prefill: bool = False
    """Admit a last turn in the assistant's name that the gateway did not itself release as the answer to the turns
    before it."""
    pinned: dict[str, str] = {}
    """System prompts by key, for keys that sit in end users' hands: the prompt is put first, and from that key `system`
    and `developer` turns are refused, and so are tools and schemas to answer by: upstreams write their descriptions
    into the system prompt. An empty prompt puts nothing first, and refuses the same. `"*"` is every key."""


class ParameterLock(defense.Defense):
    """The allow-list. `released` tells whether a text left this gateway as the answer to just this request."""

    name = "parameter_lock"

    def __init__(self, settings: Settings, released: Callable[[Request, str], Awaitable[bool]]) -> None:
        _check(settings)
        allowed = {name: rule for name, rule in DEFAULT.items() if name not in settings.refuse}
        self._allowed = {**allowed, **settings.allow}
        self._fixed = {name: rule.fixed for name, rule in self._allowed.items() if rule.fixed is not None}
        self._settings = settings
        self._released = released

    @override
    async def check_request(self, request: Request) -> Verdict:
        for name, value in request.parameters.items():
            fault = self._fault(name, value)
            if fault:
                return self._refuse(request)
        pinned = self._settings.pinned
        prompt = pinned.get(request.product, pinned.get("*")) if pinned else None
        if prompt is not None and request.tools:
            return _block("tools_refused", "this key may not offer tools: they speak in the product's name", "tools")
        if prompt is not None and self._speaks(request.parameters.get("response_format")):
            why = "this key may not send a schema to answer by: it speaks in the product's name"
            return _block("response_format_refused", why, "response_format")
        for message in request.messages:
            if prompt is not None and message.role in (Role.SYSTEM, Role.DEVELOPER):
                return _block("role_refused", f"this key may not send {message.role.value!r} messages", "messages")
            for part in message.parts:
                if isinstance(part, Opaque) and part.kind not in self._settings.content:
                    why = f"content of kind {part.kind!r} is not accepted: no line of defense here can check it"
                    return _block("content_refused", why, "messages")
        begun = _begun(request)
        if begun and not await self._may_prefill(request, begun):
            why = "the last message may not be the assistant's: this product does not accept words put in its mouth"
            return _block("prefill_refused", why, "messages")
        return self._with_fixed(request, prompt)

    def _speaks(self, form: Any) -> bool:
        """Whether a form of answers holds words of the client's: descriptions that upstreams show to the model, and
        patterns that begin its answer for it. What the policy itself names is the product's."""
        rule = self._allowed.get("response_format")
        if form is None or (rule is not None and (rule.fixed is not None or rule.values is not None)):
            return False
        return form not in ({"type": "text"}, {"type": "json_object"})

    async def _may_prefill(self, request: Request, begun: Sequence[Message]) -> bool:
        if self._settings.prefill:
            return True
        parts = [part for message in begun for part in message.parts]
        texts = [part.text for part in parts if isinstance(part, Text)]
        before = len(request.messages) - len(begun)
        if len(texts) < len(parts) or any(message.role is not Role.ASSISTANT for message in request.messages[before:]):
            return False
        asked = msgspec.structs.replace(request, messages=request.messages[:before])
        return await self._released(asked, "".join(texts))

    def _with_fixed(self, request: Request, prompt: str | None) -> Verdict:
        changes: dict[str, Any] = {}
        missing = {name: value for name, value in self._fixed.items() if name not in request.parameters}
        if missing:
            changes["parameters"] = {**request.parameters, **missing}
        if prompt:
            first = Message(Role.SYSTEM, (Text(prompt),), label.SYSTEM)
            changes["messages"] = (first, *request.messages)
        if not changes:
            return ALLOW
        changed = msgspec.structs.replace(request, **changes)
        return Verdict(decision=Decision.MODIFY, reason=f"set {', '.join(sorted(changes))}", request=changed)

    def _refuse(self, request: Request) -> Verdict:
        """Every fault at once, so that a client is mended in one round; of thousands, the first, for each costs time.

        Values, and names that are none, are the client's words: it is told them, and the record keeps none.
        """
        faults: dict[str, str] = {}
        for name, value in request.parameters.items():
            if why := self._fault(name, value):
                faults[name] = why
            if len(faults) == _FAULTS:
                break
        message = "; ".join(faults.values())
        names = [name if _NAME.fullmatch(name) else "(no name)" for name in faults]
        return Verdict(
            decision=Decision.BLOCK,
            reason=f"parameters refused: {', '.join(names)}",
            findings=tuple(Finding("parameter", 1.0, detail=name) for name in names),
            notice=Notice(code="parameter_refused", message=message, param=next(iter(faults))),
        )

    def _fault(self, name: str, value: Any) -> str:
        """What is wrong with a parameter, or nothing."""
        rule = self._allowed.get(name)
        if rule is None:
            # The first characters only: nobody misspells a name by hundreds, and the comparison is quadratic.
            known = did_you_mean(name, self._allowed) if name not in _KNOWN_REFUSED else ""
            return f"this product does not accept the parameter {name[:100]!r}{known}"
        if not _is(rule.type, value):
            return f"{name} must be {_TYPES[rule.type]}, not {_brief(value)}"
        if rule.fixed is not None and value != rule.fixed:
            return f"{name} is fixed at {_brief(rule.fixed)} in this product; {_brief(value)} was given"
        if rule.values is not None and value not in rule.values:
            return f"{name} must be one of {', '.join(map(_brief, rule.values))}, not {_brief(value)}"
        if rule.min is None and rule.max is None:
            return ""
        size = value if isinstance(value, int | float) else len(value)
        if (rule.min is None or size >= rule.min) and (rule.max is None or size <= rule.max):
            return ""
        what = name if isinstance(value, int | float) else f"the length of {name}"
        return f"{what} must be {_range(rule)} in this product, not {size}"


def _check(settings: Settings) -> None:
    """Raises ValueError for settings that could never have the effect they were written for."""
    if faults := [
        f"{name!r} is not among the parameters admitted by default{did_you_mean(name, DEFAULT)}"
        for name in settings.refuse
        if name not in DEFAULT
    ]:
        raise ValueError(f"refuse: {' '.join(faults)}")
    for name, rule in settings.allow.items():
        if rule.min is not None and rule.max is not None and rule.min > rule.max:
            raise ValueError(f"allow: {name} has a min of {rule.min:.15g} above its max of {rule.max:.15g}")


_KNOWN_REFUSED = frozenset({"logit_bias", "top_logprobs", "top_k", "min_p", "prediction", "thinking"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FAULTS = 16


def _begun(request: Request) -> list[Message]:
    """The assistant's turn that the model goes on from, if it is the last: of upstreams some take system turns out of
    the order, and drop empty ones, and neighbours of one role are one turn to them."""
    begun: list[Message] = []
    for message in reversed(request.messages):
        empty = all(isinstance(part, Text) and not part.text.strip() for part in message.parts)
        if message.role is Role.ASSISTANT:
            begun.append(message)
        elif message.role not in (Role.SYSTEM, Role.DEVELOPER) and not (empty and message.role is Role.USER):
            break
    return begun[::-1]


def _block(code: str, why: str, param: str) -> Verdict:
    finding = Finding("parameter", 1.0, detail=code)
    return Verdict(
        decision=Decision.BLOCK,
        reason=why,
        findings=(finding,),
        notice=Notice(code=code, message=f"{why[0].upper()}{why[1:]}.", param=param),
    )


def _is(kind: str, value: Any) -> bool:
    if kind == "any":
        return True
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "strings":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, _PYTHON[kind])


_PYTHON: Mapping[str, Any] = {"number": int | float, "integer": int, "string": str, "object": dict}


def _brief(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _range(rule: Allowed) -> str:
    # As many digits as a float holds: six, as by default, would tell a million as 1e+06.
    if rule.min is None:
        return f"at most {rule.max:.15g}"
    return f"at least {rule.min:.15g}" if rule.max is None else f"{rule.min:.15g} to {rule.max:.15g}"
