"""Keys: which product a request comes from; only their hashes are ever stored."""

import hashlib
import secrets

from outworks.event import Changed

PREFIX = "ow_"
OPEN = "open"
"""What requests without a key count as, where none is needed. No key has this name."""


def make() -> str:
    """A new key: 32 random bytes, so that a plain hash is enough to keep it by."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is stored of a key (SHA-256, hex)."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def added(name: str, key: str, by: str) -> Changed:
    """The event that lets a key in."""
    return Changed(what="key", name=name, by=by, detail={"op": "add", "sha256": digest(key)})


def revoked(name: str, by: str, *, sha256: str = "") -> Changed:
    """The event that shuts out one key of a product, by its hash, or all of them."""
    return Changed(what="key", name=name, by=by, detail={"op": "revoke", **({"sha256": sha256} if sha256 else {})})


class Keys:
    """Every key that counts now, folded from the ledger's `changed` events."""

    def __init__(self) -> None:
        self._products: dict[str, str] = {}

    def apply(self, changed: Changed) -> None:
        """Take in one change; others than of keys are passed over."""
        if changed.what != "key":
            return
        if changed.detail.get("op") == "add":
            self._products[changed.detail["sha256"]] = changed.name
        else:
            gone = {changed.detail["sha256"]} if "sha256" in changed.detail else set(self.of(changed.name))
            self._products = {sha: name for sha, name in self._products.items() if sha not in gone}

    def product(self, key: str) -> str | None:
        """The product that holds the key; None for a key that is unknown or revoked."""
        return self._products.get(digest(key))

    @property
    def products(self) -> list[str]:
        """Every product with a key, by name."""
        return sorted(set(self._products.values()))

    def of(self, product: str) -> list[str]:
        """The hashes of a product's keys, the oldest first."""
        return [sha for sha, name in self._products.items() if name == product]
