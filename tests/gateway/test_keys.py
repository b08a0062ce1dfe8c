"""Keys: folded from the ledger, known by their hashes alone."""

import msgspec

from outworks.event import Changed
from outworks.gateway import keys
from outworks.gateway.keys import Keys


def test_a_key_leads_to_its_product_until_it_is_revoked() -> None:
    """A product may hold several keys; revoking shuts out all of them and nobody else's."""
    first, second, other = keys.make(), keys.make(), keys.make()
    known = Keys()
    for name, key in (("shop", first), ("shop", second), ("blog", other)):
        known.apply(keys.added(name, key, by="ann"))

    assert known.product(first) == known.product(second) == "shop"
    assert known.of("shop") == [keys.digest(first), keys.digest(second)]

    known.apply(keys.revoked("shop", by="ann"))

    assert known.product(first) is None
    assert known.product(second) is None
    assert known.product(other) == "blog"
    assert known.products == ["blog"]


def test_one_key_is_revoked_and_the_others_stay() -> None:
    """A product changes its key without a gap: the new one is added, and then only the old one is shut out."""
    old, new = keys.make(), keys.make()
    known = Keys()
    for key in (old, new):
        known.apply(keys.added("shop", key, by="ann"))

    known.apply(keys.revoked("shop", by="ann", sha256=keys.digest(old)))

    assert known.product(old) is None
    assert known.product(new) == "shop"


def test_the_ledger_never_holds_a_key() -> None:
    """What is recorded of a key is its SHA-256."""
    key = keys.make()

    assert key not in msgspec.json.encode(keys.added("shop", key, by="ann")).decode()


def test_an_unknown_key_leads_nowhere() -> None:
    """Near misses, other cases and strange characters are no keys."""
    key = keys.make()
    known = Keys()
    known.apply(keys.added("shop", key, by="ann"))
    known.apply(Changed(what="policy", name="shop"))

    assert all(known.product(wrong) is None for wrong in ("", key[:-1], key + " ", key.upper(), "\ud800", "ключ"))
