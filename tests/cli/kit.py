"""Commands of `outworks`, run as a user runs them."""

import sys

import pytest

from outworks.cli import main


class Ran:
    """The commands of one group, such as `lab`."""

    def __init__(self, group: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._group, self._capsys, self._monkeypatch = group, capsys, monkeypatch
        monkeypatch.setenv("COLUMNS", "300")

    def __call__(self, *arguments: object) -> "Done":
        self._monkeypatch.setattr(sys, "argv", ["outworks", self._group, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        read = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), read.out, read.err)


class Done:
    """How it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def complaint(self) -> str:
        """The one line in which a user is told what to mend. Status 1 belongs to it, and no traceback."""
        assert self.status == 1, self.out + self.err
        lines = [line for line in self.err.splitlines() if line.startswith("outworks: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]
