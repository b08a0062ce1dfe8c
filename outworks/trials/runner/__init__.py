"""The runner: trials on Inspect AI. It needs the extra `outworks[trials]`."""
