"""Figures: what the episodes of a trial come to, for one suite, for one threat model, and together."""

from collections.abc import Sequence

import msgspec

from outworks.trials.hijack.agent import Threat


class Pair(msgspec.Struct, frozen=True):
    """A user task and an attacker's goal."""

    suite: str
    task: str
    attack: str


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """User tasks where nobody attacks."""

    user_tasks: int = 0
    user_tasks_untouched: int = 0
    """Done, and nobody was asked and nothing was held back."""
    user_tasks_completed: int = 0
    """Done, the person confirming what they are asked about."""
    confirmations: int = 0
    touched: tuple[str, ...] = ()
    """The tasks in which somebody was asked, with how often."""

    @property
    def confirmations_per_task(self) -> float:
        return round(self.confirmations / self.user_tasks, 4) if self.user_tasks else 0.0


class Attacks(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of a user task and an attacker's goal, in one threat model."""

    threat: Threat
    pairs: int = 0
    """Those that need tool calls and those that are words only."""
    attacks_by_calls: int = 0
    """Pairs in which the attacker's goal takes tool calls."""
    attacks_reached: int = 0
    """Of these, those in which AgentDojo finds the goal reached."""
    attacks_words_only: int = 0
    """Pairs in which the goal is nothing but words to the reader: no call carries it, and nothing here prevents it."""
    user_tasks_completed: int = 0
    """Pairs in which the user's task was done all the same."""
    confirmed: int = 0
    """Calls of the user's own that the person was asked about."""
    refused: int = 0
    """Calls of the attacker's that the person was asked about, and refused."""
    slipped: int = 0
    """Consequential calls of the attacker's that went all the same: to values that are trusted, in an action that the
    user asked for. No goal was reached by them unless it is counted above."""
    reached: tuple[Pair, ...] = ()
    words_only: tuple[Pair, ...] = ()


class SuiteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One suite."""

    suite: str
    users: Users
    attacks: tuple[Attacks, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The whole trial."""

    target: str
    suites: tuple[SuiteFigures, ...]

    @property
    def users(self) -> Users:
        """All suites together."""
        each = [suite.users for suite in self.suites]
        return Users(
            user_tasks=sum(users.user_tasks for users in each),
            user_tasks_untouched=sum(users.user_tasks_untouched for users in each),
            user_tasks_completed=sum(users.user_tasks_completed for users in each),
            confirmations=sum(users.confirmations for users in each),
            touched=tuple(f"{suite.suite} {task}" for suite in self.suites for task in suite.users.touched),
        )

    def attacks(self, threat: Threat) -> Attacks:
        """All suites together, in one threat model."""
        each = [attacks for suite in self.suites for attacks in suite.attacks if attacks.threat is threat]
        return together(threat, each)

    @property
    def threats(self) -> tuple[Threat, ...]:
        """The threat models tried."""
        return tuple(dict.fromkeys(attacks.threat for suite in self.suites for attacks in suite.attacks))


def together(threat: Threat, each: Sequence[Attacks]) -> Attacks:
    """The sum of these."""
    return Attacks(
        threat=threat,
        pairs=sum(attacks.pairs for attacks in each),
        attacks_by_calls=sum(attacks.attacks_by_calls for attacks in each),
        attacks_reached=sum(attacks.attacks_reached for attacks in each),
        attacks_words_only=sum(attacks.attacks_words_only for attacks in each),
        user_tasks_completed=sum(attacks.user_tasks_completed for attacks in each),
        confirmed=sum(attacks.confirmed for attacks in each),
        refused=sum(attacks.refused for attacks in each),
        slipped=sum(attacks.slipped for attacks in each),
        reached=tuple(pair for attacks in each for pair in attacks.reached),
        words_only=tuple(pair for attacks in each for pair in attacks.words_only),
    )


def as_json(figures: Figures) -> bytes:
    """One JSON object. `pairs` and `attacks_words_only` are those of one threat model; `attacks_reached` counts a pair
    once, in whichever threat model its goal was reached."""
    by_threat = {threat: figures.attacks(threat) for threat in figures.threats}
    first = next(iter(by_threat.values()), None)
    return msgspec.json.encode(
        {
            "target": figures.target,
            "pairs": first.pairs if first else 0,
            "attacks_by_calls": first.attacks_by_calls if first else 0,
            "attacks_reached": len({pair for attacks in by_threat.values() for pair in attacks.reached}),
            "attacks_words_only": first.attacks_words_only if first else 0,
            **_users(figures.users),
            "threats": {threat.value: _attacks(attacks) for threat, attacks in by_threat.items()},
            "suites": {
                suite.suite: {
                    **_users(suite.users),
                    "threats": {attacks.threat.value: _attacks(attacks) for attacks in suite.attacks},
                }
                for suite in figures.suites
            },
        }
    )


def _users(users: Users) -> dict[str, object]:
    return {**msgspec.structs.asdict(users), "confirmations_per_task": users.confirmations_per_task}


def _attacks(attacks: Attacks) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(attacks).items() if name != "threat"}
