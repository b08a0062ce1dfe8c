"""`outworks serve`, up to where it would listen."""

import logging
from importlib import import_module
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


def test_what_a_library_logs_is_a_line_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings and worse; never a traceback, which would quote what somebody wrote."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    import_module("outworks.cli.serve")._log_plainly()

    library = logging.getLogger("some.library")
    library.info("connected")
    try:
        raise ValueError("my secret question")
    except ValueError:
        library.exception("a connection was lost")

    assert capsys.readouterr().err == "outworks: a connection was lost\n"
