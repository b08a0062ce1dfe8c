"""Hosts are read as browsers read them, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outworks.host import address, canonical


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.", "example.com"),
        ("ex\u00e4mple.com", "xn--exmple-cua.com"),
        ("\uff45xample\u3002com", "example.com"),
        ("ex%61mple.com", "example.com"),
        ("ex\u200bample.com", "example.com"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("[2001:DB8:0::1]:80", "[2001:db8::1]"),
        ("user@example.com", ""),
        ("example.com\\", ""),
        ("256.1.1.1", ""),
        ("1.2.3.4.5", ""),
        ("[::1", ""),
        ("a..b", ""),
        ("ex ample!", ""),
        ("", ""),
    ],
)
def test_a_host_has_one_form(authority: str, host: str) -> None:
    """Every way to write a host gives the same; what is no host gives none."""
    assert canonical(authority) == host


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://a.test/x", "a.test"),
        ("https:a.test", "a.test"),
        ("//a.test", "a.test"),
        ("ht\ntps://a.test", "a.test"),
        ("www.a.test", "www.a.test"),
        ("a.com/x", "a.com"),
        ("https://b@a.test", ""),
        ("made-up:x", ""),
        ("data:text/html,x", ""),
    ],
)
def test_a_destination_leads_to_its_host(written: str, host: str) -> None:
    """An absolute destination names a host, or one that cannot be admitted."""
    found = address(written)

    assert found is not None
    assert found.host == host


@pytest.mark.parametrize("written", ["", "/a", "a/b.html", "#c", "?d=e", "a.md", "data:image/png;base64,AA"])
def test_a_relative_destination_stays(written: str) -> None:
    """What has neither scheme nor host leads nowhere else."""
    assert address(written) is None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """No authority or destination makes the reader fail, and a host once read stays what it is."""
    address(text)
    host = canonical(text)

    assert canonical(host) == host
