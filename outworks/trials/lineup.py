"""Line-up: the lines of defense of one policy, and every subset of them that a trial looks at."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from outworks.defense import InForce, Mode, Settings
from outworks.defenses import DEFENSES, Lent
from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added
from outworks.defenses.flow import Seal
from outworks.enforcement.rules import Rules
from outworks.model import Model
from outworks.trials.house import House

BARE = "bare"
PRODUCT = "product"
_TIME_LIMIT_MS = 600_000.0


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says of a product's lines: what a trial is handed."""

    settings: Mapping[str, Settings]
    """By the defense's name; one that is missing is off."""
    rules: Rules = Rules()
    known: tuple[Known, ...] = ()
    """Fingerprints in the bank."""


class Configuration(msgspec.Struct, frozen=True):
    """Which lines stand."""

    name: str
    """`bare`, `product`, `only:LINE` or `without:LINE`."""
    lines: frozenset[str]


class Lineup:
    """The lines, built once. All subsets share them and one house: what tells them apart is who asks whom."""

    def __init__(self, stand: Stand, model: Callable[[str], Model | None] = lambda name: None) -> None:
        """`model` finds the upstream that a line may plan with."""
        self.house = House(stand.rules)
        self.seal = Seal.random()
        bank = Bank()
        for known in stand.known:
            bank.apply(added(known, by="trial"), known.text)
        lent = Lent(self.house, bank, self.house.released, seal=self.seal, model=model)
        self.lines: tuple[InForce, ...] = tuple(
            InForce(line.build(settings, lent), _unhurried(settings))
            for line in DEFENSES
            if (settings := stand.settings.get(line.name)) is not None and settings.mode is not Mode.OFF
        )
        """In the order of the list. Those in shadow are there, and stop nothing."""

    @property
    def live(self) -> tuple[str, ...]:
        """The lines that count."""
        return tuple(each.defense.name for each in self.lines if each.settings.mode is Mode.LIVE)

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """Nothing, everything, each line alone, and everything but each line."""
        live = frozenset(self.live)
        return (
            Configuration(BARE, frozenset()),
            Configuration(PRODUCT, live),
            *(Configuration(f"only:{name}", frozenset({name})) for name in self.live),
            *(Configuration(f"without:{name}", live - {name}) for name in self.live),
        )

    def subset(self, lines: frozenset[str], *, of: Sequence[InForce] | None = None) -> tuple[InForce, ...]:
        """These lines, and whatever is in shadow: it watches in every configuration."""
        every = self.lines if of is None else of
        return tuple(e for e in every if e.defense.name in lines or e.settings.mode is not Mode.LIVE)


def _unhurried(settings: Settings) -> Settings:
    """With time enough for every check: one that overran on a busy machine would count as a line that held."""
    return msgspec.structs.replace(settings, time_limit_ms=max(settings.time_limit_ms, _TIME_LIMIT_MS))
