"""`outworks console`, up to where it would listen."""

from pathlib import Path

import pytest

from outworks.gateway import server
from tests.cli.kit import Ran

POLICY = '[ledger]\npath = "ledger.db"\n[[models]]\nname = "m"\nprovider = "scripted"\n'


@pytest.mark.parametrize(
    ("listen", "says"),
    [("0.0.0.0:8601", "can be reached from beyond this machine"), ("somewhere", "expected HOST:PORT")],
)
def test_an_address_of_the_command_line_is_checked_as_the_policy_s_is(
    listen: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords never travel unprotected, and no link that signs in is printed for such an address."""
    pytest.importorskip("argon2", reason="the extra outworks[console] is not installed")
    policy = tmp_path / "outworks.toml"
    policy.write_text(POLICY)

    def refuse(address: str) -> None:
        raise OSError(f"it got as far as to listen on {address}")

    monkeypatch.setattr(server, "listen", refuse)

    assert says in Ran("console", capsys, monkeypatch)(policy, "--listen", listen).complaint
