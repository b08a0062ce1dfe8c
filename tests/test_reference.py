"""The reference: generated from the code, and complete."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from outworks.defenses import DEFENSES
from outworks.defenses.parameter_lock import DEFAULT

TOOL = Path(__file__).parents[1] / "tools" / "reference.py"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The tool, loaded as the file that it is."""
    spec = importlib.util.spec_from_file_location("reference_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "heading",
    [
        "## `[gateway]`",
        "## `[gateway.limits]`",
        "## `[ledger]`",
        "## `[telemetry]`",
        *(f'## `[[models]], provider = "{name}"`' for name in ("openai", "anthropic", "local", "scripted")),
        *(f"## `[defenses.{line.name}]`" for line in DEFENSES),
        "## `[defenses.parameter_lock.allow.NAME]`",
        "## `[[rules]]`",
    ],
)
def test_every_section_is_there(reference: ModuleType, heading: str) -> None:
    """Each table that the policy file may have is a section of its reference."""
    assert f"\n{heading}\n" in reference.policy_page()


@pytest.mark.parametrize("line", DEFENSES, ids=lambda line: line.name)
def test_every_setting_of_a_defense_is_there(reference: ModuleType, line: object) -> None:
    """Each setting is a row with its default, and says something."""
    page = reference.policy_page()
    section = page.partition(f"## `[defenses.{line.name}]`")[2].partition("\n## ")[0]  # type: ignore[attr-defined]
    rows = {row.split("`")[1]: row for row in section.splitlines() if row.startswith("| `")}

    for field in line.settings.__struct_fields__:  # type: ignore[attr-defined]
        assert len(rows[field].rsplit("|", 2)[1].strip()) > 10


def test_every_default_parameter_is_there(reference: ModuleType) -> None:
    """The parameters that are admitted without being named are listed."""
    assert all(f"\n| `{name}` | " in reference.policy_page() for name in DEFAULT)


def test_every_command_is_there(reference: ModuleType) -> None:
    """Commands and the commands below them have their sections, with what they take."""
    page = reference.cli_page()

    for name in ("serve", "check", "keys add", "ledger verify", "accounts undo", "fingerprints match"):
        assert f"### `outworks {name}" in page
    assert "| `--reason` | Why; recorded. | required |" in page


def test_a_stale_page_is_found_and_written_anew(
    reference: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--check` fails where a page is missing or not what the code says; without it the pages are written."""
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "docs" / "reference")

    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    page = tmp_path / "docs" / "reference" / "policy.md"
    page.write_text(page.read_text().replace("127.0.0.1:8600", "127.0.0.1:8601"))
    assert reference.main(["--check"]) == 1


def test_a_setting_without_words_stops_the_reference(reference: ModuleType) -> None:
    """A setting that says nothing of itself is named, and no page is written."""
    with pytest.raises(LookupError, match=r"outworks\.defenses\.line\.Line\.defense has no docstring under it"):
        reference._docstring(DEFENSES[0].__class__, "defense")
