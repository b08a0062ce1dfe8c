"""artifacts: prompts that others found for the same goals on other models (JailbreakBench, arXiv 2404.01318)."""

from collections.abc import Mapping, Sequence

from outworks.adversary import Access, Siege, Tier


class Artifacts:
    """The prompts come from a file at run time; a goal that it does not name is not attacked."""

    name = "artifacts"
    tier = Tier.CAPABLE
    access = frozenset({Access.PROMPTS})
    adaptive = False

    def __init__(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """`prompts` by the goal's words."""
        self._prompts = prompts

    async def attack(self, siege: Siege) -> None:
        """Each prompt once."""
        for n, prompt in enumerate(self._prompts.get(siege.goal.prompt, ())):
            await siege.ask(prompt, note=f"artifact {n + 1}")
