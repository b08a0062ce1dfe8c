"""pieces: generated text that is no prose: emoji, lists, names, passwords, patterns."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E731, SIM905 -- templates and word lists read best whole

import string

from outworks.detectors.training.ordinary.kinds import Kinds

EMOJI = [chr(c) for c in (*range(0x1F300, 0x1F650), *range(0x2600, 0x27BF), *range(0x1F900, 0x1F9FF))]
FACES = r"(╯°□°)╯︵┻━┻ ¯\_(ツ)_/¯ (>_<) ^_^ <3 :) :-( ;P xD (ಠ_ಠ) o_O T_T :'( =) !!! ??? <33 \o/ :3".split()
ART = ("/\\|_- ", "#. ", "*o ", "+-| ", "=~^ ", "@%#*+=-:. ", "▓▒░ ", "─│┌┐└┘├ ")
REGEX = r"\d+ \w* [a-z] [A-Z0-9._%+-]+ (?: ( ) | ^ $ {2,4} \. \s* [^\"]* ? + *? @ \b [^/]+ \/ (?=.* !)".split()


class Pieces(Kinds):
    """Odds and ends."""

    def emoji(self) -> str:
        make = (
            lambda: "".join(self.rng.choices(EMOJI, k=self.rng.randint(1, 6))),
            lambda: " ".join(self._some(self.rng.randint(1, 5))),
            lambda: self.rng.choice(FACES),
            lambda: self.rng.choice("#@") + self._word(),
        )
        return self._joined((" ",), 4, 25, lambda: self.rng.choice(make)())

    def regex(self) -> str:
        return self.rng.choice(("", "re: ", 'pattern = r"')) + self._joined(
            ("",), 5, 35, lambda: self.rng.choice((*REGEX, self._word()))
        )

    def keysmash(self) -> str:
        rng = self.rng
        mash = lambda: "".join(
            rng.choice(rng.choice(("qwertyuiop", "asdfghjkl", "zxcvbnm"))) for _ in range(rng.randint(4, 20))
        )
        shout = lambda: rng.choice(("lol", "omg", "aaaaaaa", "hahahaha", "wtfff", "???", "!!!!", "nooooo"))
        return self._joined((" ",), 1, 10, lambda: rng.choice((mash, shout, self._word))())

    def passwords(self) -> str:
        letters = string.ascii_letters + string.digits + "!@#$%&*-_"
        make = lambda: "".join(self.rng.choices(letters, k=self.rng.randint(8, 20)))
        return self._joined(("\n", ", ", " ", " my password is "), 1, 4, make)

    def word_list(self) -> str:
        return self._joined((" ", ", ", "\n", " | ", " - ", "; ", ","), 4, 60, self._word)

    def names(self) -> str:
        return self._joined(
            (", ", " ", "\n", " & "), 3, 20, lambda: " ".join(word.capitalize() for word in self._some(2))
        )

    def hashtags(self) -> str:
        return self._joined(
            (" ",), 3, 30, lambda: self.rng.choice("##@$") + "".join(w.capitalize() for w in self._some(2))
        )

    def identifiers(self) -> str:
        some, word = self._some, self._word
        make = (
            lambda: "_".join(some(self.rng.randint(1, 4))),
            lambda: word() + "".join(each.capitalize() for each in some(self.rng.randint(1, 3))),
            lambda: "_".join(some(2)).upper(),
            lambda: "-".join(some(3)),
            lambda: ".".join(some(3)) + "()",
            lambda: "/" + "/".join(some(3)) + ".py",
            lambda: "C:\\" + "\\".join(some(3)) + ".txt",
            lambda: f"--{'-'.join(some(2))}={word()}",
            lambda: "$" + word().upper(),
            lambda: "v" + ".".join(str(self.rng.randrange(20)) for _ in range(3)),
        )
        return self._joined(("\n", ", ", " "), 3, 25, lambda: self.rng.choice(make)())

    def ascii_art(self) -> str:
        ink = self.rng.choice(ART)
        return "\n".join(
            "".join(self.rng.choices(ink, k=self.rng.randint(10, 60))) for _ in range(self.rng.randint(4, 18))
        )

    def leet(self) -> str:
        return " ".join(self._some(self.rng.randint(4, 30))).translate(str.maketrans("aeiost", "43105+"))

    def repeated(self) -> str:
        rng = self.rng
        signs = string.printable[:95] if rng.random() < 0.5 else "_-=*#~.[](){}<>!?/|+ "
        piece = (
            "".join(rng.choices(signs, k=rng.randint(1, 6)))
            if rng.random() < 0.7
            else self._word() + rng.choice(("", " ", ", ", "!"))
        )
        return f"{' '.join(self._some(2))} {piece * rng.randint(8, 80)}"
