"""Ids: short enough to quote over the telephone, and random enough that nobody guesses one."""

import secrets

# Crockford's base 32: no letters that are mistaken for digits when an appeal is dictated over the telephone.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 12


def new_id(prefix: str) -> str:
    """A new id of 60 random bits: `case_7k3mq9tzxw4p`."""
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
