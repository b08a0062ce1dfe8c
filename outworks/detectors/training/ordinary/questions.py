"""questions: generated code as users paste it: changes, and questions about it."""

# ruff: noqa: E501 -- templates and word lists read best whole

import random
from collections.abc import Sequence

from outworks.detectors.training.ordinary.kinds import Kinds
from outworks.detectors.training.ordinary.pieces import Pieces
from outworks.detectors.training.ordinary.programs import Programs
from outworks.detectors.training.ordinary.scripts import Scripts


class Questions(Kinds):
    """Texts made of other kinds."""

    def __init__(
        self, rng: random.Random, words: Sequence[str], programs: Programs, scripts: Scripts, pieces: Pieces
    ) -> None:
        super().__init__(rng, words)
        self._programs = programs
        self._scripts = scripts
        self._pieces = pieces

    def diff(self) -> str:
        rng = self.rng
        body = self._programs.python().split("\n")
        return (
            f"diff --git a/{self._word()}.py b/{self._word()}.py\nindex {rng.randbytes(4).hex()}..{rng.randbytes(4).hex()} 100644\n@@ -{rng.randrange(99)},7 +{rng.randrange(99)},9 @@\n"
            + "\n".join(rng.choice(" +-") + line for line in body)
        )

    def query(self) -> str:
        """A question with code in it, as users paste it."""
        rng, programs, scripts = self.rng, self._programs, self._scripts
        asked = rng.choice(
            (
                "why does this not work?",
                "Explain this code:",
                "fix the bug",
                "What does this print?",
                "refactor this",
                "Write a test for",
            )
        )
        return (
            asked
            + rng.choice((" ", "\n", "\n\n", "\n```\n"))
            + rng.choice(
                (
                    programs.python,
                    programs.c,
                    programs.javascript,
                    scripts.sql,
                    scripts.shell,
                    self._pieces.regex,
                    scripts.html,
                )
            )()
        )
