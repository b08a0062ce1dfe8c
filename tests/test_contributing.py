"""CONTRIBUTING's walked-through example is code that runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

CONFTEST = """
import outworks.defenses
outworks.defenses.__path__.append({folder!r})
"""


def test_the_example_defense_keeps_the_contract(tmp_path: Path) -> None:
    """The defense and the test file, pasted as printed, pass the whole contract."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    defense, test = (block for block in blocks if block.startswith(('"""codename', "from outworks.defenses.codename")))
    (tmp_path / "codename.py").write_text(defense)
    (tmp_path / "test_codename.py").write_text(test)
    (tmp_path / "conftest.py").write_text(CONFTEST.format(folder=str(tmp_path)))

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    ran = subprocess.run(
        [*command, "--rootdir", str(ROOT), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )

    assert ran.returncode == 0, ran.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) >= 8  # type: ignore[index]
