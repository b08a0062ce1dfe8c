"""OpenID Connect: sign-in through the organisation's provider, by the authorisation code flow with PKCE."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from outworks.console.settings import OpenId

COOKIE = "outworks_openid"
_SECONDS = 600.0
_MOST = 1000


class OpenIdError(Exception):
    """The provider did not vouch for anybody: says why, in words for the person and for the log."""


class OpenIdSignIn:
    """One provider. What a sign-in needs between leaving and coming back is kept here, for ten minutes: the browser
    holds a key to it in a cookie that, unlike the session's, comes along from the provider's page."""

    def __init__(self, settings: OpenId, secret: str) -> None:
        """Raises `ModuleNotFoundError` naming the extra."""
        try:
            from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("OpenID Connect needs the extra: pip install 'outworks[console]'") from error
        self._settings = settings
        self._client: Any = OAuth().register(
            name="openid",
            client_id=settings.client_id,
            client_secret=secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    async def leave(self, request: Request, back: str, *, secure: bool) -> Response:
        """Send the browser to the provider, from where it comes back to the address `back`. Raises `OpenIdError`."""
        key = secrets.token_urlsafe(32)
        kept: dict[str, Any] = {}
        request.scope["session"] = kept
        try:
            response: Response = await self._client.authorize_redirect(request, back)
        except Exception as error:
            raise OpenIdError(f"{self._settings.issuer} cannot be reached, or is no OpenID provider") from error
        now = time.monotonic()
        while self._waiting and (len(self._waiting) >= _MOST or next(iter(self._waiting.values())).until < now):
            self._waiting.popitem(last=False)
        self._waiting[key] = _Waiting(kept, now + _SECONDS)
        response.set_cookie(
            COOKIE, key, max_age=int(_SECONDS), path="/signin/openid", httponly=True, samesite="lax", secure=secure
        )
        return response

    async def arrive(self, request: Request) -> str:
        """Who the provider says it is: the claim that names the reviewer. Raises `OpenIdError`."""
        waiting = self._waiting.pop(request.cookies.get(COOKIE, ""), None)
        if waiting is None or waiting.until < time.monotonic():
            raise OpenIdError("this sign-in was not begun here, or it took too long: begin again")
        request.scope["session"] = waiting.session
        try:
            token = await self._client.authorize_access_token(request)
        except Exception as error:
            # Whatever the provider or the library objects to, nobody is signed in; its words may quote tokens.
            raise OpenIdError(f"the provider did not sign you in ({type(error).__name__})") from error
        return self._named(token.get("userinfo") or {})

    def _named(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self._settings.claim)
        if not isinstance(name, str) or not name:
            raise OpenIdError(f"the provider named nobody: there is no claim {self._settings.claim!r}")
        if self._settings.claim == "email" and claims.get("email_verified") is not True:
            raise OpenIdError("the provider has not verified this e-mail address")
        return name


class _Waiting:
    def __init__(self, session: dict[str, Any], until: float) -> None:
        self.session = session
        self.until = until
