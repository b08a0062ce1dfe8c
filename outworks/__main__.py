"""The `outworks` command, and `python -m outworks`."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:
        # While the program is still being read there is nothing to load anew, and a SIGHUP would end it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from outworks.cli import main as run

    run()


if __name__ == "__main__":
    main()
