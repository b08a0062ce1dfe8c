"""kernels: the inner loops of detectors and fingerprints, compiled where the package was built with a C compiler."""

import os
from types import ModuleType

SHAPE = 3
"""The version of what the kernels take and give, the same number as in kernels.h, raised with every change of it. A
build with another was made from other sources."""
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
        if (built := getattr(compiled, "SHAPE", 1)) != SHAPE:
            # numpy would do instead, and nobody would know why everything takes so long.
            raise ImportError(
                f"outworks.kernels.compiled was built from other sources (shape {built}, expected {SHAPE}): "
                "install the package again (in a clone, `make test` does)"
            )
else:
    compiled = None
