"""A short, bounded run of the wires' fuzz target."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed; it finds inputs by coverage")
def test_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """Some thousand inputs, chosen by coverage, are all read or refused with a reason."""
    target = [sys.executable, str(ROOT / "tests/fuzz/fuzz_wires.py")]
    bounds = ["-runs=20000", "-max_total_time=10", "-seed=1", "-max_len=2000", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run([*target, *bounds], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "Done " in ran.stderr, ran.stderr[-3000:]
