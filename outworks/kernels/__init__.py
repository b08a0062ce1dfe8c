"""kernels: the inner loops of detectors and fingerprints, compiled where the package was built with a C compiler."""

import os
from types import ModuleType

compiled: ModuleType | None
"""None where there was no compiler, or where the environment says `OUTWORKS_KERNELS=off`. numpy then computes the
same, and takes longer."""
_wanted = os.environ.get("OUTWORKS_KERNELS") or "on"
if _wanted not in ("on", "off"):
    raise ValueError(f"OUTWORKS_KERNELS is {_wanted!r} in the environment: expected 'on' or 'off'")
if _wanted == "on":
    try:
        from outworks.kernels import compiled
    except ImportError:
        compiled = None
else:
    compiled = None
