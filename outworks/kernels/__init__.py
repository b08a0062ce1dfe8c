"""kernels: the inner loops of detectors and fingerprints, compiled where the package was built with a C compiler."""

import os
from types import ModuleType

compiled: ModuleType | None
"""None where there was no compiler, or where the environment says `OUTWORKS_KERNELS=off`. numpy then computes the same,
and takes two to six times as long."""
try:
    from outworks.kernels import compiled
except ImportError:
    compiled = None
if os.environ.get("OUTWORKS_KERNELS") == "off":
    compiled = None
