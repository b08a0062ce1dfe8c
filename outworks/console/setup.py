"""Setup: what the console is told of the policy, as plain data; the console itself reads no policy."""

import msgspec

from outworks.console.settings import Settings
from outworks.enforcement.rules import Rule
from outworks.enforcement.settings import Office


class Line(msgspec.Struct, frozen=True):
    """One line of defense, as the policy runs it."""

    name: str
    mode: str
    """`live`, `shadow` or `off`."""
    says: str
    """What it does, in one sentence."""
    on_request: bool
    on_output: bool


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """The policy, as far as the console shows it."""

    settings: Settings = Settings()
    gateway_url: str = "http://127.0.0.1:8600"
    models: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    """In the order in which they are asked."""
    rules: tuple[Rule, ...] = ()
    """Those of the policy file, drafts too."""
    defenses: tuple[str, ...] = ()
    """Every name that a rule may use."""
    office: Office = Office()
    """What the policy says about cases, notices and appeals."""
    digest: str = ""
    key: str = ""
    """The key with which the playground asks the gateway."""
