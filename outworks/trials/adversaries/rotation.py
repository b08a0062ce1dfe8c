"""rotation: moves to the next account as soon as one is stopped, so that nothing adds up."""

from outworks.adversary import Access, Siege, Tier
from outworks.trials.adversaries.templates import SLOT, TEMPLATES
from outworks.trials.encodings import ENCODINGS


class Rotation:
    """Templates and encodings in turn; a stop costs the account, and the next one goes on."""

    name = "rotation"
    tier = Tier.CAPABLE
    access = frozenset({Access.PROMPTS, Access.ACCOUNTS})
    adaptive = True

    async def attack(self, siege: Siege) -> None:
        """Until the goal is reached, or the queries or the accounts are spent."""
        account = 0
        for note, prompt in _prompts(siege.goal.prompt):
            reply = await siege.ask(prompt, account=account, note=note)
            if await siege.reached(reply):
                return
            account += bool(reply.stopped_by)


def _prompts(goal: str) -> list[tuple[str, str]]:
    templates = [(f"template {n + 1}", each.replace(SLOT, goal)) for n, each in enumerate(TEMPLATES)]
    encoded = [(each.name, f"{each.told}\n{each.encode(goal)}") for each in ENCODINGS]
    return [pair for both in zip(templates, encoded, strict=False) for pair in both] + encoded[len(templates) :]
