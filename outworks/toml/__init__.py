"""TOML files read into Structs: every fault at once, each with its line, what is valid and the nearest name."""

from outworks.toml.lines import Lines, Path
from outworks.toml.reading import LARGEST, Fault, PolicyError, Reading, read

__all__ = ["LARGEST", "Fault", "Lines", "Path", "PolicyError", "Reading", "read"]
