"""kinds: what the kinds of generated text share: a generator of chance, and words to choose from."""

import base64
import random
from collections.abc import Callable, Sequence


class Kinds:
    """What each kind is made with; a method of a subclass is a kind, and returns one text."""

    def __init__(self, rng: random.Random, words: Sequence[str]) -> None:
        self.rng = rng
        self._words = words

    def _some(self, number: int) -> list[str]:
        return self.rng.choices(self._words, k=number)

    def _word(self) -> str:
        return self.rng.choice(self._words)

    def _joined(self, separators: Sequence[str], low: int, high: int, make: Callable[[], str]) -> str:
        return self.rng.choice(separators).join(make() for _ in range(self.rng.randint(low, high)))

    def _prose(self) -> str:
        return " ".join(self._some(self.rng.randint(3, 12))).capitalize()

    def _segment(self) -> str:
        slug = self.rng.choice("-_").join(self._some(self.rng.randint(1, 4)))
        return slug if self.rng.random() < 0.7 else self._value()

    def _value(self) -> str:
        rng = self.rng
        token = base64.urlsafe_b64encode(rng.randbytes(rng.randint(6, 40))).decode()
        values = self._word(), str(rng.randrange(10**8)), rng.randbytes(rng.randint(4, 20)).hex(), token
        return rng.choice((*values, "%20".join(self._some(3)), "%2F".join(self._some(2))))

    def _url(self) -> str:
        rng = self.rng
        host = "".join(self._some(rng.randint(1, 2))).lower() + rng.choice(
            (".com", ".org", ".io", ".co.uk", ".de", ".gov")
        )
        url = (
            rng.choice(("https://", "http://", "www.", ""))
            + rng.choice(("", "www.", "api.", "docs.", "m."))
            + host
            + "/"
        )
        url += "/".join(self._segment() for _ in range(rng.randint(0, 5)))
        if rng.random() < 0.6:
            url += "?" + "&".join(f"{self._word()}={self._value()}" for _ in range(rng.randint(1, 8)))
        return url + (f"#{self._word()}" if rng.random() < 0.2 else "")

    def _cell(self) -> str:
        rng = self.rng
        number = str(rng.randrange(10 ** rng.randint(1, 7))), f"{rng.random() * 1000:.2f}", f"${rng.randrange(9999)}"
        other = (
            "",
            "N/A",
            "✓",
            "-",
            f"{rng.random() * 100:.1f}%",
            f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
        )
        words = self._word(), " ".join(self._some(2)), self._word().capitalize(), f"{self._word()}@{self._word()}.com"
        return rng.choice((*words, *number, *other, rng.randbytes(3).hex().upper()))

    def _camel(self) -> str:
        first, *rest = self._some(self.rng.randint(1, 3))
        return first + "".join(word.capitalize() for word in rest)

    def _snake(self) -> str:
        return "_".join(self._some(self.rng.randint(1, 3)))
