"""The public page of an appeal: plain HTML, no script, nothing from elsewhere, and every word of others escaped."""

import base64
import hashlib
from html import escape

import msgspec
from starlette.responses import HTMLResponse

from outworks.gateway.problem import Problem
from outworks.moment import moment

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff; --act: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #3a424c; --paper: #10151b; --act: #7ab7ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 40rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .6rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.box { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem 1.1rem; margin: 1.25rem 0; }
label { display: block; font-weight: 600; margin: 1rem 0 .4rem; }
textarea { width: 100%; min-height: 10rem; padding: .7rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--soft); border-radius: .5rem; }
button { margin-top: .9rem; padding: .6rem 1.2rem; font: inherit; font-weight: 600; border: 0; border-radius: .5rem;
  color: var(--paper); background: var(--act); cursor: pointer; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # The address is the right to appeal: it is told to nobody.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}

_TITLES = {
    "warned": "This account was warned",
    "limited": "This account was limited",
    "suspended": "This account was suspended",
    "banned": "This account was banned",
}
_APPEALED = {
    "open": (
        "Your appeal was received. Somebody who had no part in the decision looks at it, and the answer appears here."
    ),
    "upheld": "Your appeal was answered: the decision stays.",
    "overturned": "Your appeal was answered: the decision is taken back.",
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever holds a token is told."""

    decision: str
    """`warned`, `limited`, `suspended` or `banned`."""
    text: str
    """The statement of reasons."""
    policy: str
    automated: bool
    decided_at: float
    """Unix seconds, as everywhere."""
    expires: float | None
    state: str
    """`in force`, `expired`, or `lifted`: taken back, or before a reinstatement."""
    appeal: str
    """`none`, `open`, `upheld` or `overturned`."""
    answer: str
    """What the account was told in answer."""
    can_appeal: bool
    why_not: str
    text_chars: int
    """The longest appeal."""


def page(told: Told) -> HTMLResponse:
    """What was decided and why, what became of it, and the form where it can be appealed."""
    parts = [
        f"<h1>{escape(_TITLES.get(told.decision, 'A decision on this account'))}</h1>",
        f'<p class="soft">{escape(_state(told))}</p>',
        f'<div class="box">{_paragraphs(told.text)}</div>',
    ]
    if told.appeal in _APPEALED:
        parts.append(f'<h2>Your appeal</h2><p role="status">{escape(_APPEALED[told.appeal])}</p>')
    if told.answer:
        parts.append(f'<div class="box">{_paragraphs(told.answer)}</div>')
    if told.can_appeal:
        parts.append(_form(told.text_chars))
    elif told.appeal == "none":
        parts.append(f"<p>{escape(told.why_not)}</p>")
    return _whole("".join(parts), 200)


def problem(told: Problem) -> HTMLResponse:
    """Why there is nothing to show."""
    response = _whole(f"<h1>This did not work</h1><p>{escape(told.message)}</p>", told.status)
    response.headers.update(told.headers())
    return response


def _form(longest: int) -> str:
    return (
        '<h2>Appeal</h2><form method="post"><label for="text">Why should this be decided otherwise?</label>'
        f'<textarea id="text" name="text" required maxlength="{longest}" autocomplete="off"></textarea>'
        f'<p class="soft">At most {longest} characters. You can appeal once.</p>'
        '<button type="submit">Send the appeal</button></form>'
    )


def _state(told: Told) -> str:
    state = {"in force": "In force", "expired": "No longer in force", "lifted": "Taken back"}[told.state]
    return f"Decided on {moment(told.decided_at)}. {state}."


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def _whole(content: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Decision and appeal</title>'
        f"<style>{_STYLE}</style></head><body><main>{content}</main></body></html>",
        status,
        HEADERS,
    )
