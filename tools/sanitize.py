"""Run the kernels' tests on kernels that were compiled with the address and undefined-behaviour sanitizers.

They read what users send, in C. A place beyond an array that a test happens to survive is an error here. Where there is
no compiler, or none with sanitizers, it says so and is content: the kernels are then not built either.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
KERNELS = "outworks/kernels"
TESTS = ("tests/test_kernels.py", "tests/detectors/test_linear.py")
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")


def build(folder: Path) -> Path | None:
    """The package copied, with sanitized kernels in it; None where they cannot be compiled."""
    shutil.copytree(ROOT / "outworks", folder / "outworks", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    sources = sorted(map(str, (ROOT / KERNELS).glob("*.c")))
    made = folder / KERNELS / "compiled.abi3.so"
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    command = [compiler, *FLAGS, "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", *sources, "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip()[-500:], file=sys.stderr)
        return None
    return made


def runtimes() -> str:
    """The sanitizers' libraries, which must be there before Python is."""
    names = ("libasan.so", "libubsan.so")
    found = [
        subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in names
    ]
    return " ".join(found)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if build(folder) is None:
            print("sanitize: left out, there is no C compiler with sanitizers here")
            return 0
        (folder / "tests").mkdir()
        for test in TESTS:
            shutil.copy(ROOT / test, folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        env = os.environ | {
            "LD_PRELOAD": runtimes(),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(folder),
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--capture=sys"]
        return subprocess.run(command, cwd=folder, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
