"""OpenID Connect, against a small provider on the loopback: who comes in, and every way in which nobody does."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from outworks.console.console import Console
from outworks.console.settings import OpenId, Settings
from outworks.event import SignedIn
from tests.console.kit import Somebody, opened, setup
from tests.e2e.kit import free_port, wait_for

jwt = pytest.importorskip("joserfc.jwt", reason="OpenID Connect needs the extra `console`")


def _new_key() -> Any:
    from joserfc.jwk import RSAKey

    return RSAKey.generate_key(2048, {"kid": "one"})


class Provider:
    """Says of everybody what it is told to say; signs with its key, unless it is told to sign with another."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.key = _new_key()
        self.signs_with = self.key
        self.claims: dict[str, Any] = {}
        self.nonce = ""
        self.challenges: dict[str, str] = {}
        self.secrets: list[str] = []
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )
        config = uvicorn.Config(app, port=self.port, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        wait_for(lambda: self._server.started, 10, lambda: "the provider")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def tell(self, **claims: Any) -> None:
        """What the next token says, beside what every token says."""
        self.claims = claims
        self.signs_with = self.key

    async def _discovery(self, request: Request) -> Response:
        where = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        ends = {name: f"{self.issuer}/{path}" for name, path in where.items()}
        more = {"issuer": self.issuer, "id_token_signing_alg_values_supported": ["RS256"]}
        return JSONResponse({**ends, **more})

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        self.nonce = asked["nonce"]
        assert asked["code_challenge_method"] == "S256"
        self.challenges["code-1"] = asked["code_challenge"]
        return RedirectResponse(f"{asked['redirect_uri']}?code=code-1&state={asked['state']}", 302)

    async def _token(self, request: Request) -> Response:
        import base64
        import hashlib

        form = await request.form()
        verifier = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        assert base64.urlsafe_b64encode(verifier).decode().rstrip("=") == self.challenges[str(form["code"])]
        self.secrets.append(request.headers.get("authorization", ""))
        now = int(time.time())
        base = {"iss": self.issuer, "aud": "console", "sub": "42", "iat": now, "exp": now + 60, "nonce": self.nonce}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**base, **self.claims}, self.signs_with)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token, "expires_in": 60})

    async def _keys(self, request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """One provider for all tests."""
    made = Provider()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def console(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """A console that lets the provider say who is there."""
    said = setup(settings=Settings(openid=OpenId(issuer=provider.issuer, client_id="console")))
    with opened(tmp_path, said) as made:
        from outworks.console import reviewers
        from outworks.enforcement.desk.roles import Role

        reviewers.add(made.ledger, made.reviewers, "eva@example.com", Role.REVIEWER, by="tests")
        yield made


def _come_back(somebody: Somebody, provider: Provider) -> Any:
    """Through the provider's page, as a browser goes, back to the console."""
    leaving = somebody.get("/signin/openid")
    assert leaving.status_code == 302, leaving.text
    cookie = leaving.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    import httpx2

    there = httpx2.get(leaving.headers["location"], trust_env=False)
    back = urlsplit(there.headers["location"])
    return somebody.get(f"{back.path}?{back.query}")


def test_who_was_added_comes_in(console: Console, provider: Provider) -> None:
    """A reviewer whom the provider names is signed in, on a page of our own that goes on by itself."""
    provider.tell(email="eva@example.com", email_verified=True)
    somebody = Somebody(console)

    answer = _come_back(somebody, provider)

    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert somebody.get("/").status_code == 200
    assert [(body.by, body.how) for body in somebody.events(SignedIn)] == [("person:eva@example.com", "openid")]


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eva@example.com"},
        {"email": "eva@example.com", "email_verified": False},
        {"email": "eva@example.com", "email_verified": "true"},
        {"email": "somebody@example.com", "email_verified": True},
        {"email": ["eva@example.com"], "email_verified": True},
        {"email_verified": True},
        {"email": "eva@example.com", "email_verified": True, "aud": "another"},
        {"email": "eva@example.com", "email_verified": True, "iss": "https://another.example"},
        {"email": "eva@example.com", "email_verified": True, "exp": 1_600_000_000},
        {"email": "eva@example.com", "email_verified": True, "nonce": "another"},
    ],
    ids=lambda claims: ",".join(claims),
)
def test_a_token_that_does_not_fit_lets_nobody_in(console: Console, provider: Provider, claims: dict[str, Any]) -> None:
    """An unverified or unknown address, another audience, issuer or nonce, and an old token are all refused."""
    provider.tell(**claims)
    somebody = Somebody(console)

    answer = _come_back(somebody, provider)

    assert answer.status_code == 403
    assert somebody.get("/").status_code == 303
    assert somebody.events(SignedIn) == []


def test_a_token_of_another_key_lets_nobody_in(console: Console, provider: Provider) -> None:
    """A token that the provider's keys did not sign is refused."""
    provider.tell(email="eva@example.com", email_verified=True)
    provider.signs_with = _new_key()

    assert _come_back(Somebody(console), provider).status_code == 403


def test_a_sign_in_that_was_not_begun_here_is_refused(console: Console, provider: Provider) -> None:
    """Somebody else's answer from the provider signs nobody in: neither without the cookie, nor with another state."""
    provider.tell(email="eva@example.com", email_verified=True)
    stranger = Somebody(console)
    assert stranger.get("/signin/openid/callback?code=code-1&state=x").status_code == 403

    begun = Somebody(console)
    begun.get("/signin/openid")

    assert begun.get("/signin/openid/callback?code=code-1&state=another").status_code == 403


def test_an_answer_counts_once(console: Console, provider: Provider) -> None:
    """The same address opened again signs nobody in."""
    provider.tell(email="eva@example.com", email_verified=True)
    somebody = Somebody(console)
    leaving = somebody.get("/signin/openid")
    import httpx2

    there = httpx2.get(leaving.headers["location"], trust_env=False)
    back = urlsplit(there.headers["location"])
    key = somebody.client.cookies["outworks_openid"]
    assert somebody.get(f"{back.path}?{back.query}").status_code == 200

    again = Somebody(console)
    again.client.cookies.set("outworks_openid", key)
    assert again.get(f"{back.path}?{back.query}").status_code == 403


def test_a_provider_that_is_down_is_said_to_be(tmp_path: Path) -> None:
    """Nobody is signed in, and the page says why."""
    said = setup(settings=Settings(openid=OpenId(issuer=f"http://127.0.0.1:{free_port()}", client_id="console")))
    with opened(tmp_path, said) as console:
        answer = Somebody(console).get("/signin/openid")

    assert answer.status_code == 502
    assert "cannot be reached" in answer.text


def test_the_button_is_there_only_with_a_provider(console: Console, tmp_path: Path) -> None:
    """The sign-in page offers the provider where there is one."""
    folder = tmp_path / "other"
    folder.mkdir()
    with opened(folder) as without:
        assert "/signin/openid" not in Somebody(without).get("/signin").text

    assert "/signin/openid" in Somebody(console).get("/signin").text
