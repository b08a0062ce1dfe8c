"""What the policy says of the console: where it listens, who may sign in and how, and what spares reviewers."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class OpenId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sign-in through an OpenID Connect provider. Only people who were added with `outworks reviewers add` come in."""

    issuer: str = ""
    """The provider's address, such as `https://id.example.com/realms/staff`; empty for none. Its discovery document is
    read from there."""
    client_id: str = ""
    """What the provider calls the console."""
    client_secret_env: str = "OUTWORKS_OPENID_SECRET"  # noqa: S105
    """The NAME of the environment variable with the client's secret."""
    claim: str = "email"
    """The claim that names the reviewer. With `email`, the provider must say that it verified the address."""
    label: str = "your organisation"
    """What the button says after `Sign in with`."""


class Wellness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What spares reviewers; each may ask for more in the console, never for less."""

    blur: bool = True
    """Content stays off the page until it is asked for."""
    greyscale: bool = False
    """Pages with content have no colours."""
    daily_limits: dict[str, Annotated[int, Meta(ge=0)]] = {}
    """Conversations of a category that one reviewer may read a day; `any` counts all of them together."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reviewers' web application, on a port of its own. It needs the extra `outworks[console]`."""

    enabled: bool = False
    """Whether `outworks serve` starts it as well, in a process of its own."""
    listen: str = "127.0.0.1:8601"
    """`HOST:PORT`. Beyond this machine it needs a `url` that begins with `https://`: put a proxy with TLS before it."""
    url: str = ""
    """What people have in their browsers, such as `https://review.example.com`; empty for `listen` itself."""
    session: str = "8h"
    """How long a sign-in lasts."""
    idle: str = "1h"
    """After how long without a request a reviewer is signed out."""
    playground: Literal["on", "off"] = "on"
    """The page where a reviewer chats through the gateway, as accounts of the product `playground`."""
    gateway_url: str = ""
    """Where the playground finds the gateway; empty for the address that this policy gives it."""
    openid: OpenId = OpenId()
    wellness: Wellness = Wellness()
