"""TOML files read into Structs: every fault at once, each with its line, what is valid and the nearest name."""

from outworks.toml.lines import Lines, Path
from outworks.toml.reading import Fault, PolicyError, Reading, read

__all__ = ["Fault", "Lines", "Path", "PolicyError", "Reading", "read"]
