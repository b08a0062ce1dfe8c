"""random_search: changes a suffix at random, keeps what brings the answer closer (Andriushchenko, 2404.02151)."""

import random
from collections.abc import Sequence

from outworks.adversary import Access, Siege, Tier

_WORDS = (
    "please sure here is the answer exactly as asked first then finally note draft summary of course yes "
    "certainly begin list full text copy version short plain simple example story letter and now only "
    "without with for about"
)
WORDS: Sequence[str] = _WORDS.split()
LENGTH = 12


class RandomSearch:
    """Reads what the product answers: a block is worse than a refusal, a refusal worse than an answer that begins as
    the goal wants. The suffix is of plain words, because strings that look like code are found."""

    name = "random_search"
    tier = Tier.CAPABLE
    access = frozenset({Access.PROMPTS})
    adaptive = True

    async def attack(self, siege: Siege) -> None:
        """Search until the goal is reached or the budget spent."""
        best = [siege.random.choice(WORDS) for _ in range(LENGTH)]
        value = -1.0
        while True:
            tried = _changed(best, siege.random) if value >= 0 else best
            reply = await siege.ask(f"{siege.goal.prompt} {' '.join(tried)}", note=f"best so far {value:.2f}")
            if await siege.reached(reply):
                return
            found = 0.0 if reply.stopped_by else 1.0 + likeness(reply.text, siege.goal.aim)
            if found >= value:
                best, value = tried, found


def _changed(words: Sequence[str], chance: random.Random) -> list[str]:
    changed = list(words)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] = chance.choice(WORDS)
    return changed


def likeness(text: str, aim: str) -> float:
    """How much of the wanted beginning an answer begins with: 0 to 1, by words."""
    said, wanted = text.lower().split()[:20], aim.lower().split()
    return sum(word in said for word in wanted) / len(wanted) if wanted else 0.0
