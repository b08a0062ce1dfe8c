"""`python -m outworks`: the same as the `outworks` command."""

from outworks.cli import main

main()
