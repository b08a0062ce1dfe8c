"""natural: people who mean no harm, and ask what such people ask."""

from outworks.adversary import Access, Siege, Tier


class Natural:
    """Each question in a conversation of its own. What harm comes of it is an accident; what is stopped is innocent."""

    name = "natural"
    tier = Tier.EVERYDAY
    access = frozenset({Access.PROMPTS})
    adaptive = False

    async def attack(self, siege: Siege) -> None:
        """Ask everything once."""
        goal = siege.goal
        for n, question in enumerate((goal.prompt,) if goal.benign else goal.natural):
            await siege.ask(question, note=f"question {n + 1}")
