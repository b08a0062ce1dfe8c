"""kernels: the first stage's inner loops, compiled where the package was built with a C compiler."""

from types import ModuleType

compiled: ModuleType | None
"""None where there was no compiler. numpy then computes the same, and takes three to six times as long."""
try:
    from outworks.detectors.kernels import compiled
except ImportError:
    compiled = None
