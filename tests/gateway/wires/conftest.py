"""Parametrises a wire's contract with the rows that the wire supplies."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a row, named by it."""
    for fixture, rows in (("accepted", "ACCEPTED"), ("refused", "REFUSED")):
        if fixture in metafunc.fixturenames:
            given = getattr(metafunc.cls, rows)
            metafunc.parametrize(fixture, given, ids=[row.name for row in given])
