"""The embedded model's file, for the tests that run it."""

import os
from pathlib import Path

import pytest

from outworks.models.gguf import FetchError, fetch


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "local: runs the real embedded model (98 MB, fetched once)")


@pytest.fixture(scope="session")
def embedded() -> Path:
    """The real file; skips, saying why, where neither the file nor the extra can be had."""
    pytest.importorskip("xllamacpp", reason="the extra outworks[local] is not installed")
    if os.environ.get("OUTWORKS_TESTS_OFFLINE"):
        pytest.skip("OUTWORKS_TESTS_OFFLINE is set")
    try:
        return fetch()
    except FetchError as error:
        pytest.skip(str(error))
