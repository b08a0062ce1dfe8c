"""THE list: every line of defense, in the order in which they are asked.

Adding one is a file here, a test file, a row below, and a line in the changelog.
"""

from collections.abc import Sequence

from outworks.defenses import adversarial_string, fingerprint, leak, links, parameter_lock, refusal, standing
from outworks.defenses.adversarial_string import AdversarialString
from outworks.defenses.fingerprint import Fingerprint
from outworks.defenses.leak import Leak
from outworks.defenses.line import Lent, Line
from outworks.defenses.links import Links
from outworks.defenses.parameter_lock import ParameterLock
from outworks.defenses.refusal import Refusal
from outworks.defenses.standing import Standing

DEFENSES: Sequence[Line] = (
    # Standing comes first: a banned account costs one look-up, and none of its words are read.
    Line(Standing, standing.Settings, lambda settings, lent: Standing(settings, lent.standings)),
    Line(ParameterLock, parameter_lock.Settings, lambda settings, lent: ParameterLock(settings, lent.released)),
    Line(AdversarialString, adversarial_string.Settings, lambda settings, _: AdversarialString(settings)),
    Line(Fingerprint, fingerprint.Settings, lambda settings, lent: Fingerprint(settings, lent.bank)),
    Line(Leak, leak.Settings, lambda settings, _: Leak(settings)),
    Line(Links, links.Settings, lambda settings, _: Links(settings)),
    # Refusal comes last and blocks nothing: it is the model's own alignment, heard by the other lines.
    Line(Refusal, refusal.Settings, lambda settings, _: Refusal(settings)),
)

__all__ = ["DEFENSES", "Lent", "Line"]
