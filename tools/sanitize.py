"""Run the kernels' tests on kernels that were compiled with the address and undefined-behaviour sanitizers.

They read what users send, in C. A place beyond an array that a test happens to survive is an error here. Where there is
no compiler, or none with sanitizers, it says so and is content. Where there is one, the package must have its kernels.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
KERNELS = "outworks/kernels"
TESTS = ("tests/test_kernels.py", "tests/detectors/test_linear.py")
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
EMPTY = "#include <Python.h>\nint nothing;\n"
WHICH = "from outworks import kernels; assert kernels.compiled, 'no kernels'; print(kernels.compiled.__file__)"


def can_compile(folder: Path) -> bool:
    """Whether there is a compiler with sanitizers, and Python's headers."""
    (folder / "empty.c").write_text(EMPTY)
    return shutil.which("cc") is not None and compiled([folder / "empty.c"], folder / "empty.so") and bool(runtimes())


def compiled(sources: list[Path], made: Path) -> bool:
    include = f"-I{sysconfig.get_path('include')}"
    command = ["cc", *FLAGS, "-shared", "-fPIC", include, *map(str, sources), "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stderr.strip()[-2000:], file=sys.stderr)
    return done.returncode == 0


def runtimes() -> str:
    """The sanitizers' libraries, which must be there before Python is; nothing where the compiler knows no place."""
    found = [
        subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return " ".join(found) if all(map(os.path.isabs, found)) else ""


def kernels(folder: Path, env: Mapping[str, str]) -> str:
    """The file that the kernels come from; nothing where there are none."""
    done = subprocess.run([sys.executable, "-c", WHICH], cwd=folder, env=env, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    env = {name: value for name, value in os.environ.items() if name != "OUTWORKS_KERNELS"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        if not can_compile(folder):
            print("sanitize: left out, there is no C compiler with sanitizers here")
            return 0
        if not kernels(ROOT, env):
            print("sanitize: there is a C compiler, and the package has no kernels: see what its installation said")
            return 1
        shutil.copytree(ROOT / "outworks", folder / "outworks", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        if not compiled(sorted((ROOT / KERNELS).glob("*.c")), folder / KERNELS / "compiled.abi3.so"):
            return 1
        env |= {
            "LD_PRELOAD": runtimes(),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(folder),
        }
        if not kernels(folder, env).startswith(str(folder)):
            print("sanitize: the sanitized kernels cannot be loaded")
            return 1
        (folder / "tests").mkdir()
        for test in TESTS:
            shutil.copy(ROOT / test, folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--capture=sys"]
        return subprocess.run(command, cwd=folder, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
