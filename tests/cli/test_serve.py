"""`outworks serve`, up to where it would listen."""

from pathlib import Path

import pytest

from outworks.cli import serve as command
from outworks.gateway import server
from outworks.models import gguf

EMBEDDED = '[[models]]\nname = "small"\nprovider = "local"\n'
OWN = '[[models]]\nname = "own"\nprovider = "local"\npath = "own.gguf"\n'


class Listening(Exception):
    """It got as far as to listen."""


@pytest.mark.parametrize(("models", "fetched"), [(OWN, 0), (EMBEDDED, 1), (OWN + EMBEDDED, 1)])
def test_the_embedded_model_is_fetched_only_where_one_needs_it(
    models: str, fetched: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who brings files of their own waits for ninety megabytes, or needs an index to have them from."""
    pytest.importorskip("xllamacpp", reason="the extra outworks[local] is not installed")
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    policy = tmp_path / "outworks.toml"
    policy.write_text(models)
    asked: list[object] = []
    monkeypatch.setattr(gguf, "fetch", lambda tell=None: asked.append(tell) or tmp_path)

    def listen(_: object) -> None:
        raise Listening

    monkeypatch.setattr(server, "listen", listen)
    with pytest.raises(Listening):
        command(policy)

    assert len(asked) == fetched
