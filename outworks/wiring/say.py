"""say: what a worker tells whoever runs it."""

import sys


def say(what: str) -> None:
    """One line on standard error."""
    print(f"outworks: {what}", file=sys.stderr, flush=True)
